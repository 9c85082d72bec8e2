"""Weighted means of the rows of an image."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel


@kernel
def add_rows(pixels: np.ndarray, starts: np.ndarray, rows: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
    """Add weighted rows, one after the other in float32, as a sparse matrix of scipy multiplies a dense one.

    Parameters
    ----------
    pixels : (h, m) uint8
    starts : (n + 1,) integers, row i of the result is made of entries starts[i] to starts[i + 1]
    rows, weights : the pixels' row, and its float32 weight, of each entry
    sums : (n, m) float32, added to
    """
    for i in range(len(sums)):
        total = sums[i]
        for entry in range(starts[i], starts[i + 1]):
            weight, row = weights[entry], pixels[rows[entry]]
            for k in range(len(total)):
                total[k] += weight * np.float32(row[k])
