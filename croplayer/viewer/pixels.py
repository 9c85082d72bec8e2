"""The values of a cube under a picture, from blocks that stay decoded in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.viewer.coarse import CoarsePixels
from croplayer.viewer.memory import RecentlyUsed
from croplayer.viewer.mercator import Places
from stores.block_list import BlockList
from stores.columns import FIELD, FIELD_JOIN, RGB
from stores.cube import CUBE
from stores.finished import STEP_OF_ARRAY
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import NEVER_PROCESSED
from stores.schema import INNER_CHUNK_PX

if TYPE_CHECKING:
    from croplayer.products.product import Product  # brings numba, which takes as much memory as all that is kept here

FACTORS = (64, 16, 4, 1)
"""Factors that blocks are thinned by; a picture takes the largest that leaves at least a pixel for each of its own."""
MOST_PX = 16 * 2560**2
"""Most pixels of the cube that one tile may decode, about a second's work; a tile that shows more is left empty."""
MOST_FILES = 1024
"""Most blocks that one tile may open, however small they are."""
OUTLINES = "field_outlines"
"""Name of what `outlines_of` makes of a block, beside the arrays of the cube."""
PRODUCT = "product"
"""Name of the flags of another map, whose own name takes the place of the source."""
_JOINS_EAST, _JOINS_SOUTH = 1, 2
_FILLS: dict[str, tuple[int | bool, str]] = {spec.name: (spec.fill_value, spec.dtype) for spec in CUBE.arrays} | {
    OUTLINES: (0, "uint8"),
    PRODUCT: (NEVER_PROCESSED, "uint8"),
}


@dataclass(frozen=True)
class CubePixels:
    """Reads a cube for tiles.

    Blocks that are not finished read as the fill value of their array, as with `croplayer.open_cube`.
    """

    cube: Cube
    memory: RecentlyUsed
    """May be shared by the editions of a run."""
    finished: Mapping[str, BlockList] = field(default_factory=dict)
    """Finished blocks by the name of the step that writes them; those of a step that is not named count, all of them."""
    products: Mapping[str, Product] = field(default_factory=dict)
    """Other maps by name, read where the cube has blocks."""
    coarse: CoarsePixels | None = None
    """The overviews of the edition; None where the run made none."""
    _one_reads: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """GDAL's datasets are not safe for threads."""

    def under(self, places: Places, name: str, source: str | None = None) -> np.ndarray | None:
        """Values under the centres of a picture's pixels: (h, w) or, of imagery, (h, w, 3).

        Outside of the cube they are the array's fill value. None where the picture shows more blocks than `most_blocks`.
        """
        grid = self.cube.grid
        rows, cols, _ = places
        factor = factor_of(places, self.cube)
        fill, dtype = _FILLS[name]
        out = np.full((len(rows), len(cols), *((3,) if name == RGB else ())), fill, dtype)
        shown = (block for block in _blocks_under(rows, cols, grid.block_px) if self._is_shown(block, name))
        blocks = list(islice(shown, most_blocks(grid) + 1))
        if len(blocks) > most_blocks(grid):
            return None
        for block in blocks:
            window = grid.window(block)
            for part in self._parts(window, name, factor):
                y = slice(*np.searchsorted(rows, [part.row, part.row_stop]))
                x = slice(*np.searchsorted(cols, [part.col, part.col_stop]))
                if y.start == y.stop or x.start == x.stop:
                    continue
                found = self._part(name, source, part, factor)
                at_row = np.minimum((rows[y] - part.row) // factor, found.shape[0] - 1)
                at_col = np.minimum((cols[x] - part.col) // factor, found.shape[1] - 1)
                out[y, x] = found[np.ix_(at_row, at_col)]
        return out

    def _is_shown(self, block: BlockIndex, name: str) -> bool:
        if not self.cube.holds(block):
            return False
        step = STEP_OF_ARRAY.get(FIELD if name == OUTLINES else name)
        finished = self.finished.get(step) if step else None
        return finished is None or block in finished

    def _parts(self, window: PixelWindow, name: str, factor: int) -> Iterator[PixelWindow]:
        """What is decoded as one: whole blocks, and of imagery at full resolution the inner chunks of its shards."""
        if name != RGB or factor > 1:
            yield window
            return
        for row in range(window.row, window.row_stop, INNER_CHUNK_PX):
            for col in range(window.col, window.col_stop, INNER_CHUNK_PX):
                yield PixelWindow(row, col, INNER_CHUNK_PX, INNER_CHUNK_PX).common(window)

    def _part(self, name: str, source: str | None, part: PixelWindow, factor: int) -> np.ndarray:
        def make() -> np.ndarray:
            if name == OUTLINES:
                return widened(self._outlines(part), factor)
            if name == PRODUCT and source is not None:
                return thinned(self._product(source, part), factor)
            return thinned(self.cube.read_window(name, part, source), factor)

        return self.memory.get((self.cube.edition, name, source, part, factor), make)

    def _product(self, name: str, part: PixelWindow) -> np.ndarray:
        with self._one_reads:
            return self.products[name].read(part, self.cube.grid).flags()

    def _outlines(self, part: PixelWindow) -> np.ndarray:
        return outlines_of(self.cube.read_window(FIELD, part), self.cube.read_window(FIELD_JOIN, part))


def most_blocks(grid: BlockGrid) -> int:
    """Most blocks that one tile is drawn from."""
    return min(max(MOST_PX // grid.block_px**2, 1), MOST_FILES)


def factor_of(places: Places, cube: Cube) -> int:
    """How much blocks are thinned for a picture."""
    return next((f for f in FACTORS if f <= places.per_pixel and f <= cube.grid.block_px), 1)


def thinned(pixels: np.ndarray, factor: int) -> np.ndarray:
    """The middle pixel of each square of ``factor`` pixels, in an array of its own; squares at the end may be cut.

    Parameters
    ----------
    pixels : (h, w) or (h, w, bands)
    """
    middle = factor // 2
    return pixels if factor == 1 else np.ascontiguousarray(pixels[middle::factor, middle::factor])


def widened(lines: np.ndarray, factor: int) -> np.ndarray:
    """The largest value in each square of ``factor`` pixels, so that thin lines stay; a cut square at the end is left out."""
    if factor == 1:
        return lines
    h, w = lines.shape[0] // factor, lines.shape[1] // factor
    return lines[: h * factor, : w * factor].reshape(h, factor, w, factor).max(axis=(1, 3))


def outlines_of(numbers: np.ndarray, joins: np.ndarray) -> np.ndarray:
    """Pixels at the east and south sides of pieces of fields: (h, w) uint8, 1 where another piece or none lies beside.

    Parameters
    ----------
    numbers : (h, w) uint32, the piece of each pixel; 0 outside of fields
    joins : (h, w) uint8, whether the piece goes on beyond the block's east (1) or south (2) edge
    """
    found = np.zeros(numbers.shape, bool)
    found[:, :-1] |= numbers[:, :-1] != numbers[:, 1:]
    found[:-1] |= numbers[:-1] != numbers[1:]
    found[:, -1] |= (numbers[:, -1] > 0) & (joins[:, -1] & _JOINS_EAST == 0)
    found[-1] |= (numbers[-1] > 0) & (joins[-1] & _JOINS_SOUTH == 0)
    return found.astype(np.uint8)


def _blocks_under(rows: np.ndarray, cols: np.ndarray, block_px: int) -> Iterator[BlockIndex]:
    for row in np.unique(rows // block_px):
        for col in np.unique(cols // block_px):
            yield BlockIndex(int(row), int(col))
