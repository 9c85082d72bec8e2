"""The population of a sample of change: its strata are the changes, and stable ground near them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from croplayer.evaluation.frame import OUT_OF_FRAME, Ground, Population
from stores.change import CHANGE, NEAR_CHANGE, SIEVE, ChangeFolder
from stores.durable import digest_text
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.legends import Change
from stores.step_memory import BlocksDone

CLASSES = (Change.STABLE_OTHER.label, Change.STABLE_CROPLAND.label, Change.GAIN.label, Change.LOSS.label)
NEAR = "stable near change"
CHANGE_GROUND = Ground(CLASSES, (*CLASSES, NEAR), class_of=(0, 1, 2, 3, 0, 1), stratum_of=(0, 1, 2, 3, 4, 4))
"""Omitted change lies mostly beside mapped change. A stratum of its own keeps it from weighing as much as all stable land."""
EXPECTED = (0.99, 0.99, 0.7, 0.7, 0.9)
"""Shares of the strata that are expected to be mapped correctly, before a sample tells."""


class FinishedChange(NamedTuple):
    """What a finished comparison wrote."""

    blocks: tuple[BlockIndex, ...]
    digest: str
    """Changes with the map of change."""


def finished_change(folder: ChangeFolder) -> FinishedChange:
    """The blocks of a comparison, all of them made by the rules and of the maps of its last call.

    Raises FileNotFoundError when that call has not finished, or there is none.
    """
    entry, ledger = folder.memory.entries().get(SIEVE), folder.ledger(SIEVE)
    if (
        entry is None
        or not folder.memory.is_finished(SIEVE, entry.fingerprint, BlocksDone(entry.blocks, ledger))
        or not folder.report.is_file()
    ):
        raise FileNotFoundError(f"{folder.root} holds no finished comparison; run `croplayer change` first")
    files = {
        record.block: sorted((key, digest.sha256) for key, digest in record.files.items())
        for fingerprint, record in Ledger(ledger).newest()
        if fingerprint == entry.fingerprint and record.status.is_finished
    }
    blocks = tuple(sorted(files))
    return FinishedChange(blocks, digest_text(repr([(block.name, files[block]) for block in blocks])))


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
