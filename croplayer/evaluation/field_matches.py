"""Found fields beside drawn ones, one by one: which belong together, and which cannot be judged.

Two fields match if their IoU is above a threshold. Above 0.5 no field has two matches, so no assignment is needed
(Kirillov et al. 2019, Panoptic segmentation, CVPR, doi 10.1109/CVPR.2019.00963). An IoU of exactly 0.5 is no match,
because both halves of a field have it. IoUs are of pixels, areas are on the ellipsoid.

**What is left out.** Pixels that are not known count on neither side. A drawn field is cut if one of its pixels lies on
the frame of the window or beside a pixel that is not known: how it goes on is not known, so it is no case. A found field
is left out if it matches no whole field and more than half of it lies on cut fields or on pixels that are not known. All
other pixels count, so a found field that joins a whole field with a cut one pays for it. To judge cut fields by the part
that shows, pad all arrays by one known pixel without a field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from croplayer.kernels.overlaps import Overlaps, overlaps

MATCH_IOU = 0.5
"""Fields with an IoU above this match."""


@dataclass(frozen=True)
class FieldMatches:
    """The fields of one window. Tables have one row per field, by its label."""

    drawn: pd.DataFrame
    """Columns label, area_ha (of its known pixels), other (label of the found field with the highest IoU, 0 without
    any), iou (0..1, with that field) and left_out (bool)"""
    found: pd.DataFrame
    """The same of the found fields; other is the drawn field with the highest IoU, cut ones included"""


def match_fields_in(found: np.ndarray, drawn: np.ndarray, known: np.ndarray, row_km2: np.ndarray) -> FieldMatches:
    """The best counterpart of every field of a window.

    Parameters
    ----------
    found, drawn : (h, w) integers, number of the field from 1, 0 for none
    known : (h, w) bool, pixels where both are known; fields without a known pixel are in no table
    row_km2 : (h,) area of a pixel in each row, km2

    Raises
    ------
    ValueError for labels below 0 or arrays of different shapes.
    """
    if min(found.min(initial=0), drawn.min(initial=0)) < 0:
        raise ValueError("fields have labels below 0; expected 0 for none and numbers from 1")
    pairs = overlaps(drawn, found, row_km2 * 100, known)
    cut = cut_labels(drawn, known)
    drawn_table = _table(pairs.first, pairs)
    found_table = _table(pairs.second, pairs)
    both = (pairs.first > 0) & (pairs.second > 0)
    pixels = pairs.pixels[both]
    own, other = (
        table.pixels.to_numpy()[np.searchsorted(table.label, labels[both])]
        for table, labels in ((drawn_table, pairs.first), (found_table, pairs.second))
    )
    iou = pixels / (own + other - pixels)
    _add_best(drawn_table, pairs.first[both], pairs.second[both], iou)
    _add_best(found_table, pairs.second[both], pairs.first[both], iou)
    drawn_table["left_out"] = drawn_table.label.isin(cut)
    has_match = (found_table.iou > MATCH_IOU) & ~found_table.other.isin(cut)
    unjudged = _mostly_unjudged(found, known, pairs, cut, found_table.label.to_numpy())
    found_table["left_out"] = unjudged & ~has_match
    columns = ["label", "area_ha", "other", "iou", "left_out"]
    return FieldMatches(drawn_table[columns], found_table[columns])


def cut_labels(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Labels with a pixel on the frame of the array or beside one that is not known: sorted, 0 included where it is one."""
    frame = np.concatenate([labels[[0, -1]].ravel(), labels[:, [0, -1]].ravel()]) if labels.size else labels.ravel()
    if known.all():
        return np.unique(frame)
    beside = ~known
    beside[1:] |= ~known[:-1]
    beside[:-1] |= ~known[1:]
    beside[:, 1:] |= ~known[:, :-1]
    beside[:, :-1] |= ~known[:, 1:]
    return np.unique(np.concatenate([frame, labels[beside]]))


def _table(labels: np.ndarray, pairs: Overlaps) -> pd.DataFrame:
    """Pixels and area of each field, from its pairs."""
    label, place = np.unique(labels, return_inverse=True)
    pixels, area = np.bincount(place, pairs.pixels, len(label)), np.bincount(place, pairs.area, len(label))
    return pd.DataFrame({"label": label, "pixels": pixels.astype(np.int64), "area_ha": area})[label > 0].reset_index(
        drop=True
    )


def _mostly_unjudged(
    found: np.ndarray, known: np.ndarray, pairs: Overlaps, cut: np.ndarray, label: np.ndarray
) -> np.ndarray:
    """Whether more than half of each found field lies on cut fields or on pixels that are not known."""
    whole = overlaps(found, known.astype(np.int32), np.ones(len(found)))
    on_cut = np.isin(pairs.first, cut[cut > 0])
    unjudged = pd.Series(pairs.pixels[on_cut]).groupby(pairs.second[on_cut]).sum().reindex(label, fill_value=0)
    unknown = pd.Series(whole.pixels[whole.second == 0], whole.first[whole.second == 0]).reindex(label, fill_value=0)
    total = pd.Series(whole.pixels).groupby(whole.first).sum().reindex(label, fill_value=0)
    return (2 * (unjudged + unknown) > total).to_numpy()


def _add_best(table: pd.DataFrame, label: np.ndarray, other: np.ndarray, iou: np.ndarray) -> None:
    """Add the counterpart with the highest IoU, the one with the smallest label where two have it."""
    order = np.lexsort((other, -iou, label))
    of, first = np.unique(label[order], return_index=True)
    place = np.searchsorted(table.label, of)
    best, highest = np.zeros(len(table), np.int64), np.zeros(len(table))
    best[place], highest[place] = other[order][first], iou[order][first]
    table["other"], table["iou"] = best, highest


def worst_drawn(matches: FieldMatches, most: int) -> pd.DataFrame:
    """Rows of the drawn fields that were mapped worst: those with the most area that no counterpart explains.

    That area is (1 - IoU) times the area of the field. Fields that are left out are not among them.
    """
    judged = matches.drawn[~matches.drawn.left_out]
    lost = (1 - judged.iou) * judged.area_ha
    return judged.loc[lost.sort_values(ascending=False, kind="stable").index[:most]]
