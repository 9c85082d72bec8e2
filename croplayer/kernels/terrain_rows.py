"""The loops behind `terrain`: three rows of an elevation model at a time, missing pixels as NaN.

Row r lies in place r mod 3 of the window, so each row is converted once and replaces the one that is no longer needed.
Missing pixels are NaN: arithmetic carries them to every result that they belong to, and loops need no branch for them.
Sums are in the order of GDAL's, so that they round alike.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

DEGREES = 180 / np.pi
ROUNDING = 2e-15
"""More than the relative error of `fast_degrees`, less than a millionth of the step between float32 values."""


@kernel
def load_row(dem: np.ndarray, row: int, has_nodata: bool, nodata: float, window: np.ndarray) -> None:
    """Copy a row of the elevation model into its place of the three-row window, missing pixels as NaN."""
    line = window[row % 3]
    for col in range(dem.shape[1]):
        line[col] = dem[row, col]
    if has_nodata:
        for col in range(dem.shape[1]):
            if line[col] == nodata:
                line[col] = np.nan


@kernel
def fast_degrees(steepness: np.ndarray, degrees: np.ndarray) -> int:
    """Arctangents of values of 0 or more in degrees as float32; counts those that rounding leaves in doubt.

    The arctangent's series, after reduction to arguments below tan(pi / 8), is a dozen times faster than the library
    function as it fills whole vectors. Both ends of its error round to the same float32 but for one value in ten
    million, for which the caller asks the library function. NaN counts as in doubt.
    """
    doubtful = 0
    for i in range(len(steepness)):
        value = steepness[i]
        turned = value > 1
        top, bottom = (1.0, value) if turned else (value, 1.0)
        shifted = top > 0.41 * bottom
        top, bottom = (top - bottom, top + bottom) if shifted else (top, bottom)
        z = top / bottom
        w = z * z
        series = 1 / 41 - w * (1 / 43)
        series = 1 / 37 - w * (1 / 39 - w * series)
        series = 1 / 33 - w * (1 / 35 - w * series)
        series = 1 / 29 - w * (1 / 31 - w * series)
        series = 1 / 25 - w * (1 / 27 - w * series)
        series = 1 / 21 - w * (1 / 23 - w * series)
        series = 1 / 17 - w * (1 / 19 - w * series)
        series = 1 / 13 - w * (1 / 15 - w * series)
        series = 1 / 9 - w * (1 / 11 - w * series)
        series = 1 / 5 - w * (1 / 7 - w * series)
        angle = z - z * w * (1 / 3 - w * series)
        angle = angle + (np.pi / 4 if shifted else 0.0)
        angle = (np.pi / 2 - angle if turned else angle) * DEGREES
        degrees[i] = angle * (1 + ROUNDING)
        doubtful += degrees[i] != np.float32(angle * (1 - ROUNDING))
    return doubtful


@kernel
def slope_rows(
    dem: np.ndarray,
    window: np.ndarray,
    cell_x_m: np.ndarray,
    cell_y_m: float,
    has_nodata: bool,
    nodata: float,
    slope: np.ndarray,
) -> None:
    """Fill the inner pixels of `slope`; NaN spreads by arithmetic."""
    height, width = dem.shape
    steepness = np.empty(width, np.float64)
    for row in range(height):
        load_row(dem, row, has_nodata, nodata, window)
        if row < 2:
            continue
        north, middle, south = window[(row - 2) % 3], window[(row - 1) % 3], window[row % 3]
        for col in range(1, width - 1):
            west = north[col - 1] + middle[col - 1] + middle[col - 1] + south[col - 1]
            east = north[col + 1] + middle[col + 1] + middle[col + 1] + south[col + 1]
            below = south[col - 1] + south[col] + south[col] + south[col + 1]
            above = north[col - 1] + north[col] + north[col] + north[col + 1]
            dx = (west - east) / cell_x_m[row - 1]
            dy = (below - above) / cell_y_m
            # Horn's formula leaves out the centre; 0 times it is 0, or NaN where it is missing.
            steepness[col] = np.sqrt(dx * dx + dy * dy + 0.0 * middle[col]) / 8
        if fast_degrees(steepness[1 : width - 1], slope[row - 1, 1 : width - 1]):
            for col in range(1, width - 1):
                slope[row - 1, col] = np.arctan(steepness[col]) * DEGREES


@kernel
def ruggedness_rows(
    dem: np.ndarray, window: np.ndarray, has_nodata: bool, nodata: float, ruggedness: np.ndarray
) -> None:
    """Fill the inner pixels of `ruggedness`; NaN spreads by arithmetic."""
    height, width = dem.shape
    for row in range(height):
        load_row(dem, row, has_nodata, nodata, window)
        if row < 2:
            continue
        north, middle, south = window[(row - 2) % 3], window[(row - 1) % 3], window[row % 3]
        for col in range(1, width - 1):
            centre = middle[col]
            total = np.float64(north[col - 1] - centre) ** 2
            total += np.float64(north[col] - centre) ** 2
            total += np.float64(north[col + 1] - centre) ** 2
            total += np.float64(middle[col - 1] - centre) ** 2
            total += np.float64(middle[col + 1] - centre) ** 2
            total += np.float64(south[col - 1] - centre) ** 2
            total += np.float64(south[col] - centre) ** 2
            total += np.float64(south[col + 1] - centre) ** 2
            ruggedness[row - 1, col] = np.sqrt(total)


@kernel
def roughness_rows(dem: np.ndarray, window: np.ndarray, has_nodata: bool, nodata: float, roughness: np.ndarray) -> None:
    """Fill the inner pixels of `roughness`; a NaN among the 3 x 3 makes NaN."""
    height, width = dem.shape
    low = np.empty(width, window.dtype)
    high = np.empty(width, window.dtype)
    for row in range(height):
        load_row(dem, row, has_nodata, nodata, window)
        if row < 2:
            continue
        north, middle, south = window[(row - 2) % 3], window[(row - 1) % 3], window[row % 3]
        for col in range(width):
            a, b, c = north[col], middle[col], south[col]
            # Comparisons lose a NaN, so it is added back: x - x is 0, or NaN.
            unknown = (a - a) + (b - b) + (c - c)
            lower, higher = (a, b) if a < b else (b, a)
            low[col] = (lower if lower < c else c) + unknown
            high[col] = (higher if higher > c else c) + unknown
        for col in range(1, width - 1):
            a, b, c = low[col - 1], low[col], low[col + 1]
            d, e, f = high[col - 1], high[col], high[col + 1]
            lowest = a if a < b else b
            highest = d if d > e else e
            unknown = (a - a) + (b - b) + (c - c)
            roughness[row - 1, col] = (highest if highest > f else f) - (lowest if lowest < c else c) + unknown
