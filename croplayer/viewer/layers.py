"""The layers of a run: what each shows, in which colours, and how a picture of it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba

from croplayer.report.style import (
    CORRECTNESS_COLOURS,
    CORRECTNESS_WORDS,
    COVERAGE_COLOURS,
    INTEGRATION_COLOURS,
    class_colours,
)
from croplayer.viewer.mercator import Places
from croplayer.viewer.pixels import OUTLINES, PRODUCT, CubePixels
from stores.columns import (
    AREA_FRACTION,
    BOUNDARY_PROBABILITY,
    COVERAGE_TYPE,
    CROPLAND_MASK,
    CROPLAND_PROBABILITY,
    FAMILIARITY,
    FIELD,
    IMAGERY_VALID,
    RGB,
    map_column,
)
from stores.grid import BlockGrid, BlockRange
from stores.legends import (
    CROPLAND,
    FLAG_COLOURS,
    FLAG_LABELS,
    INTEGRATED,
    NO_IMAGERY,
    NOT_CROPLAND,
    PROBABILITY_SCALE,
    Integration,
)

ColumnOf = Callable[[str], pd.Series | None]
EMPTY: Mapping[str, str] = MappingProxyType({})
STEPS = 201
"""Colours of a ramp."""
NOTHING = 255
"""Code of a block without a value, or outside of the cube; it is transparent."""
BLOCK_TILE_PX = 128
"""Least pixels along a block in the closest tiles of a layer of blocks; closer, they are enlarged."""
OPAQUE, PALE = 255, 110
FIELD_COLOUR = "#ffd600"
BLOCKS = "Blocks"
"""Title of the layers of blocks."""
DEVIATION_RANGE = 0.5
"""A product's share of cropland minus the map's is drawn from this below 0 to this above."""


@dataclass(frozen=True)
class Swatch:
    """An entry of a legend."""

    label: str
    colour: str
    """``#rrggbb``."""


FLAG_LEGEND = tuple(Swatch(FLAG_LABELS[flag], FLAG_COLOURS[flag]) for flag in (CROPLAND, NOT_CROPLAND, NO_IMAGERY))


class Layer(Protocol):
    """What a person can switch on."""

    @property
    def key(self) -> str:
        """What it is called in addresses."""

    @property
    def title(self) -> str:
        """What people read."""

    @property
    def group(self) -> str:
        """Title of the layers that it stands among."""

    @property
    def legend(self) -> tuple[Swatch, ...]:
        """Its colours in words."""

    @property
    def is_of_blocks(self) -> bool:
        """Whether it holds one value for each block."""

    def has_overviews(self, pixels: CubePixels) -> bool:
        """Whether it is drawn at every zoom from the overviews of its edition."""

    def rgba(self, pixels: CubePixels, places: Places) -> np.ndarray | None:
        """A picture as (h, w, 4) uint8; None where it shows more blocks than are read for one."""


@dataclass(frozen=True)
class ImageryLayer:
    """Imagery of a source, transparent where the source has none."""

    key: str
    title: str
    source: str
    group: str = "Imagery"
    legend: tuple[Swatch, ...] = ()
    is_of_blocks: bool = False

    def has_overviews(self, pixels: CubePixels) -> bool:
        """Whether it is drawn at every zoom from the overviews of its edition."""
        return pixels.coarse is not None

    def rgba(self, pixels: CubePixels, places: Places) -> np.ndarray | None:
        """A picture as (h, w, 4) uint8; None where it shows more blocks than are read for one."""
        if pixels.coarse and (coarse := pixels.coarse.imagery(places, self.source)) is not None:
            return coarse
        rgb = pixels.under(places, RGB, self.source)
        valid = pixels.under(places, IMAGERY_VALID, self.source)
        return None if rgb is None or valid is None else np.dstack([rgb, np.where(valid, OPAQUE, 0).astype(np.uint8)])


@dataclass(frozen=True)
class CodedLayer:
    """An array of uint8 codes of the cube, each in its colour."""

    key: str
    title: str
    group: str
    legend: tuple[Swatch, ...]
    array: str
    source: str | None
    palette: np.ndarray
    """(256, 4) uint8."""
    is_of_blocks: bool = False

    def has_overviews(self, pixels: CubePixels) -> bool:
        """Whether it is drawn at every zoom from the overviews of its edition."""
        return False

    def rgba(self, pixels: CubePixels, places: Places) -> np.ndarray | None:
        """A picture as (h, w, 4) uint8; None where it shows more blocks than are read for one."""
        codes = pixels.under(places, self.array, self.source)
        return None if codes is None else self.palette[codes]


