"""Official cropland areas of admin units."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely
from pyproj import Geod

from croplayer.files.text_tables import CellError, parse_numbers, read_text_table

KM2_PER_KHA = 10.0
UNITS_KHA = {"kha": 1.0, "ha": 1 / 1000, "km2": 1 / KM2_PER_KHA, "mu": 1 / 15_000}
"""Units of measure in 1,000 ha. The name of the column of areas states the unit, such as ``cropland_mu``."""
LAND_TOLERANCE = 1.05
"""Largest ratio of cropland to land, above 1 because simplified borders may lose some land."""
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
"""A year in a text, such as the name of an edition or a file."""
REQUIRED = ("adcode", "name_en")
OPTIONAL = ("name_zh", "note")


@dataclass(frozen=True)
class StatisticColumns:
    """Names of the columns of a table of statistics."""

    adcode: str = "adcode"
    name_en: str = "name_en"
    area: str = ""
    """Column of the areas; empty for the one whose name states its unit, such as ``cropland_km2``."""
    unit: str = ""
    """Unit of that column, one of ``UNITS_KHA``; empty without ``area``."""


USUAL = StatisticColumns()


def read_statistics(path: Path, columns: StatisticColumns = USUAL) -> pd.DataFrame:
    """Read cropland areas: columns adcode (text), name_en, cropland_kha (float, 1,000 ha), name_zh and note (may be empty).

    The file has one column of areas: ``cropland_kha``, ``cropland_ha``, ``cropland_km2`` or ``cropland_mu``, or the one that
    ``columns`` names. Every row must have an area.

    Raises ValueError naming file, row and field for a missing column, an area that is not a number or is negative, or a
    code that appears twice.
    """
    table = read_text_table(path, "statistics")
    for column in (columns.adcode, columns.name_en, *filter(None, [columns.area])):
        if column not in table.columns:
            raise ValueError(f"statistics {path} have no column '{column}'; they have {', '.join(table.columns)}")
    column, to_kha = (columns.area, UNITS_KHA[columns.unit]) if columns.area else _area_column(table, path)
    table = _renamed(table, columns)
    if table.empty:
        raise ValueError(f"statistics {path} hold no row; expected one per unit")
    for row, (code, text) in enumerate(zip(table.adcode, table[column], strict=True), start=2):
        if not code:
            raise ValueError(f"statistics {path} row {row}: adcode is empty; expected the code of the unit")
        if text.startswith("-") and len(text) > 1:
            raise ValueError(f"statistics {path} row {row} (adcode {code}): {column} is {text}; expected 0 or more")
    try:
        areas = [area * to_kha for area in parse_numbers(table, column)]
    except CellError as error:
        code = table.adcode[error.row]
        raise ValueError(f"statistics {path} row {error.row + 2} (adcode {code}): {error}") from None
    double = table.index[table.adcode.duplicated()]
    if len(double):
        raise ValueError(
            f"statistics {path} row {double[0] + 2}: adcode {table.adcode[double[0]]} appears twice; "
            "one row per unit is expected"
        )
    table = table.reindex(columns=[*REQUIRED, *OPTIONAL], fill_value="")
    table.insert(len(REQUIRED), "cropland_kha", areas)
    return table


def _renamed(table: pd.DataFrame, columns: StatisticColumns) -> pd.DataFrame:
    """The table with codes and names under their usual names, beside the other columns as they are."""
    if (columns.adcode, columns.name_en) == (USUAL.adcode, USUAL.name_en):
        return table
    codes, names = table[columns.adcode], table[columns.name_en]
    others = table.drop(columns=[c for c in REQUIRED if c in table.columns and c != columns.area])
    renamed = others.assign(adcode=codes, name_en=names)
    renamed.attrs = table.attrs
    return renamed


def _area_column(table: pd.DataFrame, path: Path) -> tuple[str, float]:
    """The column of areas and its unit in 1,000 ha."""
    found = {f"cropland_{unit}": kha for unit, kha in UNITS_KHA.items() if f"cropland_{unit}" in table.columns}
    if len(found) != 1:
        wanted = ", ".join(f"'cropland_{unit}'" for unit in UNITS_KHA)
        words = f"the columns {','.join(found)}" if found else "no column of areas"
        raise ValueError(
            f"statistics {path} have {words}; "
            f"expected one of {wanted}, which says the unit; they have {', '.join(table.columns)}"
        )
    return next(iter(found.items()))


def years_apart(year: int | None, edition: str) -> str:
    """A sentence if statistics of a year are compared with a map of an edition that names other years; empty otherwise."""
    named = {int(text) for text in YEAR.findall(edition)}
    if year is None or not named or year in named:
        return ""
    return (
        f"The statistics are of {year} and the map is of {edition}, so what changed between them counts as a deviation."
    )


def land_of(units: gpd.GeoDataFrame) -> pd.DataFrame:
    """The units with the area of their polygons on the ellipsoid as the column ``land_km2``, and without the polygons.

    The orientation of rings does not matter.
    """
    geod = Geod(ellps="WGS84")
    table = pd.DataFrame(units.drop(columns="geometry"))
    oriented = shapely.orient_polygons(units.geometry.to_numpy())
    table["land_km2"] = [abs(geod.geometry_area_perimeter(g)[0]) / 1e6 for g in oriented]
    return table


def translated(code: str, pattern: str) -> str:
    """Code of a unit in the statistics: the groups of a regular expression, joined and padded with zeros to six digits.

    Raises ValueError for a code that the expression does not match.
    """
    match = re.fullmatch(pattern, code)
    if match is None:
        raise ValueError(f"adcode '{code}' does not match statistics.adcode_pattern '{pattern}'")
    return "".join(match.groups()).ljust(6, "0")


def match_statistics(
    units: pd.DataFrame,
    statistics: pd.DataFrame,
    path: Path,
    without: tuple[str, ...] = (),
    sum_km2: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Statistics of the units, in the order of the units: cropland_kha and note, missing for the units in ``without``.

    Raises ValueError when a unit has no row and is not in ``without``, when it has more cropland than land (if ``units``
    have ``land_km2``), and when the sum over all units is not within ``sum_km2``.
    """
    table = statistics.set_index("adcode")
    lacking = [
        f"{code} ({name}{_near_match(code, table.index)})"
        for code, name in zip(units.adcode, units.name_en, strict=True)
        if code not in table.index and code not in without
    ]
    if lacking:
        raise ValueError(
            f"statistics {path} have no row for {', '.join(lacking)}; add it, or list the code in statistics.without"
        )
    if "land_km2" in units:
        _check_fits(units, table, path)
    matched = table.reindex(units.adcode)[["cropland_kha", "note"]].reset_index(drop=True)
    total_km2 = float(matched.cropland_kha.sum()) * KM2_PER_KHA
    if sum_km2 is not None and not sum_km2[0] <= total_km2 <= sum_km2[1]:
        raise ValueError(
            f"statistics {path} sum up to {total_km2:g} km2 over {len(units)} units; statistics.sum_km2 expects "
            f"{sum_km2[0]:g} to {sum_km2[1]:g}, so check the unit of measure and the rows"
        )
    return matched


def _near_match(code: str, codes: pd.Index) -> str:
    """Words on a code of the statistics that differs only in zeros at its start, a fraction of zeros, case or spaces."""
    near = [other for other in codes if _plain(other) == _plain(code)]
    return f"; the table has '{near[0]}', so write one as the other" if near else ""


def _plain(code: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", code).casefold()).removesuffix(".0").lstrip("0")


def left_over(units: pd.DataFrame, statistics: pd.DataFrame) -> pd.DataFrame:
    """Rows of the statistics that belong to none of the units: columns adcode, name_en, cropland_kha."""
    return statistics.loc[~statistics.adcode.isin(units.adcode), [*REQUIRED, "cropland_kha"]].reset_index(drop=True)


def _check_fits(units: pd.DataFrame, table: pd.DataFrame, path: Path) -> None:
    for code, land_km2 in zip(units.adcode, units.land_km2, strict=True):
        stated_km2 = table.cropland_kha.get(code, 0.0) * KM2_PER_KHA
        if stated_km2 > LAND_TOLERANCE * land_km2:
            raise ValueError(
                f"statistics {path} (adcode {code}): {stated_km2:g} km2 of cropland are more than the {land_km2:g} km2 "
                "of the unit; check the unit of measure in the name of the column"
            )
