"""Means from a systematic sample, sharpened by the map that is known everywhere.

Ratio and regression estimators: Cochran 1977, Sampling Techniques, chapters 6 and 7; the regression
estimator with x = 0 or 1 is post-stratification by the map. A systematic sample has no unbiased
variance of its own: treating it as a random one is conservative where neighbours are alike, the mean
square of differences between neighbours comes closer (Wolter 2007, Introduction to Variance
Estimation, chapter 8).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.evaluation.interval import NOTHING, Estimate

MINIMUM_UNITS = 3


class GridSample(NamedTuple):
    """Sample units on a regular grid."""

    y: np.ndarray
    """(n,) what the reference says of each unit: a share of cropland, or 1 and 0"""
    x: np.ndarray
    """(n,) what the map says of it"""
    weight: np.ndarray
    """(n,) area that each unit stands for, in any unit"""
    row: np.ndarray
    """(n,) integers, line of the grid"""
    col: np.ndarray
    """(n,) integers, place in the line"""


def ratio_estimate(sample: GridSample, map_mean: float, local: bool = False) -> Estimate:
    """Mean of the reference as the map's mean times the ratio of the two in the sample; NaN where the map has none."""
    mapped = np.average(sample.x, weights=sample.weight) if len(sample.y) >= MINIMUM_UNITS else 0.0
    if mapped == 0:
        return NOTHING
    ratio = np.average(sample.y, weights=sample.weight) / mapped
    error = _standard_error(sample, sample.y - ratio * sample.x, local, 1)
    return Estimate(float(ratio * map_mean), float(error * map_mean / mapped))


def regression_estimate(sample: GridSample, map_mean: float, local: bool = False) -> Estimate:
    """Mean of the reference, moved by how far the map's mean in the sample misses its true mean.

    Parameters
    ----------
    map_mean : mean of the map over the whole region, known to the pixel
    """
    if len(sample.y) < MINIMUM_UNITS:
        return NOTHING
    y_mean, x_mean = (float(np.average(v, weights=sample.weight)) for v in (sample.y, sample.x))
    dx, dy = sample.x - x_mean, sample.y - y_mean
    spread = float((sample.weight * dx**2).sum())
    slope = float((sample.weight * dx * dy).sum()) / spread if spread > 0 else 0.0
    error = _standard_error(sample, dy - slope * dx, local, 2 if spread > 0 else 1)
    return Estimate(y_mean + slope * (map_mean - x_mean), error)


def _standard_error(sample: GridSample, residual: np.ndarray, local: bool, fitted: int) -> float:
    n = len(residual)
    part = residual * sample.weight / sample.weight.mean()
    if local:
        place = {(r, c): i for i, (r, c) in enumerate(zip(sample.row.tolist(), sample.col.tolist(), strict=True))}
        pairs = [(i, place[near]) for (r, c), i in place.items() for near in ((r, c + 1), (r + 1, c)) if near in place]
        if not pairs:
            return float("nan")
        first, second = np.array(pairs).T
        return float(np.sqrt(((part[first] - part[second]) ** 2).mean() / 2 / n))
    return float(np.sqrt((part**2).sum() / (n * (n - fitted))))
