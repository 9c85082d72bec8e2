"""Windows of imagery and maps that the report shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from croplayer.report.windows import (
    blocks_shown,
    picture_step,
    place_step,
    place_window,
    places_by_agreement,
    thinned,
    thinned_picture,
)
from pipelines.engine.inputs import Inputs
from pipelines.engine.output import Output
from pipelines.engine.rules import Earlier
from stores.columns import CROPLAND_MASK, RGB
from stores.grid import BlockIndex, PixelWindow
from stores.legends import INTEGRATED


@dataclass(frozen=True)
class Shown:
    """The run that a report is about."""

    inputs: Inputs
    output: Output
    done: Earlier


def picture_window(run: Shown) -> tuple[PixelWindow, str]:
    """Pixels shown in the pictures: the region, or its middle when that is large."""
    around, grid = run.output.cube.blocks, run.inputs.grid
    middle = run.inputs.blocks[len(run.inputs.blocks) // 2]
    shown = blocks_shown(around, middle)
    if shown == around:
        return grid.pixels_of(run.inputs.bounds).common(around.window(grid)), "The whole region is shown."
    part = f"A part of {shown.rows} x {shown.cols} blocks around {BlockIndex(*middle).name} is shown."
    return shown.window(grid), part


def pictures(run: Shown, window: PixelWindow) -> list[dict[str, np.ndarray]]:
    """Thinned imagery and masks of a window; the reference is shown with the imagery, where there is one."""
    grid, cube, names = run.inputs.grid, run.output.cube, run.inputs.recipe.source_names
    picture = partial(thinned_picture, window, picture_step(window), grid)
    pictures = {s: picture(partial(cube.read_window, RGB, source=s), (3,)) for s in names}
    masks = {s: picture(partial(cube.read_window, CROPLAND_MASK, source=s)) for s in names}
    reference = run.inputs.reference
    if reference is not None:
        pictures["reference: cropland"] = picture(lambda part: reference.read(part, grid).flags())
    # A cube may hold pixels of the settings before in a block that failed, or that left the region.
    finished = run.done["integrate"].blocks
    integrated = picture(partial(cube.read_window, INTEGRATED), finished=finished)
    return [pictures, masks | {"integrated map": integrated}]


def places(run: Shown, blocks: pd.DataFrame) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Windows in imagery and every map, from the block where the products agree best with ours to the least."""
    found = places_by_agreement(blocks, INTEGRATED, [p.name for p in run.inputs.products])
    return [(place.title, _place(run, place.block)) for place in found]


def _place(run: Shown, block: BlockIndex) -> dict[str, np.ndarray]:
    window = place_window(block, run.inputs.grid.block_px)
    thin = thinned(place_step(window))
    panels = {s: run.output.cube.read_window(RGB, window, s)[thin, thin] for s in run.inputs.recipe.source_names}
    panels["integrated map"] = run.output.cube.read_window(INTEGRATED, window)[thin, thin]
    titles = {
        p.name: p.title
        for p in (*run.inputs.recipe.products, *([run.inputs.recipe.reference] if run.inputs.recipe.reference else []))
    }
    for product in (*run.inputs.products, *([run.inputs.reference] if run.inputs.reference else [])):
        panels[titles[product.name]] = product.read(window, run.inputs.grid).flags()[thin, thin]
    return panels
