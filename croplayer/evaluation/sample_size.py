"""How many sample units are needed, and how many in each stratum.

Cochran 1977, Eq. 5.25; Olofsson et al. 2014, Eq. 13 and section 5.1.2 (allocation).
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np

from croplayer.evaluation.stratified import check_weights

RARE_UNITS = 50
"""Least sample units in a stratum; Olofsson et al. advise 50 to 100 for rare classes."""


def sample_size(weights: np.ndarray, expected: np.ndarray, standard_error: float) -> int:
    """Fewest sample units for a standard error of the overall accuracy or, with two classes, of the area share alike.

    Parameters
    ----------
    weights : (k,) share of the area of each stratum, sum 1
    expected : (k,) accuracy expected in each stratum (user's accuracy), 0 to 1
    standard_error : wanted, as a share: 0.01 is one percentage point of the mapped area

    Notes
    -----
    n = (sum of W S / SE)² with S = sqrt(U (1 - U)), the share of the population drawn taken as 0. So few suffice only
    where the strata share them by W S; `allocation_for` counts what another allocation needs.
    """
    weights, expected = check_weights(weights), np.asarray(expected, np.float64)
    if expected.shape != weights.shape or (expected < 0).any() or (expected > 1).any():
        raise ValueError(f"expected accuracies are {expected.tolist()}; expected {len(weights)} shares from 0 to 1")
    if not 0 < standard_error < 1:
        raise ValueError(f"the wanted standard error is {standard_error}; expected a share such as 0.01")
    deviation = np.sqrt(expected * (1 - expected))
    return max(math.ceil(float((weights * deviation).sum() / standard_error) ** 2 - 1e-9), 2 * len(weights))


def allocate(total: int, weights: np.ndarray, least: int = RARE_UNITS) -> np.ndarray:
    """Sample units of each stratum: ``least`` where its share would be fewer, the rest by area; (k,) int64, sum total.

    Raises ValueError when the strata cannot all have ``least``. A stratum without area gets none.
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
    """Sample units of each stratum, shared out by `allocate`, that are enough for a standard error: (k,) int64.

    Parameters as in `sample_size` and `allocate`; raises ValueError as they do, and for a ``least`` below 2.
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
    """Standard error of the overall accuracy that an allocation would give; infinite for a stratum with one unit."""
    weights, expected, units = check_weights(weights), np.asarray(expected, np.float64), np.asarray(units)
    present = weights > 0
    if (units[present] < 2).any():
        return math.inf
    parts = weights[present] ** 2 * (expected * (1 - expected))[present] / (units[present] - 1)
    return float(np.sqrt(parts.sum()))
