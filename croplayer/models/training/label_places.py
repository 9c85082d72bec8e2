"""Whether the polygons that name a scene lie on its picture, and how far off they are where they do not."""

from __future__ import annotations

from collections.abc import Iterator

import geopandas
import numpy as np
import shapely
from pyproj import CRS, Geod
from pyproj.exceptions import ProjError
from shapely.geometry.base import BaseGeometry

WGS84 = CRS.from_epsg(4326)
_ELLIPSOID = Geod(ellps="WGS84")


def beside(polygons: geopandas.GeoSeries, picture: BaseGeometry) -> np.ndarray:
    """Whether each polygon misses the box of a picture in the same CRS: (n,) bool; one that cannot be projected does."""
    return ~np.asarray(shapely.intersects(polygons.to_numpy(), picture))


def km_off(polygons: geopandas.GeoSeries, picture: geopandas.GeoSeries) -> float:
    """Distance on the ellipsoid between the centre of a picture and the nearest centre of the polygons, km; NaN if unknown.

    Both are given in their own CRS.
    """
    (lon,), (lat,) = _centres(picture)
    lons, lats = _centres(polygons)
    known = np.isfinite(lons) & np.isfinite(lats) & (np.abs(lats) <= 90)
    if not known.any():
        return float("nan")
    count = int(known.sum())
    _, _, metres = _ELLIPSOID.inv(np.full(count, lon), np.full(count, lat), lons[known], lats[known])
    return float(np.min(metres)) / 1000


def misplaced_words(polygons: geopandas.GeoSeries, picture: geopandas.GeoSeries) -> str:
    """How far polygons lie from the picture that they name, and what would make them meet it."""
    km = km_off(polygons, picture)
    where = f"they lie about {km:,.1f} km from its centre" if np.isfinite(km) else "they lie nowhere on Earth"
    return f"{where} ({_named(polygons.crs)}, the picture {_named(picture.crs)}){''.join(_hints(polygons, picture))}"


def _hints(polygons: geopandas.GeoSeries, picture: geopandas.GeoSeries) -> Iterator[str]:
    """The first mistake without which most of the polygons would meet the picture."""
    shapes = polygons.to_numpy()
    swapped = shapely.transform(shapes, lambda xy: xy[:, ::-1])
    tried = [(swapped, polygons.crs, "with x and y exchanged", "latitude and longitude are probably swapped")]
    tried += [
        (shapes, crs, f"read in {_named(crs)}", "their CRS is probably wrong")
        for crs in (picture.crs, WGS84, *_near_zones(polygons.crs))
    ]
    for moved, crs, how, therefore in tried:
        try:
            placed = geopandas.GeoSeries(moved, crs=crs).to_crs(picture.crs)
        except ProjError:
            continue
        if beside(placed, picture.iloc[0]).mean() < 0.5:
            yield f"; {how} they would meet it, so {therefore}"
            return


def _near_zones(crs: CRS) -> Iterator[CRS]:
    """The zones beside a zone of UTM, and the zone of the other hemisphere; none for another CRS."""
    code = crs.to_epsg() or 0
    if code // 100 in (326, 327) and 1 <= code % 100 <= 60:
        start, zone = code - code % 100, code % 100
        other = start + (100 if start == 32600 else -100)
        for near in (start + zone % 60 + 1, start + (zone - 2) % 60 + 1, other + zone):
            yield CRS.from_epsg(near)


def _centres(shapes: geopandas.GeoSeries) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude of the centres of the boxes of shapes, in degrees."""
    box = shapes.bounds
    centres = geopandas.GeoSeries.from_xy((box.minx + box.maxx) / 2, (box.miny + box.maxy) / 2, crs=shapes.crs)
    try:
        found = centres.to_crs(WGS84)
    except ProjError:
        return np.full(len(shapes), np.nan), np.full(len(shapes), np.nan)
    return found.x.to_numpy(), found.y.to_numpy()


def _named(crs: CRS) -> str:
    authority = crs.to_authority()
    return ":".join(authority) if authority else crs.name
