"""The rows of a round in the record: one per admin unit, with its figures and its decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from croplayer.active.judgements import Judgement
from croplayer.active.rounds.labels import Role
from croplayer.active.rounds.measures import area_km2, correct_of, counted_blocks, predicted_share
from croplayer.active.rounds.settings import RoundSettings
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.stopping import UNKNOWN, Decision, Level, Measured, UnitFigures, decide
from croplayer.evaluation.provinces import COMPLETE_SHARE
from stores.columns import known_share_column, map_column, mapped_column
from stores.legends import CoverageType
from stores.round_columns import round_columns

_USABLE = {c.label for c in CoverageType if c.is_usable}
_ROLES = {
    "labels_new": Role.NEW, "labels_old": Role.OLD, "labels_rested": Role.RESTED, "labels_measuring": Role.MEASURES,
    "labels_unused": Role.UNUSED,
}  # fmt: skip


class Found(NamedTuple):
    """What a round found, from which its rows are made."""

    number: int
    labels: pd.DataFrame
    """`labels.label_table`"""
    skipped: Mapping[str, int]
    """`labels.skipped_by_unit`"""
    kept: Mapping[str, int]
    """`keeping.pictures_by_unit`"""
    iou: Mapping[str, Measured]
    """Pixel IoU by unit."""
    iou_before: Mapping[str, Measured]
    """The same of the model before."""
    sample: pd.DataFrame
    """`measures.sample_table`"""
    judgements: Sequence[Judgement]
    """Those made since the round before."""
    units: pd.DataFrame
    """The run's table of areas by unit, empty where it has none."""
    digests: Mapping[str, str]
    """The columns of the record that say what the round was made from."""


def unit_rows(found: Found, numbers: RunNumbers, settings: RoundSettings, earlier: pd.DataFrame) -> pd.DataFrame:
    """The rows of a round, with the columns of `stores.round_columns`.

    Parameters
    ----------
    earlier : the record of the rounds before, empty in the first one
    """
    grid = numbers.cube.grid
    unit_of_block = pd.Series(numbers.units_of([grid.window(b) for b in numbers.names]), index=numbers.blocks.index)
    units = found.units.set_index("adcode") if len(found.units) else pd.DataFrame()
    rows = [
        _row(found, numbers, settings, earlier, unit, unit_of_block == unit, units)
        for unit in sorted(found.sample.unit.unique())
    ]
    columns = round_columns(numbers.cube.sources)
    table = pd.DataFrame(rows, columns=[c.name for c in columns])
    return table.astype({c.name: object if c.dtype == "string" else c.dtype for c in columns})


def _row(
    found: Found, numbers: RunNumbers, settings: RoundSettings, earlier: pd.DataFrame, unit: str, inside: pd.Series,
    units: pd.DataFrame,
) -> dict[str, Any]:  # fmt: skip
    labels, sample = found.labels[found.labels.unit == unit], found.sample[found.sample.unit == unit]
    stated = units.loc[unit] if unit in units.index else pd.Series(dtype=object)
    before = earlier[earlier.unit == unit] if len(earlier) else earlier
    correct = correct_of(sample, settings.sample.confidence)
    statistic = float(stated.get("statistic_km2", np.nan))
    blocks = numbers.blocks[inside]
    areas = {s: _area(sample, s, blocks, stated, settings.sample.confidence) for s in numbers.cube.sources}
    coverage = numbers.coverage[inside.to_numpy()]
    known = coverage[coverage != ""].astype(str)
    figures = UnitFigures(
        iou=found.iou.get(unit, UNKNOWN),
        correct=correct,
        area={s: _of_statistic(area, statistic, stated, s) for s, area in areas.items()} if statistic > 0 else {},
        unknown_land={s: share for s in areas if (share := _unknown_land(stated, s)) > 1 - COMPLETE_SHARE},
        poor_imagery=float(1 - np.isin(known, sorted(_USABLE)).mean()) if len(known) else np.nan,
        failed_rounds=_failed_rounds(before, found.digests["model_sha256"]),
    )
    decision = decide(figures, settings.stop)
    labelled = int(blocks.block.isin(found.labels.block).sum())
    judged, counts = sample.judged != "", sample.block.isin(counted_blocks(sample))
    return {
        "round": found.number,
        "unit": unit,
        "name": str(stated.get("name_en", unit)),
        **{name: int((labels.role == role).sum()) for name, role in _ROLES.items()},
        "labels_skipped": found.skipped.get(unit, 0),
        "kept_pictures": found.kept.get(unit, 0),
        "positive": int(labels.positive.sum()),
        "negative": int((~labels.positive.astype(bool)).sum()),
        "fields": int(labels.fields.sum()),
        "labelled_blocks": labelled,
        "blocks": len(blocks),
        "sampling_density": labelled / len(blocks) if len(blocks) else np.nan,
        "labelling_minutes": float(labels.minutes[labels.is_new.astype(bool)].sum()),
        "judging_minutes": _judging_minutes(found.judgements, set(blocks.block)),
        **_three("iou", figures.iou),
        "iou_before": found.iou_before.get(unit, UNKNOWN).value,
        "iou_blocks": int(labels.block[labels.role == Role.MEASURES].nunique()),
        "sample_blocks": int(sample.block.nunique()),
        "judged": int((judged & counts).sum()),
        "judged_waiting": int((judged & ~counts).sum()),
        "judged_before": int(sample.judged_before.sum()),
        **_three("correct", correct),
        "predicted_correct": predicted_share(sample, numbers.correct),
        "changed": float(sample.changed.mean()),
        "statistic_km2": statistic,
        **{k: v for s, area in areas.items() for k, v in _area_columns(s, area).items()},
        "poor_imagery": figures.poor_imagery,
        **{f"{name}_level": str(getattr(decision, name)) for name in ("iou", "correct", "area")},
        "failed_rounds": figures.failed_rounds,
        "verdict": str(decision.verdict),
        "statistic_decided": _statistic_decided(decision, before),
        "reason": decision.reason,
        **found.digests,
    }


