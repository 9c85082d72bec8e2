"""Pixels of a raster in another projection under the centres of a grid."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

MESH_PX = 32
"""Grid pixels between the points that are projected exactly. Between them a straight line is within a few thousandths
of a metre of the truth for pixels of some metres, and of some centimetres for pixels of 30 m."""


@kernel
def nearest_codes(
    mesh_x: np.ndarray, mesh_y: np.ndarray, codes: np.ndarray, out: np.ndarray, reached: np.ndarray
) -> None:
    """Fill ``out`` with the pixel of ``codes`` that holds the centre of each pixel of a grid.

    Parameters
    ----------
    mesh_x, mesh_y : (m, n) float64, column and row coordinates in ``codes``, in pixels from its corner, of the centre
        of every MESH_PX-th pixel of the grid, reaching one point beyond its last pixel
    codes : (H, W) integers
    out : (h, w), written where the raster reaches
    reached : (h, w) bool, set there
    """
    height, width = out.shape
    for r in range(height):
        i = r // MESH_PX
        t = (r - i * MESH_PX) / MESH_PX
        for j in range((width + MESH_PX - 1) // MESH_PX):
            x = mesh_x[i, j] + (mesh_x[i + 1, j] - mesh_x[i, j]) * t
            y = mesh_y[i, j] + (mesh_y[i + 1, j] - mesh_y[i, j]) * t
            step_x = (mesh_x[i, j + 1] + (mesh_x[i + 1, j + 1] - mesh_x[i, j + 1]) * t - x) / MESH_PX
            step_y = (mesh_y[i, j + 1] + (mesh_y[i + 1, j + 1] - mesh_y[i, j + 1]) * t - y) / MESH_PX
            for k in range(min(MESH_PX, width - j * MESH_PX)):
                col = int(np.floor(x + k * step_x))
                row = int(np.floor(y + k * step_y))
                if 0 <= row < codes.shape[0] and 0 <= col < codes.shape[1]:
                    out[r, j * MESH_PX + k] = codes[row, col]
                    reached[r, j * MESH_PX + k] = True
