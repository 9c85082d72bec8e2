"""Which pixels the pictures of a report show, and which blocks show how maps agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.measures.agreement import ious
from stores.block_list import BlockList
from stores.columns import AREA_FRACTION, agreement_columns, map_column
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow
from stores.legends import NEVER_PROCESSED

WINDOW_BLOCKS = (4, 6)
"""Most rows and columns of blocks in the pictures of pixels."""
PICTURE_PX = 720
"""Most pixels along the longer edge of a picture."""
PLACE_PX = 512
"""Most pixels along the edge of a place shown in every map."""
PLACE_PICTURE_PX = 256
"""About how many pixels along its edge are drawn."""
SOME_CROPLAND = (0.1, 0.95)
"""A place has a share of cropland between these, so that there is an outline to see."""


class Place(NamedTuple):
    """A block that shows how the products agree with our map."""

    block: BlockIndex
    title: str


def blocks_shown(around: BlockRange, middle: BlockIndex) -> BlockRange:
    """All blocks of a region, or those around its middle where the region is larger than WINDOW_BLOCKS."""
    rows, cols = min(around.rows, WINDOW_BLOCKS[0]), min(around.cols, WINDOW_BLOCKS[1])
    if (rows, cols) == (around.rows, around.cols):
        return around
    row = min(max(middle.row - rows // 2, around.row), around.row + around.rows - rows)
    col = min(max(middle.col - cols // 2, around.col), around.col + around.cols - cols)
    return BlockRange(row, col, rows, cols)


def picture_step(window: PixelWindow) -> int:
    """The step by which a window is thinned to at most PICTURE_PX pixels along its longer edge."""
    return max(1, -(-max(window.height, window.width) // PICTURE_PX))


def thinned(step: int) -> slice:
    """Rows or columns that stand for every ``step`` of them: the middle one."""
    return slice(step // 2, None, step)


def thinned_picture(
    window: PixelWindow,
    step: int,
    grid: BlockGrid,
    read: Callable[[PixelWindow], np.ndarray],
    bands: tuple[int, ...] = (),
    finished: BlockList | None = None,
) -> np.ndarray:
    """A window thinned by ``step``, read block by block.

    Parameters
    ----------
    read : gives the pixels (h, w, *bands) uint8 of a part of the window
    finished : blocks that are read, where not all of them; the pixels of others are 255
    """
    rows, cols = range(window.height)[thinned(step)], range(window.width)[thinned(step)]
    picture = np.full((len(rows), len(cols), *bands), NEVER_PROCESSED, np.uint8)
    for block in grid.blocks_under(window):
        if finished is None or block in finished:
            part = window.common(grid.window(block))
            own_rows, picture_rows = _thinned_along(part.row - window.row, part.height, step)
            own_cols, picture_cols = _thinned_along(part.col - window.col, part.width, step)
            picture[picture_rows, picture_cols] = read(part)[own_rows, own_cols]
    return picture


def _thinned_along(start: int, length: int, step: int) -> tuple[slice, slice]:
    """Which of ``length`` pixels from the pixel ``start`` of a window stand in its picture, and where."""
    first = max(0, -(-(start - step // 2) // step))
    own = slice(step // 2 + first * step - start, None, step)
    return own, slice(first, first + len(range(length)[own]))


def place_window(block: BlockIndex, block_px: int) -> PixelWindow:
    """The middle of a block of ``block_px`` pixels along its edge, at most PLACE_PX pixels along its own."""
    edge = min(block_px, PLACE_PX)
    start = (block_px - edge) // 2
    return PixelWindow(block.row * block_px + start, block.col * block_px + start, edge, edge)


def place_step(window: PixelWindow) -> int:
    """The step by which a place is thinned to about PLACE_PICTURE_PX pixels."""
    return max(1, window.height // PLACE_PICTURE_PX)


def places_by_agreement(blocks: pd.DataFrame, own: str, products: Sequence[str]) -> list[Place]:
    """The blocks in which the products agree best, middling and least with our map, by their mean IoU.

    Parameters
    ----------
    blocks : block table with block, area_fraction_OWN and, per product with classes, tp_OWN_PRODUCT, fp_..., fn_...
    own : name of our map
    products : names of the products; those without counts are left out

    Returns
    -------
    up to three places, fewer where there are fewer blocks; none where no product has counts. Blocks with nearly no or
    nearly only cropland (SOME_CROPLAND) are not taken.
    """
    names = [name for name in products if agreement_columns(own, name).tp in blocks]
    if not names:
        return []
    share = blocks[map_column(AREA_FRACTION, own)].astype(float)
    some = blocks[(share > SOME_CROPLAND[0]) & (share < SOME_CROPLAND[1])]
    counts = {n: (some[c].to_numpy(float) for c in agreement_columns(own, n)[:3]) for n in names}
    mean = pd.DataFrame({n: ious(*counts[n]) for n in names}, index=some.index).mean(axis=1).dropna()
    if mean.empty:
        return []
    order = mean.sort_values(ascending=False, kind="stable").index
    chosen = dict.fromkeys([order[0], order[len(order) // 2], order[-1]])
    return [
        Place(BlockIndex.parse(some.block[i]), f"{word}: {some.block[i]}\nmean IoU {mean[i]:.2f}")
        for word, i in zip(("best", "middle", "least"), chosen, strict=False)
    ]
