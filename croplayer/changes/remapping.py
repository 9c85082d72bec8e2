"""The earlier imagery mapped again with the later model: what a map made of it says."""

from __future__ import annotations

import math

import numpy as np

from croplayer.changes.editions import Edition
from croplayer.changes.evidence import Seen
from stores.grid import BlockIndex, PixelWindow
from stores.legends import NEVER_PROCESSED, NO_IMAGERY, NOT_CROPLAND, PROBABILITY_SCALE


def remapped_seen(
    before: Edition, block: BlockIndex, window: PixelWindow, scores: np.ndarray, threshold: float
) -> Seen:
    """What a model says of the earlier imagery of a window, of the sources that the earlier map takes.

    Where that map takes neither source, it decided against both, whatever a model sees in them. What people
    corrected by hand in it stays.

    Parameters
    ----------
    window : of the block or a part of it
    scores : (sources, h, w) uint8 in the order of the sources' names, 0..250; 254 no imagery, 255 not mapped
    threshold : score from which a pixel is cropland, 0 to 1
    """
    taken = before.taken.of(block)
    is_taken = np.array([source in (taken or before.cube.sources) for source in sorted(before.cube.sources)])
    scores = np.where(is_taken[:, None, None], scores, NEVER_PROCESSED).astype(np.uint8)
    known = scores < NO_IMAGERY
    best = np.where(known, scores, 0).max(axis=0)
    is_cropland = best >= math.ceil(threshold * PROBABILITY_SCALE)
    flags = np.where(known.any(axis=0), is_cropland, scores.min(axis=0)).astype(np.uint8)
    if taken is not None and not taken:
        whole = before.uncorrected(block)
        decided = whole[window.slices_in(before.cube.grid.window(block))]
        flags = np.where(decided == NOT_CROPLAND, NOT_CROPLAND, flags if whole.min() else NO_IMAGERY).astype(np.uint8)
    return before.corrected(Seen(flags, scores), window)