@dataclass(frozen=True)
class MapLayer(CodedLayer):
    """The map, or that of a source: its flags, and far out the mean of their colours."""

    def has_overviews(self, pixels: CubePixels) -> bool:
        """Whether it is drawn at every zoom from the overviews of its edition."""
        return pixels.coarse is not None

    def rgba(self, pixels: CubePixels, places: Places) -> np.ndarray | None:
        """A picture as (h, w, 4) uint8; None where it shows more blocks than are read for one."""
        coarse = pixels.coarse.shares(places, self.source) if pixels.coarse else None
        return super().rgba(pixels, places) if coarse is None else mixed(*coarse, self.palette)


@dataclass(frozen=True)
class BlockLayer:
    """A colour for each block."""

    key: str
    title: str
    group: str
    legend: tuple[Swatch, ...]
    codes: np.ndarray
    """(rows, columns) uint8 of the cube's rectangle of blocks; `NOTHING` where a block has no value."""
    palette: np.ndarray
    """(256, 4) uint8."""
    blocks: BlockRange
    grid: BlockGrid
    is_of_blocks: bool = True

    def has_overviews(self, pixels: CubePixels) -> bool:
        """Whether it is drawn at every zoom from the overviews of its edition."""
        return False

    def rgba(self, pixels: CubePixels, places: Places) -> np.ndarray | None:
        """A picture as (h, w, 4) uint8."""
        row = places.rows // self.grid.block_px - self.blocks.row
        col = places.cols // self.grid.block_px - self.blocks.col
        y, x = (row >= 0) & (row < self.blocks.rows), (col >= 0) & (col < self.blocks.cols)
        codes = np.full((len(row), len(col)), NOTHING, np.uint8)
        codes[np.ix_(y, x)] = self.codes[np.ix_(row[y], col[x])]
        return self.palette[codes]


