"""A small run whose every pixel is known beforehand.

Its three steps write the cube as those of a real run do; the imagery is painted from the place on the lattice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.sources.imagery import Imagery
from croplayer.tasks.each import each_block
from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine.steps import BlockStep
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow
from stores.records import BlockRecord, BlockTask
from stores.run_folder import RunFolder

GRID = BlockGrid(16)
EDITION, SOURCE = "2020", "painted"
COLS = 50
FIRST = BlockIndex(1100, 5900)


@dataclass(frozen=True)
class PaintedSource:
    """Imagery computed from the place of each pixel."""

    name: str = SOURCE
    renewed_every: int = 0
    """Every so many blocks along a row have imagery of another day; 0 for none."""

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        row = np.arange(window.row, window.row_stop, dtype=np.int64)[:, None, None]
        col = np.arange(window.col, window.col_stop, dtype=np.int64)[None, :, None]
        day = 101 * self._is_renewed(col // grid.block_px)
        rgb = (row * 7 + col * row * 13 + np.arange(3) * 29 + day) % 251
        return Imagery(rgb.astype(np.uint8), np.ones(rgb.shape[:2], bool))

    def _is_renewed(self, col: np.ndarray | int) -> np.ndarray:
        """Whether blocks of some columns have imagery of another day."""
        renewed = np.asarray(col) - FIRST.col
        return renewed % self.renewed_every == 0 if self.renewed_every else np.zeros_like(renewed, bool)

    @property
    def is_remote(self) -> bool:
        return False

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        return "painted anew" if self._is_renewed(block.col) else "painted"

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> list[str]:
        return []


@dataclass(frozen=True)
class MaskTask:
    """Write masks that follow from the imagery in the cube: of the source, or the integrated one."""

    cube: Cube
    is_integrated: bool

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        mask = mask_of(self.cube.read_block("rgb", block, SOURCE))
        if self.is_integrated:
            files = self.cube.write_block("croplayer", block, mask)
        else:
            files = self.cube.write_block("cropland_probability", block, mask * np.uint8(250), SOURCE)
            files |= self.cube.write_block("cropland", block, mask, SOURCE)
        return BlockRecord(block, files=files, values={"crop_px": int(mask.sum())})


def mask_of(rgb: np.ndarray) -> np.ndarray:
    """The mask that belongs to imagery."""
    return (rgb[..., 0] > 100).astype(np.uint8)


def painted_blocks(count: int) -> list[BlockIndex]:
    """The first ``count`` blocks in rows of COLS."""
    return [BlockIndex(FIRST.row + i // COLS, FIRST.col + i % COLS) for i in range(count)]


def steps_of(folder: RunFolder, count: int) -> list[BlockStep]:
    """The steps of a painted run; its cube is created when it is not there."""
    blocks = painted_blocks(count)
    around = BlockRange.around(blocks)
    CUBE.create(DurableStore(folder.cube), EDITION, GRID, around, (SOURCE,))
    cube = Cube(str(folder.cube), EDITION, GRID, around, (SOURCE,))

    def step(name: str, task: BlockTask) -> BlockStep:
        return BlockStep(name, {"painted": name}, blocks, lambda group: task, 16)

    return [
        step("mosaic", MosaicTask(cube, (PaintedSource(),))),
        step("segment", MaskTask(cube, is_integrated=False)),
        step("integrate", MaskTask(cube, is_integrated=True)),
    ]
