"""Areas of several classes and the accuracy of their map from one stratified sample, such as one of change.

Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change, Remote Sensing of
Environment 148, 42-57, doi 10.1016/j.rse.2014.02.015. Strata that are no classes of the map, such as stable ground near a
change, which catches the omissions there (Olofsson et al. 2020, doi 10.1016/j.rse.2019.111492), and units need the
ratio estimator of Stehman 2014 (`evaluation.indicators`).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.evaluation.area_estimates import (
    FEW_POINTS,
    AreaEstimates,
    Ratio,
    accuracy_row,
    known_error,
    stratum_ratio,
)
from croplayer.evaluation.interval import NOTHING, Estimate
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign

METHOD = "stratified, strata of change with a buffer (Olofsson et al. 2014; Stehman 2014)"


def estimate_classes(sample: ReviewedSample, confidence: float = 0.95) -> AreaEstimates:
    """Area of every class, in all that was sampled and in each unit, and the accuracy of the map, with intervals.

    There is no interval (NaN) where the sample has a flaw, where the points of a unit all agree, and in a unit without
    points, which has no estimate either. Notes say so.

    Returns
    -------
    ``areas`` has the columns of `stores.change.CHANGE_ESTIMATES`; ``accuracy`` measure, value, standard_error, low, high

    Raises
    ------
    ValueError when the design is unknown, is not stratified, or a stratum has too few points
    """
    design = sample.design
    if design is None or design.kind != "stratified":
        raise ValueError(f"{sample.flaw or 'the sample is not stratified'}; draw one of the strata of change")
    ratio = stratum_ratio(sample.points, design)
    units: list[int | None] = [None, *(range(len(design.units)) if design.units != ("",) else ())]
    rows = [
        _row(sample, design, unit, code, ratio, confidence) for unit in units for code in range(len(design.classes))
    ]
    areas = pd.DataFrame(rows)
    accuracy = pd.DataFrame(
        [accuracy_row(name, estimate, sample.flaw, confidence) for name, estimate in _accuracy(sample, design, ratio)]
    )
    return AreaEstimates(areas, accuracy, METHOD, _notes(sample, design, areas))


def _row(
    sample: ReviewedSample, design: SampleDesign, unit: int | None, code: int, ratio: Ratio, confidence: float
) -> dict[str, object]:
    points = sample.points
    inside = np.ones(len(points), bool) if unit is None else (points.unit == design.units[unit]).to_numpy()
    km2 = design.unit_class_km2.sum(axis=0) if unit is None else design.unit_class_km2[unit]
    total = float(km2.sum())
    share = ratio((points.label.to_numpy() == code) & inside, inside) if inside.any() and total else NOTHING
    area = known_error(share, sample.flaw).times(total)
    low, high = area.interval(confidence)
    return {
        "adcode": "" if unit is None else design.units[unit],
        "name_en": "" if unit is None else design.unit_names[unit],
        "change": design.classes[code],
        "points": int(inside.sum()),
        "mapped_km2": float(km2[code]),
        "estimate_km2": area.value,
        "standard_error_km2": area.standard_error,
        "low_km2": max(low, 0.0) if low == low else low,
        "high_km2": min(high, total) if high == high else high,
    }


def _accuracy(sample: ReviewedSample, design: SampleDesign, ratio: Ratio) -> list[tuple[str, Estimate]]:
    mapped, true = sample.points.mapped.to_numpy(), sample.points.label.to_numpy()
    found = [("overall accuracy", ratio(mapped == true, np.ones(len(mapped))))]
    for code, name in enumerate(design.classes):
        right = (mapped == code) & (true == code)
        found.append((f"user's accuracy of {name}", ratio(right, mapped == code)))
        found.append((f"producer's accuracy of {name}", ratio(right, true == code)))
    return found


def _notes(sample: ReviewedSample, design: SampleDesign, areas: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    if sample.flaw:
        notes.append(f"No interval is given, because this is no probability sample: {sample.flaw}.")
    per_unit = areas[areas.adcode != ""].drop_duplicates("adcode")
    if nowhere := list(per_unit.name_en[per_unit.points == 0]):
        notes.append(f"No area and no interval is given for {', '.join(nowhere)}: no point of the sample lies there.")
    few = list(per_unit.name_en[(per_unit.points > 0) & (per_unit.points < FEW_POINTS)])
    if few:
        notes.append(f"Fewer than {FEW_POINTS} points lie in {', '.join(few)}: those intervals are only a rough guide.")
    for stratum, name in enumerate(design.strata):
        labels = sample.points.label[sample.points.stratum == stratum]
        if len(labels) and labels.nunique() == 1:
            notes.append(
                f"All {len(labels)} points of stratum '{name}' have the same label, so it adds nothing to the standard "
                "error, and the intervals may be too narrow. More points there would show it."
            )
    if design.unknown_km2 > 0:
        notes.append(f"{design.unknown_km2:,.1f} km² without map data are not part of the sampled area.")
    return tuple(notes)
