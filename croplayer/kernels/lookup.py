"""Pixels of a raster in another projection under the centres of a grid."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

MESH_PX = 32
"""Grid pixels between the points that are projected exactly. Between them a straight line is within a few thousandths
of a metre of the truth for pixels of some metres, and of some centimetres for pixels of 30 m."""


@kernel
def nearest_codes(mesh_x: np.ndarray, mesh_y: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    """Fill ``out`` with the pixel of ``codes`` that holds the centre of each pixel of a grid.

    Parameters
    ----------
    mesh_x, mesh_y : (m, n) float64, column and row coordinates in ``codes``, in pixels from its corner, of the centre
        of every MESH_PX-th pixel of the grid, reaching one point beyond its last pixel
    codes : (H, W) integers, contiguous
    out : (h, w), written where the raster reaches
    """
    height, width = out.shape
    bottom, right = codes.shape
    flat = codes.reshape(-1)
    rows, cols = np.empty(MESH_PX, np.int64), np.empty(MESH_PX, np.int64)
    for r in range(height):
        i = r // MESH_PX
        t = (r - i * MESH_PX) / MESH_PX
        for j in range((width + MESH_PX - 1) // MESH_PX):
            x = mesh_x[i, j] + (mesh_x[i + 1, j] - mesh_x[i, j]) * t
            y = mesh_y[i, j] + (mesh_y[i + 1, j] - mesh_y[i, j]) * t
            step_x = (mesh_x[i, j + 1] + (mesh_x[i + 1, j + 1] - mesh_x[i, j + 1]) * t - x) / MESH_PX
            step_y = (mesh_y[i, j + 1] + (mesh_y[i + 1, j + 1] - mesh_y[i, j + 1]) * t - y) / MESH_PX
            for k in range(MESH_PX):
                cols[k] = np.int64(np.floor(x + k * step_x))
                rows[k] = np.int64(np.floor(y + k * step_y))
            first = j * MESH_PX
            n = min(MESH_PX, width - first)
            # Along a line the ends are the extremes, so most pieces need no look at each pixel.
            low_row, high_row = min(rows[0], rows[n - 1]), max(rows[0], rows[n - 1])
            low_col, high_col = min(cols[0], cols[n - 1]), max(cols[0], cols[n - 1])
            if low_row >= 0 and high_row < bottom and low_col >= 0 and high_col < right:
                for k in range(n):
                    out[r, first + k] = flat[rows[k] * right + cols[k]]
                continue
            for k in range(n):
                if 0 <= rows[k] < bottom and 0 <= cols[k] < right:
                    out[r, first + k] = flat[rows[k] * right + cols[k]]
