"""The page of a label project's rounds: what was labelled, how the model learned, what was decided, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.active.rounds.settings import RoundSettings
from croplayer.active.stopping import Verdict
from croplayer.report.charts import Bar, bar_figure
from croplayer.report.maps import local_figure
from croplayer.report.page import UNKNOWN_CELL, Gap, Part, Picture, Report, Section, Table, number, percent
from croplayer.report.round_charts import curve_figure, label_figure, place_figure

MARK = "†"
MARKED = f" {MARK}: the statistic decided when the labelling of the unit stopped or went on, so its area is no independent proof."
DENSITY_COLOUR, MEAN_COLOUR = "#8c6d31", "#222222"
NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class RoundTables:
    """What a project's rounds have left."""

    project: str
    """Name of its folder."""
    sources: tuple[str, ...]
    record: pd.DataFrame
    """All of ``rounds.parquet``."""
    labels: pd.DataFrame
    """Finished tasks of the last round."""
    sample: pd.DataFrame
    """Sampled blocks of the last round."""
    units: gpd.GeoDataFrame | None
    """Outlines of the admin units."""
    settings: RoundSettings
    """Of the last round."""
    changes: Sequence[tuple[str, Mapping[str, np.ndarray]]] = ()
    """Blocks that the last round changed most: title, and imagery and masks by name."""

    @property
    def latest(self) -> pd.DataFrame:
        """Rows of the last round."""
        return self.record[self.record["round"] == self.record["round"].max()].sort_values("unit")

    @property
    def names(self) -> dict[str, str]:
        """Name of each unit, marked where its statistic decided."""
        rows = self.latest
        return {
            unit: f"{name or 'all'}{f' {MARK}' if decided else ''}"
            for unit, name, decided in zip(rows.unit, rows.name, rows.statistic_decided, strict=True)
        }

    @property
    def marked(self) -> str:
        """What the mark means, where a unit has it."""
        return MARKED if self.record.statistic_decided.any() else ""

    def named(self, rows: pd.DataFrame) -> list[str]:
        """Names of the units of some rows."""
        return [self.names.get(unit, unit) for unit in rows.unit]


def rounds_report(tables: RoundTables) -> Report:
    """The whole page."""
    last = int(tables.record["round"].max())
    minutes = tables.record[["labelling_minutes", "judging_minutes"]].to_numpy(float).sum()
    verdicts = tables.latest.verdict.value_counts()
    facts = [
        ("rounds", str(last)),
        ("finished tasks", number(int(tables.latest[["positive", "negative"]].to_numpy().sum()))),
        ("time of people", f"{minutes:,.0f} min"),
        ("units", ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())),
    ]
    sections = [decision_section(tables), curve_section(tables), label_section(tables), map_section(tables),
                rule_section(tables)]  # fmt: skip
    return Report(f"Rounds of {tables.project}", [], facts, sections)


def decision_section(tables: RoundTables) -> Section:
    """What is decided for every unit, with its figures, and how that came about."""
    rows = tables.latest
    cells = [
        [
            name, row.verdict, _interval(row.iou, row.iou_low, row.iou_high), percent(row.iou_before), _judged(row),
            percent(row.predicted_correct),
            *(_of_statistic(row, source) for source in tables.sources), percent(row.poor_imagery, 0),
        ]
        for name, row in zip(tables.named(rows), _records(rows), strict=True)
    ]  # fmt: skip
    header = ["unit", "decision", "pixel IoU", "model before", "correct masks", "predicted correct",
              *(f"area of {source}, % of the statistic" for source in tables.sources), "poor imagery"]  # fmt: skip
    confidence = f"{100 * tables.settings.sample.confidence:g} % intervals in brackets."
    caption = (
        f"Round {int(rows['round'].iloc[0])}. {confidence} The model before is measured on the same labels. Correct masks "
        "are judged by people, and blocks count up to the first in the drawn order that is not judged, the gap; what the run "
        f"predicts of its own masks stands beside it and decides nothing.{tables.marked}"
    )
    told = [
        f"{name}: {row.reason}."
        for name, row in zip(tables.named(rows), _records(rows), strict=True)
        if row.verdict != Verdict.GO_ON or row.statistic_decided
    ]
    skipped = int(rows.labels_skipped.sum())
    if skipped:
        told.append(
            f"{skipped} held-out tasks that were drawn at random were skipped. The pixel IoU lacks them, and says nothing of "
            "ground like theirs."
        )
    return Section("Rounds", "Decisions", [Table(caption, header, cells), *told, _history(tables)])


