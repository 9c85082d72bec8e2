"""Rows and columns at the edge of a raster that repeat the ones before them, as some published tiles have."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rasterio.io import DatasetReader
from rasterio.windows import Window

LEAST_PX = 8
"""Narrower strips are not looked for: neighbouring rows of a fine map are often alike."""

LEAST_CHANGES = 8
"""A strip must change class at least this often along its width: plain ground repeats itself everywhere."""

LINES = 64
CHUNK = 2048

Read = Callable[[int, int, int, int], np.ndarray]


def repeated_edges(dataset: DatasetReader) -> tuple[int, int]:
    """Rows at the lower and columns at the right edge of a raster's first band that repeat those before them."""
    return _repeated(dataset, down=True), _repeated(dataset, down=False)


def _repeated(dataset: DatasetReader, *, down: bool) -> int:
    length, across = (dataset.height, dataset.width) if down else (dataset.width, dataset.height)

    def read(start: int, stop: int, left: int, right: int) -> np.ndarray:
        """Pixels from start to stop along the direction and left to right across it: (across, along)."""
        if down:
            return np.asarray(dataset.read(1, window=Window(left, start, right - left, stop - start)).T)
        return np.asarray(dataset.read(1, window=Window(start, left, stop - start, right - left)))

    places = np.unique(np.linspace(0, across - 1, LINES).astype(int))
    lines = np.concatenate([read(0, length, p, p + 1) for p in places])
    alike = (lines[:, : length - LEAST_PX] == lines[:, -1:]).all(axis=0)
    for last in np.flatnonzero(alike)[::-1]:
        n = length - 1 - int(last)
        if 2 * n > length:
            break
        if (lines[:, length - n :] == lines[:, length - 2 * n : length - n]).all() and _is_repeat(
            read, length, across, n
        ):
            return n
    return 0


def _is_repeat(read: Read, length: int, across: int, n: int) -> bool:
    """Whether the last n repeat the n before them everywhere, and are not plain ground."""
    changes = 0
    for left in range(0, across, CHUNK):
        both = read(length - 2 * n, length, left, min(left + CHUNK, across))
        if (both[:, :n] != both[:, n:]).any():
            return False
        changes += int((both[:, n + 1 :] != both[:, n:-1]).sum())
    return changes >= LEAST_CHANGES
