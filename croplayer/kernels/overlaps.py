"""What the labels of two rasters share, pair by pair, in one pass without sorting pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel

FREE = -1
FIRST_PAIRS = 1024
"""Pairs that the table has room for at the start; it at least doubles when it is full."""
MIX_FIRST, MIX_SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd factors that spread neighbouring labels over the table."""


class Overlaps(NamedTuple):
    """Pairs of labels that share pixels, ordered by the first label, then by the second."""

    first: np.ndarray
    """(k,) int64, label in the first raster; 0 and negative labels are labels like others"""
    second: np.ndarray
    """(k,) int64, label in the second raster"""
    pixels: np.ndarray
    """(k,) int64, pixels that have both, > 0"""
    area: np.ndarray
    """(k,) float64, their area, summed in raster order"""


def overlaps(first: np.ndarray, second: np.ndarray, row_area: np.ndarray, known: np.ndarray | None = None) -> Overlaps:
    """Pixels and area of every pair of labels of two rasters of the same ground.

    Parameters
    ----------
    first, second : (h, w) integers, any labels; a raster beside itself gives the pixels and area of each label
    row_area : (h,) float, area of one pixel of each row, in any unit
    known : (h, w) bool, pixels that count; None for all

    Returns
    -------
    Overlaps; its areas equal `numpy.bincount` with the areas as weights, to the bit

    Raises
    ------
    TypeError, ValueError
        for labels that are no integers, or rasters of different shapes.
    """
    if first.ndim != 2 or first.shape != second.shape or row_area.shape != first.shape[:1]:
        raise ValueError(
            f"rasters are {first.shape} and {second.shape} with {row_area.shape} row areas; expected one shape"
        )
    if known is not None and known.shape != first.shape:
        raise ValueError(f"known is {known.shape}; expected {first.shape}")
    counted = np.ones((1, 1), np.uint8) if known is None else np.ascontiguousarray(known, bool).view(np.uint8)
    rasters = _labels(first), _labels(second), np.ascontiguousarray(row_area, float), counted, known is None
    firsts, seconds, pixels, area = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    row = n = 0
    while row < len(first):
        more = n + FIRST_PAIRS + first.shape[1]
        firsts, seconds, pixels = (np.pad(column, (0, more)) for column in (firsts, seconds, pixels))
        area = np.pad(area, (0, more))
        slots = np.full(1 << (2 * len(firsts)).bit_length(), FREE, np.int64)
        enter_pairs(firsts, seconds, n, slots)
        row, n = count_rows(*rasters, row, slots, firsts, seconds, pixels, area, n)
    order = np.lexsort((seconds[:n], firsts[:n]))
    return Overlaps(*(column[:n][order] for column in (firsts, seconds, pixels, area)))


def _labels(raster: np.ndarray) -> np.ndarray:
    """Labels as the kernel takes them, so that it is compiled for two types alone."""
    if raster.dtype.kind not in "iu":
        raise TypeError(f"labels are {raster.dtype}; expected integers")
    return np.ascontiguousarray(raster, np.int32 if raster.dtype == np.int32 else np.int64)


@kernel
def slot_of(first: np.int64, second: np.int64, slots: np.ndarray, firsts: np.ndarray, seconds: np.ndarray) -> np.int64:
    """The slot that holds a pair, or the free one where it belongs."""
    last = np.uint64(len(slots) - 1)
    mixed = np.uint64(first) * MIX_FIRST
    mixed = ((mixed ^ (mixed >> np.uint64(32))) + np.uint64(second)) * MIX_SECOND
    slot = (mixed ^ (mixed >> np.uint64(32))) & last
    while slots[slot] != FREE and (firsts[slots[slot]] != first or seconds[slots[slot]] != second):
        slot = (slot + np.uint64(1)) & last
    return np.int64(slot)


@kernel
def enter_pairs(firsts: np.ndarray, seconds: np.ndarray, n: int, slots: np.ndarray) -> None:
    """Enter the first n pairs into an empty table."""
    for pair in range(n):
        slots[slot_of(firsts[pair], seconds[pair], slots, firsts, seconds)] = pair


@kernel
def count_rows(
    first: np.ndarray,
    second: np.ndarray,
    row_area: np.ndarray,
    counted: np.ndarray,
    counts_all: bool,
    row: int,
    slots: np.ndarray,
    firsts: np.ndarray,
    seconds: np.ndarray,
    pixels: np.ndarray,
    area: np.ndarray,
    n: int,
) -> tuple[int, int]:
    """Count rows while the columns have room for whatever the next row holds.

    Returns the row to go on with, and the number of pairs, which are in raster order of their first pixels.
    """
    height, width = first.shape
    while row < height and n + width <= len(firsts):
        col = 0
        while col < width:
            if not (counts_all or counted[row, col]):
                col += 1
                continue
            a, b = np.int64(first[row, col]), np.int64(second[row, col])
            slot = slot_of(a, b, slots, firsts, seconds)
            pair = slots[slot]
            if pair == FREE:
                pair = slots[slot] = n
                firsts[pair], seconds[pair] = a, b
                n += 1
            start, total = col, area[pair]
            while col < width and first[row, col] == a and second[row, col] == b and (counts_all or counted[row, col]):
                total += row_area[row]
                col += 1
            pixels[pair] += col - start
            area[pair] = total
        row += 1
    return row, n
