"""The loops behind `warp`: rows and columns of a mosaic picked or blended by tables of taps.

Blending is separable: a row of the result is a weighted sum of source rows, then each of its pixels a weighted sum of
neighbours in that sum. Most rows are whole and take the fast way (`blend_strip`); rows with missing pixels, and columns
whose kernel reaches beyond the mosaic, also carry the sum of the weights that they found (`blend_beside_holes`). Both
add in the same order, so that a hole elsewhere in a window does not change the last bit of a pixel.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel
from croplayer.kernels.lanes import blend_pixel, copy_pixel

STRIP_PX = 1280
"""Columns blended together: their sums, 15 KiB, fit in the nearest cache of a core beside the source rows."""


@kernel
def inside(positions: np.ndarray, size: int) -> tuple[int, int]:
    """First and one past the last of rising positions that lie within 0 .. size - 1."""
    start, stop = 0, len(positions)
    while start < stop and positions[start] < 0:
        start += 1
    while stop > start and positions[stop - 1] >= size:
        stop -= 1
    return start, stop


@kernel
def whole_rows(known: np.ndarray) -> np.ndarray:
    """(H,) bool, whether every pixel of a row is known."""
    whole = np.empty(len(known), np.bool_)
    for row in range(len(known)):
        # Counting to the end fills whole vectors; stopping at the first one would not.
        unknown = 0
        for value in known[row]:
            unknown += not value
        whole[row] = unknown == 0
    return whole


@kernel
def pick_valid(known: np.ndarray, whole: np.ndarray, rows: np.ndarray, cols: np.ndarray, valid: np.ndarray) -> None:
    """Whether the source pixels at (rows, cols), which may lie outside the mosaic, are known."""
    start, stop = inside(cols, known.shape[1])
    for i in range(len(rows)):
        if not 0 <= rows[i] < len(known):
            valid[i] = False
            continue
        out, source = valid[i], known[rows[i]]
        out[:start] = False
        out[stop:] = False
        if whole[rows[i]]:
            out[start:stop] = True
        else:
            for j in range(start, stop):
                out[j] = source[cols[j]]


@kernel
def pick_colour(
    samples: np.ndarray, whole: np.ndarray, rows: np.ndarray, cols: np.ndarray, valid: np.ndarray, rgb: np.ndarray
) -> None:
    """Copy the source pixels at (rows, cols) where they are valid; 0 elsewhere."""
    start, stop = inside(cols, samples.shape[1] // 3)
    offsets = (3 * cols).astype(np.int32)
    for i in range(len(rows)):
        row, out = rows[i], rgb[i]
        if not 0 <= row < len(samples):
            out[:] = 0
            continue
        out[: 3 * start] = 0
        out[3 * stop :] = 0
        source = samples[row]
        copied = start
        # The very last source pixel has no fourth byte to read, the row's last pixel none to spill into.
        if whole[row] and row + 1 < len(samples):
            target, origin = np.uintp(out.ctypes.data), np.uintp(source.ctypes.data)
            for j in range(start, stop - 1):
                copy_pixel(target + np.uintp(3 * j), origin + np.uintp(offsets[j]))
            copied = max(stop - 1, start)
        for j in range(copied, stop):
            for band in range(3):
                out[3 * j + band] = source[3 * cols[j] + band] if valid[i, j] else 0


@kernel
def add_rows(
    samples: np.ndarray, part: slice, first: int, weights: np.ndarray, length: int, column: np.ndarray
) -> None:
    """Weighted sum of part of `length` rows from `first`, added in this order."""
    size = part.stop - part.start
    # The first two rows in one pass, since most kernels have two: the sums are then written once and never cleared.
    one, two = samples[first][part], samples[first + min(1, length - 1)][part]
    if length == 1:
        for c in range(size):
            column[c] = weights[0] * np.float32(one[c])
    else:
        for c in range(size):
            column[c] = weights[0] * np.float32(one[c]) + weights[1] * np.float32(two[c])
    for t in range(2, length):
        row, weight = samples[first + t][part], weights[t]
        for c in range(size):
            column[c] += weight * np.float32(row[c])


@kernel
def blend(
    samples: np.ndarray,
    known: np.ndarray,
    whole: np.ndarray,
    row_first: np.ndarray,
    row_length: np.ndarray,
    row_weights: np.ndarray,
    col_first: np.ndarray,
    col_length: np.ndarray,
    col_weights: np.ndarray,
    valid: np.ndarray,
    rgb: np.ndarray,
) -> None:
    """Weighted means over valid source pixels: first down the columns of a source strip, then along the row."""
    height, width = known.shape
    start, stop = inside(col_first, width)
    while stop > start and col_first[stop - 1] + col_length[stop - 1] > width:
        stop -= 1
    complete = np.empty(len(row_first), np.bool_)
    for i in range(len(row_first)):
        complete[i] = row_first[i] >= 0 and row_first[i] + row_length[i] <= height
        for t in range(row_length[i]):
            complete[i] = complete[i] and whole[row_first[i] + t]
    # Strips of columns keep what a row needs in the nearest cache; a pixel's last byte may spill into the next strip.
    for left in range(start, stop, STRIP_PX):
        right = min(left + STRIP_PX, stop)
        blend_strip(
            samples, complete, row_first, row_length, row_weights, col_first, col_length, col_weights, left, right, rgb
        )
    column = np.zeros(3 * width, np.float32)
    share = np.empty(width, np.float32)
    holes = np.empty(width, np.int32)
    for i in range(len(row_first)):
        if complete[i] and start == 0 and stop == len(col_first):
            continue
        add_known_rows(samples, known, row_first[i], row_weights[i], row_length[i], column, share, holes)
        for left, right in ((0, start), (start, stop), (stop, len(col_first))):
            if left == start and complete[i]:
                continue
            blend_beside_holes(column, share, holes, col_first, col_length, col_weights, left, right, valid[i], rgb[i])


@kernel
def blend_strip(
    samples: np.ndarray,
    complete: np.ndarray,
    row_first: np.ndarray,
    row_length: np.ndarray,
    row_weights: np.ndarray,
    col_first: np.ndarray,
    col_length: np.ndarray,
    col_weights: np.ndarray,
    left: int,
    right: int,
    rgb: np.ndarray,
) -> None:
    """Blend the pixels left .. right - 1 of all rows without holes, whose kernels lie inside the mosaic."""
    origin = col_first[left]
    source = slice(3 * origin, 3 * (col_first[right - 1] + col_length[right - 1]))
    # Four more, which the fourth lane of the last pixel may read.
    column = np.zeros(source.stop - source.start + 4, np.float32)
    offsets = (12 * (col_first[left:right] - origin)).astype(np.int32)
    weights = col_weights[left:right]
    # The last pixel of a row has none to spill into.
    quick = right - left - (right == len(col_first)) if weights.shape[1] == 2 else 0
    for i in range(len(row_first)):
        if not complete[i]:
            continue
        add_rows(samples, source, row_first[i], row_weights[i], row_length[i], column)
        blend_pixels(column, offsets, weights, quick, rgb[i, 3 * left :])
        for j in range(left + quick, right):
            for band in range(3):
                total = np.float32(0)
                for t in range(col_length[j]):
                    total += col_weights[j, t] * column[3 * (col_first[j] - origin + t) + band]
                rgb[i, 3 * j + band] = np.uint8(total + np.float32(0.5))


@kernel
def blend_pixels(column: np.ndarray, offsets: np.ndarray, weights: np.ndarray, count: int, out: np.ndarray) -> None:
    """Blend two neighbours for each of `count` pixels; `offsets` are bytes in `column`."""
    target, source = np.uintp(out.ctypes.data), np.uintp(column.ctypes.data)
    for j in range(count):
        blend_pixel(target + np.uintp(3 * j), source + np.uintp(offsets[j]), weights[j, 0], weights[j, 1])


@kernel
def add_known_rows(
    samples: np.ndarray,
    known: np.ndarray,
    first: int,
    weights: np.ndarray,
    length: int,
    column: np.ndarray,
    share: np.ndarray,
    holes: np.ndarray,
) -> None:
    """Weighted sums, their weights and the missing pixels of rows that may be unknown or outside the mosaic."""
    height, width = known.shape
    column[:] = 0
    share[:] = 0
    holes[:] = 0
    for t in range(length):
        at = first + t
        if not 0 <= at < height:
            holes += 1
            continue
        weight = weights[t]
        for c in range(width):
            if known[at, c]:
                share[c] += weight
                for band in range(3):
                    column[3 * c + band] += weight * np.float32(samples[at, 3 * c + band])
            else:
                holes[c] += 1


@kernel
def blend_beside_holes(
    column: np.ndarray,
    share: np.ndarray,
    holes: np.ndarray,
    col_first: np.ndarray,
    col_length: np.ndarray,
    col_weights: np.ndarray,
    start: int,
    stop: int,
    valid: np.ndarray,
    out: np.ndarray,
) -> None:
    """Weighted means along a row over known pixels; a kernel without holes gives what `blend_strip` gives."""
    half = np.float32(0.5)
    for j in range(start, stop):
        if not valid[j]:
            out[3 * j : 3 * j + 3] = 0
            continue
        weight = np.float32(0)
        complete = True
        for t in range(col_length[j]):
            at = col_first[j] + t
            known = 0 <= at < len(share)
            complete = complete and known and holes[at] == 0
            if known:
                weight += col_weights[j, t] * share[at]
        for band in range(3):
            total = np.float32(0)
            for t in range(col_length[j]):
                at = col_first[j] + t
                if 0 <= at < len(share):
                    total += col_weights[j, t] * column[3 * at + band]
            out[3 * j + band] = np.uint8((total if complete else total / weight) + half)