def _history(tables: RoundTables) -> Table:
    """The decision of every round, one column each."""
    rounds = sorted(tables.record["round"].unique())
    verdict = tables.record.pivot(index="unit", columns="round", values="verdict")
    cells = [
        [tables.names.get(unit, unit), *(number(verdict.loc[unit].get(n)) for n in rounds)]
        for unit in sorted(verdict.index)
    ]
    return Table(f"The decisions of all rounds.{tables.marked}", ["unit", *(f"round {n}" for n in rounds)], cells)


def curve_section(tables: RoundTables) -> Section:
    """How the figures rose from round to round."""
    stop = tables.settings.stop
    parts: list[Part] = []
    if tables.record[["iou", "correct"]].notna().any(axis=None):
        names = [tables.names.get(unit, unit) for unit in sorted(tables.record.unit.unique())]
        caption = (
            f"Bars are {100 * tables.settings.sample.confidence:g} % intervals; a point without one rests on too few blocks. Dotted "
            f"horizontal lines are the thresholds ({percent(stop.iou, 0)} and {percent(stop.correct, 0)})."
        )
        figure = curve_figure(tables.record.sort_values("round"), names, stop.iou, stop.correct)
        parts.append(Picture.of("learning_curve", "Accuracy by round and unit", caption, figure))
    else:
        parts.append(Gap("No held-out task is finished and no mask of the sample is judged, so there is no curve."))
    return Section("Rounds", "Learning", parts)


def label_section(tables: RoundTables) -> Section:
    """How much was labelled, where, and in what time."""
    rows = tables.latest
    names = tables.named(rows)
    total = float(rows.labelled_blocks.sum() / rows.blocks.sum()) if rows.blocks.sum() else float("nan")
    density = [
        Bar(name, 100 * value, DENSITY_COLOUR, text=_density(value))
        for name, value in zip(names, rows.sampling_density, strict=True)
    ]
    density.append(Bar("all units", 100 * total, MEAN_COLOUR, text=_density(total)))
    place = "Filled signs hold fields, hollow ones none. Held-out labels never teach, they measure. Grey blocks are the sample."
    parts: list[Part] = [
        Picture.of("labels", "Finished tasks by class and unit", f"All rounds so far.{tables.marked}", label_figure(rows, names)),
        Picture.of(
            "density", "Sampling density", "Blocks with a finished task over all blocks of the unit.",
            bar_figure(density, "% of the blocks"),
        ),
    ]  # fmt: skip
    if len(tables.labels):
        figure = place_figure(tables.labels, tables.units, tables.sample)
        parts.append(Picture.of("places", "Where positive and negative samples lie", place, figure))
    parts.append(_time_table(tables))
    return Section("Rounds", "Labels", parts)


def _time_table(tables: RoundTables) -> Table:
    cells = []
    for n, rows in tables.record.groupby("round"):
        new, minutes = int(rows.labels_new.sum()), float(rows.labelling_minutes.sum())
        cells.append([
            str(n), number(new), number(int(rows.labels_old.sum())), number(int(rows.labels_measuring.sum())),
            f"{minutes:,.0f}", f"{float(rows.judging_minutes.sum()):,.1f}", number(int(rows.judged.sum())),
            number(int(rows.judged_waiting.sum())),
        ])  # fmt: skip
    header = ["round", "new labels", "old labels shown again", "held-out labels", "labelling, min", "judging, min",
              "judged masks",
              "behind a gap"]  # fmt: skip
    return Table("What people did for each round, as they wrote it down.", header, cells)


