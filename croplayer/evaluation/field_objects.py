"""Measures of found fields against drawn ones, pooled over scenes, by size, with intervals over scenes.

Precision, recall and F1 are of matches one to one (`croplayer.evaluation.field_matches` says which fields count). The mean F1
is over the IoU thresholds 0.5, 0.55, ..., 0.95 of COCO. Panoptic quality is segmentation quality (mean IoU of the
matches) times recognition quality (F1 at 0.5), Kirillov et al. 2019, doi 10.1109/CVPR.2019.00963. Over- and
under-segmentation are those of `croplayer.evaluation.parcels`.

**By size.** A match belongs to the class of the drawn field. A found field without a match belongs to the class of its
own area. So the counts of the classes add up to those of all fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import bootstrap_interval
from croplayer.evaluation.field_matches import FieldMatches, match_fields_in
from croplayer.evaluation.parcels import UNKNOWN, segmentation_scores
from croplayer.kernels.label_edges import edges_near, label_edges
from stores.field_sizes import MU_HA, SIZE_NAMES, size_class

PERCENTS = np.arange(50, 100, 5)
"""IoU thresholds in percent; a match is above one."""
TOLERANCE_M = 5.0
"""Outlines agree up to this distance."""
ALL_SIZES = "all"


class FieldCounts(NamedTuple):
    """Counts of one scene; field by field, those of scenes add up to the counts of all. S sizes, T thresholds."""

    drawn: np.ndarray
    """(S,) drawn fields"""
    matched: np.ndarray
    """(T, S) drawn fields with a match above each threshold"""
    unmatched: np.ndarray
    """(T, S) found fields without one"""
    iou: np.ndarray
    """(S,) sum of the IoU of the matches above 0.5"""
    missed: np.ndarray
    """(S,) drawn fields that no found field overlaps"""
    overlapped_ha: np.ndarray
    """(S,) area of the other drawn fields"""
    over_ha: np.ndarray
    """(S,) sum of over-segmentation times area of the drawn fields that are overlapped"""
    under_ha: np.ndarray
    """(S,) the same of under-segmentation"""
    distance_ha: np.ndarray
    """(S,) the same of the distance of both from 0"""
    under_mu: np.ndarray
    """(3,) fields below 1 mu (1/15 ha): drawn, found, drawn with a match above 0.5"""
    outline: np.ndarray
    """(4,) pixels of found outlines, those within the tolerance of a drawn one, and the same of the drawn outlines"""


def count_fields(
    found: np.ndarray,
    drawn: np.ndarray,
    known: np.ndarray,
    row_km2: np.ndarray,
    pixel_m: tuple[float, float],
    tolerance_m: float = TOLERANCE_M,
) -> FieldCounts:
    """Counts of one scene.

    Parameters
    ----------
    found, drawn : (h, w) integers, number of the field from 1, 0 for none
    known : (h, w) bool, pixels where both are known
    row_km2 : (h,) area of a pixel in each row, km2
    pixel_m : height and width of a pixel in metres
    tolerance_m : outlines agree up to this distance

    Notes
    -----
    An outline is the pixels of a field beside another field or none; where two fields touch, both have one. The frame of
    the window and the edge of what is known are no outlines. Outlines of cut fields count, because they are known.
    """
    of_found, of_drawn = label_edges(found, known), label_edges(drawn, known)
    matches = match_fields_in(found, drawn, known, row_km2)
    scores = segmentation_scores(drawn, np.where(known, found, UNKNOWN), row_km2)
    return counted(matches, scores, outline_counts(of_found, of_drawn, of_found, of_drawn, pixel_m, tolerance_m))


def outline_counts(
    found: np.ndarray,
    drawn: np.ndarray,
    found_around: np.ndarray,
    drawn_around: np.ndarray,
    pixel_m: tuple[float, float],
    tolerance_m: float,
) -> np.ndarray:
    """`FieldCounts.outline` of pixels of outlines, (h, w) bool, that are near those of all outlines around, (h, w) bool."""
    near = [edges_near(a, b, pixel_m, tolerance_m) for a, b in ((found, drawn_around), (drawn, found_around))]
    return np.array([np.count_nonzero(found), near[0], np.count_nonzero(drawn), near[1]], np.int64)


def counted(matches: FieldMatches, scores: pd.DataFrame, outline: np.ndarray) -> FieldCounts:
    """Counts of the fields in some tables.

    Parameters
    ----------
    matches : fields to count
    scores : of `parcels.segmentation_scores`; rows of other parcels do not count
    outline : as in `FieldCounts`
    """
    judged = matches.drawn[~matches.drawn.left_out]
    scores = scores[scores.parcel.isin(judged.label)]
    overlapped = scores[~scores.missed]
    areas = {
        name: by_size(overlapped.area_ha, overlapped[name] * overlapped.area_ha)
        for name in ("over", "under", "distance")
    }
    return FieldCounts(
        **_matched(matches),
        missed=by_size(scores[scores.missed].area_ha),
        overlapped_ha=by_size(overlapped.area_ha, overlapped.area_ha),
        over_ha=areas["over"],
        under_ha=areas["under"],
        distance_ha=areas["distance"],
        outline=outline,
    )


def by_size(area_ha: pd.Series, weight: pd.Series | None = None) -> np.ndarray:
    """Number of fields of each size class, or the sum of their weights: (S,) int64 or float64."""
    return np.bincount(size_class(area_ha.to_numpy(float)), weight, len(SIZE_NAMES))


def _matched(matches: FieldMatches) -> dict[str, np.ndarray]:
    """Counts of matches."""
    drawn, found = (table[~table.left_out] for table in (matches.drawn, matches.found))
    # A found field whose best counterpart is cut has no match: more than half of it would lie on a cut field.
    above = {"drawn": _above(drawn), "found": _above(found)}
    small, small_found = drawn.area_ha < MU_HA, found.area_ha < MU_HA
    return {
        "drawn": by_size(drawn.area_ha),
        "matched": np.stack([by_size(drawn.area_ha[a]) for a in above["drawn"]]),
        "unmatched": np.stack([by_size(found.area_ha[~a]) for a in above["found"]]),
        "iou": by_size(drawn.area_ha, drawn.iou.where(above["drawn"][0], 0.0)),
        "under_mu": np.array([small.sum(), small_found.sum(), (small & above["drawn"][0]).sum()], np.int64),
    }


def _above(table: pd.DataFrame) -> np.ndarray:
    """Whether the best IoU of each field is above each threshold: (T, n) bool; 0.55 itself is not above 0.55."""
    return 100 * table.iou.to_numpy() > PERCENTS[:, None] * (1 + 1e-12)


def pooled(scenes: Sequence[FieldCounts]) -> FieldCounts:
    """The counts of all scenes; raises ValueError without a scene."""
    if not scenes:
        raise ValueError("there is no scene to pool; expected at least one")
    return FieldCounts(*(np.sum(column, axis=0) for column in zip(*scenes, strict=True)))


MEASURES = (
    "drawn", "found", "precision", "recall", "f1", "mean_f1", "panoptic_quality", "segmentation_quality", "over", "under",
    "distance", "missed_share", "boundary_precision", "boundary_recall", "boundary_f1", "drawn_under_mu", "found_under_mu",
    "recall_under_mu",
)  # fmt: skip
"""Measures in the order of tables. Recognition quality is F1."""
NUMBERS = ("drawn", "found", "drawn_under_mu", "found_under_mu")
"""Measures that are counts; they have no interval."""
OF_ALL_SIZES = (
    "boundary_precision", "boundary_recall", "boundary_f1", "drawn_under_mu", "found_under_mu", "recall_under_mu",
)  # fmt: skip
"""Measures that are not given by size."""


def measures_of(counts: FieldCounts) -> np.ndarray:
    """Every measure of all fields and of each size: (..., MEASURES, 1 + S) float64, NaN where nothing tells.

    Counts may have axes in front, such as one of draws. Those of outlines and of fields below 1 mu are given for all sizes alone.
    """
    drawn, iou, missed, overlapped, over, under, distance = (
        _with_all(a)
        for a in (
            counts.drawn, counts.iou, counts.missed, counts.overlapped_ha, counts.over_ha, counts.under_ha, counts.distance_ha,
        )
    )  # fmt: skip
    matched, unmatched = _with_all(counts.matched), _with_all(counts.unmatched)
    found = matched + unmatched
    f1 = _share(2 * matched, drawn[..., None, :] + found)
    hits, of_found = matched[..., 0, :], found[..., 0, :]
    px, px_near, drawn_px, drawn_px_near = (_for_all(counts.outline[..., k]) for k in range(4))
    precise, complete = _share(px_near, px), _share(drawn_px_near, drawn_px)
    small, small_found, small_matched = (_for_all(counts.under_mu[..., k]) for k in range(3))
    values = {
        "drawn": drawn, "found": of_found, "precision": _share(hits, of_found), "recall": _share(hits, drawn),
        "f1": f1[..., 0, :], "mean_f1": f1.mean(axis=-2), "panoptic_quality": _share(2 * iou, drawn + of_found),
        "segmentation_quality": _share(iou, hits), "over": _share(over, overlapped), "under": _share(under, overlapped),
        "distance": _share(distance, overlapped), "missed_share": _share(missed, drawn),
        "boundary_precision": precise, "boundary_recall": complete,
        "boundary_f1": np.where(precise + complete == 0, 0.0, _share(2 * precise * complete, precise + complete)),
        "drawn_under_mu": small, "found_under_mu": small_found, "recall_under_mu": _share(small_matched, small),
    }  # fmt: skip
    return np.stack([np.asarray(values[name], float) for name in MEASURES], axis=-2)


def _with_all(counts: np.ndarray) -> np.ndarray:
    """Counts with their sum in front, along the last axis."""
    return np.concatenate([counts.sum(axis=-1, keepdims=True), counts], axis=-1)


def _for_all(counts: np.ndarray) -> np.ndarray:
    """A count of all sizes, NaN for each size."""
    return np.concatenate([counts[..., None], np.full((*counts.shape, len(SIZE_NAMES)), np.nan)], axis=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part of a whole; NaN where the whole is 0 or not known."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)


def field_figures(
    scenes: Sequence[FieldCounts], confidence: float = 0.95, clusters: Sequence[FieldCounts] | None = None
) -> pd.DataFrame:
    """Every measure of the pooled scenes with its bootstrap interval.

    Parameters
    ----------
    clusters : the same counts by clusters of fields that are alike, such as `field_squares.count_by_squares`; the scenes
        themselves when left out

    Returns
    -------
    DataFrame with columns size ("all" or one of SIZE_NAMES), measure, value, low and high, in the order of MEASURES within each
    size. low and high are NaN for counts and for fewer than two clusters. Measures of ``all`` alone have no rows for sizes.
    """

    def measure(sums: Sequence[np.ndarray]) -> np.ndarray:
        return measures_of(FieldCounts(*sums))

    return _figures(measures_of(pooled(scenes)), bootstrap_interval(clusters or scenes, measure, confidence))


def figure_differences(
    first: Sequence[FieldCounts], second: Sequence[FieldCounts], confidence: float = 0.95
) -> pd.DataFrame:
    """First minus second of two ways to find fields on the same scenes, with intervals paired by scene.

    Returns
    -------
    as `field_figures`; raises ValueError for different numbers of scenes
    """
    if len(first) != len(second):
        raise ValueError(f"there are {len(first)} and {len(second)} scenes; a paired difference needs the same ones")

    def difference(both: Sequence[np.ndarray]) -> np.ndarray:
        half = len(FieldCounts._fields)
        return measures_of(FieldCounts(*both[:half])) - measures_of(FieldCounts(*both[half:]))

    scenes = [(*a, *b) for a, b in zip(first, second, strict=True)]
    value = difference((*pooled(first), *pooled(second)))
    return _figures(value, bootstrap_interval(scenes, difference, confidence))


def _figures(value: np.ndarray, interval: tuple[np.ndarray, np.ndarray]) -> pd.DataFrame:
    low, high = interval
    rows = [
        (size, name, value[m, s], *((np.nan, np.nan) if name in NUMBERS else (low[m, s], high[m, s])))
        for s, size in enumerate((ALL_SIZES, *SIZE_NAMES))
        for m, name in enumerate(MEASURES)
        if size == ALL_SIZES or name not in OF_ALL_SIZES
    ]
    return pd.DataFrame(rows, columns=["size", "measure", "value", "low", "high"])
