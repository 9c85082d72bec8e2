"""Polygons of any vector file in longitudes and latitudes, checked and repaired."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.vector.read import read_vector
from stores.grid import CRS

_log = logging.getLogger("croplayer")

WIDEST_PART_DEG = 180.0
"""A wider polygon is taken as one that crosses the antimeridian and goes round the wrong way."""
LARGEST_CHANGE = 1e-3
"""Largest share of a polygon's area by which repairing it may change the area."""


def read_polygons(path: Path, what: str) -> gpd.GeoDataFrame:
    """Features of a vector file as valid polygons in EPSG:4326, with the columns of the file.

    Parameters
    ----------
    path : the file, in any CRS
    what : what the file is, for messages ("parcels")

    Raises
    ------
    As ``read_vector`` and ``checked_polygons``.
    """
    frame = read_vector(path, what).to_crs(CRS)
    places = [f"{what} {path} feature {row}" for row in range(1, len(frame) + 1)]
    return frame.set_geometry(checked_polygons(frame.geometry, places))


def checked_polygons(geometries: gpd.GeoSeries, places: Sequence[str]) -> gpd.GeoSeries:
    """The same polygons, with invalid ones repaired, which is logged, and longitudes from -180 to 180.

    Parameters
    ----------
    geometries : in EPSG:4326
    places : file and feature of each one, for messages

    Raises
    ------
    ValueError
        for an empty geometry, one that is not a polygon, one outside of longitudes and latitudes or wider than
        180 degrees, and one whose repair changes its area by more than 0.1 %
    """
    for geometry, place in zip(geometries, places, strict=True):
        _check_kind(geometry, place)
    repaired = geometries.copy()
    for row in (~geometries.is_valid).to_numpy().nonzero()[0]:
        repaired.iloc[row] = _repaired(geometries.iloc[row], places[row])
        _log.info("%s is invalid and was repaired", places[row])
    for row in (repaired.bounds.maxx > WIDEST_PART_DEG).to_numpy().nonzero()[0]:
        repaired.iloc[row] = _from_360(repaired.iloc[row])
    for geometry, place in zip(repaired, places, strict=True):
        _check_place(geometry, place)
    return repaired


def _check_kind(geometry: BaseGeometry | None, place: str) -> None:
    if geometry is None or geometry.is_empty:
        raise ValueError(f"{place} has no geometry")
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"{place} is a {geometry.geom_type}; expected polygons")


def _from_360(polygon: BaseGeometry) -> BaseGeometry:
    """A polygon with longitudes from 0 to 360, or beyond the antimeridian, as longitudes from -180 to 180.

    One that lies elsewhere, as polygons in another CRS do, stays as it is.
    """
    west, _, east, _ = polygon.bounds
    if not (west >= 0 and east <= 2 * WIDEST_PART_DEG):
        return polygon
    near = shapely.intersection(polygon, shapely.box(0, -90, 180, 90))
    far = shapely.intersection(polygon, shapely.box(180, -90, 360, 90))
    far = shapely.transform(far, lambda lonlat: lonlat - (360, 0))
    return shapely.multipolygons([part for part in shapely.get_parts([near, far]) if part.area])


def _check_place(polygon: BaseGeometry, place: str) -> None:
    west, south, east, north = polygon.bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        is_swapped = -90 <= west < east <= 90 and -180 <= south < north <= 180
        hint = "latitude seems to come before longitude, so exchange the two" if is_swapped else "check the CRS"
        raise ValueError(f"{place} lies outside of longitudes and latitudes; {hint}")
    for part in getattr(polygon, "geoms", [polygon]):
        if part.bounds[2] - part.bounds[0] > WIDEST_PART_DEG:
            raise ValueError(f"{place} is more than {WIDEST_PART_DEG:g} degrees wide; cut it at the antimeridian")


def _repaired(before: BaseGeometry, place: str) -> BaseGeometry:
    valid = shapely.make_valid(before)
    polygons = [g for g in getattr(valid, "geoms", [valid]) if g.geom_type in ("Polygon", "MultiPolygon")]
    after = shapely.union_all(polygons)
    if not after.area:
        raise ValueError(f"{place} has no area; repair the file")
    change = abs(after.area - before.area) / max(after.area, before.area)
    if change > LARGEST_CHANGE:
        raise ValueError(f"{place} is invalid and repairing it changes its area by {change:.1%}; repair the file")
    return after
