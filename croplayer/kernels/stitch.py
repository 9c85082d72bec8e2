"""The seam of a stitched scene: a straight line along rows or columns across which the colour jumps.

The block is reduced to integer sums over cells of 4 x 16 pixels along each direction, which leaves little data and
averages out the noise of the sensor. The jump across a line is a median over its cells, so that a bright roof or a
field border beside a part of the line does not count.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel
from croplayer.kernels.image import check_image
from croplayer.kernels.ordering import sort_few

CELL_PX = 4
"""Width of the strips on both sides of a line, and distance between lines, in pixels."""
ALONG = 4
"""Squares of that edge joined to a cell along a line."""
ALONG_PX = ALONG * CELL_PX
NEAR = 8
"""Lines on either side that a line is compared with."""


Orientation = Literal["horizontal", "vertical"]


class Seam(NamedTuple):
    """The strongest seam of a block."""

    strength: float
    """grey levels by which the colour jumps more than along the lines nearby; NaN where no line has imagery"""
    position_px: float
    """row or column of the line, in pixels from the block's first, to within 2; NaN without a line"""
    orientation: Orientation | None
    """whether it runs along a row or along a column; None without a line"""


class Strips(NamedTuple):
    """The m strips of a block along one direction, cut into n cells of 4 x 16 pixels."""

    sums: np.ndarray
    """(m, 3, n) int32, sum of each band"""
    known: np.ndarray
    """(m, n) bool, whether all pixels are valid"""


def strongest_seam(rgb: np.ndarray, valid: np.ndarray | None = None) -> Seam:
    """The line along a row or a column across which the colour jumps most.

    The jump across a line is the median along it of the difference between the mean colours of the strips 2 to 6
    pixels away on its two sides, in size, averaged over the bands. Field borders cover less than half of a line, or
    jump both ways, and do not move a median. From it the median of the jumps along the eight lines on either side is
    taken off, so that shaded slopes and gradual vignettes are no seams. Seams askew are not looked for.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    valid : (h, w) bool; None where everything is. Cells with a pixel that is not valid do not count, nor lines with
        fewer than half of their cells

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape.
    """
    rgb, valid = check_image(rgb, valid)
    best = Seam(math.nan, math.nan, None)
    vertical, horizontal = strips(rgb, valid)
    sides: tuple[tuple[Orientation, Strips], ...] = (("vertical", vertical), ("horizontal", horizontal))
    for orientation, side in sides:
        strengths = seam_strengths(*side)
        if np.isnan(strengths).all():
            continue
        line = int(np.nanargmax(strengths))
        if not strengths[line] <= best.strength:
            best = Seam(float(strengths[line]), (line + 0.5) * CELL_PX, orientation)
    return best


def strips(rgb: np.ndarray, valid: np.ndarray | None) -> tuple[Strips, Strips]:
    """The strips of columns and the strips of rows of a block; what is left over at its far edges is in none."""
    cols, col_cells = rgb.shape[1] // CELL_PX, rgb.shape[0] // ALONG_PX
    rows, row_cells = rgb.shape[0] // CELL_PX, rgb.shape[1] // ALONG_PX
    vertical = np.zeros((cols, 3, col_cells), np.int32)
    horizontal = np.zeros((rows, 3, row_cells), np.int32)
    fill_strips(rgb.reshape(rgb.shape[0], 3 * rgb.shape[1]), vertical, horizontal)
    if valid is None:
        return (
            Strips(vertical, np.ones((cols, col_cells), np.bool_)),
            Strips(horizontal, np.ones((rows, row_cells), np.bool_)),
        )
    return Strips(vertical, _whole_cells(valid.T, cols, col_cells)), Strips(
        horizontal, _whole_cells(valid, rows, row_cells)
    )


def _whole_cells(valid: np.ndarray, strips: int, cells: int) -> np.ndarray:
    inside = valid[: strips * CELL_PX, : cells * ALONG_PX].reshape(strips, CELL_PX, cells, ALONG_PX)
    return np.asarray(inside.all(axis=(1, 3)))


