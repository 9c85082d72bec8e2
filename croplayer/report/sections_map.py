"""The first part of the report: what was mapped, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from croplayer.report.charts import interval_figure
from croplayer.report.maps import Panels, picture_figure, value_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, percent, table_of
from croplayer.report.tables import ReportTables
from stores.columns import AREA_FRACTION, known_share_column, map_column, mapped_column
from stores.grid import Bounds
from stores.legends import INTEGRATED

GROUP = "The map"
MOST_UNITS = 40
MOST_SMALL_UNITS = 20
"""Longer tables show the largest units and name the file with all of them."""


def mapped_share(results: ReportTables) -> Column:
    """Column with the share of a unit's land that the integrated map covers; without that map, the share in the run."""
    return Column(known_share_column(INTEGRATED) if INTEGRATED in results.maps else "in_run", "mapped", "share")


def map_section(rows: Sequence[Panels], bounds: Bounds, part: str) -> Section:
    """Imagery of the sources, their masks and the integrated map."""
    caption = f"Above: imagery of each source. Below: cropland of each source and of the integrated map. {part}"
    picture = Picture.of("map", "Imagery and the cropland mapped in it", caption, picture_figure(rows, bounds))
    return Section(GROUP, "Imagery and map", [picture])


def area_section(results: ReportTables) -> Section:
    """Cropland of the blocks and of the admin units, and areas with intervals from a sample."""
    parts: list[Part] = []
    if results.sources:
        parts.append(share_picture(results))
    for level in sorted(results.units):
        parts += unit_area_parts(results, level)
    if not results.units:
        parts.append(Gap("No admin units were given, so areas are not summed by province."))
    files = [f"tables/units_{level}.csv" for level in sorted(results.units)]
    sampled = sample_parts(results) if results.sources else []
    return Section(
        GROUP, "How much cropland", [*parts, *sampled], ["blocks.parquet", *files, "tables/sample_areas.csv"]
    )


def share_picture(results: ReportTables) -> Picture:
    """Map of the cropland share of each block."""
    figure = value_figure(results.blocks, {map_column(AREA_FRACTION, INTEGRATED): "cropland share"}, {})
    caption = "Cropland share of each block in the integrated map."
    return Picture.of("cropland_share", "Where the cropland is", caption, figure)


def unit_area_parts(results: ReportTables, level: int) -> list[Part]:
    """Areas of every map by admin unit of a level."""
    units = results.units[level].sort_values("land_km2", ascending=False)
    names = [*results.maps, *results.products, *([results.reference] if results.reference else [])]
    columns = [Column("name_en", "unit"), *other_names(units), Column("adcode", "code")]
    columns += [Column("land_km2", "land, km²", "same"), mapped_share(results)]
    columns += [Column(mapped_column(m), f"{results.titles.get(m, m)}, km²", "same") for m in names]
    what = "province" if level == 1 else f"admin unit of level {level}"
    caption = (
        f"Cropland area by {what}: the sum of the pixel areas on the ellipsoid. Mapped is the share of the unit's land that the map "
        "knows. A dash means not known."
    )
    most = MOST_UNITS if level <= 1 else MOST_SMALL_UNITS
    if len(units) > most:
        caption += f" The table shows the largest {most} of {len(units):,} units; tables/units_{level}.csv lists all."
    shown = units.head(most).sort_values("adcode")
    return [table_of(shown, caption, columns)]


def other_names(units: pd.DataFrame) -> list[Column]:
    """Column of the names in Chinese or another language; none where no unit has one."""
    has_some = "name_zh" in units and (units.name_zh.notna() & (units.name_zh != "")).any()
    return [Column("name_zh", "名称")] if has_some else []


def sample_parts(results: ReportTables) -> list[Part]:
    """Areas and accuracy from a reviewed sample; nothing without one, which the first screen says."""
    areas, accuracy, notes = (results.table(f"sample_{n}") for n in ("areas", "accuracy", "notes"))
    if areas is None or accuracy is None or notes is None:
        return []
    areas = areas.assign(label=areas.name_en.where(areas.name_en.fillna("") != "", "all that is mapped"))
    columns = [Column("label", "unit"), Column("points", "points"), Column("mapped_km2", "mapped, km²")]
    columns += [Column("estimate_km2", "estimate, km²"), Column("standard_error_km2", "standard error, km²")]
    columns += [Column("low_km2", "95 % from, km²"), Column("high_km2", "to, km²")]
    measures = [Column("measure", "measure"), Column("value", "estimate", "share"), Column("low", "95 % from", "share")]
    caption = "Area estimated from the labelled points beside the area counted on the map. Lines are 95 % intervals."
    return [
        Picture.of("sample_areas", "Cropland area with its uncertainty", caption, interval_figure(areas)),
        table_of(areas, f"Areas from the sample: {notes.note.iloc[0]}.", columns),
        table_of(accuracy, "Accuracy of the map from the sample.", [*measures, Column("high", "to", "share")]),
        *(str(note) for note in notes.note.iloc[1:]),
    ]


def share_cell(count: int, of: int) -> str:
    """A count of cases with its share."""
    return f"{count:,} of {of:,} ({percent(count / of, 0)})" if of else "–"
