"""Connected regions of a mask: area, convex area, solidity and Euler number (paper Eq. 3 and 4)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from croplayer.kernels.bits import count_runs, extract_runs, pack_mask


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
    Bit-equal to `skimage.measure.label` and `regionprops`. In coordinates doubled to stay integer, a pixel is
    the diamond of its four edge midpoints; the hull is two monotone chains over the rows' outermost pixels. The
    Euler number of an 8-connected region is its runs minus the touching pairs of runs in consecutive rows.
    """
    words = pack_mask(mask)
    height, width = mask.shape
    runs = count_runs(words)
    edges = np.empty(2 * runs, np.int32)
    row_runs = np.empty(height + 1, np.int64)
    extract_runs(words, width, edges, row_runs)
    region = np.empty(runs, np.int32)
    contacts = np.empty(runs, np.int32)
    count = label_runs(edges, row_runs, region, contacts)
    area = np.zeros(count, np.int64)
    euler_number = np.zeros(count, np.int64)
    bbox = np.empty((count, 4), np.int32)
    measure_runs(edges, row_runs, region, contacts, area, euler_number, bbox)
    area_convex = np.empty(count, np.int64)
    convex_areas(edges, row_runs, region, bbox, area_convex)
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


@njit(nogil=True, cache=True, error_model="numpy")
def _root(parent: np.ndarray, run: int) -> int:
    while parent[run] != run:
        parent[run] = parent[parent[run]]
        run = parent[run]
    return run


@njit(nogil=True, cache=True, error_model="numpy")
def label_runs(edges: np.ndarray, row_runs: np.ndarray, region: np.ndarray, contacts: np.ndarray) -> int:
    """Join runs that touch, diagonals included, into regions numbered in raster order.

    Parameters
    ----------
    edges, row_runs : as `extract_runs` lists them
    region : (runs,) int32 out, number of each run's region
    contacts : (runs,) int32 out, how many runs of the row above each run touches

    Returns
    -------
    number of regions
    """
    for row in range(len(row_runs) - 1):
        above, above_stop = row_runs[max(row - 1, 0)], row_runs[row]
        for run in range(row_runs[row], row_runs[row + 1]):
            first, stop = edges[2 * run], edges[2 * run + 1]
            while above < above_stop and edges[2 * above + 1] < first:
                above += 1
            root = run
            touching = above
            while touching < above_stop and edges[2 * touching] <= stop:
                other = _root(region, touching)
                if root == run:
                    root = other
                elif other < root:
                    region[root] = other
                    root = other
                else:
                    region[other] = root
                touching += 1
            region[run] = root
            contacts[run] = touching - above
            above = max(above, touching - 1)
    count = 0
    for run in range(len(region)):
        if region[run] == run:
            region[run] = count
            count += 1
        else:
            region[run] = region[region[run]]
    return count


@njit(nogil=True, cache=True, error_model="numpy")
def measure_runs(
    edges: np.ndarray,
    row_runs: np.ndarray,
    region: np.ndarray,
    contacts: np.ndarray,
    area: np.ndarray,
    euler_number: np.ndarray,
    bbox: np.ndarray,
) -> None:
    """Add up area, Euler number and box of each region; `area` and `euler_number` start at zero."""
    for row in range(len(row_runs) - 1):
        for run in range(row_runs[row], row_runs[row + 1]):
            k = region[run]
            first, stop = edges[2 * run], edges[2 * run + 1]
            if area[k] == 0:
                bbox[k, 0] = row
                bbox[k, 1] = first
                bbox[k, 3] = stop
            bbox[k, 1] = min(bbox[k, 1], first)
            bbox[k, 2] = row + 1
            bbox[k, 3] = max(bbox[k, 3], stop)
            area[k] += stop - first
            euler_number[k] += 1 - contacts[run]


@njit(nogil=True, cache=True, error_model="numpy")
def convex_areas(
    edges: np.ndarray, row_runs: np.ndarray, region: np.ndarray, bbox: np.ndarray, area_convex: np.ndarray
) -> None:
    """Count the pixels of each region's convex hull, borders included, into `area_convex`."""
    count = len(bbox)
    offset = np.empty(count + 1, np.int64)
    offset[0] = 0
    tallest = 0
    for k in range(count):
        height = bbox[k, 2] - bbox[k, 0]
        offset[k + 1] = offset[k] + height
        tallest = max(tallest, height)
    # Columns are negated on the right side, so that both sides are lower hulls.
    left = np.full(offset[count], np.iinfo(np.int32).max, np.int32)
    right = np.empty(offset[count], np.int32)
    for row in range(len(row_runs) - 1):
        for run in range(row_runs[row], row_runs[row + 1]):
            at = offset[region[run]] + row - bbox[region[run], 0]
            left[at] = min(left[at], edges[2 * run])
            right[at] = 1 - edges[2 * run + 1]
    chain_y = np.empty(2 * tallest + 1, np.int64)
    chain_x = np.empty(2 * tallest + 1, np.int64)
    for k in range(count):
        start, stop = offset[k], offset[k + 1]
        sum_left = _sum_of_hull_columns(left[start:stop], chain_y, chain_x)
        sum_right = _sum_of_hull_columns(right[start:stop], chain_y, chain_x)
        area_convex[k] = stop - start - sum_left - sum_right


@njit(nogil=True, cache=True, error_model="numpy")
def _extend_chain(chain_y: np.ndarray, chain_x: np.ndarray, n: int, y: int, x: int) -> int:
    """Add a point to a lower convex chain of n points; returns its new length."""
    while n >= 2:
        ay, ax = chain_y[n - 2], chain_x[n - 2]
        if (chain_x[n - 1] - ax) * (y - ay) < (x - ax) * (chain_y[n - 1] - ay):
            break
        n -= 1
    chain_y[n] = y
    chain_x[n] = x
    return n + 1


@njit(nogil=True, cache=True, error_model="numpy")
def _sum_of_hull_columns(columns: np.ndarray, chain_y: np.ndarray, chain_x: np.ndarray) -> int:
    """Sum over rows of the first column inside the lower hull of a side's outermost pixels.

    `columns` are the outermost columns per row; a pixel stands for its edge midpoints, in doubled coordinates.
    """
    height = len(columns)
    if height == 1:
        return int(columns[0])
    n = _extend_chain(chain_y, chain_x, 0, -1, 2 * columns[0])
    for k in range(height):
        n = _extend_chain(chain_y, chain_x, n, 2 * k, 2 * columns[k] - 1)
        # Between columns that differ by less than two, the midpoint of the shared edge is inside the hull.
        if k + 1 < height and abs(columns[k] - columns[k + 1]) > 1:
            n = _extend_chain(chain_y, chain_x, n, 2 * k + 1, 2 * min(columns[k], columns[k + 1]))
    n = _extend_chain(chain_y, chain_x, n, 2 * height - 1, 2 * columns[height - 1])
    total = 0
    for i in range(n - 1):
        y, x, stop = chain_y[i], chain_x[i], chain_y[i + 1]
        even = y + (y & 1)
        if even == y:
            total += (x + 1) >> 1
            even += 2
        if even < stop:
            slope = (chain_x[i + 1] - x) / (stop - y)
            for at in range(even, stop, 2):
                # A position is a multiple of 1 / (2 rows), so a millionth hides rounding and no column.
                total += math.ceil((x + slope * (at - y)) * 0.5 - 1e-6)
    return int(total)
