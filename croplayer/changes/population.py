"""The population of a sample of change: its strata are the changes, and stable ground near them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from croplayer.evaluation.frame import OUT_OF_FRAME, Ground, Population
from stores.change import CHANGE, NEAR_CHANGE
from stores.grid import BlockIndex
from stores.legends import Change

CLASSES = (Change.STABLE_OTHER.label, Change.STABLE_CROPLAND.label, Change.GAIN.label, Change.LOSS.label)
NEAR = "stable near change"
CHANGE_GROUND = Ground(CLASSES, (*CLASSES, NEAR), class_of=(0, 1, 2, 3, 0, 1), stratum_of=(0, 1, 2, 3, 4, 4))
"""Omitted change lies mostly beside mapped change. A stratum of its own keeps it from weighing as much as all stable land."""
EXPECTED = (0.99, 0.99, 0.7, 0.7, 0.9)
"""Shares of the strata that are expected to be mapped correctly, before a sample tells."""


@dataclass(frozen=True)
class ChangePopulation(Population):
    """Pixels of a map of change; ``cube`` is that of the comparison."""

    @property
    def ground(self) -> Ground:
        """The kinds of ground: the changes, and the two kinds of stable ground near them."""
        return CHANGE_GROUND

    def kinds(self, block: BlockIndex) -> np.ndarray:
        """Kind of ground of each pixel of a block, (h, w) int16; OUT_OF_FRAME where the change is not known."""
        change = self.cube.read_block(CHANGE, block).astype(np.int16)
        near = self.cube.read_block(NEAR_CHANGE, block) == 1
        kind = np.where(near & (change <= Change.STABLE_CROPLAND), change + 4, change)
        return np.where(change < Change.UNKNOWN, kind, np.int16(OUT_OF_FRAME))
