"""Truth: masks and classes on the block lattice, and what each source shows of a block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.sources import CLOUD, SNOW
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import CoverageType

PLANTING_SHARE = 0.05
"""A block with at least this share of cropland is Planting, one with less is Non-planting."""

SAMPLES = 128
"""Points along a block edge where cloud, snow and missing imagery are counted."""


class BlockTruth(NamedTuple):
    """What a source shows of a block."""

    coverage_type: CoverageType
    """Nodata above 10 % missing, then Cloudy above 10 % thick cloud, then Snow/Ice above 20 % snow."""

    cloud_fraction: float
    """Share of the block under thick cloud (opacity above one half), 0-1."""

    snow_fraction: float
    """Share of the block under snow, 0-1."""

    nodata_fraction: float
    """Share of the block without imagery, 0-1."""

    area_fraction: float
    """Share of the block that is cropland, 0-1, whatever the source shows."""


def truth_classes(country: Country, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Land-cover codes of a window of the lattice, by pixel centre: (h, w) uint8 `LandCover`."""
    lon = grid.longitudes(window.col, window.width)
    lat = grid.latitudes(window.row, window.height)
    return country.land_cover(lon, lat)


def truth_mask(country: Country, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """The true cropland mask of a window of the lattice: (h, w) uint8, 1 cropland, 0 not; nothing is missing."""
    return np.asarray(IS_CROPLAND[truth_classes(country, window, grid)])


def block_truth(
    country: Country, source: str, block: BlockIndex, *, area_fraction: float | None = None, per_degree: int = 900
) -> BlockTruth:
    """What a source shows of a block, from a sample of points.

    Parameters
    ----------
    area_fraction : the cropland share, if known; else it is sampled at SAMPLES x SAMPLES points
    per_degree : nodes along a degree at which weather (and cropland, if not known) are evaluated
    """
    grid = BlockGrid(SAMPLES)
    window = grid.window(block)
    lon, lat = grid.longitudes(window.col, SAMPLES), grid.latitudes(window.row, SAMPLES)
    nodes = country.nodes(lon, lat, per_degree=per_degree)
    if area_fraction is None:
        area_fraction = float(IS_CROPLAND[country.survey(lon, lat, nodes=nodes).cover].mean())
    weather = country.weather(source, nodes)
    cloud, snow = (_sample(weather[:, k], nodes.col, nodes.row, per_degree, lon, lat) for k in (CLOUD, SNOW))
    missing = ~country.has_imagery(source, lon, lat)
    return judged(float((cloud > 0.5).mean()), float((snow > 0.5).mean()), float(missing.mean()), area_fraction)


def judged(cloud: float, snow: float, nodata: float, area_fraction: float) -> BlockTruth:
    """The truth of a block from its shares, by the rules of `BlockTruth.coverage_type`."""
    if nodata > 0.10:
        kind = CoverageType.NODATA
    elif cloud > 0.10:
        kind = CoverageType.CLOUDY
    elif snow > 0.20:
        kind = CoverageType.SNOW_ICE
    else:
        kind = CoverageType.PLANTING if area_fraction >= PLANTING_SHARE else CoverageType.NON_PLANTING
    return BlockTruth(kind, cloud, snow, nodata, area_fraction)


def _sample(field: np.ndarray, col: int, row: int, per_degree: int, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Nearest node of a (rows, cols) field at every point of a grid: (h, w)."""
    x = np.rint(lon * per_degree - 0.5).astype(np.int64) - col
    y = np.rint(lat * per_degree - 0.5).astype(np.int64) - row
    return field[np.ix_(y, x)]
