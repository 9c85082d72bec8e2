"""Areas of several classes and the accuracy of their map from one stratified sample, such as one of change.

Olofsson et al. 2014, Good practices for estimating area and assessing accuracy of land change, Remote Sensing of
Environment 148, 42-57, doi 10.1016/j.rse.2014.02.015. Strata that are no classes of the map, such as stable ground near a
change, which catches the omissions there (Olofsson et al. 2020, doi 10.1016/j.rse.2019.111492), and units need the
ratio estimator of Stehman 2014 (`evaluation.indicators`).

Change is rare, so a large stratum of stable land has few points of it or none. Normal intervals are then much too narrow.
The ends of an interval come from the Wilson intervals of the strata instead, by the method of variance estimates recovery
(Yan and Su 2010, Stratified Wilson and Newcombe confidence intervals for multiple binomial proportions, Statistics in
Biopharmaceutical Research 2, 329-335, doi 10.1198/sbr.2009.0049). That needs strata that lie in the unit as a whole; units
that share strata get the normal interval of the ratio.
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
from croplayer.evaluation.interval import NOTHING, Estimate, share_interval
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign

METHOD = "stratified, strata of change with a buffer (Olofsson et al. 2014; Stehman 2014)"


def estimate_classes(sample: ReviewedSample, confidence: float = 0.95) -> AreaEstimates:
    """Area of every class, in all that was sampled and in each unit, and the accuracy of the map, with intervals.

    There is no interval (NaN) where the sample has a flaw, where the points of a unit that shares its strata all agree, and
    in a unit without points, which has no estimate either. Notes say so.

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
    strata = _own_strata(sample, design, unit)
    if strata is None or sample.flaw or not inside.any():
        low, high = area.interval(confidence)
    else:
        low, high = _wilson_ends(sample.points, design, strata, code, confidence)
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


def _own_strata(sample: ReviewedSample, design: SampleDesign, unit: int | None) -> range | None:
    """The strata that make up a unit; None where it shares strata with others."""
    if unit is None:
        return range(len(design.strata))
    each = len(design.strata) // len(design.units)
    own = range(unit * each, (unit + 1) * each)
    of_unit = sample.points.unit == design.units[unit]
    return own if each > 1 and (sample.points.stratum.isin(own) == of_unit).all() else None


def _wilson_ends(
    points: pd.DataFrame, design: SampleDesign, strata: range, code: int, confidence: float
) -> tuple[float, float]:
    """Ends of the interval of a class's area in some strata, km2."""
    middle = below = above = 0.0
    for stratum in strata:
        labels = points.label[points.stratum == stratum]
        if not len(labels):
            continue
        km2, share = design.stratum_km2[stratum], float((labels == code).mean())
        low, high = share_interval(float((labels == code).sum()), len(labels), confidence)
        middle += km2 * share
        below += (km2 * (share - low)) ** 2
        above += (km2 * (high - share)) ** 2
    return middle - float(np.sqrt(below)), middle + float(np.sqrt(above))


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
