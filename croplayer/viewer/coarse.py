"""Pictures from the overviews of an edition: the map and the imagery at coarser pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from croplayer.cube.overviews import LevelCube, level_cubes
from croplayer.cube.whole_blocks import Cube
from croplayer.viewer.memory import RecentlyUsed
from croplayer.viewer.mercator import Places
from stores.block_list import BlockList
from stores.columns import AREA_FRACTION, RGB
from stores.grid import BlockIndex, PixelWindow
from stores.legends import NEVER_PROCESSED
from stores.levels import blocks_of_square, squares_of
from stores.overviews import GROUP, KNOWN_FRACTION
from stores.places import has_key
from stores.step_memory import OVERVIEWS, SQUARES

MOST_FILES = 100
"""Most files of a level that a picture is made from; one that would need more takes the next coarser level."""
COARSER = 1.5
"""How much coarser than a picture a level may be."""
_FILLS = {AREA_FRACTION: NEVER_PROCESSED, KNOWN_FRACTION: 0, RGB: 0}


@dataclass(frozen=True)
class CoarsePixels:
    """Reads the overviews of an edition for pictures. What is not finished reads as never processed."""

    levels: tuple[LevelCube, ...]
    """Finest first."""
    sources: tuple[str, ...]
    memory: RecentlyUsed
    finished: Mapping[str, BlockList] = field(default_factory=dict)
    """Finished blocks and squares by the name of the step; those of a step that is not named count as finished, all of them."""

    @classmethod
    def of(cls, cube: Cube, memory: RecentlyUsed, finished: Mapping[str, BlockList]) -> CoarsePixels | None:
        """The overviews of an edition; None where it has none."""
        if not has_key(cube.path, f"{cube.edition}/{GROUP}/zarr.json"):
            return None
        return cls(tuple(level_cubes(cube)), cube.sources, memory, finished)

    def shares(self, places: Places, source: str | None) -> tuple[np.ndarray, np.ndarray] | None:
        """Area fraction and known fraction of the map, or that of a source, under a picture: (h, w) uint8 both.

        None where the picture shows pixels that are finer than every level, so those of the cube are to be drawn.
        """
        each = self._level_for(places)
        if each is None:
            return None
        layer = 0 if source is None else 1 + self.sources.index(source)
        return self._under(each, AREA_FRACTION, layer, places), self._under(each, KNOWN_FRACTION, layer, places)

    def imagery(self, places: Places, source: str) -> np.ndarray | None:
        """Imagery of a source under a picture, clear where its mask knows nothing: (h, w, 4) uint8; None likewise."""
        each = self._level_for(places)
        if each is None:
            return None
        place = self.sources.index(source)
        is_shown = self._under(each, KNOWN_FRACTION, 1 + place, places) > 0
        colours = self._under(each, RGB, place, places)
        return np.dstack([colours, np.where(is_shown, np.uint8(255), np.uint8(0))])

    def _level_for(self, places: Places) -> LevelCube | None:
        """The coarsest level that is about as fine as a picture, or the first one above that is in few files.

        None where that is the cube itself.
        """
        fitting = [each for each in self.levels if each.level.factor <= places.per_pixel * COARSER]
        if not fitting and _files(self.levels[0], places) <= MOST_FILES:
            return None  # the cube's own pixels are in as many files as those of the first level
        start = max(len(fitting) - 1, 0)
        return next((each for each in self.levels[start:] if _files(each, places) <= MOST_FILES), self.levels[-1])

    def _under(self, each: LevelCube, name: str, place: int, places: Places) -> np.ndarray:
        rows, cols = places.rows // each.level.factor, places.cols // each.level.factor
        window = _window_under(each, rows, cols)
        bands = (3,) if name == RGB else ()
        out = np.full((len(rows), len(cols), *bands), _FILLS[name], np.uint8)
        if window is None:
            return out
        y, x = (slice(*np.searchsorted(at, ends)) for at, ends in
                ((rows, (window.row, window.row_stop)), (cols, (window.col, window.col_stop))))  # fmt: skip
        read = self._of_blocks if each.level.part_blocks == 1 else self._of_squares
        out[y, x] = read(each, name, place, window)[np.ix_(rows[y] - window.row, cols[x] - window.col)]
        return out

    def _of_blocks(self, each: LevelCube, name: str, place: int, window: PixelWindow) -> np.ndarray:
        """A window of a level that has files of its own for each block."""
        found = each.read(name, window, place)
        finished = self.finished.get(OVERVIEWS)
        if finished is not None:
            for block in BlockList.under(window, each.cube.grid.block_px).without(finished):
                found[window.common(each.cube.grid.window(block)).slices_in(window)] = _FILLS[name]
        return found

    def _of_squares(self, each: LevelCube, name: str, place: int, window: PixelWindow) -> np.ndarray:
        """A window of a level that has files for squares of blocks, which stay decoded in memory."""
        squares = squares_of(BlockList.under(window, each.cube.grid.block_px))
        finished = self.finished.get(SQUARES)
        out = np.full((window.height, window.width, *((3,) if name == RGB else ())), _FILLS[name], np.uint8)
        for square in squares if finished is None else squares.both(finished):
            whole = _window_of_square(each, square)
            part = window.common(whole)
            key = (each.cube.path, each.cube.edition, name, place, square)
            found = self.memory.get(key, lambda: each.read(name, whole, place))  # noqa: B023  called at once
            out[part.slices_in(window)] = found[part.slices_in(whole)]
        return out


def _files(each: LevelCube, places: Places) -> int:
    """Files of an array of a level that a picture lies on."""
    edge = each.level.part_blocks * each.cube.grid.block_px
    window = _window_under(each, places.rows // each.level.factor, places.cols // each.level.factor)
    if window is None:
        return 0
    return (1 + (window.row_stop - 1) // edge - window.row // edge) * (
        1 + (window.col_stop - 1) // edge - window.col // edge
    )


def _window_under(each: LevelCube, rows: np.ndarray, cols: np.ndarray) -> PixelWindow | None:
    """The part of a level between the first and the last of some of its pixels; None where it lies elsewhere."""
    whole = each.cube.blocks.window(each.cube.grid)
    under = PixelWindow(int(rows[0]), int(cols[0]), int(rows[-1] - rows[0]) + 1, int(cols[-1] - cols[0]) + 1)
    part = under.common(whole)
    return part if part.height > 0 and part.width > 0 else None


def _window_of_square(each: LevelCube, square: BlockIndex) -> PixelWindow:
    """Pixels of a level that a square covers."""
    inside = blocks_of_square(square)
    first, last = each.cube.grid.window(inside[0]), each.cube.grid.window(inside[-1])
    whole = PixelWindow(first.row, first.col, last.row_stop - first.row, last.col_stop - first.col)
    return whole.common(each.cube.blocks.window(each.cube.grid))
