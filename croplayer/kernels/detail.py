"""Whether an image is of one colour, and how much of its detail the next coarser zoom would lose."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel


def is_one_colour(rgb: np.ndarray) -> bool:
    """Whether all pixels of (h, w, 3) uint8 are equal."""
    return bool(equals_first(np.ascontiguousarray(rgb)))


def detail_ratio(rgb: np.ndarray) -> float:
    """Detail lost from an image's zoom to the next coarser one, over the detail lost from there to the one after.

    Detail is the mean squared difference of grey values from the mean of each square of 2 x 2 pixels,
    which is exactly one pixel of the next coarser zoom. Native imagery has about the same detail at every
    zoom; an upsampled one has next to none at the finest. The sums are of integers, so they are exact.

    Parameters
    ----------
    rgb : (h, w, 3) uint8, h and w divisible by 4

    Returns
    -------
    Ratio, at least 0; 1 if there is no detail at the next coarser zoom

    Raises
    ------
    ValueError for another dtype or shape.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.shape[0] % 4 or rgb.shape[1] % 4:
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}; expected uint8 (h, w, 3), h and w divisible by 4")
    fine, coarse = lost_detail(np.ascontiguousarray(rgb))
    # A sum of squares of four times a difference, over a quarter as many squares of 16 times one.
    return 4 * fine / coarse if coarse else 1.0


@kernel
def equals_first(rgb: np.ndarray) -> bool:
    """Whether every pixel equals the first one."""
    height, width, _ = rgb.shape
    red, green, blue = rgb[0, 0, 0], rgb[0, 0, 1], rgb[0, 0, 2]
    for row in range(height):
        other = 0
        for col in range(width):
            other |= (rgb[row, col, 0] ^ red) | (rgb[row, col, 1] ^ green) | (rgb[row, col, 2] ^ blue)
        if other:
            return False
    return True


@kernel
def lost_detail(rgb: np.ndarray) -> tuple[int, int]:
    """Sums of the squares of 4 grey - sum over squares of 2 x 2 pixels, and of 4 sum - sum of sums over those of 4 x 4."""
    height, width, _ = rgb.shape
    grey = np.empty((4, width), np.int32)
    sums = np.empty((2, width // 2), np.int32)
    fine, coarse = 0, 0
    for top in range(0, height, 4):
        for i in range(4):
            for col in range(width):
                grey[i, col] = np.int32(rgb[top + i, col, 0]) + rgb[top + i, col, 1] + rgb[top + i, col, 2]
        for i in range(2):
            lost = 0
            for k in range(width // 2):
                a, b = grey[2 * i, 2 * k], grey[2 * i, 2 * k + 1]
                c, d = grey[2 * i + 1, 2 * k], grey[2 * i + 1, 2 * k + 1]
                total = np.int32(a + b + c + d)
                sums[i, k] = total
                a, b, c, d = 4 * a - total, 4 * b - total, 4 * c - total, 4 * d - total
                lost += a * a + b * b + c * c + d * d
            fine += lost
        for k in range(width // 4):
            a, b, c, d = sums[0, 2 * k], sums[0, 2 * k + 1], sums[1, 2 * k], sums[1, 2 * k + 1]
            total = np.int32(a + b + c + d)
            a, b, c, d = 4 * a - total, 4 * b - total, 4 * c - total, 4 * d - total
            coarse += np.int64(a) * a + np.int64(b) * b + np.int64(c) * c + np.int64(d) * d
    return fine, coarse
