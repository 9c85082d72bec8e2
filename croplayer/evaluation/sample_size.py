"""Size of a sample and its allocation to strata.

Cochran 1977, Eq. 5.25; Olofsson et al. 2014, Eq. 13 and section 5.1.2 (allocation).
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from croplayer.evaluation.stratified import check_weights

RARE_UNITS = 50
"""Minimum number of sample units in a stratum; Olofsson et al. recommend 50 to 100 for rare classes."""


def sample_size(weights: np.ndarray, expected: np.ndarray, standard_error: float) -> int:
    """Smallest number of sample units for a standard error of the overall accuracy.

    With two classes, the standard error of the area share is the same.

    Parameters
    ----------
    weights : (k,) share of the area of each stratum, sum 1
    expected : (k,) expected user's accuracy of each stratum, 0 to 1
    standard_error : wanted standard error as a share; 0.01 is one percentage point of the mapped area

    Notes
    -----
    n = (sum of W S / SE)² with S = sqrt(U (1 - U)) and a sampling fraction taken as 0. This number suffices only for an
    allocation proportional to W S; `allocation_for` gives the number for another allocation.
    """
    weights, expected = check_weights(weights), np.asarray(expected, np.float64)
    if expected.shape != weights.shape or (expected < 0).any() or (expected > 1).any():
        raise ValueError(f"expected accuracies are {expected.tolist()}; expected {len(weights)} shares from 0 to 1")
    if not 0 < standard_error < 1:
        raise ValueError(f"the wanted standard error is {standard_error}; expected a share such as 0.01")
    deviation = np.sqrt(expected * (1 - expected))
    return max(math.ceil(float((weights * deviation).sum() / standard_error) ** 2 - 1e-9), 2 * len(weights))


def allocate(total: int, weights: np.ndarray, least: int = RARE_UNITS) -> np.ndarray:
    """Sample units of each stratum: (k,) int64 with sum ``total``.

    Units are allocated by area; a stratum that would get fewer than ``least`` gets ``least``, and one without area gets
    none. Raises ValueError when ``total`` does not suffice for ``least`` in each stratum.
    """
    weights = check_weights(weights)
    present = weights > 0
    if total < least * present.sum():
        raise ValueError(
            f"{total} sample units cannot give {least} to each of {int(present.sum())} strata; "
            f"draw at least {least * int(present.sum())} or lower the least number"
        )
    units = np.zeros(len(weights), np.int64)
    small = np.zeros(len(weights), bool)
    while True:
        free = present & ~small
        left = total - least * int(small.sum())
        share = np.where(free, weights / weights[free].sum() * left if free.any() else 0.0, 0.0)
        short = free & (share < least)
        if not short.any():
            break
        small |= short
    units[small] = least
    if not free.any():
        units[np.argmax(weights)] += total - int(units.sum())
        return units
    units[free] = np.floor(share[free]).astype(np.int64)
    remainder = np.where(free, share - np.floor(share), -1.0)
    order = np.argsort(-remainder, kind="stable")
    units[order[: total - int(units.sum())]] += 1
    return units


def allocation_for(
    weights: np.ndarray, expected: np.ndarray, standard_error: float, least: int = RARE_UNITS
) -> np.ndarray:
    """Sample units of each stratum that reach a standard error when allocated by `allocate`: (k,) int64.

    Parameters and errors are those of `sample_size` and `allocate`; also raises ValueError for a ``least`` below 2.
    """
    if least < 2:
        raise ValueError(f"least is {least}; a stratum needs at least 2 sample units for a standard error")

    def error(total: int) -> float:
        return expected_standard_error(weights, expected, allocate(total, weights, least))

    few = max(sample_size(weights, expected, standard_error), least * int((np.asarray(weights) > 0).sum()))
    many = few
    while error(many) > standard_error:
        many *= 2
    total = bisect_left(range(many), True, lo=few, hi=many, key=lambda n: error(n) <= standard_error)
    return allocate(total, weights, least)


def expected_standard_error(weights: np.ndarray, expected: np.ndarray, units: np.ndarray) -> float:
    """Expected standard error of the overall accuracy for an allocation; infinite if a stratum has fewer than 2 units."""
    weights, expected, units = check_weights(weights), np.asarray(expected, np.float64), np.asarray(units)
    present = weights > 0
    if (units[present] < 2).any():
        return math.inf
    parts = weights[present] ** 2 * (expected * (1 - expected))[present] / (units[present] - 1)
    return float(np.sqrt(parts.sum()))
