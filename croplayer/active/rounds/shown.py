"""Which masks people see when they judge the sample, and which ones a judgement is therefore about.

The page shows the masks of the newest finished round that mapped a block, and before the first round those of the run. A
judgement names the masks that its person saw. One that was written before they were named is about those that were the newest
when it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from croplayer.active.judgements import Judgement
from croplayer.active.project import LabelProject
from croplayer.active.rounds.folder import finished_rounds, round_folder
from croplayer.active.rounds.mapping import SampleMap, run_masks
from croplayer.active.rounds.sample import judging_order
from croplayer.cube.whole_blocks import Cube

RUN, ROUND = "run", "round "
"""Name of the run's masks, and how the name of a round's masks begins."""


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

    def name(self, block: str, time: datetime | None = None) -> str:
        """Name of the masks of a block that were shown at a time, or are now: ``round 2``, or ``run``."""
        for number, (finished, mapped) in reversed([*enumerate(self.rounds, start=1)]):
            if (time is None or finished <= time) and mapped.path(block).is_file():
                return f"{ROUND}{number}"
        return RUN

    def name_of(self, judgement: Judgement) -> str:
        """Name of the masks that a judgement is about."""
        return judgement.shown or self.name(judgement.subject, judgement.time)

    def masks(self, block: str, name: str = "") -> Mapping[str, np.ndarray]:
        """Mask of each source of a block by the name of the masks, or as it is shown now: (h, w) uint8 flags.

        Raises FileNotFoundError when the masks of that name are not there.
        """
        return _masks(self.cube, self._mapped(name or self.name(block)), block)

    def same_as_judged(self, judgement: Judgement, mask: np.ndarray) -> float:
        """Share of the pixels in which a mask is the judged one, 0 to 1; 0 when the judged one is gone.

        Parameters
        ----------
        judgement : of the correctness of a mask
        mask : (h, w) uint8 flags
        """
        try:
            judged = self.masks(judgement.subject, self.name_of(judgement))
        except FileNotFoundError:
            return 0.0
        return float((mask == judged[judgement.source]).mean())

    def is_still(self, judgement: Judgement, same_mask: float) -> bool:
        """Whether the mask that was judged is nearly the one that is shown now.

        Parameters
        ----------
        judgement : of the correctness of a mask
        same_mask : share of the pixels that must be the same, 0 to 1
        """
        then, now = self.name_of(judgement), self.name(judgement.subject)
        if then == now:
            return True
        try:
            one, other = self._mapped(then), self._mapped(now)
            return _same(self.cube, one, other, judgement.subject, judgement.source) >= same_mask
        except FileNotFoundError:
            return False

    def _mapped(self, name: str) -> SampleMap | None:
        """The map of a round by its name; None is the run's."""
        number = name.removeprefix(ROUND)
        if name == RUN:
            return None
        if not number.isdecimal() or not 1 <= int(number) <= len(self.rounds):
            raise FileNotFoundError(f"the masks of {name} are not there; take the folder of the round back from a copy")
        return self.rounds[int(number) - 1][1]


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
