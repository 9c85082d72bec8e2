"""Admin units of one level that overlap, so that ground would be counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from stores.grid import Bounds

SMALL_SHARE = 0.001
"""An overlap of at most this share of the smaller unit is a sliver, whatever its form."""
THIN_SHARE = 0.05
"""So is one of at most this share that is also thin, as between borders that were simplified apart."""
THIN_KM = 0.5
"""Largest mean width of each part of a thin overlap: its area over half of its perimeter."""
KM_PER_DEGREE = 111.2


class Overlap(NamedTuple):
    """Two units that share ground."""

    first: int
    second: int
    """Rows of the units."""
    km2: float


def overlaps(units: gpd.GeoDataFrame) -> list[Overlap]:
    """Pairs of units that overlap by more than a sliver, the largest first.

    Parameters
    ----------
    units : valid polygons in EPSG:4326

    Returns
    -------
    pairs whose common ground is more than 0.1 % of the smaller unit, unless it is at most 5 % of it and each of its parts
    is less than 0.5 km wide on average; km2 on the ellipsoid
    """
    polygons = units.geometry.to_numpy()
    first, second = shapely.STRtree(polygons).query(polygons)
    once = first < second
    first, second = first[once], second[once]
    # Neighbours that share exactly their border are by far the most, and this costs less than to cut them.
    # They are copies, because predicates on a prepared geometry crash where threads share it.
    polygons = shapely.from_wkb(shapely.to_wkb(polygons))
    shapely.prepare(polygons)
    apart = shapely.touches(polygons[first], polygons[second]) | shapely.disjoint(polygons[first], polygons[second])
    first, second = first[~apart], second[~apart]
    common = shapely.intersection(polygons[first], polygons[second])
    smaller = np.minimum(shapely.area(polygons[first]), shapely.area(polygons[second]))
    share = shapely.area(common) / smaller
    found = []
    for i in np.flatnonzero(share > SMALL_SHARE):
        if share[i] > THIN_SHARE or not _is_thin(common[i]):
            found.append(Overlap(int(first[i]), int(second[i]), _km2(common[i])))
    return sorted(found, key=lambda pair: (-pair.km2, pair.first, pair.second))


def check_apart(units: gpd.GeoDataFrame, bounds: Bounds, paths: Sequence[Path]) -> None:
    """Raise ValueError, which names the largest pair, if units of one level that meet the region overlap.

    Parameters
    ----------
    units : units of one level with adcode, name_en, level and polygons in EPSG:4326
    bounds : box around the region
    paths : the files that the units are from, for the message
    """
    near = units[units.geometry.intersects(shapely.box(*bounds))].reset_index(drop=True)
    found = overlaps(near)
    if not found:
        return
    pair = found[0]
    one, other = (near.iloc[row] for row in (pair.first, pair.second))
    more = f", and {len(found) - 1} more pairs overlap" if len(found) > 1 else ""
    raise ValueError(
        f"boundaries {', '.join(map(str, paths))}: the units '{one.adcode}' ({one.name_en}) and '{other.adcode}' "
        f"({other.name_en}) of level {one.level} overlap by {pair.km2:,.2f} km2{more}, so this ground would be counted "
        "twice; cut one out of the other, remove one, or give them different levels"
    )


def _is_thin(common: BaseGeometry) -> bool:
    """Whether every part of an overlap is a sliver along a border."""
    parts = [part for part in shapely.get_parts(common) if part.area]
    return all(2 * part.area / part.length < THIN_KM for part in map(_in_km, parts))


def _in_km(part: BaseGeometry) -> BaseGeometry:
    scale = (KM_PER_DEGREE * np.cos(np.radians(part.centroid.y)), KM_PER_DEGREE)
    return shapely.transform(part, lambda lonlat: lonlat * scale)


def _km2(common: BaseGeometry) -> float:
    geod = Geod(ellps="WGS84")
    parts = [part for part in shapely.get_parts(common) if part.area]
    return sum(abs(geod.geometry_area_perimeter(shapely.orient_polygons(part))[0]) for part in parts) / 1e6
