"""The loops behind `terrain`: three rows of an elevation model at a time, missing pixels as NaN."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def load_row(dem: np.ndarray, row: int, has_nodata: bool, nodata: float, window: np.ndarray) -> None:
    """Copy a row of the elevation model into its place of the three-row window, missing pixels as NaN."""
    line = window[row % 3]
    for col in range(dem.shape[1]):
        line[col] = dem[row, col]
    if has_nodata:
        for col in range(dem.shape[1]):
            if line[col] == nodata:
                line[col] = np.nan


@njit(nogil=True, cache=True)
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
            steepness[col] = np.sqrt(dx * dx + dy * dy + 0.0 * middle[col]) / 8
        for col in range(1, width - 1):
            slope[row - 1, col] = np.arctan(steepness[col]) * (180 / np.pi)


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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
            unknown = 0.0 * (a + b + c)
            low[col] = min(a, b, c) + unknown
            high[col] = max(a, b, c) + unknown
        for col in range(1, width - 1):
            lowest = min(low[col - 1], low[col], low[col + 1])
            highest = max(high[col - 1], high[col], high[col + 1])
            unknown = 0.0 * (low[col - 1] + low[col] + low[col + 1])
            roughness[row - 1, col] = highest - lowest + unknown
