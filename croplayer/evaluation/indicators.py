"""Means and ratios from a stratified random sample whose strata need not be the map's classes.

Stehman 2014, Estimating area and map accuracy for stratified random sampling when the strata are
different from the map classes, International Journal of Remote Sensing 35, 4923-4939,
doi 10.1080/01431161.2014.930207. Area shares, overall accuracy and cells of the error matrix are
means of an indicator; user's and producer's accuracy and anything about a province are ratios of two.

The sampling fraction is taken as 0, which makes standard errors slightly too large.
"""

from __future__ import annotations

import numpy as np

from croplayer.evaluation.interval import NOTHING, Estimate
from croplayer.evaluation.stratified import check_weights


def stratified_mean(y: np.ndarray, stratum: np.ndarray, weights: np.ndarray) -> Estimate:
    """Mean of ``y`` over the population.

    Parameters
    ----------
    y : (n,) value of each sample unit, such as 1 for cropland and 0 for anything else
    stratum : (n,) integers, stratum of each sample unit, 0 to k - 1
    weights : (k,) share of the area of each stratum, sum 1

    Raises
    ------
    ValueError
        for a stratum with area and fewer than 2 sample units, or weights that do not sum to 1.
    """
    return stratified_ratio(y, np.ones(len(y)), stratum, weights)


def stratified_ratio(y: np.ndarray, x: np.ndarray, stratum: np.ndarray, weights: np.ndarray) -> Estimate:
    """Ratio of the total of ``y`` to the total of ``x``; parameters as in `stratified_mean`.

    NaN when ``x`` is 0 in all sample units. The standard error is linearised (Stehman's Eqs. 27 and 28).
    """
    weights = check_weights(weights)
    y, x, stratum = np.asarray(y, np.float64), np.asarray(x, np.float64), np.asarray(stratum)
    drawn = np.bincount(stratum, minlength=len(weights))
    if len(drawn) > len(weights):
        raise ValueError(
            f"a sample unit is in stratum {len(drawn) - 1}; expected 0 to {len(weights) - 1}, one per weight"
        )
    short = np.flatnonzero((drawn < 2) & (weights > 0))
    if len(short):
        raise ValueError(f"stratum {short[0]} has {drawn[short[0]]} sample units; at least 2 are needed")
    share = np.where(drawn > 0, weights / np.maximum(drawn, 1), 0.0)
    total_x = float((share[stratum] * x).sum())
    if total_x == 0:
        return NOTHING
    ratio = float((share[stratum] * y).sum()) / total_x
    residual = y - ratio * x
    mean = np.bincount(stratum, residual, len(weights)) / np.maximum(drawn, 1)
    squares = np.bincount(stratum, (residual - mean[stratum]) ** 2, len(weights))
    variance = (weights**2 * squares / np.maximum(drawn * (drawn - 1), 1)).sum()
    return Estimate(ratio, float(np.sqrt(variance)) / total_x)
