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


class Seen(NamedTuple):
    """What an edition says of a window."""

    flags: np.ndarray
    """(h, w) uint8: 0, 1, 254 no imagery, 255 never processed."""
    score: np.ndarray
    """(h, w) uint8, 0..250: the largest cropland score of the sources that the map takes; 0 where none gives one."""


def differences(before: Seen, after: Seen, margin: float, weak_margin: float | None = None) -> np.ndarray:
    """Gain, loss and stable ground of a window: (h, w) uint8 `Change`, before lone and small differences are left out.

    A pixel whose flag differs is a change if its score moved in the same direction by at least ``margin`` (0..1), and
    WEAK_GAIN or WEAK_LOSS if by at least ``weak_margin``; None is ``margin``. Other ground that both know is stable, of the class that the earlier edition gives it. So stable cropland and loss together
    are the cropland of the earlier edition on ground that both know.
    """
    rise = after.score.astype(np.int16) - before.score
    weak, least = (m * PROBABILITY_SCALE for m in (margin if weak_margin is None else weak_margin, margin))
    out = before.flags.copy()
    gain = (before.flags == NOT_CROPLAND) & (after.flags == CROPLAND)
    loss = (before.flags == CROPLAND) & (after.flags == NOT_CROPLAND)
    for moved, kind, weak_kind in ((gain, Change.GAIN, WEAK_GAIN), (loss, Change.LOSS, WEAK_LOSS)):
        by = rise if kind == Change.GAIN else -rise
        out[moved & (by >= weak)] = weak_kind
        out[moved & (by >= least)] = kind
    out[(before.flags == NO_IMAGERY) | (after.flags == NO_IMAGERY)] = Change.UNKNOWN
    out[(before.flags == NEVER_PROCESSED) | (after.flags == NEVER_PROCESSED)] = Change.NEVER_COMPARED
    return out


def plain_differences(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Gain and loss of two masks of flags (h, w) as they are, without any rule: (h, w) uint8 `Change`."""
    no_score = np.zeros(before.shape, np.uint8)
    return differences(Seen(before, no_score), Seen(after, no_score), 0.0)
