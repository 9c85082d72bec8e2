"""The first part of the report: what was mapped, and how much."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from croplayer.evaluation.interval import Estimate, share_interval
from croplayer.evaluation.provinces import count_within
from croplayer.report.charts import interval_figure
from croplayer.report.maps import Panels, picture_figure, value_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, number, percent, table_of
from croplayer.report.tables import ReportTables
from stores.columns import AREA_FRACTION, AREA_KM2, known_share_column, map_column, mapped_column
from stores.grid import Bounds
from stores.legends import INTEGRATED

GROUP = "The map"
MOST_UNITS = 40
MOST_SMALL_UNITS = 20
"""Longer tables show the largest units and name the file with all of them."""


def summary_section(results: ReportTables) -> Section:
    """The main results of the run, or what is missing to give them."""
    blocks = results.blocks
    mapped = blocks[map_column(AREA_KM2, INTEGRATED)]
    rows = [
        ["What was mapped?", f"{number(float(mapped.sum()))} km² of cropland in {mapped.notna().sum():,} blocks"],
        ["How were the blocks decided?", " ".join(_method(results, name) for name in ("correctness", "integration"))],
        ["How accurate are the pixels?", _pixels(results)],
        ["How large is the true area?", _sampled(results)],
        ["Does the area agree with the statistics?", _statistics(results)],
    ]
    empty = int((mapped.isna() | (blocks.get("no_usable_imagery") == True)).sum())  # noqa: E712
    if empty:
        rows.insert(
            1, ["What is not known?", f"{empty:,} of {len(blocks):,} blocks had no usable imagery or are not finished"]
        )
    return Section(
        GROUP,
        "In short",
        [Table("The main results; the sections below give the details.", ["question", "answer"], rows)],
    )


def mapped_share(results: ReportTables) -> Column:
    """Column with the share of a unit's land that the integrated map covers; without that map, the share in the run."""
    return Column(known_share_column(INTEGRATED) if INTEGRATED in results.maps else "in_run", "mapped", "share")


def _method(results: ReportTables, name: str) -> str:
    method = results.table(f"{name}_method")
    return f"{name.capitalize()} of the blocks: {method.method.iloc[0]}." if method is not None else ""


def _pixels(results: ReportTables) -> str:
    levels = results.table("levels")
    if results.reference is None or levels is None or "iou" not in levels:
        return "Not known: no reference map with classes was given. Agreement with other products is not accuracy."
    row = levels.set_index("map").loc[INTEGRATED]
    low, high = Estimate(float(row.iou), float(row.iou_standard_error)).interval()
    return (
        f"IoU {row.iou:.3f} against {results.titles[results.reference]} (95 % interval {max(low, 0):.3f} to "
        f"{min(high, 1):.3f}, blocks as clusters) in the {100 * row.known:.1f} % of the blocks' ground that the map covers"
    )


def _sampled(results: ReportTables) -> str:
    areas = results.table("sample_areas")
    if areas is None:
        return "Not known: no reviewed probability sample was given (`croplayer area draw` draws one)."
    whole = areas.iloc[0]
    if pd.isna(whole.low_km2):
        return f"{number(whole.estimate_km2)} km², without an interval; the notes on the sample give the reason"
    return f"{number(whole.estimate_km2)} km², 95 % interval {number(whole.low_km2)} to {number(whole.high_km2)} km²"


def _statistics(results: ReportTables) -> str:
    units = results.units.get(1)
    if results.within is None or units is None:
        return "Not known: no statistics were given."
    good, compared = count_within(units, INTEGRATED)
    if not compared:
        return "Not known: no province with a statistic is mapped completely."
    return f"{good} of {compared} provinces are within {100 * results.within:.0f} % ({_interval(good, compared)})"


def _interval(count: int, of: int) -> str:
    low, high = share_interval(count, of)
    return f"95 % interval of the share {100 * low:.0f} to {100 * high:.0f} %"


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
    return Section(GROUP, "How much cropland", [*parts, *(sample_parts(results) if results.sources else [])])


def share_picture(results: ReportTables) -> Picture:
    """Map of the cropland share of each block."""
    figure = value_figure(results.blocks, {map_column(AREA_FRACTION, INTEGRATED): "cropland share"}, {})
    caption = "Cropland share of each block in the integrated map."
    return Picture.of("cropland_share", "Where the cropland is", caption, figure, "Fig. 17")


def unit_area_parts(results: ReportTables, level: int) -> list[Part]:
    """Areas of every map by admin unit of a level."""
    units = results.units[level].sort_values("land_km2", ascending=False)
    names = [*results.maps, *results.products, *([results.reference] if results.reference else [])]
    columns = [Column("name_en", "unit"), Column("name_zh", "名称"), Column("adcode", "code")]
    columns += [Column("land_km2", "land, km²", "same"), mapped_share(results)]
    columns += [Column(mapped_column(m), f"{results.titles.get(m, m)}, km²", "same") for m in names]
    what = "province" if level == 1 else f"admin unit of level {level}"
    caption = f"Cropland area by {what}: the sum of the pixel areas on the ellipsoid. A dash means not known."
    most = MOST_UNITS if level <= 1 else MOST_SMALL_UNITS
    if len(units) > most:
        caption += f" The table shows the largest {most} of {len(units):,} units; tables/units_{level}.csv lists all."
    shown = units.head(most).sort_values("adcode")
    return [table_of(shown, caption, columns)]


def sample_parts(results: ReportTables) -> list[Part]:
    """Areas and accuracy from a reviewed sample, or the gap."""
    areas, accuracy, notes = (results.table(f"sample_{n}") for n in ("areas", "accuracy", "notes"))
    if areas is None or accuracy is None or notes is None:
        return [
            Gap(
                "No reviewed probability sample was given, so areas have no confidence interval. Pixel counts include the "
                "errors of the map. `croplayer area draw` draws a sample; `evaluation.sample` in the recipe reads it."
            )
        ]
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
