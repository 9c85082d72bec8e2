"""Windows of imagery and maps that the report shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from croplayer.cube.cuts import finished_only
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier
from stores.columns import CROPLAND_MASK, RGB, agreement_columns
from stores.grid import BlockIndex, BlockRange, PixelWindow
from stores.legends import INTEGRATED

WINDOW_BLOCKS = (4, 6)
"""Most rows and columns of blocks in the pictures of pixels."""
PICTURE_PX = 720
"""Most pixels along the longer edge of a picture."""
STRIP_ROWS = 128
"""Rows of a picture that are read at once."""
PLACE_PX = 512
"""Most pixels along the edge of a place shown in every map."""


@dataclass(frozen=True)
class Shown:
    """The run that a report is about."""

    inputs: Inputs
    output: Output
    done: Earlier


def picture_window(run: Shown) -> tuple[PixelWindow, str]:
    """Pixels shown in the pictures: the region, or its middle when that is large."""
    around, grid = run.output.cube.blocks, run.inputs.grid
    rows, cols = min(around.rows, WINDOW_BLOCKS[0]), min(around.cols, WINDOW_BLOCKS[1])
    if (rows, cols) == (around.rows, around.cols):
        window = grid.pixels_of(run.inputs.bounds).common(around.window(grid))
        return window, "The whole region is shown."
    middle = run.inputs.blocks[len(run.inputs.blocks) // 2]
    row = min(max(middle.row - rows // 2, around.row), around.row + around.rows - rows)
    col = min(max(middle.col - cols // 2, around.col), around.col + around.cols - cols)
    window = BlockRange(row, col, rows, cols).window(grid)
    return window, f"A part of {rows} x {cols} blocks around {BlockIndex(*middle).name} is shown."


def pictures(run: Shown, window: PixelWindow) -> list[dict[str, np.ndarray]]:
    """Thinned imagery and masks of a window, read in strips; the reference is shown with the imagery, where there is one."""
    step = max(1, -(-max(window.height, window.width) // PICTURE_PX))
    pictures = {s: _thinned(run, RGB, window, step, s) for s in run.inputs.recipe.source_names}
    masks = {s: _thinned(run, CROPLAND_MASK, window, step, s) for s in run.inputs.recipe.source_names}
    if run.inputs.reference is not None:
        reference = run.inputs.reference.read(window, run.inputs.grid).flags()
        pictures["reference: cropland"] = reference[step // 2 :: step, step // 2 :: step]
    return [pictures, masks | {"integrated map": _thinned(run, INTEGRATED, window, step, None)}]


def _thinned(run: Shown, name: str, window: PixelWindow, step: int, source: str | None) -> np.ndarray:
    strips = []
    for top in range(window.row, window.row_stop, step * STRIP_ROWS):
        height = min(step * STRIP_ROWS, window.row_stop - top)
        part = PixelWindow(top, window.col, height, window.width)
        strip = run.output.cube.read_window(name, part, source)
        if name == INTEGRATED:
            strip = finished_only(strip, part, run.inputs.grid, run.done["integrate"].blocks)
        strips.append(strip[step // 2 :: step, step // 2 :: step])
    return np.concatenate(strips)


def places(run: Shown, blocks: pd.DataFrame) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Windows in imagery and every map, from the block where the products agree best with ours to the least."""
    names = [p.name for p in run.inputs.products if agreement_columns(INTEGRATED, p.name).tp in blocks]
    if not names:
        return []
    share = blocks[f"area_fraction_{INTEGRATED}"].astype(float)
    some = blocks[(share > 0.1) & (share < 0.95)]
    columns = {n: [some[c].astype(float) for c in agreement_columns(INTEGRATED, n)[:3]] for n in names}
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


def _place(run: Shown, block: BlockIndex) -> dict[str, np.ndarray]:
    n = run.inputs.grid.block_px
    edge = min(n, PLACE_PX)
    start = (n - edge) // 2
    window = PixelWindow(block.row * n + start, block.col * n + start, edge, edge)
    step = max(1, edge // 256)
    thin = slice(step // 2, None, step)
    panels = {s: run.output.cube.read_window(RGB, window, s)[thin, thin] for s in run.inputs.recipe.source_names}
    panels["integrated map"] = run.output.cube.read_window(INTEGRATED, window)[thin, thin]
    titles = {
        p.name: p.title
        for p in (*run.inputs.recipe.products, *([run.inputs.recipe.reference] if run.inputs.recipe.reference else []))
    }
    for product in (*run.inputs.products, *([run.inputs.reference] if run.inputs.reference else [])):
        panels[titles[product.name]] = product.read(window, run.inputs.grid).flags()[thin, thin]
    return panels