def mixed(fraction: np.ndarray, known: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """The mean of the colours of the pixels below coarse ones, weighted by how opaque they are: (h, w, 4) uint8.

    Where some pixels are known, the others are clear, for which of both they are, without imagery or never processed, is not told.

    Parameters
    ----------
    fraction, known : (h, w) uint8 as in `croplayer.measures.overviews.Overview`
    palette : (256, 4) uint8, colours of the flags
    """
    share = np.where(known > 0, fraction, 0).astype(np.float32) / PROBABILITY_SCALE
    clear = known.astype(np.float32) / PROBABILITY_SCALE
    crop, other = (palette[flag].astype(np.float32) for flag in (CROPLAND, NOT_CROPLAND))
    weights = share * crop[3], (1 - share) * other[3]
    total = weights[0] + weights[1]
    colours = weights[0][..., None] * crop[:3] + weights[1][..., None] * other[:3]
    out = np.empty((*fraction.shape, 4), np.uint8)
    out[..., :3] = np.rint(colours / total[..., None])
    out[..., 3] = np.rint(total * clear)
    return np.where((known > 0)[..., None], out, palette[fraction])


def layers_of(
    pixels: CubePixels, column: ColumnOf | None, products: Sequence[str], titles: Mapping[str, str] = EMPTY
) -> dict[str, Layer]:
    """The layers that a run has, by key, in the order in which a person reads them.

    Parameters
    ----------
    column : gives a column of the run's block table, or None where it has no such one; None where there is no table yet
    products : names of the products that the run compares with
    titles : what people call a product, by its name; the name itself where there is none
    """
    cube = pixels.cube
    found: list[Layer] = [*_maps(pixels), *(ImageryLayer(f"imagery-{i}", s, s) for i, s in enumerate(cube.sources))]
    if column is not None:
        blocks = _BlockColumns(column, cube.blocks, cube.grid)
        found += _judgements(blocks, cube.sources)
        found += _numbers(blocks, cube.sources, {name: titles.get(name, name) for name in products})
    found += _of_sources(pixels)
    found += _other_maps(pixels, titles)
    return {layer.key: layer for layer in found}


def _maps(pixels: CubePixels) -> list[Layer]:
    found: list[Layer] = [MapLayer("map", "Cropland map", "Map", FLAG_LEGEND, INTEGRATED, None, _flag_palette())]
    if pixels.cube.has_array(FIELD):
        lines = np.zeros((256, 4), np.uint8)
        lines[1] = _rgba(FIELD_COLOUR)
        swatch = (Swatch("edge of a field, before small and unsure ones are left out", FIELD_COLOUR),)
        found.append(CodedLayer("fields", "Fields", "Map", swatch, OUTLINES, None, lines))
    return found


def _of_sources(pixels: CubePixels) -> list[Layer]:
    cube, group = pixels.cube, "Each source"
    found: list[Layer] = []
    for i, source in enumerate(cube.sources):
        title = f"Cropland in {source}"
        found.append(MapLayer(f"mask-{i}", title, group, FLAG_LEGEND, CROPLAND_MASK, source, _flag_palette()))
    scores = [
        (CROPLAND_PROBABILITY, "probability", "Cropland score"),
        (BOUNDARY_PROBABILITY, "boundary", "Boundary score"),
    ]
    for array, key, words in scores:
        if cube.has_array(array):
            ramp, legend_of = _score_palette()
            for i, source in enumerate(cube.sources):
                found.append(CodedLayer(f"{key}-{i}", f"{words}, {source}", group, legend_of, array, source, ramp))
    return found


def _other_maps(pixels: CubePixels, titles: Mapping[str, str]) -> list[Layer]:
    return [
        CodedLayer(f"product-{i}", titles.get(name, name), "Other maps", FLAG_LEGEND, PRODUCT, name, _flag_palette())
        for i, name in enumerate(pixels.products)
    ]


def _judgements(blocks: _BlockColumns, sources: Sequence[str]) -> list[Layer]:
    names = dict(zip((Integration.ONLY_A.label, Integration.ONLY_B.label), sources, strict=False))
    choice = blocks.classes("integration", "Source taken", "integration_label", INTEGRATION_COLOURS, names)
    each = []
    for i, source in enumerate(sources):
        column = map_column(COVERAGE_TYPE, source)
        each.append(blocks.classes(f"coverage-{i}", f"Coverage type, {source}", column, COVERAGE_COLOURS))
        title, column = f"Correctness, {source}", map_column("correctness", source)
        each.append(blocks.classes(f"correctness-{i}", title, column, CORRECTNESS_COLOURS, CORRECTNESS_WORDS))
    return [layer for layer in (choice, *each) if layer is not None]


def _numbers(blocks: _BlockColumns, sources: Sequence[str], products: Mapping[str, str]) -> list[Layer]:
    """Layers of numbers, with products by what people call them."""
    own = blocks.values(map_column(AREA_FRACTION, INTEGRATED))
    found = [blocks.ramp("share", "Share of cropland", own, (0.0, 1.0), "YlGn", ("0 %", "50 %", "100 %"))]
    for i, source in enumerate(sources):
        familiar = blocks.values(map_column(FAMILIARITY, source))
        title = f"Familiarity, {source}"
        found.append(blocks.ramp(f"familiarity-{i}", title, familiar, (0.0, 1.0), "cividis", ("0", "0.5", "1")))
    for i, (product, called) in enumerate(products.items()):
        other = blocks.values(map_column(AREA_FRACTION, product))
        if own is not None and other is not None:
            ends = (-DEVIATION_RANGE, DEVIATION_RANGE)
            words = ("50 points less than the map", "as the map", "50 points more")
            group = "Share of other maps, minus that of the map"
            found.append(blocks.ramp(f"deviation-{i}", called, other - own, ends, "PuOr", words, group))
    return [layer for layer in found if layer is not None]


class _BlockColumns:
    """Columns of a block table as layers."""

    def __init__(self, column: ColumnOf, blocks: BlockRange, grid: BlockGrid) -> None:
        self._column, self._blocks, self._grid = column, blocks, grid
        row, col = (self._places(name) - start for name, start in (("row", blocks.row), ("col", blocks.col)))
        self._inside = (row >= 0) & (row < blocks.rows) & (col >= 0) & (col < blocks.cols)
        self._at = row[self._inside], col[self._inside]

    def _places(self, name: str) -> np.ndarray:
        found = self._column(name)
        if found is None:
            raise ValueError(f"the block table has no column '{name}'; make it again with the run's recipe")
        return found.to_numpy(np.int64)

    def values(self, column: str) -> np.ndarray | None:
        """Numbers (n,) float64, NaN where there is none; None without the column."""
        found = self._column(column)
        return None if found is None else found.to_numpy(np.float64, na_value=np.nan)

    def classes(
        self, key: str, title: str, column: str, known: Mapping[str, str], words: Mapping[str, str] = EMPTY
    ) -> BlockLayer | None:
        """A layer of labels, with words for some in its legend; None where the table has none."""
        found = self._column(column)
        if found is None or found.isna().all():
            return None
        values = pd.Categorical(found)
        labels = [label for label in known if label in values.categories]
        labels += sorted(set(values.categories) - set(labels))
        colours = class_colours(labels, known)
        # The last one is for blocks without a label, whose code is -1.
        code_of = np.array([*(labels.index(label) for label in values.categories), np.nan])
        codes = code_of[values.codes]
        palette = np.zeros((256, 4), np.uint8)
        palette[: len(labels)] = [_rgba(colours[label]) for label in labels]
        shown = {label: f"{label}: {words[label]}" if label in words else label for label in labels}
        legend = tuple(Swatch(shown[label], colours[label]) for label in labels)
        return self._layer(key, title, legend, codes, palette)

    def ramp(
        self,
        key: str,
        title: str,
        values: np.ndarray | None,
        ends: tuple[float, float],
        colours: str,
        words: Sequence[str],
        group: str = BLOCKS,
    ) -> BlockLayer | None:
        """A layer of numbers between two ends, with words for legend entries at equal distances; None without a number."""
        if values is None or np.isnan(values).all():
            return None
        ramp = matplotlib.colormaps[colours](np.linspace(0, 1, STEPS), bytes=True)
        palette = np.zeros((256, 4), np.uint8)
        palette[:STEPS] = ramp
        codes = np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1) * (STEPS - 1)
        legend = _ramp_legend(ramp, words)
        return replace(self._layer(key, title, legend, np.round(codes), palette), group=group)

    def _layer(
        self, key: str, title: str, legend: tuple[Swatch, ...], codes: np.ndarray, palette: np.ndarray
    ) -> BlockLayer:
        placed = np.full((self._blocks.rows, self._blocks.cols), NOTHING, np.uint8)
        placed[self._at] = np.where(np.isnan(codes), NOTHING, np.nan_to_num(codes)).astype(np.uint8)[self._inside]
        return BlockLayer(key, title, BLOCKS, legend, placed, palette, self._blocks, self._grid)


