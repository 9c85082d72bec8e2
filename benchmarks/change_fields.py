"""Fields as a rule of the map of change: what `benchmarks.change` tries beside the rules of `croplayer change`.

Fields of two maps are matched as `croplayer.fields.matching` matches outlines, by their pixels. They are those that the included rules
find in a map's scores or, to tell what better fields could do at most, the true parcels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from croplayer.changes.evidence import Seen
from croplayer.fields.matching import COVERED, LEAST_PART, SAME_IOU
from croplayer.fields.rules import load_rules
from croplayer.fields.separation import Ground, basin_graph
from croplayer.kernels.basins import regions_of_equal
from croplayer.kernels.joining import joined
from croplayer.kernels.overlaps import overlaps
from croplayer.landscape.country import Country
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, PROBABILITY_SCALE, Change

WHOLE = 0.5
"""A field of which more than this share is a change is one as a whole."""
SAME_IS_STABLE = "fields that both maps have are stable"
ONLY_UNMATCHED = "only fields gone or new count"
WHOLE_FIELDS = "fields gone or new of which more than half is a change count as a whole"
RULES = (SAME_IS_STABLE, ONLY_UNMATCHED, WHOLE_FIELDS)


class Matched(NamedTuple):
    """What is known of the fields of one map, each an array (n + 1,) bool by the number of the field; 0 is no field."""

    is_same: np.ndarray
    """It has an IoU above `SAME_IOU` with a field of the other map."""
    is_alone: np.ndarray
    """It is linked with no field of the other map."""


def found_fields(seen: Seen, rgb: np.ndarray, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Numbers (h, w) of the fields that the included rules find in a map whose network tells no boundaries; 0 for none.

    Parameters
    ----------
    rgb : (h, w, 3) uint8 imagery of one of its sources
    """
    score = np.where(seen.scores <= PROBABILITY_SCALE, seen.scores, 0).max(axis=0).astype(np.uint8)
    ground = Ground(window, seen.flags == CROPLAND, score, np.zeros_like(score), rgb)
    labels, graph = basin_graph(ground, window.height)
    pixel_m = float(np.sqrt(grid.pixel_area_m2(window.row + window.height // 2, 1)[0]))
    rule = load_rules().of(tells_boundaries=False).join
    return regions_of_equal(joined(graph, rule, pixel_m, 0.0)[labels])[0]


def true_fields(country: Country, seen: Seen, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Numbers (h, w) of the true parcels where a map shows cropland; 0 for none, and outside of all parcels."""
    parcels = country.parcel_id(lon, lat)
    numbers = 1 + np.unique(parcels, return_inverse=True)[1].reshape(parcels.shape)
    return np.where((seen.flags == CROPLAND) & (parcels > 0), numbers, 0)


def matched(before: np.ndarray, after: np.ndarray) -> tuple[Matched, Matched]:
    """How the fields of two maps, numbers (h, w), belong together."""
    pairs = overlaps(before, after, np.ones(len(before)))
    pixels = pairs.pixels
    sizes = [np.bincount(numbers.ravel()).astype(float) for numbers in (before, after)]
    own, other = (size[label] for size, label in zip(sizes, (pairs.first, pairs.second), strict=True))
    are_fields = (pairs.first > 0) & (pairs.second > 0)
    is_same = are_fields & (pixels > SAME_IOU * (own + other - pixels))
    is_linked = (
        are_fields & (pixels > COVERED * np.minimum(own, other)) & (pixels >= LEAST_PART * np.maximum(own, other))
    )
    out = []
    for size, label in zip(sizes, (pairs.first, pairs.second), strict=True):
        same, alone = np.zeros(len(size), bool), size > 0
        same[label[is_same]], alone[label[is_linked]], alone[0] = True, False, False
        out.append(Matched(same, alone))
    return out[0], out[1]


def by_fields(change: np.ndarray, plain: np.ndarray, before: np.ndarray, after: np.ndarray) -> Mapping[str, np.ndarray]:
    """Maps (h, w) uint8 `Change` in which fields have a say, by the rule.

    Parameters
    ----------
    change : (h, w) uint8 `Change`, decided without fields
    plain : the same, the difference of the two maps as they are
    before, after : (h, w) numbers of the fields of both maps, 0 for none
    """
    out = {rule: change.copy() for rule in RULES}
    sides = zip(
        (Change.LOSS, Change.GAIN),
        (Change.STABLE_CROPLAND, Change.STABLE_OTHER),
        (before, after),
        matched(before, after),
        strict=True,
    )
    for kind, stable, fields, found in sides:
        changed = change == kind
        out[SAME_IS_STABLE][changed & found.is_same[fields]] = stable
        out[ONLY_UNMATCHED][changed & ~found.is_alone[fields]] = stable
        size = len(found.is_alone)
        share = np.bincount(fields.ravel(), changed.ravel(), size) / np.maximum(
            np.bincount(fields.ravel(), None, size), 1
        )
        whole = found.is_alone & (share > WHOLE)
        out[WHOLE_FIELDS][whole[fields] & (plain == kind)] = kind
    return out
