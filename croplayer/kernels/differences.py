"""What the scores of two networks say where their masks differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.kernels.bits import as_mask
from croplayer.kernels.compiled import kernel

HIGHEST_FLAG = 1
"""A higher flag means that nothing is known of a pixel."""


class Differences(NamedTuple):
    """Pixels where two masks differ; sums of scores are exact."""

    both: int
    """pixels that both masks know"""
    first: int
    """of these, pixels of the first mask alone"""
    second: int
    """pixels of the second mask alone"""
    scores_first: int
    """sum of both scores over the pixels of the first mask alone"""
    scores_second: int
    """sum of both scores over the pixels of the second mask alone"""
    seen_first: int
    """pixels that only the first mask knows"""
    seen_second: int
    """pixels that only the second mask knows"""


def differences(
    first: np.ndarray, second: np.ndarray, scores_first: np.ndarray, scores_second: np.ndarray
) -> Differences:
    """Count the pixels where two masks differ, and add up the scores there.

    Parameters
    ----------
    first, second : (h, w) uint8, 1 for cropland, 0 for other land, higher where nothing is known
    scores_first, scores_second : (h, w) uint8; where a mask knows nothing its score counts for nothing

    Raises
    ------
    TypeError, ValueError
        for another dtype or different shapes.
    """
    arrays = (first, second, scores_first, scores_second)
    if len({array.shape for array in arrays}) > 1:
        raise ValueError(
            f"masks and scores have the shapes {', '.join(str(a.shape) for a in arrays)}; expected equal ones"
        )
    sums = np.zeros(7, np.int64)
    a, b, c, d = (as_mask(array).reshape(-1) for array in arrays)
    add_differences(a, b, c, d, sums)
    return Differences(*sums.tolist())


@kernel
def add_differences(
    first: np.ndarray, second: np.ndarray, scores_first: np.ndarray, scores_second: np.ndarray, sums: np.ndarray
) -> None:
    """Fill what `differences` returns."""
    both, a, b, score_a, score_b, seen_a, seen_b = 0, 0, 0, 0, 0, 0, 0
    for i in range(len(first)):
        knows_first, knows_second = first[i] <= HIGHEST_FLAG, second[i] <= HIGHEST_FLAG
        knows = knows_first & knows_second
        score = int(scores_first[i]) + int(scores_second[i])
        is_first, is_second = knows & (first[i] > second[i]), knows & (second[i] > first[i])
        both += knows
        a += is_first
        b += is_second
        score_a += score if is_first else 0
        score_b += score if is_second else 0
        seen_a += knows_first & (not knows_second)
        seen_b += knows_second & (not knows_first)
    sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6] = both, a, b, score_a, score_b, seen_a, seen_b
