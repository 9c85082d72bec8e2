"""Sharpness and colour of a block: the medians that tell good imagery from bad."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from croplayer.kernels.compiled import kernel

SHARPNESS_BINS_PER_UNIT = np.float32(15)
"""Coarse bins per unit of summed integer gradient, at most 3 * 1443 units: the bins fit in 16 bits."""

HUE_BINS_PER_SECTOR = np.float32(10000)
"""Coarse bins per sixth of the colour circle: the bins fit in 16 bits."""

NO_BIN = 65535
"""Bin of pixels that do not count."""

BLOCK = 64
"""Pixels among which bins are looked for at once."""

SOBEL_TO_UNIT = 1 / (3 * 4 * 255 * math.sqrt(2))
"""Sum of three integer Sobel magnitudes to the mean of three skimage magnitudes of 0..1 values."""


class ImageQuality(NamedTuple):
    """Medians over a block's valid pixels; NaN where none is valid."""

    sharpness: float
    """0 to 1, median of the mean of the three bands' Sobel gradient magnitudes on values of 0..1"""
    hue: float
    """0 to 1 around the colour circle; a plain median, as the paper takes it, so reds near 0 and 1 do not meet"""
    saturation: float
    """0 to 1"""
    lightness: float
    """0 to 1"""


def image_quality(rgb: np.ndarray, valid: np.ndarray | None = None) -> ImageQuality:
    """Exact medians of sharpness, hue, saturation and lightness.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    valid : (h, w) bool, pixels that count; None for all. Gradients read all pixels as they are stored.

    Returns
    -------
    ImageQuality of float64; the mean of the two middle values for an even number of pixels

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape.

    Notes
    -----
    Sharpness equals the median of the mean over bands of `skimage.filters.sobel(band / 255)` to rounding: the paper
    leaves the band rule open, this is the reading taken. Hue, saturation and lightness equal the formulas of
    `colorsys.rgb_to_hls` in numpy float64 bit for bit. Coarse bins find where a median lies, and the pixels of those
    bins alone are compared in full precision.
    """
    rgb, valid = check_image(rgb, valid)
    height, width = rgb.shape[:2]
    count = height * width if valid is None else int(np.count_nonzero(valid))
    if count == 0:
        return ImageQuality(math.nan, math.nan, math.nan, math.nan)
    pixels = rgb.reshape(height, 3 * width)
    counted = np.empty((0, 0), np.bool_) if valid is None else valid
    sharpness_bins = np.empty((height, width), np.uint16)
    hue_bins = np.empty((height, width), np.uint16)
    sharpness_counts, hue_counts, extremes = np.zeros((3, 65536), np.int32)
    bin_pixels(pixels, counted, sharpness_bins, hue_bins, sharpness_counts, hue_counts, extremes)
    saturation, lightness = _extreme_medians(extremes, count)
    return ImageQuality(
        _refined_median(pixels, sharpness_bins, sharpness_counts, count, sharpness_values) * SOBEL_TO_UNIT,
        _refined_median(pixels, hue_bins, hue_counts, count, hue_values),
        saturation,
        lightness,
    )


def check_image(rgb: np.ndarray, valid: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """An image and its valid pixels as contiguous arrays; None for the latter when all pixels are valid.

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape than (h, w, 3) uint8 and (h, w) bool.
    """
    if not isinstance(rgb, np.ndarray) or rgb.dtype != np.uint8:
        raise TypeError(f"rgb is {getattr(rgb, 'dtype', type(rgb).__name__)}; expected a uint8 array")
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"rgb has shape {rgb.shape}; expected (rows, columns, 3)")
    if valid is not None:
        if not isinstance(valid, np.ndarray) or valid.dtype != np.bool_:
            raise TypeError(f"valid is {getattr(valid, 'dtype', type(valid).__name__)}; expected a bool array")
        if valid.shape != rgb.shape[:2]:
            raise ValueError(f"valid has shape {valid.shape}, rgb has {rgb.shape[0]} rows and {rgb.shape[1]} columns")
    rgb = np.ascontiguousarray(rgb)
    return rgb, None if valid is None or valid.all() else np.ascontiguousarray(valid)


