"""Small cubes of 2 x 3 blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from croplayer.cube.whole_blocks import Cube
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange

RANGE = BlockRange(1100, 5880, 2, 3)
SOURCES = ("aster", "borealis")


def make_cube(path: Path, block_px: int = 64, edition: str = "2020") -> Cube:
    CUBE.create(DurableStore(path), edition, BlockGrid(block_px), RANGE, SOURCES)
    return Cube.open(path)


def fill_checkerboard(cube: Cube) -> None:
    n = cube.grid.block_px
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            y, x = np.mgrid[row * n : (row + 1) * n, col * n : (col + 1) * n]
            mask = ((y + x) % 2).astype(np.uint8)
            cube.write_block("croplayer", BlockIndex(RANGE.row + row, RANGE.col + col), mask)
