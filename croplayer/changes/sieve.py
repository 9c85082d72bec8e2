"""Which differences are changes: those that are wide and large enough, wherever the edges of blocks lie.

Both rules are functions of the pixels of the lattice alone. A block is decided with so much ground around it that it
cannot be decided otherwise with more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from croplayer.changes.rules import HECTARE_M2, METRES_PER_DEGREE, ChangeRules, pixel_m
from stores.grid import BlockGrid, PixelWindow
from stores.legends import WEAK_GAIN, WEAK_LOSS, Change

BAND_ROWS = 4096
"""Rows of the lattice in which pixels count as equally wide; across them the width changes by about a thousandth."""
_EIGHT = np.ones((3, 3), bool)
_KINDS = ((Change.GAIN, WEAK_GAIN, Change.STABLE_OTHER), (Change.LOSS, WEAK_LOSS, Change.STABLE_CROPLAND))
"""Each change, the weak difference that may belong to it, and what the ground is otherwise."""


class Sieved(NamedTuple):
    """The changes of a window."""

    change: np.ndarray
    """(h, w) uint8 `Change`."""
    near: np.ndarray
    """(h, w) uint8: 1 for stable ground within the buffer around a change, else 0."""


def sieved(around: np.ndarray, place: PixelWindow, inner: PixelWindow, grid: BlockGrid, rules: ChangeRules) -> Sieved:
    """The changes of a window, from the differences of the window and the ground around it.

    A gain or loss is the core of a change if a disc of the tolerance's diameter fits into it there (a morphological
    opening), and if the patch that it belongs to, after that, has the least area. Pixels of a patch touch at sides or
    corners; areas are on the ellipsoid. Weak differences of the kind, into which the disc fits together with strong ones,
    belong to the change within ``reach_m`` of a core; a patch of what they add up to that is smaller than the least area, such
    as one that only lies near a core, is no change. What is left is stable ground of the earlier edition's class. Unknown
    ground stays unknown, and no disc reaches over it.

    Parameters
    ----------
    around : (H, W) uint8 `Change` of ``place``, as of `evidence.differences`
    place : the window with at least ``rules.margins(inner, grid).total`` pixels on each side
    inner : the window that is decided
    """
    margins = rules.margins(inner, grid)
    sure = inner.grown(margins.buffer)
    whole = sure.grown(margins.patch)
    cored = whole.grown(margins.reach)
    seen = cored.grown(margins.patch)
    change = around[sure.slices_in(place)].copy()
    for kind, weak, stable in _KINDS:
        strong = around == kind
        any_kind = strong | (around == weak)
        wanted = any_kind[sure.slices_in(place)]
        if not wanted.any():
            continue
        wide = opened(strong, place.row, grid, rules.tolerance_m)[seen.slices_in(place)]
        cores = large_patches(wide, seen.row, grid, rules.min_area_ha)[cored.slices_in(seen)]
        near = near_to(cores, cored.row, grid, rules.reach_m)[whole.slices_in(cored)]
        kept = near & opened(any_kind, place.row, grid, rules.tolerance_m)[whole.slices_in(place)]
        kept = large_patches(kept, whole.row, grid, rules.min_area_ha)[sure.slices_in(whole)]
        change[wanted] = np.where(kept[wanted], kind, stable)
    changed = (change == Change.GAIN) | (change == Change.LOSS)
    at = inner.slices_in(sure)
    near = near_to(changed, sure.row, grid, rules.buffer_m)[at] & (change[at] <= Change.STABLE_CROPLAND)
    return Sieved(change[at], near.astype(np.uint8))


def opened(mask: np.ndarray, row: int, grid: BlockGrid, diameter_m: float) -> np.ndarray:
    """The parts of a mask (h, w) bool into which a disc on the ground fits: (h, w) bool.

    ``row`` is the mask's first row on the lattice. Beyond its edges the mask counts as empty.
    """
    if diameter_m == 0 or not mask.any():
        return mask
    eroded, out = np.zeros_like(mask), np.zeros_like(mask)
    for rows, width in _bands(row, len(mask), grid):
        disc = _disc(width, grid, diameter_m / 2)
        reach = _grown(rows, len(disc) // 2, len(mask))
        own = slice(rows.start - reach.start, rows.stop - reach.start)
        eroded[rows] = ndimage.binary_erosion(mask[reach], disc)[own]
        # A disc that fits marks all of its pixels, also those in rows of another disc.
        held = np.zeros_like(mask[reach])
        held[own] = eroded[rows]
        out[reach] |= ndimage.binary_dilation(held, disc)
    return out


def large_patches(mask: np.ndarray, row: int, grid: BlockGrid, min_area_ha: float) -> np.ndarray:
    """The patches of a mask (h, w) bool of at least an area: (h, w) bool; their pixels touch at sides or corners."""
    if min_area_ha == 0 or not mask.any():
        return mask
    labels, count = ndimage.label(mask, _EIGHT)
    at = np.flatnonzero(mask)
    # Rows beyond the lattice hold nothing.
    top = min(max(-row, 0), len(mask))
    areas = np.zeros(len(mask))
    inside = min(len(mask), 180 * grid.px_per_degree - row) - top
    areas[top : top + inside] = grid.pixel_area_m2(row + top, inside)
    area = np.bincount(labels.ravel()[at], areas[at // mask.shape[1]], count + 1)
    # Sums of the same areas in another order may differ in the last digits.
    large = area >= min_area_ha * HECTARE_M2 * (1 - 1e-9)
    large[0] = False
    return np.asarray(large[labels])


def near_to(mask: np.ndarray, row: int, grid: BlockGrid, distance_m: float) -> np.ndarray:
    """Pixels within a distance on the ground of a mask (h, w) bool, itself included: (h, w) bool."""
    if distance_m == 0 or not mask.any():
        return mask
    out = np.zeros_like(mask)
    height = METRES_PER_DEGREE * grid.px_deg
    for rows, width in _bands(row, len(mask), grid):
        reach = _grown(rows, math.ceil(distance_m / height), len(mask))
        if mask[reach].any():
            apart = ndimage.distance_transform_edt(~mask[reach], sampling=(height, width))
            out[rows] = apart[rows.start - reach.start : rows.stop - reach.start] <= distance_m
    return out


def _bands(row: int, count: int, grid: BlockGrid) -> Iterator[tuple[slice, float]]:
    """Runs of rows in which all pixels count as equally wide, and that width in metres.

    It is the width in the first row of a band of the lattice, so it depends on the row alone.
    """
    at = row
    while at < row + count:
        first = at // BAND_ROWS * BAND_ROWS
        stop = min(first + BAND_ROWS, row + count)
        yield slice(at - row, stop - row), pixel_m(first, 1, grid)[0][0]
        at = stop


def _disc(width: float, grid: BlockGrid, radius_m: float) -> np.ndarray:
    """Pixels whose centres lie within a distance of that of the middle one: (2 k + 1, 2 n + 1) bool."""
    height = METRES_PER_DEGREE * grid.px_deg
    k, n = math.floor(radius_m / height), math.floor(radius_m / width)
    y, x = np.mgrid[-k : k + 1, -n : n + 1]
    return np.asarray((y * height) ** 2 + (x * width) ** 2 <= radius_m**2)


def _grown(rows: slice, by: int, count: int) -> slice:
    return slice(max(rows.start - by, 0), min(rows.stop + by, count))
