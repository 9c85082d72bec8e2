"""Rows and columns at the edge of a raster that repeat the ones before them, as some published tiles have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rasterio.windows import Window

from croplayer.sources.raster_file import RasterFile

LEAST_PX = 8
"""Smallest width of a repeated strip: neighbouring rows of a fine map are often equal anyway."""

LEAST_CHANGES = 8
"""Least number of class changes across a repeated strip: uniform ground always equals its neighbourhood."""

LINES = 64
"""Most lines across the strip that are compared before the whole strip is."""
FEW = 4
"""Number of widths that are left for whole strips to be compared: a line crosses most of the file, a strip little of it."""
CHUNK = 2048
"""Number of lines that are read at once."""

Read = Callable[[int, int, int, int], np.ndarray]
"""Function that reads pixels (start, stop, left, right) as (across, along)."""


def repeated_edges(file: RasterFile, band: int) -> tuple[int, int]:
    """Number of rows at the lower edge and of columns at the right edge that repeat those before them.

    Only one band is compared; (0, 0) if nothing is repeated.
    """
    return _repeated(file, band, down=True), _repeated(file, band, down=False)


def _repeated(file: RasterFile, band: int, *, down: bool) -> int:
    """Number of repeated rows (``down``) or columns at the end of a raster."""
    length, across = file.shape if down else file.shape[::-1]

    def read(start: int, stop: int, left: int, right: int) -> np.ndarray:
        """Pixels from start to stop along the direction and left to right across it: (across, along)."""
        if down:
            return file.read([band], Window(left, start, right - left, stop - start))[0].T
        return file.read([band], Window(start, left, stop - start, right - left))[0]

    places = np.unique(np.linspace(0, across - 1, LINES).astype(int))
    alike, lines = np.ones(max(0, length - LEAST_PX), bool), []
    # In any order but that of the places: lines side by side are alike.
    for place in np.random.default_rng(0).permutation(places):
        lines.append(read(0, length, place, place + 1)[0])
        alike &= lines[-1][: len(alike)] == lines[-1][-1]
        if np.count_nonzero(alike) <= FEW:
            break
    known = np.stack(lines)
    for last in np.flatnonzero(alike)[::-1]:
        n = length - 1 - int(last)
        if 2 * n > length:
            break
        is_like = (known[:, length - n :] == known[:, length - 2 * n : length - n]).all()
        if is_like and _is_repeat(read, length, across, n):
            return n
    return 0


def _is_repeat(read: Read, length: int, across: int, n: int) -> bool:
    """Whether the last n rows or columns equal the n before them everywhere, and are not uniform ground."""
    changes = 0
    for left in range(0, across, CHUNK):
        both = read(length - 2 * n, length, left, min(left + CHUNK, across))
        if (both[:, :n] != both[:, n:]).any():
            return False
        changes += int((both[:, n + 1 :] != both[:, n:-1]).sum())
    return changes >= LEAST_CHANGES
