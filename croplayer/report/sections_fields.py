"""Sections of the report on single fields: how many, how large, how sure, and how they compare with drawn ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.evaluation.field_objects import ALL_SIZES, NUMBERS, TOLERANCE_M
from croplayer.evaluation.field_units import (
    COUNT,
    FILTERED,
    MEAN_CONFIDENCE,
    MEDIAN,
    UNDER_MU,
    WITHIN,
    area_column,
    confidence_column,
)
from croplayer.evaluation.reliability import CLASSES, expected_calibration_error
from croplayer.report.charts import Bar, bar_figure, bar_panels, share_figure
from croplayer.report.field_pictures import FieldView, field_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, number, percent, table_of
from stores.field_columns import AREA
from stores.field_sizes import SIZE_KEYS, SIZE_NAMES

MOST_BARS = 20
"""The chart shows so many units, the largest."""
MOST_UNITS = 40
SIZE_COLOURS = dict(zip(SIZE_NAMES, ("#ffe9a8", "#a1dab4", "#41b6c4", "#2c7fb8", "#253494"), strict=True))
FIELD_COLOUR, REST_COLOUR = "#0072b2", "#b9cfdd"
PANELS = {
    "f1": "F1 at IoU 0.5", "mean_f1": "mean F1, IoU 0.5 to 0.95", "panoptic_quality": "panoptic quality",
    "precision": "precision", "recall": "recall",
}  # fmt: skip
"""Measures of the chart, with their titles."""
WORDS = {
    "drawn": "drawn fields", "found": "found fields", "precision": "precision", "recall": "recall", "f1": "F1 at IoU 0.5",
    "mean_f1": "mean F1, IoU 0.5 to 0.95", "panoptic_quality": "panoptic quality",
    "segmentation_quality": "segmentation quality (mean IoU of matches)", "over": "over-segmentation",
    "under": "under-segmentation", "distance": "distance of both from 0", "missed_share": "missed, share of drawn fields",
    "boundary_precision": f"outlines found that are drawn within {TOLERANCE_M:g} m",
    "boundary_recall": f"drawn outlines that are found within {TOLERANCE_M:g} m", "boundary_f1": "F1 of the outlines",
    "drawn_under_mu": "drawn fields under 1 mu", "found_under_mu": "found fields under 1 mu",
    "recall_under_mu": "recall of fields under 1 mu",
}  # fmt: skip
"""Words of the measures of `field_objects.MEASURES`."""


def fields_section(units: pd.DataFrame, names: str = "admin unit") -> Section:
    """How many fields there are, how large they are, and how sure.

    Parameters
    ----------
    units : as `field_units.unit_table` returns it, one row per unit
    names : what a unit is, in the singular
    """
    fields = int(units[COUNT].sum()) if len(units) else 0
    if not fields:
        return Section("The map", "Fields", [Gap("No field was found.")])
    parts: list[Part] = [_sentence(units, fields), _size_picture(units, names)]
    confidence = _confidence_picture(units)
    parts.append(confidence or Gap("Nothing tells how sure the fields are."))
    parts.append(_unit_part(units, names))
    return Section("The map", "Fields", parts, ["tables/fields.csv"])


def _sentence(units: pd.DataFrame, fields: int) -> str:
    area, small, filtered = (float(units[c].sum()) for c in (AREA, UNDER_MU, FILTERED))
    rest = (
        f" Filters took {number(filtered)} ha of mapped cropland, {percent(filtered / (area + filtered))} of it, which belongs to no field."
        if units[FILTERED].notna().all()
        else ""
    )
    return (
        f"{fields:,} fields with {number(area)} ha; on average {number(area / fields)} ha. {percent(small / fields)} of them are smaller "
        f"than 1 mu (1/15 ha).{rest}"
    )


def _size_picture(units: pd.DataFrame, names: str) -> Picture:
    """Shares of the area of fields by size class, of all units and of the largest."""
    areas = units.set_index("name")[[area_column(key) for key in SIZE_KEYS]].set_axis(list(SIZE_NAMES), axis=1)
    shown = areas[areas.sum(axis=1) > 0].head(MOST_BARS)
    if len(areas) > 1:
        shown = pd.concat([areas.sum().to_frame(f"all {len(areas)}").T, shown])
    more = f" The {MOST_BARS} units with the most area are shown." if len(areas) > MOST_BARS else ""
    caption = f"Share of the area of all fields that fields of each size have, by {names}.{more}"
    figure = share_figure(shown.div(shown.sum(axis=1), axis=0), SIZE_COLOURS, "% of the area of fields")
    return Picture.of("field_sizes", "How large the fields are", caption, figure)


def _confidence_picture(units: pd.DataFrame) -> Picture | None:
    """Number of fields by confidence; None where none has any."""
    counts = [int(units[confidence_column(k)].sum()) for k in range(CLASSES)]
    if not sum(counts):
        return None
    rows = [
        Bar(f"{k / CLASSES:.1f} to {(k + 1) / CLASSES:.1f}", n / sum(counts), FIELD_COLOUR, text=f"{n:,}")
        for k, n in reversed(list(enumerate(counts)))
    ]
    caption = (
        "Number of fields by confidence: the share of fields like it that match a drawn field at IoU 0.5, as learned on scenes with "
        "drawn fields."
    )
    return Picture.of("field_confidence", "How sure the fields are", caption, bar_figure(rows, "share of the fields"))


def _unit_part(units: pd.DataFrame, names: str) -> Table:
    shares = {f"share_{key}": units[area_column(key)] / units[AREA].where(units[AREA] > 0) for key in SIZE_KEYS}
    shown = units.assign(under_mu_share=units[UNDER_MU] / units[COUNT].where(units[COUNT] > 0), **shares).head(
        MOST_UNITS
    )
    columns = [Column("name", names, "text"), Column("adcode", "code", "text"), Column(COUNT, "fields")]
    columns += [Column(AREA, "area, ha"), Column(MEDIAN, "median, ha"), Column("under_mu_share", "under 1 mu", "share")]
    columns += [Column(f"share_{key}", name, "share") for key, name in zip(SIZE_KEYS, SIZE_NAMES, strict=True)]
    columns += [Column(MEAN_CONFIDENCE, "mean confidence"), Column(WITHIN, "in fields within it, ha")]
    columns.append(Column(FILTERED, "taken by filters, ha"))
    more = (
        f" The {MOST_UNITS} units with the most area are shown, of {len(units):,}." if len(units) > MOST_UNITS else ""
    )
    caption = (
        f"Fields by {names}: number, area on the ellipsoid, median size, share of the fields under 1 mu, and shares of the area by size."
        f"{more} A field on a border belongs to the unit that holds its inner point. What is in fields within the {names}, and what filters "
        "took there, are counted pixel by pixel and add up to its mapped cropland. A dash means not known."
    )
    return table_of(shown, caption, columns)


def field_quality_section(
    figures: pd.DataFrame | None, reliable: pd.DataFrame | None = None, worst: Sequence[FieldView] = ()
) -> Section:
    """How found fields compare with drawn ones.

    Parameters
    ----------
    figures : as `field_objects.field_figures` returns it; None where no fields were drawn
    reliable : as `reliability.reliability` returns it, of the confidence of the found fields
    worst : views of the drawn fields that were mapped worst
    """
    if figures is None:
        gap = "No drawn fields were given, so it is not known how many of the found fields are right."
        return Section("Evaluation", "Fields against drawn ones", [Gap(gap)])
    parts: list[Part] = [_figure_picture(figures), _figure_table(figures)]
    if reliable is not None and len(reliable):
        parts += _reliability_parts(reliable)
    if len(worst):
        caption = (
            "The drawn fields with the most area that the field found there does not share, over the imagery. A small move of an outline "
            "costs little area; what is shown here is mostly joined, cut or missed."
        )
        parts.append(Picture.of("field_worst", "The worst matches", caption, field_figure(worst)))
    return Section(
        "Evaluation", "Fields against drawn ones", parts, ["tables/field_figures.csv", "tables/field_worst.csv"]
    )


def _figure_picture(figures: pd.DataFrame) -> Picture:
    """The main measures by size with their intervals."""
    rows = figures.set_index(["measure", "size"])
    sizes = (ALL_SIZES, *SIZE_NAMES)
    panels = {
        title: [
            Bar(
                size,
                float(row.value),
                FIELD_COLOUR if size == ALL_SIZES else REST_COLOUR,
                float(row.low),
                float(row.high),
            )
            for size in sizes
            for row in [rows.loc[(measure, size)]]
        ]
        for measure, title in PANELS.items()
    }
    caption = (
        "Found fields against drawn ones, by size of the drawn field; a found field that matches none counts by its own size. "
        "Higher is better. Lines are 95 % bootstrap intervals with squares of blocks as clusters. Drawn fields that the edge of a scene cuts are left out."
    )
    return Picture.of("field_quality", "Found fields against drawn ones", caption, bar_panels(panels))


def _figure_table(figures: pd.DataFrame) -> Table:
    """Every measure by size: the value with its interval."""
    sizes = [size for size in (ALL_SIZES, *SIZE_NAMES) if size in set(figures["size"])]
    cells = {(row.measure, row.size): _cell(row.measure, row.value, row.low, row.high) for row in figures.itertuples()}
    rows = [[word, *(cells.get((measure, size), "") for size in sizes)] for measure, word in WORDS.items()]
    caption = "The same figures, and others, with 95 % intervals in brackets. A dash means that nothing tells."
    return Table(caption, ["measure", *sizes], rows)


def _cell(measure: str, value: float, low: float, high: float) -> str:
    if measure in NUMBERS:
        return number(int(value))
    if np.isnan(value):
        return number(None)
    return f"{value:.3f}" + (f" [{low:.2f}, {high:.2f}]" if np.isfinite(low) else "")


def _reliability_parts(reliable: pd.DataFrame) -> list[Part]:
    """Confidence beside the share of fields that match."""
    rows = [
        Bar(
            f"{row.confidence_from:.1f} to {row.confidence_to:.1f}", row.share, FIELD_COLOUR, row.low, row.high,
            f"{row.share:.2f} of {row.cases:,}, told {row.confidence:.2f}",
        )
        for row in reliable.iloc[::-1].itertuples()
    ]  # fmt: skip
    error = expected_calibration_error(reliable)
    caption = (
        "Share of the found fields that match a drawn field at IoU 0.5, by the confidence that they were given, with 95 % intervals and "
        f"the number of fields. The mean gap between both is {error:.3f} (expected calibration error)."
    )
    figure = bar_figure(rows, "share of the found fields that match", 8.0)
    return [Picture.of("field_reliability", "Whether the confidence is right", caption, figure)]
