"""The overviews of an edition, written block by block and square by square, and read by window."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from croplayer.cube.whole_blocks import Cube, read_area, writable_array
from croplayer.measures.overviews import Overview, coarser_overview, first_overview
from stores.block_list import BlockList
from stores.columns import AREA_FRACTION, CROPLAND_MASK, RGB
from stores.durable import FileDigest
from stores.grid import BlockIndex, PixelWindow
from stores.legends import INTEGRATED, NEVER_PROCESSED
from stores.levels import FIRST_FACTOR, blocks_of_square
from stores.overviews import KNOWN_FRACTION, Level, levels_of

ARRAYS = (AREA_FRACTION, KNOWN_FRACTION, RGB)
"""Names of a level's arrays, in the order of `Overview`."""


class LevelCube(NamedTuple):
    """A level of the overviews of a cube's edition."""

    level: Level
    cube: Cube
    """The level as an edition of the store, on its own lattice."""

    def read(self, name: str, window: PixelWindow, place: int | None = None) -> np.ndarray:
        """Pixels of an array in a window of the level's lattice that lies in the level: (layers or sources, h, w, ...).

        With the ``place`` of a layer or source (h, w, ...).
        """
        first = slice(None) if place is None else place
        return read_area(self.cube, name, (first, *window.slices_in(self._whole)))

    def write(self, overview: Overview, window: PixelWindow) -> dict[str, FileDigest]:
        """Write the files of a block or square durably, as far as the level reaches; returns their digests by key."""
        part = window.common(self._whole)
        rows, cols = part.slices_in(window)
        area = (slice(None), *part.slices_in(self._whole))
        files: dict[str, FileDigest] = {}
        for name, pixels in zip(ARRAYS, overview, strict=True):
            array, written = writable_array(self.cube, name, threading.get_ident())
            written.clear()
            array[area] = pixels[:, rows, cols]
            files |= written
        return files

    @property
    def _whole(self) -> PixelWindow:
        return self.cube.blocks.window(self.cube.grid)


def level_cubes(cube: Cube) -> list[LevelCube]:
    """The levels of an edition, finest first; raises ValueError where its lattice has none."""
    return [
        LevelCube(level, replace(cube, edition=level.group(cube.edition), grid=level.grid, blocks=level.blocks))
        for level in levels_of(cube.grid, cube.blocks)
    ]


def write_block_overviews(cube: Cube, block: BlockIndex) -> dict[str, FileDigest]:
    """Write the levels that have files of their own for a block, from its finished map; returns the files' digests by key."""
    masks = [cube.read_block(INTEGRATED, block), *(cube.read_block(CROPLAND_MASK, block, s) for s in cube.sources)]
    first = first_overview(np.stack(masks), np.stack([cube.read_block(RGB, block, s) for s in cube.sources]))
    files: dict[str, FileDigest] = {}
    for each in level_cubes(cube):
        if each.level.part_blocks == 1:
            files |= each.write(_at(first, each.level.factor), each.cube.grid.window(block))
    return files


def write_square_overviews(cube: Cube, square: BlockIndex, finished: BlockList) -> dict[str, FileDigest]:
    """Write the coarse levels of a square from the first level of its blocks; returns the files' digests by key.

    Parameters
    ----------
    finished : the blocks whose first level is there; the others read as never processed
    """
    levels = level_cubes(cube)
    first_level, coarse = levels[0], [each for each in levels if each.level.part_blocks > 1]
    inside = blocks_of_square(square)
    windows = [_window(inside, each) for each in coarse]
    wholes = [_nothing(len(cube.sources), window) for window in windows]
    for block in inside.both(finished):
        at = first_level.cube.grid.window(block)
        first = Overview(*(first_level.read(name, at) for name in ARRAYS))
        for each, window, whole in zip(coarse, windows, wholes, strict=True):
            rows, cols = each.cube.grid.window(block).slices_in(window)
            for pixels, found in zip(whole, _at(first, each.level.factor), strict=True):
                pixels[:, rows, cols] = found
    files: dict[str, FileDigest] = {}
    for each, window, whole in zip(coarse, windows, wholes, strict=True):
        files |= each.write(whole, window)
    return files


def _at(first: Overview, factor: int) -> Overview:
    """A level of a place whose first level is known."""
    return first if factor == FIRST_FACTOR else coarser_overview(first, factor // FIRST_FACTOR)


def _window(square: BlockList, each: LevelCube) -> PixelWindow:
    """Pixels of the blocks of a square in a level."""
    first, last = each.cube.grid.window(square[0]), each.cube.grid.window(square[-1])
    return PixelWindow(first.row, first.col, last.row_stop - first.row, last.col_stop - first.col)


def _nothing(sources: int, window: PixelWindow) -> Overview:
    """A level of which no block is finished."""
    edges = window.height, window.width
    return Overview(
        np.full((1 + sources, *edges), NEVER_PROCESSED, np.uint8),
        np.zeros((1 + sources, *edges), np.uint8),
        np.zeros((sources, *edges, 3), np.uint8),
    )
