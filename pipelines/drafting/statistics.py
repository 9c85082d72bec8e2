"""Which columns of a table of statistics hold codes, names and areas, and how its codes become those of the units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from croplayer.evaluation.statistics import KM2_PER_KHA, UNITS_KHA, YEAR, land_of
from croplayer.files.text_tables import CellError, parse_numbers, read_text_table
from pipelines.drafting.codes import code_column, made_like, most_found
from pipelines.drafting.draft import Entry
from pipelines.drafting.imagery import beside
from pipelines.drafting.units import HAN, LATIN, UnitFile, name_column

AREA_WORDS = re.compile(r"crop|arable|farmland|cultivated|耕地|农田", re.IGNORECASE)
"""Names of columns of cropland."""
ANY_AREA_WORDS = re.compile(r"area|面积|公顷|亩|hectare|(^|\W|_)(k?ha|km2|mu)(\W|_|$)", re.IGNORECASE)
UNIT_WORDS = (
    (re.compile(r"[万千百]\s*亩|万\s*公顷"), None),
    (
        re.compile(
            r"(^|[\W_])(k?acres?|ac|sq\.?\s*mi|square\s+miles?|m2|m²|rai|dunams?|feddans?)([\W_]|$)", re.IGNORECASE
        ),
        None,
    ),
    (re.compile(r"千\s*公顷|(^|[\W_])kha([\W_]|$)|1[ ,.]?000\s*ha|thousand\s+ha", re.IGNORECASE), "kha"),
    (re.compile(r"平方公里|平方千米|km2|km²|sq\.?\s*km", re.IGNORECASE), "km2"),
    (re.compile(r"公顷|hectare|(^|[\W_])ha([\W_]|$)", re.IGNORECASE), "ha"),
    (re.compile(r"亩|(^|[\W_])mu([\W_]|$)", re.IGNORECASE), "mu"),
)
"""Words for units in the names of columns, in the order in which they are looked for; None for one that recipes do not know."""
YEAR_WORDS = re.compile(r"year|年份?", re.IGNORECASE)
"""Names of columns of years."""
STANDARD = tuple(f"cropland_{unit}" for unit in UNITS_KHA)


class LookedAtTable(NamedTuple):
    """A table of statistics, and how a draft reads it."""

    entries: tuple[Entry, ...]
    """The keys of [statistics]."""
    left: tuple[str, ...]
    """Sentences about what is left to decide."""


def codes_in(path: Path) -> list[str]:
    """All texts of a table that may be codes of units; raises as `read_text_table`."""
    table = read_text_table(path, "statistics")
    return [text for name in table.columns for text in table[name] if text and len(text) <= 12]


def look_at_statistics(path: Path, folder: Path, file: UnitFile) -> LookedAtTable:
    """A table of statistics of the units of level 1, with its columns guessed.

    Parameters
    ----------
    folder : folder of the recipe, where relative paths begin
    file : the units

    Raises
    ------
    FileNotFoundError, ValueError
        if the table cannot be read, or has no column of codes, of names or of areas in a known unit
    """
    table = read_text_table(path, "statistics")
    units = land_of(file.units)
    if table.empty:
        raise ValueError(f"statistics {path} hold no row; expected one per unit")
    code, pattern, matched = _codes(table, units.adcode.tolist(), path)
    entries = [Entry("path", beside(path, folder))]
    if code != "adcode":
        entries.append(Entry("adcode", code, f"the code of a unit, such as {table[code].iloc[0]}", True))
    entries += _name(table, code, path)
    if pattern:
        entries.append(
            Entry("adcode_pattern", pattern, f"makes codes of units such as {units.adcode[0]} those of the table", True)
        )
    entries += _area(table, code, units, matched, path)
    entries += _year(table, path)
    lacking = [c for c, row in zip(made_like(units.adcode.tolist(), pattern), matched, strict=True) if row is None]
    left = []
    if lacking and len(lacking) < len(units):
        entries.append(Entry("without", lacking, "the table has no row for these codes", True))
        left.append(
            f"[statistics]: {path.name} has no row for {', '.join(lacking)}; add them, or leave them in `without`"
        )
    extra = len(table) - sum(m is not None for m in matched)
    if extra:
        left.append(
            f"[statistics]: {extra} of {len(table)} rows of {path.name} belong to no unit; look whether they are sums"
        )
    return LookedAtTable(tuple(entries), tuple(left))


def _year(table: pd.DataFrame, path: Path) -> list[Entry]:
    """The year that a column of years holds, or else that the names of file and columns name; none where there are several."""
    rows = {text for name in table.columns if YEAR_WORDS.fullmatch(str(name).strip()) for text in table[name] if text}
    names = rows or {path.stem, *map(str, table.columns)}
    years = {int(text) for name in names for text in YEAR.findall(name)}
    where = "a column of years" if rows else "the name of the file or of a column"
    return [Entry("year", years.pop(), f"as {where} has it", True)] if len(years) == 1 else []


def _codes(table: pd.DataFrame, units: Sequence[str], path: Path) -> tuple[str, str, list[int | None]]:
    """The column of codes, the pattern that makes those of units like them, and the row of each unit, None for none."""
    texts = {str(name): table[name].tolist() for name in table.columns if not _is_area(str(name))}
    unique = {name: values for name, values in texts.items() if len(set(values)) == len(values)}
    counts = {name: most_found(units, values) for name, values in unique.items()}
    name = max(counts, key=lambda each: counts[each][0]) if counts else ""
    if not counts or not counts[name][0]:
        several = next((name for name, values in texts.items() if most_found(units, values)[0]), None)
        if several is not None:
            raise ValueError(
                f"statistics {path}: '{several}' holds codes several times; keep one row per unit, such as those of a year"
            )
        guess = code_column(texts)
        shown = f"; '{guess}' holds {texts[guess][0]}" if guess else ""
        raise ValueError(
            f"statistics {path} have no column with codes of the units, such as {', '.join(units[:3])}{shown}; write codes or names in "
            "both files alike"
        )
    pattern = counts[name][1]
    rows = {value: row for row, value in enumerate(unique[name])}
    return name, pattern, [rows.get(code) for code in made_like(units, pattern)]


def _is_area(name: str) -> bool:
    return AREA_WORDS.search(name) is not None or ANY_AREA_WORDS.search(name) is not None


def _name(table: pd.DataFrame, code: str, path: Path) -> list[Entry]:
    texts = {str(name): table[name].tolist() for name in table.columns}
    if "name_en" in texts:
        return []
    found = name_column(texts, [code], LATIN) or name_column(texts, [code], HAN) or code
    return [Entry("name_en", found, f"the name of a unit, such as {texts[found][0]}", True)]


def _area(
    table: pd.DataFrame, code: str, units: pd.DataFrame, matched: Sequence[int | None], path: Path
) -> list[Entry]:
    """The column of areas and its unit; nothing where the column's name says both in croplayer's words."""
    numbers = {str(name): areas for name in table.columns if name != code and (areas := _numbers(table, str(name)))}
    if len([name for name in numbers if name in STANDARD]) == 1:
        return []
    worded = [str(name) for name in table.columns if AREA_WORDS.search(str(name)) and name != code]
    if worded and not numbers.keys() & set(worded):
        raise ValueError(f"statistics {path}{_no_number(table, worded[0])}")
    if not numbers:
        said_area = next((str(name) for name in table.columns if _is_area(str(name)) and name != code), None)
        if said_area is not None:
            raise ValueError(f"statistics {path}{_no_number(table, said_area)}")
        raise ValueError(f"statistics {path} have no column of numbers; they have {', '.join(map(str, table.columns))}")
    name = max(numbers, key=lambda n: (AREA_WORDS.search(n) is not None, _is_area(n)))
    others = [other for other in numbers if other != name]
    why = "the column of cropland" + (f"; other columns of numbers are {', '.join(others)}" if others else "")
    said = [unit for words, unit in UNIT_WORDS if words.search(name)]
    if said:
        if said[0] is None:
            raise ValueError(
                f"statistics {path}: the unit of '{name}' is none of {', '.join(UNITS_KHA)}; add a column in one of them"
            )
        return [Entry("area", name, why, True), Entry("unit", said[0], "the name of the column says it", True)]
    pairs = [(numbers[name][row], land) for row, land in zip(matched, units.land_km2, strict=True) if row is not None]
    unit, share = _plausible(pairs)
    if unit is None:
        raise ValueError(
            f"statistics {path}: '{name}' does not say its unit, and its areas are larger than the units in each of "
            f"{', '.join(UNITS_KHA)}; name the column so that it does, such as cropland_ha"
        )
    return [
        Entry("area", name, why, True),
        Entry("unit", unit, f"the largest in which the areas fit: {share:.0%} of the land", True),
    ]


def _no_number(table: pd.DataFrame, name: str) -> str:
    """The row of a column that is no number, and why."""
    try:
        parse_numbers(table, name)
    except CellError as error:
        return f" row {error.row + 2}: {error}"
    return f": '{name}' holds numbers below 0; expected areas"


def _numbers(table: pd.DataFrame, name: str) -> list[float]:
    """The numbers of a column; none if it does not hold numbers, or numbers like years that are not named areas."""
    try:
        found = parse_numbers(table, name)
    except CellError:
        return []
    is_year = not _is_area(name) and all(v.is_integer() and 1900 <= v <= 2100 for v in found)
    return [] if is_year or min(found) < 0 else found


def _plausible(pairs: Sequence[tuple[float, float]]) -> tuple[str | None, float]:
    """The largest unit in which no area is above the land of its unit, and the share of the land; None if there is none.

    Parameters
    ----------
    pairs : area in the unknown unit, and land in km2, of each unit
    """
    for unit, kha in sorted(UNITS_KHA.items(), key=lambda item: -item[1]):
        areas = [area * kha * KM2_PER_KHA for area, _ in pairs]
        if all(area <= land for area, (_, land) in zip(areas, pairs, strict=True)):
            return unit, sum(areas) / sum(land for _, land in pairs)
    return None, 0.0
