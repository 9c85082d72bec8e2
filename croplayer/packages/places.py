"""Which county lies in which city and province, and what their files are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from stores.file_names import file_names

NAMES = ("zh", "en", "code")
"""Which names of units packages have; a unit without a name in the language has the other one."""
LONGEST_ENDING = "_fields_part99.parquet"
"""The longest text that is added to the name of a unit."""


class Place(NamedTuple):
    """An admin unit of the finest level, and where it lies."""

    adcode: str
    name_zh: str
    name_en: str
    city: str
    """Name of the unit above it in the language of the packages; of its province where no level is between."""
    province: str
    file: str
    """Name of its files without ending: ``cf_CITY_COUNTY``."""
    outline: BaseGeometry


class Province(NamedTuple):
    """An admin unit that gets a package, with its counties in the order of their codes."""

    adcode: str
    name: str
    folder: str
    """Name of its folder, and of its archive without ending."""
    outline: BaseGeometry
    places: tuple[Place, ...]


def provinces_of(
    units: gpd.GeoDataFrame, level: int, names: str = "zh", is_mapped: Callable[[BaseGeometry], bool] | None = None
) -> list[Province]:
    """Provinces with their counties.

    Parameters
    ----------
    units : admin units of all levels, with columns adcode, name_en, name_zh, level and geometry in EPSG:4326
    level : the level that gets packages; the finest level has the counties, which may be the same
    names : one of `NAMES`
    is_mapped : whether an outline lies on the map; a county that does not may lie in no province, and is left out then

    Raises
    ------
    ValueError
        for a level without units, and for a county on the map that shares no ground with a province
    """
    levels = sorted({int(found) for found in units.level})
    if level not in levels:
        have = ", ".join(map(str, levels))
        raise ValueError(f"the run has no admin units of level {level}; it has units of level {have}")
    finest = levels[-1]
    own, counties = (units[units.level == each].reset_index(drop=True) for each in (level, finest))
    above = max((each for each in levels if level <= each < finest), default=level)
    cities = units[units.level == above].reset_index(drop=True)
    in_province = np.arange(len(own)) if finest == level else _rows_above(counties, own)
    in_city = in_province if above == level else _rows_above(counties, cities)
    for rows, within in ((in_province, level), (in_city, above)):
        for row in np.flatnonzero(rows < 0).tolist():
            lost = counties.iloc[row]
            if is_mapped is None or is_mapped(lost.geometry):
                raise ValueError(f"admin unit {lost.adcode} ({lost.name_en}) lies in no unit of level {within}")
    is_placed = (in_province >= 0) & (in_city >= 0)
    counties, in_province, in_city = counties[is_placed], in_province[is_placed], in_city[is_placed]
    labels, city_labels, county_labels = (_labels(table, names) for table in (own, cities, counties))
    folders = file_names(_distinct(labels, own.adcode), LONGEST_ENDING)
    texts = [
        f"cf_{labels[p]}" if finest == level else f"cf_{city_labels[c]}_{label}"
        for p, c, label in zip(in_province, in_city, county_labels, strict=True)
    ]
    files = file_names(_distinct(texts, counties.adcode), LONGEST_ENDING)
    places = [
        Place(u.adcode, u.name_zh, u.name_en, city_labels[c], labels[p], file.removesuffix(LONGEST_ENDING), u.geometry)
        for u, p, c, file in zip(counties.itertuples(), in_province, in_city, files, strict=True)
    ]
    return [
        Province(
            unit.adcode, labels[row], folders[row].removesuffix(LONGEST_ENDING), unit.geometry,
            tuple(place for place, p in zip(places, in_province, strict=True) if p == row),
        )
        for row, unit in enumerate(own.itertuples())
    ]  # fmt: skip


def _rows_above(below: gpd.GeoDataFrame, above: gpd.GeoDataFrame) -> np.ndarray:
    """Row of the unit that each unit lies in: the one that holds its inner point, else that with most common ground, else -1."""
    points = shapely.point_on_surface(below.geometry.to_numpy())
    rows = np.full(len(below), -1)
    place, unit = above.sindex.query(points, predicate="intersects")
    rows[place[::-1]] = unit[::-1]
    for row in np.flatnonzero(rows < 0):
        shared = shapely.area(shapely.intersection(above.geometry.to_numpy(), below.geometry.iloc[row]))
        if shared.max(initial=0.0) > 0:
            rows[row] = shared.argmax()
    return rows


def _labels(units: gpd.GeoDataFrame, names: str) -> list[str]:
    if names == "code":
        return list(units.adcode)
    first, second = (units.name_en, units.name_zh) if names == "en" else (units.name_zh, units.name_en)
    return list(first.where(first != "", second))


def _distinct(texts: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Texts, with the unit's code behind those that several units have."""
    counts: dict[str, int] = {}
    for text in texts:
        counts[text] = counts.get(text, 0) + 1
    return [text if counts[text] == 1 else f"{text}_{code}" for text, code in zip(texts, codes, strict=True)]
