"""What the ledgers of a run call finished, read when it is first asked for: those of a nation take seconds to read."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from croplayer.cube.whole_blocks import Cube
from stores.block_list import BlockList
from stores.finished import finished_blocks, finished_squares
from stores.levels import squares_of
from stores.run_folder import RunFolder
from stores.step_memory import OVERVIEWS, SQUARES, WRITERS_OF_CUBE

STEPS = (SQUARES, OVERVIEWS, *WRITERS_OF_CUBE)
"""The quickest first."""


class FinishedOfRun(Mapping[str, BlockList]):
    """Finished blocks of an edition by the name of the step, and finished squares of the step that makes coarse overviews.

    What it said once it says again. Safe for threads.
    """

    def __init__(self, folder: RunFolder, cube: Cube) -> None:
        self._folder, self._cube = folder, cube
        self._held = BlockList.under(cube.blocks.window(cube.grid), cube.grid.block_px)
        self._locks = {step: threading.Lock() for step in STEPS}
        self._found: dict[str, BlockList] = {}

    def __getitem__(self, step: str) -> BlockList:
        with self._locks[step]:
            if step not in self._found:
                self._found[step] = self._read(step)
            return self._found[step]

    def __iter__(self) -> Iterator[str]:
        return iter(STEPS)

    def __len__(self) -> int:
        return len(STEPS)

    def _read(self, step: str) -> BlockList:
        cube = self._cube
        if step == SQUARES:
            return finished_squares(self._folder, cube.path, cube.edition, squares_of(self._held))
        return finished_blocks(self._folder, cube.path, cube.edition, step, self._held)