def _flag_palette() -> np.ndarray:
    palette = np.zeros((256, 4), np.uint8)
    for flag, alpha in ((CROPLAND, OPAQUE), (NOT_CROPLAND, PALE), (NO_IMAGERY, OPAQUE)):
        palette[flag] = _rgba(FLAG_COLOURS[flag], alpha)
    return palette


def _score_palette() -> tuple[np.ndarray, tuple[Swatch, ...]]:
    ramp = matplotlib.colormaps["viridis"](np.linspace(0, 1, PROBABILITY_SCALE + 1), bytes=True)
    palette = np.zeros((256, 4), np.uint8)
    palette[: PROBABILITY_SCALE + 1] = ramp
    palette[NO_IMAGERY] = _rgba(FLAG_COLOURS[NO_IMAGERY])
    gone = Swatch(FLAG_LABELS[NO_IMAGERY], FLAG_COLOURS[NO_IMAGERY])
    return palette, (*_ramp_legend(ramp, ("0", "0.5", "1")), gone)


def _ramp_legend(ramp: np.ndarray, words: Sequence[str]) -> tuple[Swatch, ...]:
    places = np.linspace(0, len(ramp) - 1, len(words)).round().astype(int)
    return tuple(Swatch(w, f"#{r:02x}{g:02x}{b:02x}") for w, (r, g, b, _) in zip(words, ramp[places], strict=True))


def _rgba(colour: str, alpha: int = OPAQUE) -> np.ndarray:
    return np.array([*(round(255 * part) for part in to_rgba(colour)[:3]), alpha], np.uint8)
