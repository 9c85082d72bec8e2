"""Connected regions of a mask: area, convex area, solidity and Euler number (paper Eq. 3 and 4)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from croplayer.kernels.bits import WORD_PX, count_ones, list_runs, pack_mask
from croplayer.kernels.compiled import kernel
from croplayer.kernels.hulls import convex_areas, short_edges
from croplayer.kernels.tracing import root_of

TOP, BOTTOM, AREA, EULER = range(4)
"""Columns of what is measured per label."""


class RegionProperties(NamedTuple):
    """Properties of the n regions of a mask, 8-connected, in raster order of their first pixels."""

    area: np.ndarray
    """(n,) int64, pixels"""
    area_convex: np.ndarray
    """(n,) int64, pixels whose centres lie in or on the convex hull of the region's pixel edge midpoints"""
    solidity: np.ndarray
    """(n,) float64 in (0, 1], area / area_convex"""
    euler_number: np.ndarray
    """(n,) int64, 1 - number of holes"""
    bbox: np.ndarray
    """(n, 4) int32, first row, first column, one past the last row, one past the last column"""


class RegionSummary(NamedTuple):
    """Region properties of a whole block; a block without regions has totals of 0 and means of NaN."""

    count: int  # type: ignore[assignment]
    """regions"""
    area_px: int
    """pixels of all regions"""
    solidity_mean: float
    """mean over regions, in (0, 1]"""
    solidity_total: float
    """sum over regions"""
    euler_mean: float
    """mean over regions, at most 1"""
    euler_total: int
    """sum over regions = Euler number of the mask"""


def region_properties(mask: np.ndarray) -> RegionProperties:
    """Area, convex area, solidity, Euler number and box of each 8-connected region.

    Parameters
    ----------
    mask : (h, w) bool or uint8 of 0 and 1; any size, 0 included

    Returns
    -------
    RegionProperties, empty arrays for a mask without regions

    Raises
    ------
    TypeError, ValueError
        for another dtype, number of dimensions or value.

    Notes
    -----
    Bit-equal to `skimage.measure.label` and `regionprops`, whose hull is that of the pixels' edge midpoints: the
    hull of the pixels' centres, two monotone chains over the rows' outermost pixels, widened by a pixel's diamond.
    The Euler number of an 8-connected region is its runs minus the touching pairs of runs in consecutive rows.
    """
    words = pack_mask(mask)
    edges, row_runs = list_runs(words, mask.shape[1])
    runs = len(edges) // 2
    labels, parent = np.empty((2, runs), np.uint32)
    measures = np.empty((runs, 4), np.int64)
    n = label_runs(words, edges, row_runs, labels, parent, measures)
    count = join_labels(parent[:n], measures)
    area, euler_number = measures[:count, AREA].copy(), measures[:count, EULER].copy()
    area_convex = np.empty(count, np.int64)
    bbox = np.empty((count, 4), np.int32)
    bbox[:, 0], bbox[:, 2] = measures[:count, TOP], measures[:count, BOTTOM]
    convex_areas(edges, row_runs, labels, parent, short_edges(), bbox, area_convex)
    return RegionProperties(area, area_convex, area / area_convex, euler_number, bbox)


def summarise(properties: RegionProperties) -> RegionSummary:
    """Count, totals and means over the regions of a block (the paper's *_mean and *_total)."""
    count = len(properties.area)
    if not count:
        return RegionSummary(0, 0, math.nan, 0.0, math.nan, 0)
    return RegionSummary(
        count=count,
        area_px=int(properties.area.sum()),
        solidity_mean=float(properties.solidity.mean()),
        solidity_total=float(properties.solidity.sum()),
        euler_mean=float(properties.euler_number.mean()),
        euler_total=int(properties.euler_number.sum()),
    )


@kernel
def _edges_before(column: int, turns: np.ndarray, rank: np.ndarray) -> int:
    """Number of the first edge at or after a column, of a row as `_rank_edges` left it."""
    word, bit = np.uint64(column) >> np.uint64(6), np.uint64(column) & np.uint64(63)
    return int(rank[word] + count_ones(turns[word] & ((np.uint64(1) << bit) - np.uint64(1))))


@kernel
def _rank_edges(words: np.ndarray, first_edge: int, turns: np.ndarray, rank: np.ndarray) -> None:
    """Columns of a row's edges as bits, and the number of the first edge of each word, counted from `first_edge`."""
    carry = np.uint64(0)
    for j in range(len(words)):
        turns[j] = words[j] ^ ((words[j] << np.uint64(1)) | carry)
        carry = words[j] >> np.uint64(63)
        rank[j] = first_edge
        first_edge += count_ones(turns[j])
    rank[len(words)] = first_edge


@kernel
def label_runs(
    words: np.ndarray,
    edges: np.ndarray,
    row_runs: np.ndarray,
    labels: np.ndarray,
    parent: np.ndarray,
    measures: np.ndarray,
) -> int:
    """Label runs by the runs they touch in the row above, diagonals included, and measure what bears each label.

    Which runs these are is counted from the bits of that row: a search would take turns that no processor foresees.

    Parameters
    ----------
    words, edges, row_runs : as `list_runs` takes and returns them
    labels : (runs,) uint32 out, a label of each run's region
    parent : (runs,) uint32 out, union-find of labels: those of one region have the first of them as root
    measures : (runs, 4) int64 out, per label: first row, one past the last row, pixels, Euler number

    Returns
    -------
    number of labels, in raster order of their first runs
    """
    last = WORD_PX * words.shape[1]
    turns = np.zeros(words.shape[1] + 1, np.uint64)
    rank = np.zeros(words.shape[1] + 1, np.int64)
    n = np.uint32(0)
    for row in range(len(row_runs) - 1):
        for run in range(np.uint64(row_runs[row]), np.uint64(row_runs[row + 1])):
            first, stop = edges[2 * run], edges[2 * run + 1]
            above = np.uint64(_edges_before(first, turns, rank) >> 1)
            above_stop = np.uint64((_edges_before(min(stop + 1, last), turns, rank) + 1) >> 1)
            if above == above_stop:
                labels[run] = n
                parent[n] = n
                measures[n, TOP], measures[n, BOTTOM] = row, row + 1
                measures[n, AREA], measures[n, EULER] = stop - first, 1
                n += np.uint32(1)
                continue
            label = labels[above]
            for touching in range(above + np.uint64(1), above_stop):
                other = labels[touching]
                if other != label:
                    label, other = root_of(parent, label), root_of(parent, other)
                    label, other = min(label, other), max(label, other)
                    parent[other] = label
            labels[run] = label
            measures[label, BOTTOM] = row + 1
            measures[label, AREA] += stop - first
            measures[label, EULER] += 1 - np.int64(above_stop - above)
        _rank_edges(words[row], 2 * row_runs[row], turns, rank)
    return int(n)


@kernel
def join_labels(parent: np.ndarray, measures: np.ndarray) -> int:
    """Join the measures of labels to those of regions, in place, and replace each label's parent by its region.

    Returns the number of regions, numbered in raster order.
    """
    count = 0
    for label in range(len(parent)):
        if parent[label] == label:
            for k in range(measures.shape[1]):
                measures[count, k] = measures[label, k]
            parent[label] = count
            count += 1
        else:
            region = parent[parent[label]]
            parent[label] = region
            measures[region, BOTTOM] = max(measures[region, BOTTOM], measures[label, BOTTOM])
            measures[region, AREA] += measures[label, AREA]
            measures[region, EULER] += measures[label, EULER]
    return count
