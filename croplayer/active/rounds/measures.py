"""What a round measures in every unit: pixels on held-out labels, judged masks of the sample, and areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.active.judgements import Judgement, JudgementKind
from croplayer.active.rounds.mapping import SampleMap, run_masks
from croplayer.active.rounds.sample import judging_order
from croplayer.active.rounds.shown import ShownMasks
from croplayer.active.run_numbers import RunNumbers
from croplayer.active.stopping import UNKNOWN, Measured
from croplayer.evaluation.clusters import clustered_interval
from croplayer.evaluation.indicators import stratified_ratio
from croplayer.evaluation.interval import Estimate, few_cases_interval, share_interval
from croplayer.evaluation.systematic import GridSample, regression_estimate
from croplayer.measures.agreement import Agreement
from stores.columns import AREA_FRACTION, BLOCK_KM2, map_column
from stores.legends import CROPLAND, NO_IMAGERY


def iou_by_unit(scores: Mapping[str, Agreement], labels: pd.DataFrame, confidence: float) -> dict[str, Measured]:
    """Pixel IoU of each unit with its interval; the sources count together, and blocks are the cases (Cochran 1977, Eq. 6.13).

    Where every block agrees wholly, or none at all, the blocks show no spread. The interval is then that of Wilson (1927), with the
    blocks that hold cropland as the cases.

    Parameters
    ----------
    scores : agreement of the model with the labels of each held-out scene, by its name TASK.SOURCE
    labels : columns task, block and unit
    """
    place = labels.set_index("task")
    rows = [(place.unit[task], place.block[task], *counts) for task, counts in _by_task(scores)]
    table = pd.DataFrame(rows, columns=["unit", "block", *Agreement._fields])
    found = {}
    for unit, part in table.groupby("unit"):
        counts = part.groupby("block")[[*Agreement._fields]].sum()
        union = (counts.tp + counts.fp + counts.fn).to_numpy(float)
        value = Agreement(*(int(counts[name].sum()) for name in Agreement._fields)).iou
        low, high = np.nan, np.nan
        if len(counts) > 1:
            ratio = stratified_ratio(counts.tp.to_numpy(float), union, np.zeros(len(counts), int), np.ones(1))
            low, high = few_cases_interval(ratio, len(counts) - 1, confidence)
            if value in (0, 1):
                holding = int((union > 0).sum())
                low, high = share_interval(value * holding, holding, confidence)
        found[str(unit)] = Measured(
            value, max(low, 0.0) if low == low else low, min(high, 1.0) if high == high else high
        )
    return found


def _by_task(scores: Mapping[str, Agreement]) -> list[tuple[str, Agreement]]:
    return [(name.partition(".")[0], counts) for name, counts in scores.items()]


class SampleSides(NamedTuple):
    """What the masks of a round are compared with."""

    before: SampleMap | None
    """The masks of the round before; None in the first one, which is compared with the run."""
    shown: ShownMasks
    """The masks that people saw."""
    judgements: Sequence[Judgement]
    same_mask: float
    """A judgement counts for a mask in which this share of the pixels is as in the judged one."""


def sample_table(numbers: RunNumbers, sample: pd.DataFrame, mapped: SampleMap, sides: SampleSides) -> pd.DataFrame:
    """One row per sampled block and source: cropland now, before and in the run, what changed, and what people said.

    Parameters
    ----------
    sample : `sample.unit_sample`
    mapped : the masks of this round

    Returns
    -------
    ``sample`` with source, share, share_before and share_run (cropland over known pixels; NaN without any), changed (share of
    the pixels that differ from before), judged (values of the judgements that count, "" for none), correct (share of the
    persons who call it correct, NaN for none), judged_before (whether all its judgements are about a mask that has changed
    since) and predicted (class that the run itself gives its own mask)
    """
    predicted = numbers.blocks.set_index("block")
    said: dict[tuple[str, str], list[Judgement]] = {}
    for judgement in sides.judgements:
        if judgement.kind == JudgementKind.CORRECTNESS:
            said.setdefault((judgement.subject, judgement.source), []).append(judgement)
    rows = []
    for block in sample.block:
        now, run = mapped.read(block), run_masks(numbers.cube, block)
        if now is None:
            raise ValueError(f"{mapped.path(block)} is missing; make the round again")
        earlier = run if sides.before is None else sides.before.read(block)
        for source in numbers.cube.sources:
            mask, old = now[source], None if earlier is None else earlier[source]
            every = said.get((block, source), [])
            values = [j.value for j in every if sides.shown.same_as_judged(j, mask) >= sides.same_mask]
            column = map_column("correctness", source)
            told = predicted[column][block] if column in predicted else None
            rows.append({
                "block": block, "source": source, "share": _share(mask),
                "share_before": np.nan if old is None else _share(old), "share_run": _share(run[source]),
                "changed": np.nan if old is None else 1 - _same(mask, old), "judged": "/".join(dict.fromkeys(values)),
                "correct": float(np.mean([v in numbers.correct for v in values])) if values else np.nan,
                "judged_before": bool(every) and not values, "predicted": told if isinstance(told, str) else "",
            })  # fmt: skip
    return sample.merge(pd.DataFrame(rows), on="block", how="left")


def _share(mask: np.ndarray) -> float:
    known = int((mask < NO_IMAGERY).sum())
    return float((mask == CROPLAND).sum()) / known if known else np.nan


def _same(mask: np.ndarray, other: np.ndarray) -> float:
    return float((mask == other).mean())


def correct_of(table: pd.DataFrame, confidence: float) -> Measured:
    """Share of the judged masks of a unit that people call correct, with its interval; blocks are clusters (Wilson 1927).

    Blocks count in the order in which they are handed out, up to the first one with a mask that is not judged: that order is
    drawn, and masks that somebody picked are no fair part of the sample. Of several persons the majority counts, and a tie is not
    correct. NaN if no block counts, and as long as judged masks have changed since: masks that change were wrong more often, so
    the others alone would flatter.
    """
    judged = table[table.block.isin(counted_blocks(table))]
    if judged.empty or table.judged_before.any():
        return UNKNOWN
    right = (judged.correct > 0.5).to_numpy()
    _, cluster = np.unique(judged.block.to_numpy(str), return_inverse=True)
    return Measured(float(right.mean()), *clustered_interval(right, cluster, confidence))


def counted_blocks(table: pd.DataFrame) -> list[str]:
    """The blocks of a unit whose judgements count: in the drawn order all before the first one with a mask not judged."""
    is_whole = (table.judged != "").groupby(table.block).all()
    return [*takewhile(lambda block: bool(is_whole[block]), judging_order(table.block))]


def predicted_share(table: pd.DataFrame, right: Sequence[str]) -> float:
    """Share of the sampled masks of the run that the run itself calls correct; NaN if it told nothing. No judgement of people."""
    told = table.predicted[table.predicted != ""]
    return float(told.isin(right).mean()) if len(told) else float("nan")


def area_km2(
    table: pd.DataFrame, source: str, run: pd.DataFrame, unit_km2: float, run_km2: float, confidence: float
) -> Measured:
    """Cropland of a unit by the model of the round: the run's area, moved by how far the sample was mapped otherwise.

    The regression estimator over the blocks of the sample, with the run's map, which is known everywhere, as the other value. The
    error is that of a sample from finitely many blocks (Cochran 1977, section 2.6): it is 0 where the sample is every block, as in a
    small unit.

    Parameters
    ----------
    table : `sample_table` of the unit
    run : blocks of the unit in the block table of the run
    unit_km2 : land of the unit that the run knows from the source
    run_km2 : cropland of the source's mask of the run in the unit
    """
    part = table[(table.source == source) & table.share.notna() & table.share_run.notna()]
    column = map_column(AREA_FRACTION, source)
    known = run[run[column].notna()] if column in run else run.iloc[:0]
    if known.empty or not np.isfinite([unit_km2, run_km2]).all():
        return UNKNOWN
    now, run_share, weight = (part[name].to_numpy(float) for name in ("share", "share_run", BLOCK_KM2))
    sample = GridSample(now, run_share, weight, part.grid_row.to_numpy(), part.grid_col.to_numpy())
    map_mean = float(np.average(known[column].to_numpy(float), weights=known[BLOCK_KM2].to_numpy(float)))
    if len(part) >= len(known):
        moved = float(np.average(now - run_share, weights=weight))
        return Measured(*[max(run_km2 + moved * unit_km2, 0.0)] * 3)
    mean = regression_estimate(sample, map_mean)
    area = mean._replace(value=mean.value - map_mean).times(unit_km2)
    left_out = 1 - len(part) / len(known)
    area = Estimate(run_km2 + area.value, area.standard_error * left_out**0.5)
    low, high = few_cases_interval(area, len(part) - 2, confidence)
    return Measured(area.value, max(low, 0.0) if low == low else low, high)
