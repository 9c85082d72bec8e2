"""Draw sample points from a map. The same map, design and seed give the same points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.evaluation.frame import OUT_OF_FRAME, Frame, strata_of, stratum_km2
from croplayer.evaluation.sample_files import POINT_COLUMNS, SampleDesign
from croplayer.vector.zones import OUTSIDE


class Place(NamedTuple):
    """A pixel of a block."""

    block: int
    """Number of the block in the population."""
    y: int
    x: int


def draw_stratified(frame: Frame, units: np.ndarray, by_unit: bool, seed: int) -> SampleDesign:
    """Draw a stratified random sample of points, independently in each stratum and uniformly by area on the ellipsoid.

    Parameters
    ----------
    units : (k,) number of points in each stratum of `strata_of`
    by_unit : whether strata are the classes of the map in every admin unit, rather than over all units

    Notes
    -----
    Points are independent, so two may fall into one pixel of a small map. They are listed in random order, so that
    their position in the list does not reveal the class of the map.
    """
    strata, stratum_of_cell = strata_of(frame, by_unit)
    areas = stratum_km2(frame, stratum_of_cell, strata)
    empty = np.flatnonzero((areas == 0) & (np.asarray(units) > 0))
    if len(empty):
        raise ValueError(f"stratum '{strata[empty[0]]}' has no area; give it no points")
    rows = []
    for stratum in range(len(strata)):
        members = np.flatnonzero(stratum_of_cell == stratum)
        for place, cells in _draw(frame, members, int(units[stratum]), np.random.default_rng([seed, stratum])):
            rows.append(_point(frame, place, cells) | {"stratum": stratum})
    order = np.random.default_rng([seed, len(strata)]).permutation(len(rows))
    points = pd.DataFrame([rows[i] for i in order], columns=POINT_COLUMNS[1:])
    return _design(frame, points, "stratified", seed, strata, areas, None)


def draw_systematic(frame: Frame, spacing_deg: float, seed: int) -> SampleDesign:
    """Draw points on a grid of equal steps in degrees with a random start; points outside the population are left out.

    Raises ValueError unless 0 < spacing_deg <= 10, and when fewer than 3 points fall into the population.
    """
    if not 0 < spacing_deg <= 10:
        raise ValueError(f"spacing is {spacing_deg} degrees; expected more than 0 and at most 10")
    population = frame.population
    grid = population.cube.grid
    start_lon, start_lat = np.random.default_rng(seed).random(2) * spacing_deg
    rows = []
    for i, block in enumerate(population.blocks):
        if frame.zones[i] == OUTSIDE:
            continue
        box = grid.bounds(block)
        cols = _steps(box.west + 180 - start_lon, box.east + 180 - start_lon, spacing_deg)
        lines = _steps(90 - box.north - start_lat, 90 - box.south - start_lat, spacing_deg)
        if not (len(cols) and len(lines)):
            continue
        cells, _ = population.cells(block, int(frame.zones[i]))
        for line in lines:
            for col in cols:
                y = int((start_lat + line * spacing_deg) * grid.px_per_degree) - block.row * grid.block_px
                x = int((start_lon + col * spacing_deg) * grid.px_per_degree) - block.col * grid.block_px
                if cells[y, x] != OUT_OF_FRAME:
                    rows.append(_point(frame, Place(i, y, x), cells) | {"stratum": 0, "row": line, "col": col})
    if len(rows) < 3:
        raise ValueError(
            f"a grid of {spacing_deg} degrees puts {len(rows)} points on the map; expected at least 3, so use a finer one"
        )
    points = pd.DataFrame(rows, columns=POINT_COLUMNS[1:])
    total = np.array([frame.cell_km2.sum()])
    return _design(frame, points, "systematic", seed, ("all",), total, spacing_deg)


def _steps(start: float, stop: float, spacing: float) -> range:
    """Whole multiples k of the spacing with start <= k * spacing < stop, none below 0."""
    return range(max(int(np.ceil(start / spacing)), 0), int(np.ceil(stop / spacing)))


def _draw(
    frame: Frame, members: np.ndarray, count: int, rng: np.random.Generator
) -> Iterator[tuple[Place, np.ndarray]]:
    """Points drawn uniformly by area from the pixels of some cells, each with the cells of its block."""
    by_block = frame.cell_km2[:, members].sum(axis=1)
    ends = np.cumsum(by_block)
    if count == 0:
        return
    at = np.sort(rng.random(count)) * ends[-1]
    block_of = np.minimum(np.searchsorted(ends, at, side="right"), np.flatnonzero(by_block)[-1])
    population = frame.population
    grid = population.cube.grid
    for i in np.unique(block_of):
        block = population.blocks[i]
        cells, _ = population.cells(block, int(frame.zones[i]))
        inside = np.isin(cells, members)
        row_km2 = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px) / 1e6
        row_ends = np.cumsum(inside.sum(axis=1) * row_km2)
        filled = np.flatnonzero(inside.any(axis=1))
        for position in at[block_of == i] - (ends[i] - by_block[i]):
            y = int(min(np.searchsorted(row_ends, position, side="right"), filled[-1]))
            in_row = np.flatnonzero(inside[y])
            before = row_ends[y] - len(in_row) * row_km2[y]
            k = int((position - before) / row_km2[y])
            yield Place(int(i), y, int(in_row[min(max(k, 0), len(in_row) - 1)])), cells


def _point(frame: Frame, place: Place, cells: np.ndarray) -> dict[str, object]:
    population = frame.population
    grid, block = population.cube.grid, population.blocks[place.block]
    cell = int(cells[place.y, place.x])
    row, col = block.row * grid.block_px + place.y, block.col * grid.block_px + place.x
    return {
        "lon": float(grid.longitudes(col, 1)[0]),
        "lat": float(grid.latitudes(row, 1)[0]),
        "block": block.name,
        "unit": population.unit_codes[cell // population.ground.kinds],
        "mapped": population.ground.class_of[cell % population.ground.kinds],
        "weight": float(grid.pixel_area_m2(row, 1)[0]),
        "row": row,
        "col": col,
    }


def _design(
    frame: Frame,
    points: pd.DataFrame,
    kind: str,
    seed: int,
    strata: tuple[str, ...],
    areas: np.ndarray,
    spacing_deg: float | None,
) -> SampleDesign:
    points.insert(0, "id", [f"p{i:0{len(str(len(points)))}d}" for i in range(1, len(points) + 1)])
    units = frame.population.units
    names = ("",) if units is None else tuple(units.name_en)
    return SampleDesign(
        kind=kind, seed=seed, spacing_deg=spacing_deg, strata=strata, stratum_km2=tuple(areas.tolist()),
        units=frame.population.unit_codes, unit_names=names, unit_class_km2=frame.unit_class_km2,
        unknown_km2=frame.unknown_km2, points=points, classes=frame.population.ground.classes,
    )  # fmt: skip
