"""Sums over flags and per cents of a block, without arrays of wider types."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.bits import WORD_PX, as_mask, bytes_equal, count_ones
from croplayer.kernels.compiled import kernel


def row_counts(flags: np.ndarray, value: int) -> np.ndarray:
    """How many pixels of each row of (h, w) bool or uint8 flags equal a value of 0 to 255: (h,) int64."""
    pixels = as_mask(flags, "flags")
    counts = np.empty(len(pixels), np.int64)
    count_equal(pixels, value, counts)
    return counts


def merged_flags(a: np.ndarray, b: np.ndarray, wanted: int, unseen: int) -> np.ndarray:
    """Two (h, w) uint8 masks of flags merged: ``wanted`` where either has it, ``unseen`` where both have that, else 0."""
    merged = np.empty(a.shape, np.uint8)
    merge(np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(b).reshape(-1), wanted, unseen, merged.reshape(-1))
    return merged


@kernel
def count_equal(pixels: np.ndarray, value: int, counts: np.ndarray) -> None:
    """Count the pixels of each row that equal a value."""
    height, width = pixels.shape
    whole = width // WORD_PX
    address = np.uintp(pixels.ctypes.data)
    for row in range(height):
        at = address + np.uintp(row * width)
        found = 0
        for j in range(whole):
            found += count_ones(bytes_equal(at + np.uintp(WORD_PX * j), np.uint8(value)))
        for col in range(whole * WORD_PX, width):
            found += pixels[row, col] == value
        counts[row] = found


@kernel
def merge(a: np.ndarray, b: np.ndarray, wanted: int, unseen: int, merged: np.ndarray) -> None:
    """Merge flags pixel by pixel."""
    one, nothing, zero = np.uint8(wanted), np.uint8(unseen), np.uint8(0)
    for i in range(len(a)):
        missing = nothing if (a[i] == nothing) & (b[i] == nothing) else zero
        merged[i] = one if (a[i] == one) | (b[i] == one) else missing


@kernel
def percent_rows_of(percent: np.ndarray, columns: np.ndarray, known: np.ndarray, sums: np.ndarray) -> None:
    """Fill what `percent_rows` returns."""
    for row in range(len(percent)):
        n, total = 0, 0
        for col in range(percent.shape[1]):
            value = np.int64(percent[row, col])
            if value <= 100:
                n += columns[col]
                total += columns[col] * value
        known[row], sums[row] = n, total


def percent_rows(percent: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Known pixels of each row, and the sum of their per cents.

    Parameters
    ----------
    percent : (H, W) uint8, 0 to 100; 255 where nothing is known
    columns : (W,) int64, how often each column counts

    Returns
    -------
    (H,) int64 each
    """
    known, sums = np.empty(len(percent), np.int64), np.empty(len(percent), np.int64)
    percent_rows_of(percent, np.ascontiguousarray(columns, np.int64), known, sums)
    return known, sums
