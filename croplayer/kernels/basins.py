"""Basins: the small pieces of ground that fields are put together from.

The relief of a map is low inside fields and high at their boundaries and outside. A basin holds the pixels from which
the steepest way down ends at the same lowest pixel (a watershed by steepest descent; Cousty et al. 2009, IEEE TPAMI
31, 1362-1374, doi 10.1109/TPAMI.2008.173). No way leaves its tile of 64 px, and tiles do not cross the edges of
blocks. So a basin is known from the pixels of its tile and those 4 px around it, whatever region is mapped.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel
from croplayer.kernels.tracing import root_of

TILE_PX = 64
"""Edge of the tiles that no basin crosses."""
REACH_PX = 4
"""Pixels around a pixel that its relief depends on."""
_KERNEL_SUM_LOG2 = 8


def relief(cropland: np.ndarray, boundary: np.ndarray) -> np.ndarray:
    """Height of the ground for `basins`: (h, w) int32, 0 where all around is surely inside of a field.

    Twice the missing cropland score plus the boundary score, averaged by a binomial kernel of 9 x 9 pixels (a Gaussian
    of 1.41 px) in integers, so the same pixels give the same height everywhere.

    Parameters
    ----------
    cropland, boundary : (h, w) uint8 scores, 0..250; 0 where nothing is known
    """
    height = (2 * (250 - cropland.astype(np.int32)) + boundary).astype(np.int32)
    return _smoothed(height)


@kernel
def _smoothed(height: np.ndarray) -> np.ndarray:
    """Binomial average of 9 x 9 pixels times 2 ** 8; pixels beyond the edge equal those at the edge."""
    h, w = height.shape
    across = np.empty((h, w), np.int32)
    padded = np.empty(w + 8, np.int32)
    for y in range(h):
        # One by one: for a slice numba compiles a message about unequal shapes, which takes longer than this kernel.
        for x in range(w):
            padded[x + 4] = height[y, x]
        padded[:4] = height[y, 0]
        padded[w + 4 :] = height[y, w - 1]
        row = across[y]
        for x in range(w):
            row[x] = (
                70 * padded[x + 4]
                + 56 * (padded[x + 3] + padded[x + 5])
                + 28 * (padded[x + 2] + padded[x + 6])
                + 8 * (padded[x + 1] + padded[x + 7])
                + padded[x]
                + padded[x + 8]
            )
    out = np.empty((h, w), np.int32)
    for y in range(h):
        a, b, c, d = across[max(y - 1, 0)], across[max(y - 2, 0)], across[max(y - 3, 0)], across[max(y - 4, 0)]
        e, f = across[min(y + 1, h - 1)], across[min(y + 2, h - 1)]
        g, i = across[min(y + 3, h - 1)], across[min(y + 4, h - 1)]
        here, row = across[y], out[y]
        for x in range(w):
            row[x] = (
                70 * here[x] + 56 * (a[x] + e[x]) + 28 * (b[x] + f[x]) + 8 * (c[x] + g[x]) + d[x] + i[x]
            ) >> _KERNEL_SUM_LOG2
    return out


def tile_numbers(first: int, count: int, block_px: int) -> np.ndarray:
    """Number of the tile that holds each row, or column, of a window: (count,) int32, rising.

    Parameters
    ----------
    first : row of the window's first pixel, counted on the lattice from the edge of a block
    count : rows of the window
    block_px : edge of a block; tiles start anew at each block
    """
    rows = np.arange(first, first + count)
    tiles_of_block = -(-block_px // TILE_PX)
    return (rows // block_px * tiles_of_block + rows % block_px // TILE_PX).astype(np.int32)


@kernel
def basins(
    heights: np.ndarray, inside: np.ndarray, tile_rows: np.ndarray, tile_cols: np.ndarray
) -> tuple[np.ndarray, int]:
    """Number of the basin of each pixel: (h, w) int32 from 1 in raster order of the lowest pixels, 0 outside; their count.

    Pixels are compared by height, and at equal height by their place in raster order.

    Parameters
    ----------
    heights : (h, w) int32 from `relief`
    inside : (h, w) bool, pixels that belong to basins
    tile_rows, tile_cols : (h,), (w,) int32 from `tile_numbers`
    """
    h, w = heights.shape
    down = np.empty(h * w, np.int32)
    label = np.zeros(h * w, np.int32)
    count = 0
    for y in range(h):
        is_above = y > 0 and tile_rows[y] == tile_rows[y - 1]
        is_below = y + 1 < h and tile_rows[y] == tile_rows[y + 1]
        for x in range(w):
            i = y * w + x
            if not inside[y, x]:
                down[i] = -1
                continue
            lowest, best = heights[y, x], i
            if is_above and inside[y - 1, x] and heights[y - 1, x] <= lowest:
                lowest, best = heights[y - 1, x], i - w
            if x > 0 and tile_cols[x] == tile_cols[x - 1] and inside[y, x - 1]:
                height = heights[y, x - 1]
                if height < lowest or (height == lowest and best == i):
                    lowest, best = height, i - 1
            if x + 1 < w and tile_cols[x] == tile_cols[x + 1] and inside[y, x + 1] and heights[y, x + 1] < lowest:
                lowest, best = heights[y, x + 1], i + 1
            if is_below and inside[y + 1, x] and heights[y + 1, x] < lowest:
                best = i + w
            down[i] = best
            if best == i:
                count += 1
                label[i] = count
    for i in range(h * w):
        if down[i] < 0:
            continue
        j = i
        while label[j] == 0:
            j = down[j]
        found = label[j]
        j = i
        while label[j] == 0:
            label[j] = found
            j = down[j]
    return label.reshape((h, w)), count


@kernel
def regions_of_equal(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the 4-connected region of equal value of each pixel: (h, w) uint32, and the number of regions.

    Regions are counted from 1 in raster order of their first pixels; pixels of value 0 get 0.

    Parameters
    ----------
    values : (h, w) int32
    """
    h, w = values.shape
    label = np.zeros((h, w), np.uint32)
    parent = np.zeros(h * w // 2 + w + 2, np.int32)
    n = 1
    for y in range(h):
        for x in range(w):
            value = values[y, x]
            if value == 0:
                continue
            up = label[y - 1, x] if y > 0 and values[y - 1, x] == value else np.uint32(0)
            left = label[y, x - 1] if x > 0 and values[y, x - 1] == value else np.uint32(0)
            if up == 0 and left == 0:
                if n == len(parent):
                    parent = np.concatenate((parent, np.zeros(n, np.int32)))
                parent[n] = n
                label[y, x] = n
                n += 1
            elif up == 0 or left == 0 or up == left:
                label[y, x] = max(up, left)
            else:
                a, b = root_of(parent, int(up)), root_of(parent, int(left))
                parent[max(a, b)] = min(a, b)
                label[y, x] = min(a, b)
    number = np.zeros(n, np.uint32)
    count = 0
    for k in range(1, n):
        root = root_of(parent, k)
        if root == k:
            count += 1
            number[k] = count
        else:
            number[k] = number[root]
    for y in range(h):
        for x in range(w):
            label[y, x] = number[label[y, x]]
    return label, count
