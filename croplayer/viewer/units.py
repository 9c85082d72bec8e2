"""The admin units of a run by name or place, with the area of every map in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from croplayer.files.tables import read_csv
from stores.legends import INTEGRATED
from stores.run_folder import RunFolder

SCREEN_PX = 2000
"""Pixels along an edge on which all outlines of a level are seen at once."""
OUTLINE_DEG = 0.0005
"""Tolerance of the outlines that are drawn on the page, in degrees."""
AREA_SUFFIX, KNOWN_SUFFIX, PERCENT_SUFFIX = "_km2", "_known", "_percent"
_NOT_MAPS = ("land_km2", "statistic_km2")


@dataclass(frozen=True)
class Units:
    """The admin units of a run and their areas."""

    frame: gpd.GeoDataFrame
    """adcode, name_en, name_zh, level, geometry in EPSG:4326."""
    areas: dict[int, pd.DataFrame]
    """The table of each level, by adcode."""
    intervals: pd.DataFrame
    """Areas that were estimated from a sample, by adcode; empty where no sample was assessed."""

    @classmethod
    def of(cls, folder: RunFolder) -> Units:
        """The units of a run's folder; none where it has no boundaries."""
        if not folder.boundaries.is_file():
            frame = gpd.GeoDataFrame(
                {"adcode": [], "name_en": [], "name_zh": [], "level": []}, geometry=[], crs="EPSG:4326"
            )
            return cls(frame, {}, pd.DataFrame())
        frame = gpd.read_parquet(folder.boundaries)
        levels = sorted({int(level) for level in frame["level"]})
        paths = {level: folder.table(f"units_{level}.csv") for level in levels}
        areas = {level: _by_code(path) for level, path in paths.items() if path.is_file()}
        sampled = folder.table("sample_areas.csv")
        return cls(frame, areas, _by_code(sampled) if sampled.is_file() else pd.DataFrame())

    @property
    def levels(self) -> list[int]:
        """Levels of the units, largest units first."""
        return sorted({int(level) for level in self.frame["level"]})

    def listed(self) -> list[dict[str, Any]]:
        """Every unit with its names, code, level and box, larger ones first."""
        order = np.argsort(self.frame["level"].to_numpy(), kind="stable")
        return [self._short(int(i)) for i in order]

    def outlines(self, level: int) -> dict[str, Any]:
        """The outlines of a level as GeoJSON, about as fine as a screen shows them all at once; without units for none."""
        units = self.frame[self.frame["level"] == level]
        if not len(units):
            return {"type": "FeatureCollection", "features": []}
        west, south, east, north = units.total_bounds
        tolerance = max(max(east - west, north - south) / SCREEN_PX, OUTLINE_DEG)
        # Of all at once, so that the two sides of a border stay on each other.
        shapes = shapely.coverage_simplify(units.geometry.to_numpy(), tolerance)
        return {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(shape))}
                for shape in shapes
            ],
        }

    def at(self, lon: float, lat: float) -> list[dict[str, Any]]:
        """The units that hold a point, larger ones first."""
        places = self.frame.sindex.query(shapely.Point(lon, lat), predicate="intersects")
        return [self._short(int(i)) for i in sorted(places, key=lambda i: int(self.frame["level"].iloc[i]))]

    def about(self, level: int, code: str) -> dict[str, Any]:
        """A unit with the area of every map in it and its outline; raises KeyError when the run has no such unit."""
        places = np.flatnonzero((self.frame["level"] == level) & (self.frame["adcode"] == code))
        if not len(places):
            raise KeyError(f"the run has no unit {code} of level {level}")
        outline = shapely.simplify(self.frame.geometry.iloc[places[0]], OUTLINE_DEG)
        found: dict[str, Any] = {**self._short(int(places[0])), "outline": json.loads(shapely.to_geojson(outline))}
        table = self.areas.get(level)
        if table is not None and code in table.index:
            row = table.loc[code]
            found["land_km2"] = plain(row.get("land_km2"))
            found["statistic_km2"] = plain(row.get("statistic_km2"))
            found["areas"] = _areas(row)
        if code in self.intervals.index:
            found["estimate"] = {name: plain(value) for name, value in self.intervals.loc[code].items()}
        return found

    def _short(self, place: int) -> dict[str, Any]:
        unit = self.frame.iloc[place]
        west, south, east, north = map(float, unit.geometry.bounds)
        names = {name: "" if pd.isna(unit[name]) else str(unit[name]) for name in ("name_en", "name_zh")}
        return {
            **names,
            "adcode": str(unit["adcode"]),
            "level": int(unit["level"]),
            "bounds": [west, south, east, north],
        }


def _by_code(path: Path) -> pd.DataFrame:
    return read_csv(path).set_index("adcode")


def _areas(row: pd.Series) -> list[dict[str, Any]]:
    """The area of each map in a unit, the integrated map first."""
    names = [c.removesuffix(AREA_SUFFIX) for c in row.index if c.endswith(AREA_SUFFIX) and c not in _NOT_MAPS]
    found = [
        {
            "map": name,
            "km2": plain(row[f"{name}{AREA_SUFFIX}"]),
            "known": plain(row.get(f"{name}{KNOWN_SUFFIX}")),
            "percent": plain(row.get(f"{name}{PERCENT_SUFFIX}")),
        }
        for name in names
    ]
    return sorted(found, key=lambda one: one["map"] != INTEGRATED)


def plain(value: Any) -> Any:
    """A value of a table as JSON knows it; None where it is missing."""
    if value is None or value is pd.NaT or (np.isscalar(value) and pd.isna(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
