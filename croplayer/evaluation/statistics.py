"""Official cropland areas of admin units."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from croplayer.text_tables import parse_number, read_text_table

KM2_PER_KHA = 10.0
LAND_TOLERANCE = 1.05
"""Simplified borders may lose a little land."""
REQUIRED = ("adcode", "name_en", "cropland_kha")
OPTIONAL = ("name_zh", "note")


def read_statistics(path: Path) -> pd.DataFrame:
    """Cropland areas as columns adcode (text), name_en, cropland_kha (float, 1,000 ha), name_zh and note (may be empty).

    Raises ValueError naming file, row and field for a missing column, a number that is none, a
    negative area or a code that appears twice. Every row must have an area.
    """
    table = read_text_table(path, "statistics")
    missing = [c for c in REQUIRED if c not in table.columns]
    if missing:
        raise ValueError(f"statistics {path} have no column '{missing[0]}'; they have {', '.join(table.columns)}")
    table = table.reindex(columns=[*REQUIRED, *OPTIONAL], fill_value="")
    if table.empty:
        raise ValueError(f"statistics {path} hold no row; expected one per unit")
    areas = []
    for row, (code, text) in enumerate(zip(table.adcode, table.cropland_kha, strict=True), start=2):
        try:
            area = parse_number(text)
        except ValueError:
            raise ValueError(
                f"statistics {path} row {row} (adcode {code}): cropland_kha is '{text}'; expected a number of 1,000 ha"
            ) from None
        if area < 0:
            raise ValueError(f"statistics {path} row {row} (adcode {code}): cropland_kha is {text}; expected 0 or more")
        if not code:
            raise ValueError(f"statistics {path} row {row}: adcode is empty; expected the code of the unit")
        areas.append(area)
    table["cropland_kha"] = areas
    double = table.index[table.adcode.duplicated()]
    if len(double):
        raise ValueError(
            f"statistics {path} row {double[0] + 2}: adcode {table.adcode[double[0]]} appears twice; "
            "one row per unit is expected"
        )
    return table


def match_statistics(
    units: pd.DataFrame, statistics: pd.DataFrame, path: Path, without: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Statistics of the units in their order: cropland_kha and note, missing for the units in ``without``.

    Raises ValueError when a unit has no row and is not declared to have none, or has more cropland than
    land (where ``units`` have ``land_km2``).
    """
    table = statistics.set_index("adcode")
    lacking = [
        f"{code} ({name})"
        for code, name in zip(units.adcode, units.name_en, strict=True)
        if code not in table.index and code not in without
    ]
    if lacking:
        raise ValueError(
            f"statistics {path} have no row for {', '.join(lacking)}; add it, or list the code in statistics.without"
        )
    if "land_km2" in units:
        _check_fits(units, table, path)
    return table.reindex(units.adcode)[["cropland_kha", "note"]].reset_index(drop=True)


def left_over(units: pd.DataFrame, statistics: pd.DataFrame) -> pd.DataFrame:
    """Rows of the statistics that are of none of the units, as adcode, name_en, cropland_kha."""
    return statistics.loc[~statistics.adcode.isin(units.adcode), list(REQUIRED)].reset_index(drop=True)


def _check_fits(units: pd.DataFrame, table: pd.DataFrame, path: Path) -> None:
    for code, land_km2 in zip(units.adcode, units.land_km2, strict=True):
        stated_km2 = table.cropland_kha.get(code, 0.0) * KM2_PER_KHA
        if stated_km2 > LAND_TOLERANCE * land_km2:
            raise ValueError(
                f"statistics {path} (adcode {code}): cropland_kha is {table.cropland_kha[code]:g}, more than the "
                f"{land_km2 / KM2_PER_KHA:g} thousand hectares of the unit; check its unit"
            )
