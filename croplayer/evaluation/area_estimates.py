"""Cropland areas and map accuracy from a reviewed sample, for the region and by admin unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.evaluation.indicators import stratified_ratio
from croplayer.evaluation.interval import NOTHING, Estimate
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign
from croplayer.evaluation.systematic import GridSample, ratio_estimate, regression_estimate

FEW_POINTS = 30
"""With fewer points, normal intervals are too narrow more often than their confidence states."""

NO_SPREAD = 1e-9
"""A standard error of a share below this is 0 but for rounding."""

STRATIFIED = "stratified (Olofsson et al. 2014; units: ratio estimator of Stehman 2014)"
SYSTEMATIC = "regression estimator on a systematic grid, variance as of a random sample (conservative)"

Ratio = Callable[[np.ndarray, np.ndarray], Estimate]
"""Estimator of the ratio of the totals of two values of the points."""


class AreaEstimates(NamedTuple):
    """The estimates from a sample."""

    areas: pd.DataFrame
    """adcode and name_en (empty for the whole), points, mapped_km2, estimate_km2, standard_error_km2, low_km2, high_km2"""
    accuracy: pd.DataFrame
    """measure, value, standard_error, low, high; shares"""
    method: str
    notes: tuple[str, ...]
    """Remarks for the reader. If there is no interval, the first one gives the reason."""


def estimate_areas(sample: ReviewedSample, confidence: float = 0.95) -> AreaEstimates:
    """Areas and accuracy with intervals; for a sample that is no probability sample, without intervals and with the reason.

    Intervals are missing (NaN) when the sample has a flaw, and in rows whose points all agree: their standard error of
    0 shows how few they are, not how certain the estimate is. A note names those rows.

    Parameters
    ----------
    confidence : of the intervals, between 0 and 1

    Raises
    ------
    ValueError when a stratum has too few points, or when the design is unknown, so that no area can be estimated.
    """
    design = sample.design
    if design is None:
        share = sample.points.label.mean()
        raise ValueError(
            f"{sample.flaw}; {100 * share:.1f} % of its {len(sample.points)} points are cropland, from which no area can "
            "be estimated; draw a sample with `croplayer area draw`"
        )
    is_systematic = design.kind == "systematic"
    ratio = _grid_ratio(sample.points) if is_systematic else stratum_ratio(sample.points, design)
    rows = [_area_row(sample, design, None, ratio, confidence)]
    if design.units != ("",):
        rows += [_area_row(sample, design, unit, ratio, confidence) for unit in range(len(design.units))]
    areas = pd.DataFrame(rows)
    accuracy = pd.DataFrame(
        [accuracy_row(name, estimate, sample.flaw, confidence) for name, estimate in _accuracy(sample, ratio)]
    )
    notes = _notes(sample, design, [] if sample.flaw else _without_spread(areas, accuracy))
    return AreaEstimates(areas, accuracy, SYSTEMATIC if is_systematic else STRATIFIED, notes)


def stratum_ratio(points: pd.DataFrame, design: SampleDesign) -> Ratio:
    """Estimator from the points of a stratified sample; raises ValueError when a stratum has fewer than two."""
    km2 = np.array(design.stratum_km2)
    weights, stratum = km2 / km2.sum(), points.stratum.to_numpy()
    drawn = np.bincount(stratum, minlength=len(km2))
    short = np.flatnonzero((drawn < 2) & (km2 > 0))
    if len(short):
        raise ValueError(
            f"stratum '{design.strata[short[0]]}' has {drawn[short[0]]} labelled points; at least 2 are needed"
        )
    return lambda y, x: stratified_ratio(y, x, stratum, weights)


def _grid_ratio(points: pd.DataFrame) -> Ratio:
    def ratio(y: np.ndarray, x: np.ndarray) -> Estimate:
        sample = _grid_sample(points)._replace(y=np.asarray(y, np.float64), x=np.asarray(x, np.float64))
        return ratio_estimate(sample, 1.0)

    return ratio


def _grid_sample(points: pd.DataFrame) -> GridSample:
    return GridSample(
        points.label.to_numpy(np.float64), points.mapped.to_numpy(np.float64), points.weight.to_numpy(np.float64),
        points.row.to_numpy(), points.col.to_numpy(),
    )  # fmt: skip


def _area_row(
    sample: ReviewedSample, design: SampleDesign, unit: int | None, ratio: Ratio, confidence: float
) -> dict[str, object]:
    points = sample.points
    inside = np.ones(len(points), bool) if unit is None else (points.unit == design.units[unit]).to_numpy()
    km2 = design.unit_class_km2.sum(axis=0) if unit is None else design.unit_class_km2[unit]
    total = float(km2.sum())
    if not inside.any() or total == 0:
        share = NOTHING
    elif design.kind == "systematic":
        share = regression_estimate(_grid_sample(points[inside]), float(km2[1]) / total)
    else:
        share = ratio(points.label.to_numpy() * inside, inside)
    area = known_error(share, sample.flaw).times(total)
    low, high = area.interval(confidence)
    return {
        "adcode": "" if unit is None else design.units[unit],
        "name_en": "" if unit is None else design.unit_names[unit],
        "points": int(inside.sum()),
        "mapped_km2": float(km2[1]),
        "estimate_km2": area.value,
        "standard_error_km2": area.standard_error,
        "low_km2": max(low, 0.0) if low == low else low,
        "high_km2": min(high, total) if high == high else high,
    }


def _accuracy(sample: ReviewedSample, ratio: Ratio) -> list[tuple[str, Estimate]]:
    mapped, true = sample.points.mapped.to_numpy() == 1, sample.points.label.to_numpy() == 1
    every = np.ones(len(mapped))
    return [
        ("overall accuracy", ratio(mapped == true, every)),
        ("user's accuracy of cropland", ratio(mapped & true, mapped)),
        ("producer's accuracy of cropland", ratio(mapped & true, true)),
        ("user's accuracy of not cropland", ratio(~mapped & ~true, ~mapped)),
        ("producer's accuracy of not cropland", ratio(~mapped & ~true, ~true)),
    ]


def accuracy_row(name: str, estimate: Estimate, flaw: str, confidence: float) -> dict[str, object]:
    """A measure of accuracy with its interval, which is missing if the sample has a flaw or its points all agree."""
    estimate = known_error(estimate, flaw)
    low, high = estimate.interval(confidence)
    return {
        "measure": name,
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "low": max(low, 0.0) if low == low else low,
        "high": min(high, 1.0) if high == high else high,
    }


def known_error(share: Estimate, flaw: str) -> Estimate:
    """The share, without standard error if the sample has a flaw or its points all agree."""
    return share._replace(standard_error=np.nan) if flaw or share.standard_error < NO_SPREAD else share


def _without_spread(areas: pd.DataFrame, accuracy: pd.DataFrame) -> list[str]:
    """Names of the rows with an estimate and no standard error, for a sample without flaw."""
    names = areas.name_en.where(areas.adcode != "", "all that is mapped")
    spreadless = areas.estimate_km2.notna() & areas.standard_error_km2.isna()
    sure = accuracy.value.notna() & accuracy.standard_error.isna()
    return [*(f"the area of {name}" for name in names[spreadless]), *accuracy.measure[sure]]


def _notes(sample: ReviewedSample, design: SampleDesign, without_spread: list[str]) -> tuple[str, ...]:
    notes = []
    if sample.flaw:
        notes.append(f"No interval is given, because this is no probability sample: {sample.flaw}.")
    if without_spread:
        notes.append(
            f"No interval is given for {', '.join(without_spread)}: the points there all agree. A standard error of 0 "
            "would only show how few they are; more points would show their spread."
        )
    for stratum, name in enumerate(design.strata):
        labels = sample.points.label[sample.points.stratum == stratum]
        if len(labels) and labels.nunique() == 1:
            notes.append(
                f"All {len(labels)} points of stratum '{name}' have the same label, so it adds nothing to the standard "
                "error, and the interval may be too narrow. More points there would show it."
            )
    counts = [int((sample.points.unit == unit).sum()) for unit in design.units] if design.units != ("",) else []
    few = [name for name, count in zip(design.unit_names, counts, strict=False) if count < FEW_POINTS]
    if few:
        notes.append(f"Fewer than {FEW_POINTS} points lie in {', '.join(few)}: those intervals are only a rough guide.")
    if design.unknown_km2 > 0:
        notes.append(f"{design.unknown_km2:,.1f} km² without map data are not part of the sampled area.")
    return tuple(notes)
