"""The fields of one admin unit, taken from the tables of its blocks one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.fields.block_tables import LEFT_OUT, FoundFields
from stores.field_columns import AREA

ASIDE_DEG = np.array([1e-9, 0.7e-9])
"""A point belongs to the unit that holds it moved by so much, 0.1 mm; a point on the border of two belongs to one."""


class UnitFields:
    """Takes the fields of a unit from those of blocks, and adds up what is in none."""

    def __init__(
        self, outline: BaseGeometry | None, units: gpd.GeoDataFrame | None, others: gpd.GeoDataFrame | None = None
    ) -> None:
        """``outline`` is in EPSG:4326; None takes all, but those that lie in one of some ``others``.

        ``units`` are those of the finest level, with columns adcode, name_en and name_zh; None leaves the columns null.
        """
        self._outline, self._units, self._others = copy(outline), units, others
        if self._outline is not None:
            shapely.prepare(self._outline)
        self._counts = dict.fromkeys(LEFT_OUT, 0)
        self._areas_ha = dict.fromkeys(LEFT_OUT, 0.0)

    def parts(self, blocks: Iterable[FoundFields]) -> Iterator[gpd.GeoDataFrame]:
        """The fields of each block whose inner point lies in the outline, with the finest unit that holds the point."""
        for found in blocks:
            self._leave_out(found)
            yield self._named(found)

    def left_out(self) -> dict[str, dict[str, float]]:
        """Number and area in ha of what the blocks so far left out in the outline, by the reason."""
        return {why: {"fields": self._counts[why], "ha": self._areas_ha[why]} for why in LEFT_OUT}

    def _leave_out(self, found: FoundFields) -> None:
        rest = found.left_out
        rest = rest[self._holds(rest[["lon", "lat"]].to_numpy())]
        for why, area in rest.groupby("why")[AREA]:
            self._counts[why] += len(area)
            self._areas_ha[why] += float(area.sum())

    def _named(self, found: FoundFields) -> gpd.GeoDataFrame:
        inside = self._holds(found.points)
        table, points = found.table[inside].reset_index(drop=True), found.points[inside]
        units = self._units
        if units is None or not len(table):
            return table
        place, unit = units.sindex.query(shapely.points(points + ASIDE_DEG), predicate="intersects")
        first = np.unique(place, return_index=True)[1]
        place, unit = place[first], unit[first]
        names = units.name_en.where(units.name_en != "", units.name_zh)
        table.loc[place, "adcode"] = units.adcode.to_numpy()[unit]
        table.loc[place, "unit_name"] = names.to_numpy()[unit]
        return table

    def _holds(self, points: np.ndarray) -> np.ndarray:
        """Whether each of some points (n, 2) is of the unit: (n,) bool."""
        if self._outline is None:
            held = np.ones(len(points), bool)
            if self._others is not None and len(points):
                held[self._others.sindex.query(shapely.points(points + ASIDE_DEG), predicate="intersects")[0]] = False
            return held
        return np.asarray(shapely.contains_xy(self._outline, *(points + ASIDE_DEG).T))
