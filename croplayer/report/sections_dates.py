"""The part of the report that says from when the imagery is."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from croplayer.report.page import UNKNOWN_CELL, Part, Section, Table
from croplayer.report.tables import ReportTables
from croplayer.vector.boundaries import BORDER_CODE, OUTSIDE_CODE
from stores.columns import RENEWED, TAKEN_FROM, TAKEN_TO, map_column, unit_column

GROUP = "Details"
MOST_UNITS = 60
"""Units in the table; of more only the sources are shown."""


def age_section(results: ReportTables) -> Section | None:
    """From when the imagery of each source is, in all and by admin unit; None where nothing tells."""
    told = [name for name in results.sources if map_column(TAKEN_FROM, name) in results.blocks]
    renewed = [name for name in results.sources if map_column(RENEWED, name) in results.blocks]
    if not told and not renewed:
        return None
    parts = [*(_taken(results, told) if told else []), *(_renewed(results.blocks, renewed) if renewed else [])]
    missing = [name for name in results.sources if name not in told]
    if missing:
        parts.append(f"Of {' and '.join(missing)} nothing tells when the imagery was taken.")
    return Section(GROUP, "Age of the imagery", parts, ["blocks.parquet"])


def _taken(results: ReportTables, told: list[str]) -> list[Part]:
    """When the imagery of some sources was taken, by source and by admin unit."""
    blocks = results.blocks
    rows = [_row(name, blocks, name) for name in told]
    parts: list[Part] = [
        "From when the imagery is, as the recipe states it, or files or servers tell it. A block counts from the first to the last "
        "moment at which something under it may have been taken; the median is that of the middles of these times.",
        Table("Times of the imagery by source", _HEADER, rows),
    ]
    level = min(results.units, default=None)
    if level is not None and unit_column(level) in blocks:
        inside = blocks[~blocks[unit_column(level)].isin([BORDER_CODE, OUTSIDE_CODE])]
        groups = inside.groupby(unit_column(level))
        names = _names(results.units[level])
        by_unit = [_row(f"{names.get(code, code)}, {name}", of, name) for code, of in groups for name in told]
        if by_unit and len(groups) <= MOST_UNITS:
            parts.append(Table("Times of the imagery of the blocks that lie whole in a unit", _HEADER, by_unit))
    return parts


def _renewed(blocks: pd.DataFrame, told: list[str]) -> list[Part]:
    """When servers changed the tiles of some sources last."""
    rows = []
    for name in told:
        moments = blocks[map_column(RENEWED, name)]
        known = f"{int(moments.notna().sum())} of {len(blocks)}"
        rows.append([name, known, _day(moments.min()), _day(moments.median()), _day(moments.max())])
    return [
        "When the server changed its tiles last, as it says. This is no date of imagery: what a block shows was taken before, "
        "perhaps years before. A block counts with the last change of its tiles.",
        Table("Last change of the tiles by source", _RENEWED_HEADER, rows),
    ]


def with_times(source: str, blocks: pd.DataFrame) -> str:
    """The name of a source with the first and the last day of its imagery, or alone where nothing tells them."""
    if map_column(TAKEN_FROM, source) not in blocks:
        return source
    first = _day(blocks[map_column(TAKEN_FROM, source)].min())
    last = _day(blocks[map_column(TAKEN_TO, source)].max())
    return f"{source} ({first})" if first == last else f"{source} ({first} to {last})"


_HEADER = ("imagery", "blocks that tell", "from", "median", "to")
_RENEWED_HEADER = ("imagery", "blocks that tell", "earliest", "median", "latest")


def _row(title: str, blocks: pd.DataFrame, source: str) -> list[str]:
    start, end = (blocks[map_column(column, source)] for column in (TAKEN_FROM, TAKEN_TO))
    known = int(start.notna().sum())
    middles = start + (end - start) / 2
    return [title, f"{known} of {len(blocks)}", _day(start.min()), _day(middles.median()), _day(end.max())]


def _day(moment: object) -> str:
    return f"{moment:%Y-%m-%d}" if isinstance(moment, pd.Timestamp) else UNKNOWN_CELL


def _names(units: pd.DataFrame) -> Mapping[str, str]:
    return dict(zip(units.adcode.astype(str), units.name_en.where(units.name_en != "", units.name_zh), strict=True))