@lru_cache(maxsize=1)
def _saturation_and_lightness() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Values of each (largest, smallest) pair of bands, sorted, with the order that sorts them."""
    largest, smallest = np.divmod(np.arange(65536), 256)
    top, bottom = np.maximum(largest, smallest) / 255, np.minimum(largest, smallest) / 255
    lightness = (top + bottom) / 2
    with np.errstate(invalid="ignore"):
        saturation = (top - bottom) / np.where(lightness <= 0.5, top + bottom, 2.0 - top - bottom)
    saturation[largest == smallest] = 0.0
    orders = np.argsort(saturation, kind="stable"), np.argsort(lightness, kind="stable")
    return (saturation[orders[0]], orders[0]), (lightness[orders[1]], orders[1])


def _extreme_medians(extremes: np.ndarray, count: int) -> tuple[float, float]:
    """Medians of saturation and lightness from counts of (largest, smallest) pairs of bands."""
    medians = []
    for values, order in _saturation_and_lightness():
        low, high = np.searchsorted(np.cumsum(extremes[order]), [(count - 1) // 2, count // 2], side="right")
        medians.append(float((values[low] + values[high]) / 2))
    return medians[0], medians[1]


def _refined_median(
    pixels: np.ndarray, bins: np.ndarray, counts: np.ndarray, count: int, values_at: Callable[..., np.ndarray]
) -> float:
    """Median of exact values whose coarse bins are at most a fraction of a bin off."""
    upto = np.cumsum(counts[:NO_BIN])
    low, high = np.searchsorted(upto, [(count - 1) // 2, count // 2], side="right")
    first, last = max(low - 1, 0), min(high + 1, NO_BIN - 1)
    below = int(upto[first - 1]) if first else 0
    positions = np.empty(int(upto[last]) - below, np.int64)
    find_bins(bins.reshape(-1), first, last, positions)
    values = values_at(pixels, positions)
    ranks = [(count - 1) // 2 - below, count // 2 - below]
    middle = np.partition(values, ranks)[ranks]
    return float((middle[0] + middle[1]) / 2)


@kernel
def find_bins(bins: np.ndarray, first: int, last: int, positions: np.ndarray) -> None:
    """Write the positions whose bin lies between `first` and `last`; `positions` has the right length."""
    n = 0
    start, span = np.uint16(first), np.uint16(last - first)
    for block in range(0, len(bins), BLOCK):
        part = bins[block : block + BLOCK]
        # Counting fills whole vectors, and most blocks then need no second look.
        found = 0
        for k in range(len(part)):
            if np.uint16(part[k] - start) <= span:
                found += 1
        if found:
            for k in range(len(part)):
                if np.uint16(part[k] - start) <= span:
                    positions[n] = block + k
                    n += 1


@kernel
def bin_pixels(
    pixels: np.ndarray,
    counted: np.ndarray,
    sharpness_bins: np.ndarray,
    hue_bins: np.ndarray,
    sharpness_counts: np.ndarray,
    hue_counts: np.ndarray,
    extremes: np.ndarray,
) -> None:
    """Coarse bins of summed gradient and hue per pixel, their counts, and counts of (largest, smallest) bands.

    Parameters
    ----------
    pixels : (h, 3 w) uint8, bands interleaved
    counted : (h, w) bool, or (0, 0) when every pixel counts
    sharpness_bins, hue_bins : (h, w) uint16 out, NO_BIN where a pixel does not count
    sharpness_counts, hue_counts : (65536,) int32 out, zero at the start
    extremes : (65536,) int32 out, zero at the start; index 256 * largest + smallest
    """
    height, samples = pixels.shape
    width = samples // 3
    smooth = np.empty(samples + 6, np.float32)
    change = np.empty(samples + 6, np.float32)
    gradient = np.empty(samples, np.float32)
    pairs = np.empty(width, np.uint16)
    for row in range(height):
        sharpness_row, hue_row = sharpness_bins[row], hue_bins[row]
        above, below = pixels[max(row - 1, 0)], pixels[min(row + 1, height - 1)]
        gradient_row(above, pixels[row], below, smooth, change, gradient)
        for col in range(width):
            total = gradient[3 * col] + gradient[3 * col + 1] + gradient[3 * col + 2]
            sharpness_row[col] = np.uint16(np.int32(total * SHARPNESS_BINS_PER_UNIT))
        bin_hues(pixels[row], hue_row, pairs)
        if len(counted):
            for col in range(width):
                if not counted[row, col]:
                    sharpness_row[col] = NO_BIN
                    hue_row[col] = NO_BIN
                    # Taken off here and counted below: the loop that counts then needs no branch.
                    extremes[pairs[col]] -= 1
        for col in range(width):
            sharpness_counts[sharpness_row[col]] += 1
            hue_counts[hue_row[col]] += 1
            extremes[pairs[col]] += 1


@kernel
def gradient_row(
    above: np.ndarray,
    here: np.ndarray,
    below: np.ndarray,
    smooth: np.ndarray,
    change: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Integer Sobel magnitude of each sample of a row, (3 w,) float32 out.

    A Sobel filter is a smoothing one way and a difference the other way. Both are taken down the columns first, into
    ``smooth`` and ``change``, (3 w + 6,) float32 scratch, and then along the row. Integers up to 1020 are exact in
    float32, and every loop fills whole vectors.
    """
    samples = len(gradient)
    two = np.float32(2)
    for i in range(samples):
        smooth[i + 3] = np.float32(above[i]) + two * np.float32(here[i]) + np.float32(below[i])
        change[i + 3] = np.float32(above[i]) - np.float32(below[i])
    # A pixel more at both ends repeats the outermost one, as skimage does beyond the edge of an image.
    # One by one: for slices numba compiles a message about unequal shapes, which takes longer than all of this kernel.
    for line in (smooth, change):
        for i in range(3):
            line[i] = line[i + 3]
            line[samples + 3 + i] = line[samples + i]
    for i in range(samples):
        across = smooth[i + 6] - smooth[i]
        along = change[i] + two * change[i + 3] + change[i + 6]
        gradient[i] = np.sqrt(across * across + along * along)


