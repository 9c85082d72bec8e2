"""Official cropland areas of admin units."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

COLUMNS = ("adcode", "name_en", "name_zh", "cropland_kha", "note")


def read_statistics(path: Path) -> pd.DataFrame:
    """Cropland areas as columns adcode (text), name_en, name_zh, cropland_kha (float, 1,000 ha), note.

    Raises ValueError naming file, row and field for a missing column, a number that is none, a
    negative area or a code that appears twice. Every row must have an area.
    """
    if not path.exists():
        raise FileNotFoundError(f"statistics {path} do not exist")
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise ValueError(f"statistics {path} have no column '{missing[0]}'; they have {', '.join(table.columns)}")
    table = table[list(COLUMNS)].apply(lambda c: c.str.strip())
    areas = []
    for row, (code, text) in enumerate(zip(table.adcode, table.cropland_kha, strict=True), start=2):
        try:
            area = float(text)
        except ValueError:
            raise ValueError(
                f"statistics {path} row {row} (adcode {code}): cropland_kha is '{text}'; expected a number of 1,000 ha"
            ) from None
        if not 0 <= area < float("inf"):
            raise ValueError(f"statistics {path} row {row} (adcode {code}): cropland_kha is {text}; expected 0 or more")
        areas.append(area)
    table["cropland_kha"] = areas
    double = table.adcode[table.adcode.duplicated()]
    if len(double):
        raise ValueError(f"statistics {path} name adcode {double.iloc[0]} twice; one row per unit is expected")
    return table


def match_statistics(
    units: pd.DataFrame, statistics: pd.DataFrame, path: Path, without: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Statistics of the units in their order: cropland_kha and note, missing for the units in ``without``.

    Raises ValueError when a unit has no row and is not declared to have none.
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
    return table.reindex(units.adcode)[["cropland_kha", "note"]].reset_index(drop=True)