def map_section(tables: RoundTables) -> Section:
    """What each round changed in the map of the sample."""
    rounds = sorted(tables.record["round"].unique())
    changed = tables.record.pivot(index="unit", columns="round", values="changed")
    cells = [
        [tables.names.get(unit, unit), *(percent(changed.loc[unit].get(n)) for n in rounds)]
        for unit in sorted(changed.index)
    ]
    caption = (
        "Share of the pixels of the sample that the round maps otherwise than the one before; the first is compared with the "
        f"run.{tables.marked}"
    )
    parts: list[Part] = [Table(caption, ["unit", *(f"round {n}" for n in rounds)], cells)]
    if tables.changes:
        figure = local_figure([(title, dict(panels)) for title, panels in tables.changes])
        words = "The blocks of the sample that the last round changed most."
        parts.append(Picture.of("changes", "The map before and after the last round", words, figure))
    areas = [
        [name, number(row.statistic_km2), *(_km2(row, source) for source in tables.sources)]
        for name, row in zip(tables.named(tables.latest), _records(tables.latest), strict=True)
    ]
    header = ["unit", "statistic, km²", *(f"{source}, km²" for source in tables.sources)]
    estimated = (
        "Cropland of the units by the model of the last round: the run's area, moved by the regression estimator from the sample."
        + tables.marked
    )
    return Section("Rounds", "The map of the sample", [*parts, Table(estimated, header, areas)])


def rule_section(tables: RoundTables) -> Section:
    """The rule that says stop."""
    stop = tables.settings.stop
    how = "the whole interval" if stop.by_interval else "the figure itself"
    words = [
        f"The labelling of a unit stops when {how} of three figures meets its threshold: a pixel IoU of at least "
        f"{percent(stop.iou, 0)} on held-out labels, at least {percent(stop.correct, 0)} of the masks of the sample judged correct, and "
        f"an area of {percent(stop.area, 0)} to {percent(2 - stop.area, 0)} of the statistic for either source. What is not known "
        "is not met.",
        f"A unit in which only the area fails, still after {stop.further_rounds} further rounds that learned, stops by exception "
        f"if at least {percent(stop.poor_imagery, 0)} of its blocks have no usable imagery.",
    ]
    return Section("Rounds", "The rule", words)


def _density(share: float) -> str:
    """A share with two digits that tell something, however small it is."""
    return percent(share, 0) if not share < 0.1 else f"{100 * share:.2g} %"


def _records(rows: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in rows.iterrows()]


def _interval(value: float, low: float, high: float) -> str:
    if value != value:
        return "not known"
    if low != low or high != high:
        return f"{100 * value:.1f} % (too few blocks)"
    return f"{100 * value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def _judged(row: pd.Series) -> str:
    if row.judged_before:
        return f"{row.judged_before} of {row.judged + row.judged_waiting + row.judged_before} have changed since they were judged"
    waiting = f"; {row.judged_waiting} behind a gap" if row.judged_waiting else ""
    if not row.judged:
        return f"{NOT_JUDGED}{waiting}"
    return f"{_interval(row.correct, row.correct_low, row.correct_high)} of {row.judged}{waiting}"


def _of_statistic(row: pd.Series, source: str) -> str:
    if not row.statistic_km2 > 0:
        return "no statistic"
    figures = [row[f"area_{end}km2_{source}"] / row.statistic_km2 for end in ("", "low_", "high_")]
    return _interval(*figures)


def _km2(row: pd.Series, source: str) -> str:
    value, low, high = (row[f"area_{end}km2_{source}"] for end in ("", "low_", "high_"))
    if value != value:
        return UNKNOWN_CELL
    return f"{value:,.1f}" if low != low else f"{value:,.1f} ({low:,.1f} to {high:,.1f})"