@kernel
def bin_hues(here: np.ndarray, hue_row: np.ndarray, pairs: np.ndarray) -> None:
    """Coarse bins of the hue of a row's pixels and their 256 * largest + smallest band, both (w,) uint16 out.

    Conditional values, not branches, let the compiler work on many pixels at once.
    """
    two = np.float32(2)
    for col in range(len(hue_row)):
        red, green, blue = here[3 * col], here[3 * col + 1], here[3 * col + 2]
        largest, smallest = max(red, green, blue), min(red, green, blue)
        pairs[col] = (np.uint16(largest) << np.uint16(8)) | np.uint16(smallest)
        r, g, b = np.float32(red), np.float32(green), np.float32(blue)
        spread = np.float32(largest) - np.float32(smallest)
        ahead = g - b if red == largest else (b - r if green == largest else r - g)
        sector = np.float32(0) if red == largest else (two if green == largest else np.float32(4))
        # Of grey pixels the spread is 0 and so is `ahead`: dividing by 1 gives them hue 0, as colorsys does.
        hue = sector + ahead / max(spread, np.float32(1))
        hue = hue + np.float32(6) if hue < np.float32(0) else hue
        hue_row[col] = np.uint16(np.int32(hue * HUE_BINS_PER_SECTOR))


@kernel
def sharpness_values(pixels: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Sum over bands of the integer Sobel magnitudes at flat pixel positions, in float64."""
    height, samples = pixels.shape
    width = samples // 3
    values = np.empty(len(positions), np.float64)
    for n in range(len(positions)):
        row, col = positions[n] // width, positions[n] % width
        above, below = max(row - 1, 0), min(row + 1, height - 1)
        left, right = 3 * max(col - 1, 0), 3 * min(col + 1, width - 1)
        total = 0.0
        for band in range(3):
            a, b, c = (
                np.int64(pixels[above, left + band]),
                np.int64(pixels[above, 3 * col + band]),
                np.int64(pixels[above, right + band]),
            )
            d, f = np.int64(pixels[row, left + band]), np.int64(pixels[row, right + band])
            g, h, k = (
                np.int64(pixels[below, left + band]),
                np.int64(pixels[below, 3 * col + band]),
                np.int64(pixels[below, right + band]),
            )
            across = c + 2 * f + k - a - 2 * d - g
            along = g + 2 * h + k - a - 2 * b - c
            total += math.sqrt(across * across + along * along)
        values[n] = total
    return values


@kernel
def hue_values(pixels: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Hue of `colorsys.rgb_to_hls` at flat pixel positions, in float64."""
    width = pixels.shape[1] // 3
    values = np.zeros(len(positions), np.float64)
    for n in range(len(positions)):
        row, col = positions[n] // width, positions[n] % width
        r, g, b = pixels[row, 3 * col] / 255, pixels[row, 3 * col + 1] / 255, pixels[row, 3 * col + 2] / 255
        top, bottom = max(r, g, b), min(r, g, b)
        if top == bottom:
            continue
        spread = top - bottom
        to_red, to_green, to_blue = (top - r) / spread, (top - g) / spread, (top - b) / spread
        if r == top:
            hue = to_blue - to_green
        elif g == top:
            hue = 2.0 + to_red - to_blue
        else:
            hue = 4.0 + to_green - to_red
        values[n] = (hue / 6.0) % 1.0
    return values
