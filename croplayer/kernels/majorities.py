"""Whether two regions that are joined lie in one drawn field, from the pixels that regions share with fields.

A region touches few fields, so only the pairs that share a pixel are kept. A table of regions by fields would need
gigabytes for some blocks of a country.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel
from croplayer.kernels.overlaps import overlaps

NONE = -1


class Shares(NamedTuple):
    """The pixels that regions share with fields: one list of entries a region, in the order of the fields."""

    first: np.ndarray
    """(regions,) int64 first entry of each region, ``NONE`` without any"""
    following: np.ndarray
    """(n,) int64 next entry of the same region, ``NONE`` at the end"""
    field: np.ndarray
    """(n,) int64 number of the field, 0 for outside of all"""
    pixels: np.ndarray
    """(n,) int64, > 0"""


def shares(labels: np.ndarray, count: int, parcels: np.ndarray) -> Shares:
    """What regions share with drawn fields.

    Parameters
    ----------
    labels : (h, w) int32 number of the region, 0..count
    parcels : (h, w) int32 number of the drawn field, 0 outside of all
    """
    pairs = overlaps(labels, parcels, np.ones(len(labels)))
    n = len(pairs.first)
    is_last = np.ones(n, bool)
    is_last[:-1] = pairs.first[1:] != pairs.first[:-1]
    following = np.where(is_last, NONE, np.arange(1, n + 1))
    first = np.full(count + 1, NONE, np.int64)
    first[pairs.first[::-1]] = np.arange(n)[::-1]
    return Shares(first, following, pairs.second, pairs.pixels)


def judge_merges(merges: np.ndarray, shared: Shares) -> tuple[np.ndarray, np.ndarray]:
    """Whether the two regions of each merge lie in one field, (n,) bool, and the pixels of the smaller, (n,) float64.

    A region lies where it has more than half of its pixels. The pixels are 0 where a region lies in no place, or both lie
    outside of all fields.

    Parameters
    ----------
    merges : (n, 2) int32 in their order; the second region becomes part of the first
    """
    return _judged(merges, shared.first.copy(), shared.following.copy(), shared.field, shared.pixels.copy())


@kernel
def _judged(
    merges: np.ndarray, first: np.ndarray, following: np.ndarray, field: np.ndarray, pixels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    total = np.zeros(len(first), np.int64)
    largest = np.full(len(first), NONE)
    for region in range(len(first)):
        entry = first[region]
        while entry >= 0:
            total[region] += pixels[entry]
            if largest[region] < 0 or pixels[entry] > pixels[largest[region]]:
                largest[region] = entry
            entry = following[entry]
    is_one = np.zeros(len(merges), np.bool_)
    weight = np.zeros(len(merges))
    for k in range(len(merges)):
        kept, gone = merges[k, 0], merges[k, 1]
        a, b = largest[kept], largest[gone]
        if 2 * pixels[a] > total[kept] and 2 * pixels[b] > total[gone] and (field[a] > 0 or field[b] > 0):
            is_one[k] = field[a] == field[b]
            weight[k] = min(total[kept], total[gone])
        total[kept] += total[gone]
        best = a if pixels[a] >= pixels[b] else b
        # Both lists rise by field; that of the gone region is woven into that of the kept one.
        before, here, entry = NONE, first[kept], first[gone]
        while entry >= 0:
            after = following[entry]
            while here >= 0 and field[here] < field[entry]:
                before, here = here, following[here]
            if here >= 0 and field[here] == field[entry]:
                pixels[here] += pixels[entry]
                woven = here
            else:
                following[entry] = here
                if before < 0:
                    first[kept] = entry
                else:
                    following[before] = entry
                before = woven = entry
            # Compared after the sum: ``best`` may be the gone region's entry that was added to this one.
            if pixels[woven] >= pixels[best]:
                best = woven
            entry = after
        largest[kept] = best
    return is_one, weight
