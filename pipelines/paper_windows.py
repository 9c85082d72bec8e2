"""Windows of imagery that the appendix of the paper's figures shows."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from croplayer.products.legend import read_legend
from croplayer.products.product import Product
from croplayer.report.windows import thinned
from pipelines.engine.openings import product
from pipelines.recipe import ProductPart
from pipelines.run import Run
from stores.columns import COVERAGE_TYPE, RGB, map_column
from stores.finished import UnfinishedBlocksWarning
from stores.grid import BlockIndex, BlockRange, PixelWindow
from stores.legends import NO_IMAGERY, CoverageType

if TYPE_CHECKING:
    from croplayer.report.paper.evidence import Evidence, Example

MOST_DRAWN_BLOCKS = 200
"""The imagery of larger regions is drawn from overviews, or by the colour of each block."""
REGION_PX = 720
"""Most pixels along the longer edge of the imagery of a region."""
EXAMPLE_PX = 256
MOST_SEARCHED_BLOCKS = 48
"""Blocks that are searched for examples of kinds of land."""
WINDOWS_ALONG = 12
"""Windows along the edge of a block: about 400 m each."""


class LandExamples(NamedTuple):
    """Windows of kinds of land."""

    examples: tuple[Example, ...] = ()
    title: str = ""
    """Of the map that tells the kinds"""
    reason: str = ""
    """Why there are none"""


def region_images(run: Run) -> dict[str, np.ndarray]:
    """Imagery of the region's rectangle of blocks at coarser pixels by source, (h, w, 3) uint8.

    None of a region with more than MOST_DRAWN_BLOCKS whose cube has no overviews.
    """
    if len(run.inputs.blocks) > MOST_DRAWN_BLOCKS:
        return _from_overviews(run)
    return {source: _thinned(run, source) for source in run.recipe.source_names}


def _thinned(run: Run, source: str) -> np.ndarray:
    blocks = run.inputs.blocks
    around, n = BlockRange.around(blocks), run.inputs.grid.block_px
    step = max(1, -(-n * max(around.rows, around.cols) // REGION_PX))
    px = len(range(n)[thinned(step)])
    image = np.full((around.rows * px, around.cols * px, 3), 255, np.uint8)
    for block in blocks:
        y, x = (block.row - around.row) * px, (block.col - around.col) * px
        picture = run.output.cube.read_block(RGB, block, source)
        image[y : y + px, x : x + px] = picture[thinned(step), thinned(step)]
    return image


def _from_overviews(run: Run) -> dict[str, np.ndarray]:
    from croplayer.cube.opening import open_cube
    from croplayer.cube.pictures import quick_look_of

    with warnings.catch_warnings(action="ignore", category=UnfinishedBlocksWarning):
        dataset = open_cube(run.output.folder.whole, edition=run.recipe.edition)
    found = {source: quick_look_of(dataset, source, REGION_PX) for source in run.recipe.source_names}
    return {
        source: np.where(look.colours[..., 3:] > 0, look.colours[..., :3], np.uint8(255))
        for source, look in found.items()
        if look is not None
    }


def coverage_examples(run: Run, blocks: pd.DataFrame) -> list[Example]:
    """A whole block of each coverage type that occurs."""
    from croplayer.report.paper.evidence import Example
    from croplayer.report.paper.examples import surest_blocks

    thin = thinned(max(1, run.inputs.grid.block_px // EXAMPLE_PX))
    return [
        Example(label, f"{source}\n{name}", run.output.cube.read_block(RGB, BlockIndex.parse(name), source)[thin, thin])
        for label, source, name in surest_blocks(blocks, run.recipe.source_names)
    ]


def land_examples(run: Run, evidence: Evidence) -> LandExamples:
    """Windows of each kind of land that the map with most kinds of farmed land tells, from different units."""
    from croplayer.report.paper.examples import NO_KINDS, chosen_windows, kinds_of

    told = [(part, kinds_of(read_legend(part.legend).file)) for part in _classed(run)]
    told = [(part, kinds) for part, kinds in told if kinds]
    if not told:
        return LandExamples(reason=NO_KINDS)
    part, kinds = max(told, key=lambda pair: _farmed(pair[0]))
    blocks = evidence.results.blocks
    names = evidence.block_units
    searched = blocks.assign(
        unit=names if names is not None else "", source=_usable_source(blocks, run.recipe.source_names)
    )
    searched = searched[searched.source.notna()]
    searched = searched.iloc[:: max(1, -(-len(searched) // MOST_SEARCHED_BLOCKS))]
    try:
        windows = _windows(run, product(part), kinds, searched)
    except (OSError, ValueError) as error:
        return LandExamples(reason=f"{part.title} cannot be read: {error}.")
    if windows.empty:
        return LandExamples(reason=f"No class of {part.title} fills a window of the blocks that were searched.")
    examples = [_example(run, row, kinds[int(row.code)]) for row in chosen_windows(windows, kinds).itertuples()]
    return LandExamples(tuple(examples), part.title)


def _classed(run: Run) -> list[ProductPart]:
    """The products and the reference that have a legend."""
    recipe = run.recipe
    parts = [*([recipe.reference] if recipe.reference else []), *recipe.products]
    return [part for part in parts if part.legend]


def _farmed(part: ProductPart) -> int:
    return sum(entry.land is not None for entry in read_legend(part.legend).file.classes.values())


def _usable_source(blocks: pd.DataFrame, sources: tuple[str, ...]) -> pd.Series:
    """The first source of each block whose imagery can be used; missing for none."""
    usable = [c.label for c in CoverageType if c.is_usable]
    found = pd.Series(None, index=blocks.index, dtype=object)
    for source in reversed(sources):
        found = found.mask(blocks[map_column(COVERAGE_TYPE, source)].isin(usable), source)
    return found


def _windows(run: Run, other: Product, kinds: dict[int, str], blocks: pd.DataFrame) -> pd.DataFrame:
    """The windows that a kind of land fills, with their block, unit and source."""
    from croplayer.report.paper.examples import filled_windows

    grid, parts = run.inputs.grid, []
    for row in blocks.itertuples():
        window = grid.window(BlockIndex.parse(str(row.block)))
        is_known = other.read(window, grid).flags() < NO_IMAGERY
        found = filled_windows(other.codes(window, grid, is_known), kinds, _edge(run))
        parts.append(found.assign(block=row.block, unit=row.unit, source=row.source))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _edge(run: Run) -> int:
    return max(1, run.inputs.grid.block_px // WINDOWS_ALONG)


def _example(run: Run, row: object, kind: str) -> Example:
    from croplayer.report.paper.evidence import Example

    name, source, unit, share = (getattr(row, field) for field in ("block", "source", "unit", "share"))
    block, n, edge = BlockIndex.parse(name), run.inputs.grid.block_px, _edge(run)
    window = PixelWindow(block.row * n + row.row * edge, block.col * n + row.col * edge, edge, edge)  # type: ignore[attr-defined]
    thin = thinned(max(1, edge // EXAMPLE_PX))
    where = f"{unit}, {100 * share:.0f} %" if unit == unit and unit else f"{100 * share:.0f} %"
    return Example(kind, f"{where}\n{source}, {name}", run.output.cube.read_window(RGB, window, source)[thin, thin])
