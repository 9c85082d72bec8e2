"""The fields of a cube with their outlines and attributes, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.cube.field_layers import FieldLayers
from croplayer.fields.block_tables import LARGE, SMALL, UNSURE, WIDE, FoundFields
from croplayer.fields.outlines import field_outlines, margin_px, shape_attributes
from croplayer.fields.rules import LearnedPair, score_all
from croplayer.fields.whole import (
    BlockView,
    Fields,
    WholeFields,
    block_of_number,
    field_features,
    field_ids,
    naming_points,
)
from croplayer.kernels.pieces import PIECE_SUMS
from croplayer.sources.elevation import ElevationRaster
from stores.columns import CORRECTION, COVERAGE_TYPE, FAMILIARITY, map_column
from stores.field_columns import AREA, AT_EDGE, AT_GAP, BOUNDARY, CONFIDENCE, FIELD_COLUMNS, ID, PERIMETER, PROBABILITY
from stores.grid import CRS, LATTICE_COLS, BlockGrid, BlockIndex, PixelWindow
from stores.legends import PROBABILITY_SCALE

SAMPLED_PX = 4
"""Rows and columns of pixels between those that the terrain of a field is taken at."""
NUMBERS_KEPT = 9
"""Blocks whose numbers are kept in memory, 26 MB each at 2,560 px."""


@dataclass(frozen=True)
class FieldChoice:
    """Which fields are kept, and how their outlines are drawn."""

    min_area_ha: float
    max_area_ha: float
    min_confidence: float
    simplify_m: float
    """Tolerance of the outlines in metres; 0 keeps the sides of pixels."""
    fill_holes_ha: float
    """Holes whose pixels are less are filled; below ``min_area_ha``, so that no hole that is filled holds a field."""


class _Judged(NamedTuple):
    """All fields with a piece in one block, and which of them are kept."""

    view: BlockView
    confidence: np.ndarray
    """(n,) float64, NaN where nothing tells"""
    corrected: np.ndarray
    """(n,) bool"""
    why: np.ndarray
    """(n,) str, why a field is left out; empty for those that are kept"""


class FieldTables:
    """The fields of a cube."""

    def __init__(
        self,
        layers: FieldLayers,
        rules: LearnedPair,
        choice: FieldChoice,
        edition: str,
        blocks: pd.DataFrame | None = None,
        elevation: ElevationRaster | None = None,
    ) -> None:
        """``blocks`` is the run's block table, for what is known of a block; None where there is none yet."""
        self._elevation = elevation
        self._layers, self._rules, self._choice, self._edition = layers, rules, choice, edition
        self._blocks = None if blocks is None else blocks.set_index("block")
        self._whole = WholeFields(layers.pieces)
        self._numbers = lru_cache(NUMBERS_KEPT)(self._numbers_of)
        self._judged = lru_cache(1)(self._judged_in)

    def of(self, block: BlockIndex) -> FoundFields:
        """Fields whose id names a block of the map; every field has one such block."""
        view, *judged = self._judged(block)
        is_own = block_of_number(view.fields.number) == block.row * LATTICE_COLS + block.col
        own = _some(view.fields, is_own)
        confidence, corrected, why = (part[is_own] for part in judged)
        choice, is_kept = self._choice, why == ""
        kept, grid = _some(own, is_kept), self._layers.cube.grid
        least_hole_px = choice.fill_holes_ha * 1e4 / float(grid.pixel_area_m2(grid.window(block).row, 1)[0])
        geometry = np.empty(len(kept.number), object)
        terrain = np.full((len(kept.number), 2), np.nan)
        for place in self._together(block, kept):
            some = _some(kept, place)
            window, ids = self._surroundings(some)
            numbers, outlines = field_outlines(ids, window, grid, choice.simplify_m, some.number, least_hole_px)
            geometry[place] = outlines[np.searchsorted(numbers, some.number)]
            terrain[place] = self._terrain(ids, window, some.number)
        left_out = _left_out(grid, own, why, view.too_wide)
        table = self._table(block, kept, confidence[is_kept], terrain, geometry, corrected[is_kept])
        return FoundFields.of(table, left_out)

    def kept(self, block: BlockIndex) -> np.ndarray:
        """Which cropland (h, w) bool of a block belongs to fields that are kept, whichever block writes them."""
        view, _, _, why = self._judged(block)
        is_kept = np.isin(view.numbers, view.fields.number[why == ""])
        return np.asarray(is_kept[self.numbers(block)])

    def numbers(self, block: BlockIndex) -> np.ndarray:
        """Numbers (h, w) uint32 of the pieces of a block, 0 for none; all its cropland is in one."""
        return self._numbers(block)

    def _judged_in(self, block: BlockIndex) -> _Judged:
        """A field is judged the same in every block that holds a piece of it, because all see the whole field."""
        view, choice = self._whole.view_of(block), self._choice
        confidence = confidences(self._rules, view.fields)
        corrected = self._corrected(block, view.fields)
        area = view.fields.measures[:, 0] / 1e4
        why = np.select(
            # A person who drew a field is sure of it, whatever the network saw.
            [area < choice.min_area_ha, area > choice.max_area_ha, (confidence < choice.min_confidence) & ~corrected],
            [SMALL, LARGE, UNSURE],
            default="",
        )
        return _Judged(view, confidence, corrected, why)

    def _together(self, block: BlockIndex, kept: Fields) -> Iterator[np.ndarray]:
        """Places of the fields that are drawn in one window: those inside of the block at once, the others one by one."""
        window = self._layers.cube.grid.window(block)
        first, last = kept.boxes[:, :2], kept.boxes[:, 2:]
        start, stop = (window.row, window.col), (window.row_stop, window.col_stop)
        is_inside = (first >= start).all(axis=1) & (last <= stop).all(axis=1)
        if is_inside.any():
            yield np.flatnonzero(is_inside)
        yield from np.flatnonzero(~is_inside)[:, None]

    def _surroundings(self, kept: Fields) -> tuple[PixelWindow, np.ndarray]:
        """A window around some fields, and the numbers (h, w) int64 of all fields in it."""
        top, left = kept.boxes[:, :2].min(axis=0)
        bottom, right = kept.boxes[:, 2:].max(axis=0)
        cube = self._layers.cube
        window = PixelWindow(int(top), int(left), int(bottom - top), int(right - left))
        margin = margin_px(window, cube.grid, self._choice.simplify_m)
        window = window.grown(margin).common(cube.blocks.window(cube.grid))
        ids = np.zeros((window.height, window.width), np.int64)
        for block in cube.grid.blocks_under(window):
            if self._layers.taken.of(block) is not None:
                part = window.common(cube.grid.window(block))
                numbers = self._numbers(block)[part.slices_in(cube.grid.window(block))]
                ids[part.slices_in(window)] = self._whole.view_of(block).numbers[numbers]
        return window, ids

    def _corrected(self, block: BlockIndex, fields: Fields) -> np.ndarray:
        """Whether each field holds a pixel that a person corrected by hand, or lies beside one: (n,) bool."""
        from scipy import ndimage

        found = np.zeros(len(fields.number), bool)
        if not self._layers.cube.has_array(CORRECTION):
            return found
        whole = self._layers.cube.blocks.window(self._layers.cube.grid)
        for place in self._together(block, fields):
            some = _some(fields, place)
            top, left = some.boxes[:, :2].min(axis=0)
            bottom, right = some.boxes[:, 2:].max(axis=0)
            box = PixelWindow(int(top), int(left), int(bottom - top), int(right - left)).grown(1).common(whole)
            if not self._layers.corrected(box).any():
                continue
            window, ids = self._surroundings(some)
            around = window.grown(1).common(whole)
            beside = ndimage.binary_dilation(self._layers.corrected(around))[window.slices_in(around)]
            found[place] = np.isin(some.number, ids[beside])
        return found

    def _terrain(self, ids: np.ndarray, window: PixelWindow, wanted: np.ndarray) -> np.ndarray:
        """Median slope and elevation of some fields, from a pixel in sixteen, or from all of a field without one: (n, 2), else NaN."""
        if self._elevation is None:
            return np.full((len(wanted), 2), np.nan)
        grid = self._layers.cube.grid
        top, left = -window.row % SAMPLED_PX, -window.col % SAMPLED_PX
        sampled = ids[top::SAMPLED_PX, left::SAMPLED_PX]
        row, col = (
            axis * SAMPLED_PX + first
            for axis, first in zip(np.nonzero(np.isin(sampled, wanted)), (top, left), strict=True)
        )
        between = np.nonzero(np.isin(ids, np.setdiff1d(wanted, sampled)))
        row, col = np.concatenate([row, between[0]]), np.concatenate([col, between[1]])
        number = pd.Series(ids[row, col])
        lat = grid.latitudes(window.row, window.height)
        lon = grid.longitudes(window.col, window.width)
        elevation, slope = self._elevation.terrain_at(lon[col], lat[row])
        table = pd.DataFrame({"slope": slope, "elevation": elevation}).groupby(number).median()
        return table.reindex(wanted).to_numpy()

    def _numbers_of(self, block: BlockIndex) -> np.ndarray:
        return self._layers.numbers(block)

    def _table(
        self,
        block: BlockIndex,
        kept: Fields,
        confidence: np.ndarray,
        terrain: np.ndarray,
        geometry: np.ndarray,
        corrected: np.ndarray,
    ) -> gpd.GeoDataFrame:
        part = {name: kept.sums[:, k] for k, name in enumerate(PIECE_SUMS)}
        tells_edges = (part["told_sides"] > 0) & self._layers.tells_boundaries
        columns = {
            ID: field_ids(kept.number),
            AREA: kept.measures[:, 0] / 1e4,
            PERIMETER: kept.measures[:, 1],
            **shape_attributes(geometry),
            "slope": terrain[:, 0],
            "elevation": terrain[:, 1],
            "edition": self._edition,
            **self._of_block(block),
            PROBABILITY: _means(part["cropland"], part["told"], part["told"] > 0),
            BOUNDARY: _means(part["outside_boundary"], part["told_sides"], tells_edges),
            CONFIDENCE: confidence,
            AT_GAP: part["at_gap"] > 0,
            AT_EDGE: part["at_edge"] > 0,
            "corrected": corrected,
        }
        table = pd.DataFrame(index=pd.RangeIndex(len(kept.number)))
        for column in FIELD_COLUMNS:
            values = columns.get(column.name)
            table[column.name] = pd.Series(values, index=table.index, dtype=column.dtype)
        return gpd.GeoDataFrame(table, geometry=geometry, crs=CRS)

    def _of_block(self, block: BlockIndex) -> dict[str, object]:
        """What is known of a block: its sources, and the coverage type, correctness and familiarity of the first of them."""
        taken = self._layers.taken.of(block) or ()
        known: dict[str, object] = {"source": "+".join(taken) or None}
        if self._blocks is not None and taken and block.name in self._blocks.index:
            row = self._blocks.loc[block.name]
            for name, column in (
                ("coverage", map_column(COVERAGE_TYPE, taken[0])),
                ("correct", map_column("correctness", taken[0])),
                ("familiar", map_column(FAMILIARITY, taken[0])),
            ):
                known[name] = row.get(column)
        return known