def seam_strengths(sums: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How much more the colour jumps across each line of cells than across the lines nearby, in grey levels.

    Parameters
    ----------
    sums, known : as in `Strips`

    Returns
    -------
    (m,) float64; NaN for the first and last line, and where less than half of the cells beside a line are known
    """
    jumps = np.full((len(sums), 3), np.nan)
    median_jumps(sums, known, jumps)
    size = np.abs(jumps).mean(axis=1) / (ALONG_PX * CELL_PX)
    usual = np.full(len(size), np.nan)
    medians_nearby(size, usual)
    return size - usual


@kernel
def fill_strips(samples: np.ndarray, vertical: np.ndarray, horizontal: np.ndarray) -> None:
    """Add up (h, 3 w) samples over cells along strips of columns and of rows; both start at zero."""
    rows, _, row_cells = horizontal.shape
    cols = len(vertical)
    added = np.empty(3 * CELL_PX * cols, np.uint16)
    # Sums of 4 x 4 pixels serve both directions, so the samples are read once: four side by side make a cell of a strip
    # of rows, four below one another a cell of a strip of columns.
    below = np.zeros((cols, 3), np.int32)
    for i in range(rows):
        row = i * CELL_PX
        one, two, three, four = samples[row], samples[row + 1], samples[row + 2], samples[row + 3]
        for c in range(len(added)):
            added[c] = np.uint16(one[c]) + np.uint16(two[c]) + np.uint16(three[c]) + np.uint16(four[c])
        for j in range(cols):
            c = 3 * CELL_PX * j
            for band in range(3):
                total = np.int32(added[c + band]) + np.int32(added[c + 3 + band])
                total += np.int32(added[c + 6 + band]) + np.int32(added[c + 9 + band])
                below[j, band] += total
                if j // ALONG < row_cells:
                    horizontal[i, band, j // ALONG] += total
        if (i + 1) % ALONG == 0:
            for j in range(cols):
                for band in range(3):
                    vertical[j, band, i // ALONG] = below[j, band]
                    below[j, band] = 0


@kernel
def median_jumps(sums: np.ndarray, known: np.ndarray, jumps: np.ndarray) -> None:
    """Median difference between the cells after and before each line: sums (m, 3, n), known (m, n), jumps (m, 3)."""
    lines, _, cells = sums.shape
    values = np.empty(cells, np.int32)
    for line in range(1, lines - 1):
        for band in range(3):
            n = 0
            for k in range(cells):
                # Written in any case and kept only when both sides are known, without a branch.
                values[n] = sums[line + 1, band, k] - sums[line - 1, band, k]
                n += known[line - 1, k] and known[line + 1, k]
            if n and 2 * n >= cells:
                jumps[line, band] = (ranked(values[:n], (n - 1) // 2) + ranked(values[:n], n // 2)) / 2


@kernel
def ranked(values: np.ndarray, rank: int) -> int:
    """The value that has `rank` values before it in ascending order, by halving the range: values stay in place."""
    # The range of the integers is known, so 15 counts find the rank; counting fills whole vectors, sorting does not.
    low, high = -255 * CELL_PX * ALONG_PX, 255 * CELL_PX * ALONG_PX
    while low < high:
        middle = (low + high) >> 1
        limit = np.int32(middle)
        below = 0
        for k in range(len(values)):
            below += values[k] <= limit
        if below > rank:
            high = middle
        else:
            low = middle + 1
    return low


@kernel
def medians_nearby(size: np.ndarray, usual: np.ndarray) -> None:
    """Median of the known jumps up to `NEAR` lines away from each known one, itself included."""
    near = np.empty(2 * NEAR + 1, np.float64)
    for line in range(len(size)):
        if not np.isnan(size[line]):
            known = 0
            for other in range(max(line - NEAR, 0), min(line + NEAR + 1, len(size))):
                if not np.isnan(size[other]):
                    near[known] = size[other]
                    known += 1
            ordered = near[:known]
            sort_few(ordered)
            usual[line] = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
