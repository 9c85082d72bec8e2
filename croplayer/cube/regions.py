"""Regions that a cube can be asked for: boxes, polygons in any CRS, names of admin units and of blocks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.vector.boundaries import boundary_named
from croplayer.vector.polygons import checked_polygons
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds
from stores.run_folder import BOUNDARIES_FILE, CubePlace

Region = Bounds | Iterable[float] | BaseGeometry | gpd.GeoDataFrame | gpd.GeoSeries | str | Iterable[str] | None


class Asked(NamedTuple):
    """A region in longitudes and latitudes."""

    geometry: BaseGeometry
    is_box: bool
    """Whether it was given by its bounds; every pixel that shares area with a box belongs to it."""
    name: str
    """What it is called in messages."""

    @property
    def bounds(self) -> Bounds:
        """The box around it."""
        return Bounds(*self.geometry.bounds)

    @property
    def for_blocks(self) -> Bounds | BaseGeometry:
        """What `BlockGrid.blocks_in` is asked with."""
        return self.bounds if self.is_box else self.geometry


def asked_region(region: Any, place: CubePlace) -> Asked | None:
    """The region of an argument of ``open_cube``; None is everything.

    Raises
    ------
    FileNotFoundError
        for a name where no admin units lie beside the cube
    ValueError
        for what is not a region: a box that is empty or not in degrees, frames without a CRS, what is not a polygon,
        an unknown name
    """
    if region is None:
        return None
    if isinstance(region, gpd.GeoDataFrame | gpd.GeoSeries):
        return _of_frame(region)
    if isinstance(region, BaseGeometry):
        polygon = checked_polygons(gpd.GeoSeries([region], crs=CRS), ["the region (a geometry without a CRS)"]).iloc[0]
        return Asked(polygon, is_box=False, name=f"{region.geom_type} within {_short(polygon.bounds)}")
    if isinstance(region, str):
        beside = place.snapshot if place.folder is None else place.folder.root
        if beside is None:
            raise ValueError(
                f"region '{region}' cannot be looked up beside {place.cube}; give the run's folder, bounds or a polygon"
            )
        return Asked(boundary_named(beside, BOUNDARIES_FILE, region), is_box=False, name=f"'{region}'")
    return _of_items(region)


def _of_frame(frame: gpd.GeoDataFrame | gpd.GeoSeries) -> Asked:
    if frame.crs is None:
        raise ValueError("the region is a frame without a CRS; say which it is with set_crs")
    if not len(frame):
        raise ValueError("the region is a frame without features; expected at least one polygon")
    geometries = frame.geometry.to_crs(CRS).reset_index(drop=True)
    places = [f"region, feature {row} of {len(frame)}" for row in range(1, len(frame) + 1)]
    polygon = checked_polygons(geometries, places).union_all()
    return Asked(polygon, is_box=False, name=f"of {len(frame)} features within {_short(polygon.bounds)}")


def _of_items(region: Any) -> Asked:
    expected = "bounds (west, south, east, north), a polygon, a GeoDataFrame, a name or block names"
    try:
        items = list(region)
    except TypeError:
        raise ValueError(f"region {region!r} is not {expected}") from None
    if items and all(isinstance(i, str) for i in items):
        grid = BlockGrid()
        blocks = shapely.union_all([shapely.box(*grid.bounds(BlockIndex.parse(i))) for i in items])
        return Asked(blocks, is_box=False, name=f"of blocks {', '.join(items)}"[:80])
    try:
        bounds = Bounds(*(float(i) for i in items))
    except (TypeError, ValueError):
        raise ValueError(f"region {str(region)[:80]} is not {expected}") from None
    check_bounds(bounds)
    return Asked(shapely.box(*bounds), is_box=True, name=_short(bounds))


def check_bounds(bounds: Bounds) -> None:
    """Raise ValueError unless a box has an area, in degrees, in the order west, south, east, north."""
    west, south, east, north = bounds
    if not np.isfinite(bounds).all() or not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        hint = ""
        if -90 <= west < east <= 90 and -180 <= south < north <= 180:
            hint = "; these look like latitude before longitude"
        elif np.isfinite(bounds).all() and np.abs(bounds).max() > 180:
            hint = "; for metres give a GeoDataFrame or GeoSeries with its CRS"
        raise ValueError(
            f"region {_short(bounds)} is not a box in degrees; expected west < east within -180 to 180 and south < north "
            f"within -90 to 90, in the order west, south, east, north{hint}"
        )


def exchanged_hint(asked: Asked, cube: Bounds) -> str:
    """A hint where a region meets a cube only with longitude and latitude exchanged; else empty."""
    west, south, east, north = asked.bounds
    meets = south < cube.east and north > cube.west and west < cube.north and east > cube.south
    return "; with longitude and latitude exchanged it would" if meets else ""


def _short(bounds: Iterable[float]) -> str:
    return f"({', '.join(f'{float(v):.10g}' for v in bounds)})"
