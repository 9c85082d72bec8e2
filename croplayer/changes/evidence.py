"""What two editions say of each pixel: pure functions on the flags and scores of a window."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stores.legends import (
    CROPLAND,
    NEVER_PROCESSED,
    NO_IMAGERY,
    NOT_CROPLAND,
    PROBABILITY_SCALE,
    WEAK_GAIN,
    WEAK_LOSS,
    Change,
)

AGREEMENT = 0.7
"""Share of the margin by which each of several sources must move in the core of a change."""


class Seen(NamedTuple):
    """What an edition says of a window."""

    flags: np.ndarray
    """(h, w) uint8: 0, 1, 254 no imagery, 255 never processed."""
    scores: np.ndarray
    """(sources, h, w) uint8 in the order of the sources' names, 0..250; 254 or 255 where a source has no score or the map
    does not take it."""


def differences(before: Seen, after: Seen, margin: float, weak_margin: float | None = None) -> np.ndarray:
    """Gain, loss and stable ground of a window: (h, w) uint8 `Change`, before lone and small differences are left out.

    The score of an edition at a pixel is the largest of the sources that have one there in both editions, so that taking
    other sources is no evidence. A pixel whose flag differs is WEAK_GAIN or WEAK_LOSS if that score moved in the same
    direction by at least ``weak_margin`` (0..1); None is ``margin``. It is a change if the one source that tells moved by at
    least ``margin``, or each of several by at least AGREEMENT of it. Sources show other days: what two of them see is
    surer than what one sees, and what one of two does not see is more often the other's day. With a margin of 0 every
    difference counts. Where no source has a score in both, it is unknown. Other ground
    that both know is stable, of the class that the earlier edition gives it. So stable cropland and loss together are the
    cropland of the earlier edition on ground that both know.
    """
    in_both = (before.scores <= PROBABILITY_SCALE) & (after.scores <= PROBABILITY_SCALE)
    rise = _largest(after.scores, in_both) - _largest(before.scores, in_both)
    weak, least = (m * PROBABILITY_SCALE for m in (margin if weak_margin is None else weak_margin, margin))
    needed = np.where(in_both.sum(axis=0) > 1, AGREEMENT * least, least)
    out = before.flags.copy()
    gain = (before.flags == NOT_CROPLAND) & (after.flags == CROPLAND)
    loss = (before.flags == CROPLAND) & (after.flags == NOT_CROPLAND)
    for moved, kind, weak_kind in ((gain, Change.GAIN, WEAK_GAIN), (loss, Change.LOSS, WEAK_LOSS)):
        sign = 1 if kind == Change.GAIN else -1
        by = sign * rise
        out[moved & (by >= weak)] = weak_kind
        if margin:
            by = _least_move(before, after, in_both, sign)
        out[moved & (by >= needed)] = kind
    out[(gain | loss) & ~in_both.any(axis=0)] = Change.UNKNOWN
    out[(before.flags == NO_IMAGERY) | (after.flags == NO_IMAGERY)] = Change.UNKNOWN
    out[(before.flags == NEVER_PROCESSED) | (after.flags == NEVER_PROCESSED)] = Change.NEVER_COMPARED
    return out


def _least_move(before: Seen, after: Seen, counts: np.ndarray, sign: int) -> np.ndarray:
    """How far the source whose score moved least moved in a direction, of the scores that count: (h, w) int16."""
    moves = sign * (after.scores.astype(np.int16) - before.scores)
    return np.where(counts, moves, np.int16(PROBABILITY_SCALE)).min(axis=0)


def _largest(scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The largest of the scores that count at each pixel, (h, w) int16; 0 where none does."""
    return np.where(counts, scores, 0).max(axis=0).astype(np.int16)


def plain_differences(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Gain and loss of two masks of flags (h, w) as they are, without any rule: (h, w) uint8 `Change`."""
    no_score = np.zeros((1, *before.shape), np.uint8)
    return differences(Seen(before, no_score), Seen(after, no_score), 0.0)
