"""Cropland areas of a dataset: of its region, and of admin units, with the share that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr

from croplayer.cube.lattice import grid_of, in_chunks, window_of
from stores.columns import AREA_KM2
from stores.grid import CRS, PixelWindow
from stores.legends import CROPLAND, NO_IMAGERY

KNOWN_SHARE = "known_share"
"""Column of the share of the land that the map knows, 0..1."""
_CROP, _OTHER, _UNKNOWN = 1, 2, 3


def area_of_region(dataset: xr.Dataset, mask: xr.DataArray, in_region: xr.DataArray | None) -> pd.DataFrame:
    """Cropland area of a (y, x) mask of flags, and the share of its pixels' land that is known.

    Parameters
    ----------
    in_region : which pixels count, (y, x) bool; None is all of them

    Returns
    -------
    One row: area_km2 (float64, on the ellipsoid; NaN if nothing is known) and known_share
    """
    window = window_of(dataset)
    km2 = grid_of(dataset).pixel_area_m2(window.row, window.height) / 1e6
    counted = xr.ones_like(mask, bool) if in_region is None else in_region
    # Pixels are counted by row before their areas are added, so no chunking changes the sum.
    parts = {"crop": mask == CROPLAND, "known": mask < NO_IMAGERY, "land": counted}
    rows = xr.Dataset({name: part.sum("x") for name, part in parts.items()}).compute()
    crop, known, land = (np.array([float(rows[name].to_numpy() @ km2)]) for name in parts)
    return _table(crop, known, land)


def areas_of_units(dataset: xr.Dataset, mask: xr.DataArray, units: gpd.GeoDataFrame) -> pd.DataFrame:
    """Cropland area of a (y, x) mask of flags in each admin unit, pixel by pixel.

    Parameters
    ----------
    units : polygons in any CRS; a pixel belongs to the unit that contains its centre

    Returns
    -------
    One row per unit: area_km2 (float64) of the known cropland on the ellipsoid, NaN where nothing of the unit is known,
    and known_share, the share of the unit's land, inside and outside of the dataset, that is known
    """
    if units.crs is None:
        raise ValueError("the units have no CRS; say which it is with set_crs")
    lonlat = units.to_crs(CRS).reset_index(drop=True)
    sums = _sums_by_unit(dataset, mask, lonlat)
    box = shapely.box(*grid_of(dataset).window_bounds(window_of(dataset)))
    outside = np.array([_geodesic_km2(shapely.difference(unit, box)) for unit in lonlat.geometry])
    crop, known = sums[:, 0], sums[:, :2].sum(axis=1)
    return _table(crop, known, sums.sum(axis=1) + outside)


def _table(crop: np.ndarray, known: np.ndarray, land: np.ndarray) -> pd.DataFrame:
    share = np.divide(known, land, out=np.zeros_like(known), where=land > 0)
    return pd.DataFrame({AREA_KM2: np.where(known > 0, crop, np.nan), KNOWN_SHARE: share})


def _sums_by_unit(dataset: xr.Dataset, mask: xr.DataArray, units: gpd.GeoDataFrame) -> np.ndarray:
    """Cropland, other known land and unknown land of each unit inside a dataset: (units, 3) float64, km2."""
    from croplayer.vector.zones import UnitRings

    grid, rings = grid_of(dataset), UnitRings.of(units.geometry.to_numpy())

    def sums(place: PixelWindow, flags: np.ndarray) -> np.ndarray:
        classes = np.where(flags == CROPLAND, _CROP, np.where(flags < NO_IMAGERY, _OTHER, _UNKNOWN)).astype(np.uint8)
        out = np.zeros((len(units), 3))
        near, areas = rings.areas_of_values_m2(classes, (_CROP, _OTHER, _UNKNOWN), place, grid)
        out[near] = areas / 1e6
        return out

    return sum_over_chunks(dataset, mask, sums, (len(units), 3))


def sum_over_chunks(
    dataset: xr.Dataset,
    mask: xr.DataArray,
    kernel: Callable[[PixelWindow, np.ndarray], np.ndarray],
    shape: tuple[int, int],
) -> np.ndarray:
    """Sum of what a kernel returns for each chunk of a (y, x) mask of flags: float64 of a shape."""
    window = window_of(dataset)
    mask = in_chunks(mask, grid_of(dataset))
    rows, cols = (np.concatenate([[0], np.cumsum(mask.chunksizes[d])[:-1]]) for d in ("y", "x"))

    def on_chunk(pixels: np.ndarray, block_info: Any = None) -> np.ndarray:
        i, j = block_info[0]["chunk-location"]
        place = PixelWindow(int(window.row + rows[i]), int(window.col + cols[j]), *pixels.shape)
        return kernel(place, pixels)[None, None]

    parts = da.map_blocks(
        on_chunk,
        mask.data,
        chunks=((1,) * len(rows), (1,) * len(cols), *((n,) for n in shape)),
        new_axis=[2, 3],
        dtype=np.float64,
        meta=np.empty((0, 0, 0, 0)),
    )
    return np.asarray(parts.sum(axis=(0, 1)).compute())


def _geodesic_km2(polygon: shapely.Geometry) -> float:
    """Area of polygons in longitudes and latitudes on the ellipsoid, with edges as they run on the lattice."""
    from croplayer.vector.regions import GEOD

    parts = [g for g in shapely.get_parts(polygon) if g.geom_type == "Polygon" and not g.is_empty]
    straight = (shapely.segmentize(shapely.Polygon(ring), 0.05) for part in parts for ring in [part.exterior])
    holes = (shapely.segmentize(shapely.Polygon(ring), 0.05) for part in parts for ring in part.interiors)
    area, cut = (sum(abs(GEOD.geometry_area_perimeter(g)[0]) for g in rings) for rings in (straight, holes))
    return float(area - cut) / 1e6