def _area(sample: pd.DataFrame, source: str, blocks: pd.DataFrame, stated: pd.Series, confidence: float) -> Measured:
    run_km2 = float(stated.get(mapped_column(source), np.nan))
    unit_km2 = float(stated.get("land_km2", np.nan)) * float(stated.get(known_share_column(source), np.nan))
    return area_km2(sample, source, blocks, unit_km2, run_km2, confidence)


def _of_statistic(area: Measured, statistic: float, stated: pd.Series, source: str) -> Measured:
    """An area over the statistic.

    Where the run does not know nearly the whole unit from the source, the rest may hold no cropland or be all cropland. The
    interval then reaches from the one to the other, and the figure is the one of the two that is farther from the statistic, so
    that the area is met only if it is either way.
    """
    unknown_km2 = _unknown_land(stated, source) * float(stated.get("land_km2", np.nan))
    if np.isnan(unknown_km2):
        return UNKNOWN
    if _unknown_land(stated, source) <= 1 - COMPLETE_SHARE:
        return Measured(*(value / statistic for value in area))
    low, high = area.low / statistic, (area.high + unknown_km2) / statistic
    least, most = area.value / statistic, (area.value + unknown_km2) / statistic
    return Measured(least if abs(least - 1) > abs(most - 1) else most, low, high)


def _unknown_land(stated: pd.Series, source: str) -> float:
    """Share of the land of a unit that the run does not know from a source, 0 to 1; NaN where it has no table of areas."""
    return 1 - float(stated.get(known_share_column(source), np.nan))


def _failed_rounds(before: pd.DataFrame, model: str) -> int:
    """Models just before in which only the area failed, one after the other, each of them another one than ``model``.

    A model counts once, however many rounds only measure it anew. A round that has changed masks waits for people to judge them:
    while only its correct masks are not known, it is passed over, and the next round tells how its model came out.
    """
    failed = set()
    for row in before.sort_values("round", ascending=False).itertuples() if len(before) else ():
        if row.iou_level != Level.MET or row.area_level != Level.NOT_MET or row.correct_level == Level.NOT_MET:
            break
        if row.correct_level == Level.MET:
            failed.add(row.model_sha256)
    return len(failed - {model})


def _statistic_decided(decision: Decision, before: pd.DataFrame) -> bool:
    return decision.by_statistic or (len(before) > 0 and bool(before.statistic_decided.any()))


def _judging_minutes(judgements: Sequence[Judgement], blocks: set[str]) -> float:
    seconds = [j.seconds for j in judgements if j.subject in blocks and j.seconds == j.seconds]
    return round(float(sum(seconds)) / 60, 3)


def setbacks(record: pd.DataFrame, number: int) -> list[str]:
    """A sentence for each unit in which the model of a round maps the held-out labels worse than the one before.

    Parameters
    ----------
    record : the rows of all rounds
    number : the round; figures that are not known are no setback
    """
    rows = record[(record["round"] == number) & (record.iou < record.iou_before)]
    known = record[record.iou.notna()].sort_values(["iou", "round"], ascending=[False, True]).drop_duplicates("unit")
    best = dict(zip(known.unit, zip(known["round"], known.iou, strict=True), strict=True))
    said = []
    for row in rows.itertuples():
        at, iou = best[row.unit]
        there = f"; round {at} was the best there ({100 * iou:.1f} %)" if at != number else ""
        said.append(
            f"{row.name or 'all'}: the model of round {number} maps the held-out labels worse than the one before, IoU "
            f"{100 * row.iou:.1f} % after {100 * row.iou_before:.1f} %{there}; look before you map the country with it; "
            "`keep = 2` in rounds.toml lets the next rounds forget less"
        )
    return said


def _three(name: str, figure: Measured) -> dict[str, float]:
    return {name: figure.value, f"{name}_low": figure.low, f"{name}_high": figure.high}


def _area_columns(source: str, area: Measured) -> dict[str, float]:
    return {
        map_column("area_km2", source): area.value, f"area_low_km2_{source}": area.low, f"area_high_km2_{source}": area.high
    }  # fmt: skip
