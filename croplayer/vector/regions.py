"""Cropland regions as polygons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Geod

from croplayer.kernels.outlines import OutlineTracer, Rings, outlines, polygons
from stores.grid import CRS, BlockGrid, PixelWindow

GEOD = Geod(ellps="WGS84")


def regions_of_mask(crop: np.ndarray, window: PixelWindow, grid: BlockGrid) -> gpd.GeoDataFrame:
    """4-connected cropland regions of a mask as polygons along pixel edges.

    Parameters
    ----------
    crop : (h, w) bool
    window : the mask's place on the lattice

    Returns
    -------
    Columns id (text, from the place on the lattice of the region's first pixel), area_ha (float64, on the
    WGS 84 ellipsoid) and geometry in EPSG:4326; an empty frame with these columns if there is no cropland
    """
    return _frame(outlines(crop), window, grid)


def regions_of_strips(strips: Iterable[np.ndarray], window: PixelWindow, grid: BlockGrid) -> Iterator[gpd.GeoDataFrame]:
    """Regions as `regions_of_mask` gives them, of a mask that comes in strips of rows (h, w) bool, as soon as they end.

    A region across strips is one polygon; memory holds a strip and the regions that still go on. The frames hold the same
    polygons as those of the whole mask, ordered by where they end.
    """
    tracer = OutlineTracer(window.width)
    for strip in strips:
        yield _frame(tracer.add(strip), window, grid)
    yield _frame(tracer.finish(), window, grid)


def _frame(rings: Rings, window: PixelWindow, grid: BlockGrid) -> gpd.GeoDataFrame:
    geometries = polygons(rings, grid.transform(window))
    frame = gpd.GeoDataFrame({"id": _ids(rings, window, grid)}, geometry=geometries, crs=CRS)
    frame["area_ha"] = abs(_areas_m2(geometries)) / 1e4
    return frame[["id", "area_ha", "geometry"]]


def _areas_m2(geometries: np.ndarray) -> np.ndarray:
    """Areas of polygons (n,) on the ellipsoid in m2, (n,) float64, as `Geod.geometry_area_perimeter` has them."""
    rings, polygon_of_ring = shapely.get_rings(geometries, return_index=True)
    points, ring_of_point = shapely.get_coordinates(rings, return_index=True)
    starts = np.searchsorted(ring_of_point, np.arange(len(rings) + 1))
    # Of all points at once: asking each polygon for its own takes longer than their areas.
    lons, lats = np.ascontiguousarray(points.T)
    areas = [GEOD.polygon_area_perimeter(lons[start:end], lats[start:end])[0] for start, end in pairwise(starts)]
    # Rings of a polygon follow each other, its outer one first, and holes have areas of the other sign.
    return np.bincount(polygon_of_ring, areas, len(geometries))


def _ids(rings: Rings, window: PixelWindow, grid: BlockGrid) -> list[str]:
    """Names by the westernmost of the northernmost pixels of each region: the same in every run that maps it."""
    names = []
    for outer in rings.polygon_offsets[:-1]:
        corners = rings.coordinates[rings.ring_offsets[outer] : rings.ring_offsets[outer + 1]]
        top = corners[:, 1].min()
        left = corners[corners[:, 1] == top, 0].min()
        names.append(f"{grid.block_px}-{window.row + top}-{window.col + left}")
    return names
