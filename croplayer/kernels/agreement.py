"""A mask against coarser maps of the same ground, counted at the mask's pixels without upsampling the maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from croplayer.kernels.bits import WORD_PX, as_mask, bytes_above, count_ones, pack_mask
from croplayer.kernels.compiled import kernel

ONES = np.uint64(0xFFFFFFFFFFFFFFFF)


class Reference(NamedTuple):
    """Another map of the mask's ground on rows and columns of its own."""

    values: np.ndarray
    """(H, W) bool or uint8 of 0 and 1, at the map's own resolution"""
    index_y: np.ndarray
    """(h,) integers, the map's row under each row of the mask"""
    index_x: np.ndarray
    """(w,) integers, the map's column under each column of the mask"""


class AgreementCounts(NamedTuple):
    """Pixels of a mask and a reference; counts of chunks add up field by field to those of the whole."""

    tp: int
    """in both"""
    fp: int
    """in the mask alone"""
    fn: int
    """in the reference alone"""
    tn: int
    """in neither"""
    mask_edge: int
    """mask pixels with one of four neighbours outside the mask"""
    reference_edge: int
    """the same of the reference, at the mask's resolution"""


def agreement(
    mask: np.ndarray,
    reference: np.ndarray,
    index_y: np.ndarray,
    index_x: np.ndarray,
    inner: tuple[slice, slice] | None = None,
) -> AgreementCounts:
    """Counts of a mask against one reference on a separable grid.

    Parameters
    ----------
    mask : (h, w) bool or uint8 of 0 and 1
    reference, index_y, index_x : as in `Reference`; the reference under mask pixel (y, x) is
        `reference[index_y[y], index_x[x]]`. A map on another projection has to be warped first.
    inner : (rows, columns) that count; None for all. A mask and indices that carry one pixel of the neighbours
        around the inner window give edges that do not depend on the chunking.

    Returns
    -------
    AgreementCounts. Edges are inner and 4-connected (`skimage.segmentation.find_boundaries(mode="inner")`); the
    frame of the array is never an edge.

    Raises
    ------
    TypeError, ValueError
        for another dtype, shape or value, an index outside the reference, or an inner window with a step.
    """
    return agreements(mask, [Reference(reference, index_y, index_x)], inner)[0]


def agreements(
    mask: np.ndarray, references: Sequence[Reference], inner: tuple[slice, slice] | None = None
) -> list[AgreementCounts]:
    """`agreement` of one mask with several references; the mask is read once."""
    words = pack_mask(mask)
    height, width = mask.shape
    rows, cols = inner if inner is not None else (slice(None), slice(None))
    row_start, row_stop, row_step = rows.indices(height)
    col_start, col_stop, col_step = cols.indices(width)
    if row_step != 1 or col_step != 1:
        raise ValueError(f"inner is {inner}; expected slices without a step")
    keep = np.zeros((1, width), np.uint8)
    keep[:, col_start:col_stop] = 1
    keep = pack_mask(keep)[0]
    pixels = max(row_stop - row_start, 0) * max(col_stop - col_start, 0)
    inside, mask_edge = count_mask(words, width, row_start, row_stop, keep)
    counts = []
    for reference in references:
        values, index_y, index_x = _check_reference(reference, height, width)
        both, covered, edge = compare_rows(words, values, index_y, index_x, row_start, row_stop, keep)
        counts.append(
            AgreementCounts(both, inside - both, covered - both, pixels - inside - covered + both, mask_edge, edge)
        )
    return counts


