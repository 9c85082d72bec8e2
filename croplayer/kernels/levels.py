"""Values of an image's 256 levels, looked up pixel by pixel."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel


def level_values(rgb: np.ndarray, valid: np.ndarray, table: np.ndarray) -> np.ndarray:
    """A value for each band of each pixel.

    Parameters
    ----------
    rgb : (n, h, w, 3) uint8
    valid : (n, h, w) bool
    table : (3, 256) float32, the value of each level of each band

    Returns
    -------
    (n, h, w, 3) float32, 0 where a pixel is not valid
    """
    values = np.empty(rgb.shape, np.float32)
    look_up(
        np.ascontiguousarray(rgb).reshape(-1, 3), np.ascontiguousarray(valid).reshape(-1),
        np.ascontiguousarray(table), values.reshape(-1, 3),
    )  # fmt: skip
    return values


@kernel
def look_up(pixels: np.ndarray, valid: np.ndarray, table: np.ndarray, values: np.ndarray) -> None:
    """Fill what `level_values` returns."""
    for i in range(len(pixels)):
        if valid[i]:
            for band in range(3):
                values[i, band] = table[band, pixels[i, band]]
        else:
            for band in range(3):
                values[i, band] = 0
