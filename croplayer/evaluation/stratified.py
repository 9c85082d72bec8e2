"""Area and accuracy from a stratified random sample whose strata are the map's classes.

Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change,
Remote Sensing of Environment 148, 42-57, doi 10.1016/j.rse.2014.02.015 (Eqs. 1 to 11).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from croplayer.evaluation.interval import NOTHING, Estimate


@dataclass(frozen=True)
class StratifiedAccuracy:
    """Area shares and accuracies from an error matrix of sample counts, all as shares from 0 to 1."""

    area: tuple[Estimate, ...]
    """Share of the area of each reference class."""
    overall: Estimate
    """Overall accuracy."""
    users: tuple[Estimate, ...]
    """For each class, the share of its mapped area that is correct."""
    producers: tuple[Estimate, ...]
    """For each class, the share of its true area that is mapped as such; NaN for a class that no sample unit has."""


def stratified_accuracy(counts: np.ndarray, weights: np.ndarray) -> StratifiedAccuracy:
    """Area shares and accuracies with standard errors.

    Parameters
    ----------
    counts : (k, k) sample counts, rows the map's classes (the strata), columns the reference's in the same order
    weights : (k,) share of the mapped area of each class, sum 1

    Raises
    ------
    ValueError
        for another shape, weights that do not sum to 1, or a class with fewer than 2 sample units.
    """
    counts, weights = np.asarray(counts, np.float64), check_weights(weights)
    k = len(weights)
    if counts.shape != (k, k):
        raise ValueError(f"counts are {counts.shape} for {k} classes; expected ({k}, {k})")
    drawn = counts.sum(axis=1)
    if (drawn < 2).any():
        raise ValueError(f"stratum {int(np.argmin(drawn))} has {int(drawn.min())} sample units; at least 2 are needed")
    q = counts / drawn[:, None]
    p = weights[:, None] * q
    area_share = p.sum(axis=0)
    q_variance = q * (1 - q) / (drawn[:, None] - 1)
    area_se = np.sqrt((weights[:, None] ** 2 * q_variance).sum(axis=0))
    users, users_variance = np.diag(q), np.diag(q_variance)
    overall = Estimate(float(np.trace(p)), float(np.sqrt((weights**2 * users_variance).sum())))
    return StratifiedAccuracy(
        area=tuple(Estimate(float(a), float(s)) for a, s in zip(area_share, area_se, strict=True)),
        overall=overall,
        users=tuple(Estimate(float(u), float(np.sqrt(v))) for u, v in zip(users, users_variance, strict=True)),
        producers=tuple(_producers(j, weights, p, q_variance) for j in range(k)),
    )


def check_weights(weights: np.ndarray) -> np.ndarray:
    """Weights as float64; raises ValueError unless none is negative and they sum to 1."""
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 1 or (weights < 0).any() or abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"stratum weights are {weights.tolist()}; expected shares of the area that sum to 1")
    return weights


def _producers(j: int, weights: np.ndarray, p: np.ndarray, q_variance: np.ndarray) -> Estimate:
    total = p[:, j].sum()
    if total == 0:
        return NOTHING
    share = p[j, j] / total
    others = np.arange(len(weights)) != j
    variance = weights[j] ** 2 * (1 - share) ** 2 * q_variance[j, j]
    variance += share**2 * (weights[others] ** 2 * q_variance[others, j]).sum()
    return Estimate(float(share), float(np.sqrt(variance) / total))
