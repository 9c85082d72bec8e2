"""Which masks people see when they judge the sample, and which ones a judgement is therefore about.

The page shows the masks of the newest finished round that mapped a block, and before the first round those of the run. A
judgement is about the masks that were the newest when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from croplayer.active.project import LabelProject
from croplayer.active.rounds.folder import finished_rounds, round_folder
from croplayer.active.rounds.mapping import SampleMap, run_masks
from croplayer.active.rounds.sample import judging_order
from croplayer.cube.whole_blocks import Cube


@dataclass(frozen=True)
class ShownMasks:
    """The masks of the run and of the rounds up to one, with the times from which on they were shown."""

    cube: Cube
    rounds: tuple[tuple[datetime, SampleMap], ...]
    """When each round was finished and what it mapped, from the first on."""

    @classmethod
    def of(cls, project: LabelProject, cube: Cube, before: int | None = None) -> ShownMasks:
        """The masks of a project's finished rounds, of those before a number or of all."""
        numbers = [n for n in finished_rounds(project) if before is None or n < before]
        folders = [round_folder(project, n) for n in numbers]
        return cls(cube, tuple((f.finished, f.masks(project)) for f in folders))

    def at(self, block: str, time: datetime | None = None) -> Mapping[str, np.ndarray]:
        """Mask of each source of a block as it was shown at a time, or is now: (h, w) uint8 flags."""
        return _masks(self.cube, self._newest(block, time), block)

    def is_still(self, block: str, source: str, time: datetime, same_mask: float) -> bool:
        """Whether the mask that was shown at a time is nearly the one that is shown now.

        Parameters
        ----------
        same_mask : share of the pixels that must be the same, 0 to 1
        """
        then, now = self._newest(block, time), self._newest(block, None)
        return then == now or _same(self.cube, then, now, block, source) >= same_mask

    def _newest(self, block: str, time: datetime | None) -> SampleMap | None:
        """The map of the newest round that was finished at a time and holds a block; None is the run's."""
        for finished, mapped in reversed(self.rounds):
            if (time is None or finished <= time) and mapped.path(block).is_file():
                return mapped
        return None


def sampled_blocks(project: LabelProject) -> list[str]:
    """Names of the blocks of the sample of the last round in the order in which people judge them; none before the first.

    The order is drawn, so that a part of them, judged first, is a fair part.
    """
    done = finished_rounds(project)
    if not done:
        return []
    return [*_in_drawn_order(round_folder(project, done[-1]).sample)]


@lru_cache(maxsize=2)
def _in_drawn_order(sample: Path) -> tuple[str, ...]:
    return tuple(judging_order(pd.read_parquet(sample, columns=["block"]).block))


@lru_cache(maxsize=8)
def _masks(cube: Cube, mapped: SampleMap | None, block: str) -> Mapping[str, np.ndarray]:
    """The masks of a finished round or of the run, which never change."""
    if mapped is None:
        return run_masks(cube, block)
    found = mapped.read(block)
    if found is None:
        raise FileNotFoundError(f"{mapped.path(block)} is missing; take the folder back from a copy")
    return found


@lru_cache(maxsize=1 << 16)
def _same(cube: Cube, one: SampleMap | None, other: SampleMap | None, block: str, source: str) -> float:
    return float((_masks(cube, one, block)[source] == _masks(cube, other, block)[source]).mean())
