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


@kernel
def add_weighted(
    mean: np.ndarray,
    corner: tuple[int, int],
    cell: np.ndarray,
    cell_corner: tuple[int, int],
    row_weights: np.ndarray,
    col_weights: np.ndarray,
) -> None:
    """Add a part of a cell, each pixel with the product of its row's and its column's weight, to a part of a mean.

    Parameters
    ----------
    mean : (h, w) float32, added to
    corner : row and column in ``mean`` of the first pixel
    cell : (m, n) uint8
    cell_corner : row and column in ``cell`` of the first pixel
    row_weights, col_weights : float32, as many as the part has rows and columns
    """
    for i in range(len(row_weights)):
        total, values, weight = mean[corner[0] + i], cell[cell_corner[0] + i], row_weights[i]
        for k in range(len(col_weights)):
            total[corner[1] + k] += np.float32(values[cell_corner[1] + k]) * (weight * col_weights[k])
