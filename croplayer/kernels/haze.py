"""Thin cloud and haze of a block: the dark channel, and the share that looks veiled.

Pixels are reduced to integers per patch, which are exact in any order, before anything is divided. Of a patch's 16 rows
each column of samples is reduced first: neighbouring columns then fill whole vectors, while the three bands of a pixel
would not.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel
from croplayer.kernels.image import check_image

PATCH_PX = 16
"""Edge of a patch; He et al. take 15."""
VEILED_FROM = 0.35
"""A veiled patch's darkest value is at least this, 0 to 1."""
VEILED_SATURATION = 0.25
"""A veiled patch's mean colour has at most this saturation: spread of the bands over the largest."""
VEILED_TEXTURE = 0.02
"""From row to row a veiled patch's values change by at most this on average, 0 to 1."""


class Haze(NamedTuple):
    """Thin-cloud features of a block; NaN where it has no patch full of imagery."""

    dark_channel: float
    """median over patches of the darkest value of any band, 0 (clear) to 1 (opaque)"""
    veil_fraction: float
    """share of patches that are bright, unsaturated and smooth, 0 to 1"""


class PatchMeasures(NamedTuple):
    """Integer measures of patches of 16 x 16 pixels; what is left over at the right and lower edge is in none."""

    lowest: np.ndarray
    """(n, m) uint8, the lowest value of any band"""
    total: np.ndarray
    """(n, m, 3) int32, sum of each band"""
    steps: np.ndarray
    """(n, m) int32, sum over bands of the absolute differences between a pixel and the one below it"""
    known: np.ndarray
    """(n, m) bool, whether all pixels are valid"""


def haze(rgb: np.ndarray, valid: np.ndarray | None = None) -> Haze:
    """Thin-cloud features of a block.

    Light scattered by haze or thin cloud lifts even the darkest value of a neighbourhood, which in clear air is near
    zero in some band (the dark channel prior of He, Sun and Tang, IEEE TPAMI 33, 2011, here with patches side by
    side). Snow, bare sand and thick cloud lift it too; no band beyond the visible tells them apart.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    valid : (h, w) bool; None where everything is. A patch with a pixel that is not valid does not count

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape.
    """
    patches = patch_measures(rgb, valid)
    if not patches.known.any():
        return Haze(math.nan, math.nan)
    lowest = patches.lowest[patches.known] / 255
    colour = patches.total[patches.known] / (255 * PATCH_PX**2)
    steps = patches.steps[patches.known] / (255 * 3 * PATCH_PX * (PATCH_PX - 1))
    brightest = colour.max(axis=1)
    saturation = (brightest - colour.min(axis=1)) / np.maximum(brightest, 1 / 255)
    veiled = (lowest >= VEILED_FROM) & (saturation <= VEILED_SATURATION) & (steps <= VEILED_TEXTURE)
    return Haze(float(np.median(lowest)), float(veiled.mean()))


def patch_measures(rgb: np.ndarray, valid: np.ndarray | None = None) -> PatchMeasures:
    """Measures of the patches of a block; parameters and errors as in `haze`."""
    rgb, valid = check_image(rgb, valid)
    rows, cols = rgb.shape[0] // PATCH_PX, rgb.shape[1] // PATCH_PX
    measures = PatchMeasures(
        np.empty((rows, cols), np.uint8),
        np.empty((rows, cols, 3), np.int32),
        np.empty((rows, cols), np.int32),
        np.ones((rows, cols), np.bool_),
    )
    if rows and cols:
        fill_patches(rgb.reshape(rgb.shape[0], 3 * rgb.shape[1]), measures.lowest, measures.total, measures.steps)
        if valid is not None:
            inside = valid[: rows * PATCH_PX, : cols * PATCH_PX].reshape(rows, PATCH_PX, cols, PATCH_PX)
            measures.known[:] = inside.all(axis=(1, 3))
    return measures


@kernel
def add_row(above: np.ndarray, here: np.ndarray, low: np.ndarray, added: np.ndarray, changed: np.ndarray) -> None:
    """Take a row of samples into the lowest values, sums and steps of their columns."""
    for c in range(len(low)):
        low[c] = here[c] if here[c] < low[c] else low[c]
    for c in range(len(added)):
        added[c] += here[c]
    for c in range(len(changed)):
        changed[c] += here[c] - above[c] if here[c] > above[c] else above[c] - here[c]


@kernel
def fill_patches(samples: np.ndarray, lowest: np.ndarray, total: np.ndarray, steps: np.ndarray) -> None:
    """Fill the measures of patches from (h, 3 w) samples: down the columns first, where whole vectors are used."""
    width = 3 * PATCH_PX * lowest.shape[1]
    low = np.empty(width, np.uint8)
    # 16 rows of 255 fit in 16 bits, which doubles the columns in a vector.
    added = np.empty(width, np.uint16)
    changed = np.empty(width, np.uint16)
    for i in range(lowest.shape[0]):
        first = samples[i * PATCH_PX]
        for c in range(width):
            low[c] = first[c]
            added[c] = first[c]
            changed[c] = 0
        for row in range(i * PATCH_PX + 1, (i + 1) * PATCH_PX):
            add_row(samples[row - 1][:width], samples[row][:width], low, added, changed)
        for j in range(lowest.shape[1]):
            darkest, sum_of_steps = np.uint8(255), 0
            for band in range(3):
                total[i, j, band] = 0
            for c in range(3 * PATCH_PX * j, 3 * PATCH_PX * (j + 1), 3):
                for band in range(3):
                    darkest = min(darkest, low[c + band])
                    total[i, j, band] += added[c + band]
                    sum_of_steps += changed[c + band]
            lowest[i, j] = darkest
            steps[i, j] = sum_of_steps
