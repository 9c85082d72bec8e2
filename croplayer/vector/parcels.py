"""Cropland regions as polygons."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
from pyproj import Geod
from rasterio.features import shapes
from shapely.geometry import shape

from croplayer.grid import CRS, BlockGrid, PixelWindow

GEOD = Geod(ellps="WGS84")


def parcels_of_mask(crop: np.ndarray, window: PixelWindow, grid: BlockGrid) -> gpd.GeoDataFrame:
    """4-connected cropland regions of a boolean mask (h, w) as polygons along pixel edges.

    Columns: id (text, from the lattice position of the region's first pixel), area_ha (on the
    ellipsoid), geometry in EPSG:4326. No cropland gives an empty frame with the same columns.
    """
    transform = grid.transform(window)
    rings = shapes(crop.astype(np.uint8), mask=crop, connectivity=4, transform=transform)
    geometries = [shape(geometry) for geometry, _ in rings]
    frame = gpd.GeoDataFrame({"id": [""] * len(geometries)}, geometry=geometries, crs=CRS)
    frame["id"] = [_first_pixel(g.exterior.coords, grid) for g in geometries]
    frame["area_ha"] = np.array([abs(GEOD.geometry_area_perimeter(g)[0]) / 1e4 for g in geometries], np.float64)
    return frame[["id", "area_ha", "geometry"]]


def _first_pixel(coordinates: object, grid: BlockGrid) -> str:
    """Name of the north-westernmost pixel of a region: the same in every run that maps it."""
    points = np.asarray(coordinates)
    north = points[:, 1].max()
    west = points[points[:, 1] > north - grid.px_deg / 2, 0].min()
    row = round((90 - north) * grid.px_per_degree)
    col = round((west + 180) * grid.px_per_degree)
    return f"{grid.block_px}-{row}-{col}"
