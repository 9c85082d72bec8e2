"""Pixels of a block that lie between imagery."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.bits import as_mask
from croplayer.kernels.compiled import kernel

FEW_PIXELS = 64 * 64
"""Up to so many pixels numpy is fast enough, and spares a process that does nothing else the half second in which numba starts."""


def between(along: np.ndarray, across: np.ndarray, row: int, col: int) -> np.ndarray:
    """Pixels of a block that are False and have True on both sides, in their row or in their column.

    Parameters
    ----------
    along : (n, w) bool, the block and what lies west and east of it
    across : (h, n) bool, the block and what lies north and south of it
    row : first row of the block in ``across``
    col : first column of the block in ``along``

    Returns
    -------
    (n, n) bool
    """
    if len(along) * across.shape[1] <= FEW_PIXELS:
        return _between_few(np.asarray(along, bool), np.asarray(across, bool), row, col)
    gap = np.empty((len(along), across.shape[1]), np.uint8)
    mark_between(as_mask(along, "along"), as_mask(across, "across"), row, col, gap)
    return gap.view(np.bool_)


def _between_few(along: np.ndarray, across: np.ndarray, row: int, col: int) -> np.ndarray:
    def inside(seen: np.ndarray, axis: int) -> np.ndarray:
        """From the first to the last True along an axis."""
        before = np.logical_or.accumulate(seen, axis)
        after = np.flip(np.logical_or.accumulate(np.flip(seen, axis), axis), axis)
        return before & after

    height, width = len(along), across.shape[1]
    in_row, in_column = inside(along, 1)[:, col : col + width], inside(across, 0)[row : row + height]
    return (in_row | in_column) & ~along[:, col : col + width]


@kernel
def mark_between(along: np.ndarray, across: np.ndarray, row: int, col: int, gap: np.ndarray) -> None:
    """Fill what `between` returns."""
    height, width = gap.shape
    first, last = np.full(width, len(across), np.int32), np.full(width, -1, np.int32)
    for r in range(len(across)):
        at = np.int32(r)
        for c in range(width):
            seen = across[r, c] != 0
            first[c] = min(first[c], at) if seen else first[c]
            last[c] = at if seen else last[c]
    for r in range(height):
        left, right = 0, along.shape[1] - 1
        while left <= right and along[r, left] == 0:
            left += 1
        while right >= left and along[r, right] == 0:
            right -= 1
        for c in range(width):
            in_row = (left < col + c) & (col + c < right)
            in_column = (first[c] < row + r) & (row + r < last[c])
            gap[r, c] = (in_row | in_column) & (along[r, col + c] == 0)