def confidences(rules: LearnedPair, fields: Fields) -> np.ndarray:
    """Probability (n,) float64 that each field matches a drawn one at IoU 0.5.

    NaN where less than half of its pixels are told (`kernels.pieces.PIECE_SUMS`): the rule learned from fields that a network
    found, and tells nothing of those that a person drew.
    """
    if not len(fields.number):
        return np.zeros(0)
    pixels, told = (fields.sums[:, PIECE_SUMS.index(name)] for name in ("pixels", "told"))
    score = score_all(rules.confidence, field_features(fields.sums, fields.measures))
    return np.where(2 * told >= pixels, 1 / (1 + np.exp(-score)), np.nan)


def _means(sums: np.ndarray, counts: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Mean scores (n,) float64, 0..1, NaN where they are not known."""
    return np.where(is_known, sums / np.maximum(counts, 1) / PROBABILITY_SCALE, np.nan)


def _left_out(grid: BlockGrid, own: Fields, why: np.ndarray, too_wide: Fields) -> pd.DataFrame:
    numbers = np.concatenate([own.number[why != ""], too_wide.number])
    lon, lat = naming_points(numbers, grid)
    area = np.concatenate([own.measures[why != "", 0], too_wide.measures[:, 0]]) / 1e4
    reasons = [*why[why != ""], *[WIDE] * len(too_wide.number)]
    return pd.DataFrame({"why": reasons, AREA: area, "lon": lon, "lat": lat})


def _some(fields: Fields, keep: np.ndarray) -> Fields:
    return Fields(*(part[keep] for part in fields))
