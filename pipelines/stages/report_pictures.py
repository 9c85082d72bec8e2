"""Pixels that the report shows: windows of imagery and maps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from croplayer.cube.query import finished_only
from croplayer.measures.agreement import Agreement
from croplayer.products.product import UNKNOWN, Product
from pipelines.engine.run import Run
from pipelines.stages.integrate import integrate_step
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow
from stores.legends import INTEGRATED, NO_IMAGERY

WINDOW_BLOCKS = (4, 6)
"""Most rows and columns of blocks in the pictures of pixels."""
PICTURE_PX = 720
"""Most pixels along the longer edge of a picture."""
STRIP_ROWS = 128
"""Rows of a picture that are read at once."""
PLACE_PX = 512
"""Most pixels along the edge of a place shown in every map."""


def picture_window(run: Run) -> tuple[PixelWindow, str]:
    """Pixels shown in the pictures: the region, or its middle when that is large."""
    assert run.cube is not None
    around, n = run.cube.blocks, run.grid.block_px
    rows, cols = min(around.rows, WINDOW_BLOCKS[0]), min(around.cols, WINDOW_BLOCKS[1])
    if (rows, cols) == (around.rows, around.cols):
        return pixels_of(run.bounds, around.window(run.grid), run.grid), "The whole region is shown."
    middle = run.blocks[len(run.blocks) // 2]
    row = min(max(middle.row - rows // 2, around.row), around.row + around.rows - rows)
    col = min(max(middle.col - cols // 2, around.col), around.col + around.cols - cols)
    window = PixelWindow(row * n, col * n, rows * n, cols * n)
    return window, f"A part of {rows} x {cols} blocks around {BlockIndex(*middle).name} is shown."


def pixels_of(bounds: Bounds, whole: PixelWindow, grid: BlockGrid) -> PixelWindow:
    """Pixels of a window that a box touches."""
    ppd = grid.px_per_degree
    row, row_stop = int((90 - bounds.north) * ppd), math.ceil((90 - bounds.south) * ppd)
    col, col_stop = int((bounds.west + 180) * ppd), math.ceil((bounds.east + 180) * ppd)
    row, col = max(row, whole.row), max(col, whole.col)
    return PixelWindow(row, col, min(row_stop, whole.row_stop) - row, min(col_stop, whole.col_stop) - col)


def pictures(run: Run, window: PixelWindow) -> list[dict[str, np.ndarray]]:
    """Thinned imagery and masks of a window, block by block; beside the imagery the reference, where there is one."""
    assert run.cube is not None
    step = max(1, -(-max(window.height, window.width) // PICTURE_PX))
    pictures = {s: _thinned(run, "rgb", window, step, s) for s in run.recipe.source_names}
    masks = {s: _thinned(run, "cropland", window, step, s) for s in run.recipe.source_names}
    if run.reference is not None:
        percent = run.reference.read(window, run.grid).on_pixels()[step // 2 :: step, step // 2 :: step]
        pictures["reference: cropland"] = np.where(percent == UNKNOWN, NO_IMAGERY, percent > 50).astype(np.uint8)
    return [pictures, masks | {"integrated map": _thinned(run, "croplayer", window, step, None)}]


def _thinned(run: Run, name: str, window: PixelWindow, step: int, source: str | None) -> np.ndarray:
    assert run.cube is not None
    strips = []
    for top in range(window.row, window.row_stop, step * STRIP_ROWS):
        height = min(step * STRIP_ROWS, window.row_stop - top)
        part = PixelWindow(top, window.col, height, window.width)
        strip = run.cube.read_window(name, part, source)
        if name == INTEGRATED:
            strip = finished_only(strip, part, run.grid, run.results(integrate_step(run)).blocks)
        strips.append(strip[step // 2 :: step, step // 2 :: step])
    return np.concatenate(strips)


def places(run: Run, blocks: pd.DataFrame) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Windows in imagery and every map, from the block where the products agree best with ours to the least."""
    names = [p.name for p in run.products if f"tp_{INTEGRATED}_{p.name}" in blocks]
    if not names:
        return []
    share = blocks[f"area_fraction_{INTEGRATED}"].astype(float)
    some = blocks[(share > 0.1) & (share < 0.95)]
    columns = {n: [some[f"{f}_{INTEGRATED}_{n}"].astype(float) for f in Agreement._fields[:3]] for n in names}
    ious = pd.DataFrame({n: tp / (tp + fp + fn) for n, (tp, fp, fn) in columns.items()}).mean(axis=1).dropna()
    if ious.empty:
        return []
    order = ious.sort_values(ascending=False, kind="stable").index
    chosen = dict.fromkeys([order[0], order[len(order) // 2], order[-1]])
    words = ("best", "middle", "least")
    return [
        (f"{word}: {some.block[i]}\nmean IoU {ious[i]:.2f}", _place(run, BlockIndex.parse(some.block[i])))
        for word, i in zip(words, chosen, strict=False)
    ]


def _place(run: Run, block: BlockIndex) -> dict[str, np.ndarray]:
    assert run.cube is not None
    n = run.grid.block_px
    edge = min(n, PLACE_PX)
    start = (n - edge) // 2
    window = PixelWindow(block.row * n + start, block.col * n + start, edge, edge)
    step = max(1, edge // 256)
    thin = slice(step // 2, None, step)
    panels = {s: run.cube.read_window("rgb", window, s)[thin, thin] for s in run.recipe.source_names}
    panels["integrated map"] = run.cube.read_window(INTEGRATED, window)[thin, thin]
    titles = {
        p.name: p.title for p in (*run.recipe.products, *([run.recipe.reference] if run.recipe.reference else []))
    }
    for product in (*run.products, *([run.reference] if run.reference else [])):
        panels[titles[product.name]] = _flags(product, window, run.grid)[thin, thin]
    return panels


def _flags(product: Product, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    percent = product.read(window, grid).on_pixels()
    return np.where(percent == UNKNOWN, NO_IMAGERY, percent > 50).astype(np.uint8)
