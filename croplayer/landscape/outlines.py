"""Outlines of the true parcels."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from rasterio import features

from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from stores.grid import CRS, BlockGrid, PixelWindow


def parcel_polygons(parcel: np.ndarray, transform: Affine) -> list[tuple[shapely.Polygon, int]]:
    """Pieces of equal positive id in a (h, w) int64 array: outlines along pixel edges, and their ids.

    A parcel that a road or a stream cuts is several pieces with one id.
    """
    ids, index = np.unique(parcel, return_inverse=True)
    number = np.where(ids[index] > 0, index + 1, 0).astype(np.int32).reshape(parcel.shape)
    pieces = features.shapes(number, mask=number > 0, connectivity=4, transform=transform)
    return [(shapely.Polygon(p["coordinates"][0], p["coordinates"][1:]), int(ids[int(k) - 1])) for p, k in pieces]


def truth_parcels(country: Country, window: PixelWindow, grid: BlockGrid) -> gpd.GeoDataFrame:
    """The true parcels of a window of the lattice, cut at its edge.

    Returns
    -------
    columns parcel (int64 id), land_cover (uint8 `LandCover` code), is_cropland (bool: orchards are not),
    geometry (EPSG:4326); one row per piece
    """
    survey = country.survey(grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height))
    pieces = parcel_polygons(survey.parcel, grid.transform(window))
    ids, first = np.unique(survey.parcel, return_index=True)
    parcel = np.array([number for _, number in pieces], dtype=np.int64)
    cover = survey.cover.ravel()[first][np.searchsorted(ids, parcel)]
    return gpd.GeoDataFrame(
        {"parcel": parcel, "land_cover": cover, "is_cropland": IS_CROPLAND[cover] == 1},
        geometry=[polygon for polygon, _ in pieces],
        crs=CRS,
    )