def _check_reference(reference: Reference, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = as_mask(reference.values, "reference")
    if values.size and values.max() > 1:
        raise ValueError("reference holds values other than 0 and 1; give a mask such as `np.isin(map, crop_codes)`")
    indices = []
    for name, index, length, size in (
        ("index_y", reference.index_y, height, values.shape[0]),
        ("index_x", reference.index_x, width, values.shape[1]),
    ):
        index = np.asarray(index)
        if index.shape != (length,) or index.dtype.kind not in "iu":
            raise ValueError(f"{name} is {index.dtype} of shape {index.shape}; expected integers of shape ({length},)")
        if length and (index.min() < 0 or index.max() >= size):
            raise ValueError(f"{name} reaches from {index.min()} to {index.max()}; the reference has 0 to {size - 1}")
        indices.append(np.ascontiguousarray(index, np.int64))
    return values, indices[0], indices[1]


@kernel
def count_row(
    above: np.ndarray, here: np.ndarray, below: np.ndarray, last_bit: np.uint64, keep: np.ndarray
) -> tuple[int, int]:
    """Ones of a packed row, and those with a zero among their four neighbours, both within `keep`.

    `last_bit` is the last column's bit in the last word: the column beyond it counts as one.
    """
    one, top = np.uint64(1), np.uint64(63)
    ones, edges = 0, 0
    left_in = one
    words = len(here)
    for j in range(words):
        word = here[j]
        right_in = here[j + 1] << top if j + 1 < words else last_bit
        around = ((word << one) | left_in) & ((word >> one) | right_in) & above[j] & below[j]
        left_in = word >> top
        ones += count_ones(word & keep[j])
        edges += count_ones(word & ~around & keep[j])
    return ones, edges


@kernel
def count_mask(words: np.ndarray, width: int, row_start: int, row_stop: int, keep: np.ndarray) -> tuple[int, int]:
    """Ones and edge pixels of a packed mask in some rows."""
    height = len(words)
    beyond = np.full(words.shape[1], ONES, np.uint64)
    last_bit = np.uint64(1) << np.uint64((width - 1) % WORD_PX)
    ones, edges = 0, 0
    for row in range(row_start, row_stop):
        above = words[row - 1] if row > 0 else beyond
        below = words[row + 1] if row + 1 < height else beyond
        row_ones, row_edges = count_row(above, words[row], below, last_bit, keep)
        ones += row_ones
        edges += row_edges
    return ones, edges


@kernel
def spread_row(values: np.ndarray, index_x: np.ndarray, pixels: np.ndarray, words: np.ndarray) -> None:
    """Pack a reference row at the mask's resolution; `pixels` is room for whole words of pixels, zero past the end."""
    for col in range(len(index_x)):
        pixels[col] = values[index_x[col]]
    address = np.uintp(pixels.ctypes.data)
    for j in range(len(words)):
        words[j] = bytes_above(address + np.uintp(WORD_PX * j), np.uint8(0))


@kernel
def compare_rows(
    mask_words: np.ndarray,
    values: np.ndarray,
    index_y: np.ndarray,
    index_x: np.ndarray,
    row_start: int,
    row_stop: int,
    keep: np.ndarray,
) -> tuple[int, int, int]:
    """Pixels in both, pixels and edge pixels of the reference, in some rows of the mask."""
    height, n_words = mask_words.shape
    width = len(index_x)
    last_bit = np.uint64(1) << np.uint64((width - 1) % WORD_PX)
    beyond = np.full(n_words, ONES, np.uint64)
    pixels = np.zeros(n_words * WORD_PX, np.uint8)
    # A packed row of the reference is shared by all mask rows over it; three of them are in use at a time.
    packed = np.empty((3, n_words), np.uint64)
    place = np.full(3, -1, np.int64)
    both, covered, edges = 0, 0, 0
    first = max(row_start - 1, 0)
    for row in range(first, row_stop + 1):
        if row < height:
            if row > first and index_y[row] == index_y[row - 1]:
                place[row % 3] = place[(row - 1) % 3]
            else:
                free = 0
                while free == place[(row - 1) % 3] or free == place[(row - 2) % 3]:
                    free += 1
                spread_row(values[index_y[row]], index_x, pixels, packed[free])
                place[row % 3] = free
        done = row - 1
        if done < row_start:
            continue
        here = packed[place[done % 3]]
        above = packed[place[(done - 1) % 3]] if done > 0 else beyond
        below = packed[place[row % 3]] if row < height else beyond
        ones, row_edges = count_row(above, here, below, last_bit, keep)
        covered += ones
        edges += row_edges
        for j in range(n_words):
            both += count_ones(here[j] & mask_words[done, j] & keep[j])
    return both, covered, edges
