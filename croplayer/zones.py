"""Which admin unit a block or a pixel lies in."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import shapely
from rasterio.features import rasterize

from croplayer.grid import BlockGrid, BlockIndex, PixelWindow

OUTSIDE = -1
"""Zone of a pixel or block in no unit."""
BORDER = -2
"""Zone of a block that several units, or a unit and the outside, share."""


def zones_of_blocks(units: gpd.GeoDataFrame, blocks: Sequence[BlockIndex]) -> np.ndarray:
    """Row of the unit that holds each block whole, else BORDER or OUTSIDE: (n,) int32."""
    index = np.array([tuple(b) for b in blocks], dtype=np.int64).reshape(-1, 2)
    grid = BlockGrid()
    zones = np.full(len(index), OUTSIDE, np.int32)
    bounds = np.array([grid.bounds(b) for b in blocks]).reshape(-1, 4)
    boxes = shapely.box(*bounds.T)
    for row, geometry in enumerate(units.geometry):
        shapely.prepare(geometry)
        hit = np.flatnonzero(shapely.intersects(geometry, boxes))
        whole = shapely.covers(geometry, boxes[hit])
        partly = hit[~whole]
        zones[partly[~shapely.touches(geometry, boxes[partly])]] = BORDER
        zones[hit[whole]] = row
    return zones


def zones_of_pixels(units: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Row of the unit that holds the centre of each pixel, else OUTSIDE: (h, w) int32."""
    shape = (window.height, window.width)
    box = shapely.box(*grid.window_bounds(window))
    near = np.flatnonzero(shapely.intersects(units.geometry.to_numpy(), box))
    if not len(near):
        return np.full(shape, OUTSIDE, np.int32)
    shapes = [(units.geometry.iloc[row], int(row)) for row in near]
    return rasterize(shapes, shape, fill=OUTSIDE, transform=grid.transform(window), dtype="int32")


def zone_areas_km2(weight: np.ndarray, zones: np.ndarray, count: int, row_areas_m2: np.ndarray) -> np.ndarray:
    """Area of weighted pixels by zone: (count,) float64 km2; NaN weights count as 0.

    Parameters
    ----------
    weight : (h, w) bool or float, 0..1
    zones : (h, w) int32, zone numbers 0..count-1, negative for none
    row_areas_m2 : (h,) area of a pixel of each row
    """
    area = np.nan_to_num(weight.astype(np.float64)) * row_areas_m2[:, None]
    inside = zones >= 0
    return np.bincount(zones[inside], weights=area[inside], minlength=count)[:count] / 1e6
