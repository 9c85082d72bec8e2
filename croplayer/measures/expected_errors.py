"""How much of a block each choice of masks is expected to get wrong, by the scores of both networks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.kernels.differences import differences
from stores.legends import PROBABILITY_SCALE

GUESS = 0.5
"""What ground costs of which a choice says nothing although the other source knows it: as much as a guess."""


class ExpectedErrors(NamedTuple):
    """Shares of the pixels that a source knows, 0 to 1; NaN where none knows any."""

    first: float
    """of the first mask"""
    second: float
    """of the second mask"""
    merged: float
    """of both merged"""


def expected_errors(
    first: np.ndarray, second: np.ndarray, scores_first: np.ndarray, scores_second: np.ndarray
) -> ExpectedErrors:
    """Share of a block that each mask, and both merged, are expected to get wrong where the masks differ.

    Two masks that are right about most of a block differ at margins, in single fields, and where one source sees less.
    There the mean of the two scores is taken as the probability of cropland: a source that is unsure of what the other
    sees clearly yields to it. Where the masks agree, all choices are equal and nothing is counted.

    Parameters
    ----------
    first, second : (h, w) uint8 flags
    scores_first, scores_second : (h, w) uint8, probability in steps of 1/250; 254 and 255 where the masks have them
    """
    found = differences(first, second, scores_first, scores_second)
    known = found.both + found.seen_first + found.seen_second
    if not known:
        return ExpectedErrors(np.nan, np.nan, np.nan)
    crop_first, crop_second = (sums / (2 * PROBABILITY_SCALE) for sums in (found.scores_first, found.scores_second))
    other_first, other_second = found.first - crop_first, found.second - crop_second
    return ExpectedErrors(
        (other_first + crop_second + GUESS * found.seen_second) / known,
        (other_second + crop_first + GUESS * found.seen_first) / known,
        (other_first + other_second) / known,
    )
