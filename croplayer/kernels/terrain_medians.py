"""The scan behind `terrain_medians` on large rasters: no raster is written and nothing is sorted.

Each feature has a measure that grows with it and needs neither root nor arctangent: the elevation, the squared
steepness, the sum of squared differences, the range. A sample of pixels tells about where the median of a measure
lies. One scan then counts the pixels below that bracket and lists those inside it, in single precision, and the
listed ones are measured again exactly.
"""

from __future__ import annotations

import math

import numpy as np

from croplayer.compiled import kernel
from croplayer.kernels.bits import WORD_PX, count_ones, floats_from, trailing_zeros
from croplayer.kernels.terrain_rows import load_row

FEATURES = 4
SAMPLE_ROWS, SAMPLE_COLS = 16, 8
BRACKET = 0.004
"""Half the bracket's width, as a share of the pixels."""

ROUNDING = 1e-6
"""More than the relative error of a measure in single precision."""


def middle_measures(
    dem: np.ndarray,
    window: np.ndarray,
    cell_x_m: np.ndarray,
    cell_y_m: float,
    has_nodata: bool,
    nodata: float,
    rows: tuple[int, int],
    cols: tuple[int, int],
) -> list[tuple[float, float] | None]:
    """The two middle measures of each feature over a window of pixels with all eight neighbours.

    Parameters
    ----------
    dem, window, cell_x_m, cell_y_m, has_nodata, nodata : as `slope_rows` takes them
    rows, cols : first and one past the last

    Returns
    -------
    for elevation, slope, ruggedness and roughness the lower and upper middle measure in float64, NaN without known
    pixels; None when the sample was misleading
    """
    place = (dem, window, cell_x_m, cell_y_m, has_nodata, nodata, *rows, *cols)
    sample_rows, sample_cols = -(-(rows[1] - rows[0]) // SAMPLE_ROWS), -(-(cols[1] - cols[0]) // SAMPLE_COLS)
    sample = np.empty((FEATURES, sample_rows, sample_cols), window.dtype)
    sample_measures(*place, sample)
    low, high = (np.array(edges) for edges in zip(*(_bracket(values) for values in sample), strict=True))
    # These two measures are exact in single precision: between equal ends there is one value, and no need to list.
    single = (low == high) & np.array([True, False, False, True])
    below_low = np.where(single, low, low - 1e-30 - 4 * ROUNDING * abs(low)).astype(np.float32)
    above_high = np.where(
        single, np.nextafter(high.astype(np.float32), np.float32(np.inf)), high + 1e-30 + 4 * ROUNDING * abs(high)
    ).astype(np.float32)
    known, below, listed = np.zeros((3, FEATURES), np.int64)
    pixels = (rows[1] - rows[0]) * (cols[1] - cols[0])
    positions = np.empty((FEATURES, pixels // 16), np.int64)
    scan_measures(*place, below_low, above_high, ~single, known, below, listed, positions)
    middles: list[tuple[float, float] | None] = []
    for k in range(FEATURES):
        ranks = [int(known[k] - 1) // 2 - int(below[k]), int(known[k]) // 2 - int(below[k])]
        if known[k] == 0:
            middles.append((math.nan, math.nan))
        elif ranks[0] < 0 or ranks[1] >= listed[k] or (listed[k] > positions.shape[1] and not single[k]):
            middles.append(None)
        elif single[k]:
            middles.append((float(low[k]), float(high[k])))
        else:
            values = exact_measures(k, dem, window, cell_x_m, cell_y_m, positions[k, : listed[k]])
            first, second = np.partition(values, ranks)[ranks]
            sure = below_low[k] + abs(low[k]) * ROUNDING < first and second < above_high[k] - abs(high[k]) * ROUNDING
            middles.append((float(first), float(second)) if sure else None)
    return middles


def _bracket(sample: np.ndarray) -> tuple[float, float]:
    """Values around the median of a sample."""
    known = sample[~np.isnan(sample)]
    if not len(known):
        return -math.inf, math.inf
    ranks = [int((0.5 - BRACKET) * len(known)), min(int((0.5 + BRACKET) * len(known)) + 1, len(known) - 1)]
    low, high = np.partition(known, ranks)[ranks]
    return float(low), float(high)


@kernel
def measure_row(
    window: np.ndarray, row: int, first: int, width: int, cell_x_m: float, cell_y_m: float, measures: np.ndarray
) -> None:
    """Measures of `width` pixels from column `first` of a row whose neighbours are in the window.

    `measures` is (4, width or more) and contiguous, which the compiler needs to know to use whole vectors.
    """
    part = slice(first - 1, first + width + 1)
    north, middle, south = window[(row - 1) % 3][part], window[row % 3][part], window[(row + 1) % 3][part]
    measures[0][:width] = middle[1:-1]
    # One loop each: the compiler checks few enough arrays for overlap to use whole vectors.
    per_x, per_y = window.dtype.type(1 / cell_x_m), window.dtype.type(1 / cell_y_m)
    slope = measures[1]
    for col in range(width):
        a, b, c = north[col], north[col + 1], north[col + 2]
        d, e, f = middle[col], middle[col + 1], middle[col + 2]
        g, h, k = south[col], south[col + 1], south[col + 2]
        dx = ((a + d + d + g) - (c + f + f + k)) * per_x
        dy = ((g + h + h + k) - (a + b + b + c)) * per_y
        slope[col] = dx * dx + dy * dy + (e - e)
    ruggedness = measures[2]
    for col in range(width):
        e = middle[col + 1]
        a, b, c, d = north[col] - e, north[col + 1] - e, north[col + 2] - e, middle[col] - e
        f, g, h, k = middle[col + 2] - e, south[col] - e, south[col + 1] - e, south[col + 2] - e
        ruggedness[col] = a * a + b * b + c * c + d * d + f * f + g * g + h * h + k * k
    roughness = measures[3]
    for col in range(width):
        a, b, c = north[col], north[col + 1], north[col + 2]
        d, e, f = middle[col], middle[col + 1], middle[col + 2]
        g, h, k = south[col], south[col + 1], south[col + 2]
        highest = max(max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h))), k)
        lowest = min(min(min(min(a, b), min(c, d)), min(min(e, f), min(g, h))), k)
        unknown = (a + b + c + d + e + f + g + h + k) * window.dtype.type(0)
        roughness[col] = highest - lowest + unknown


@kernel
def sample_measures(
    dem: np.ndarray,
    window: np.ndarray,
    cell_x_m: np.ndarray,
    cell_y_m: float,
    has_nodata: bool,
    nodata: float,
    row_start: int,
    row_stop: int,
    col_start: int,
    col_stop: int,
    sample: np.ndarray,
) -> None:
    """Measures of every so many pixels."""
    measures = np.empty((FEATURES, col_stop - col_start), window.dtype)
    for i in range(sample.shape[1]):
        row = row_start + i * SAMPLE_ROWS
        for near in range(row - 1, row + 2):
            load_row(dem, near, has_nodata, nodata, window)
        measure_row(window, row, col_start, col_stop - col_start, cell_x_m[row], cell_y_m, measures)
        for k in range(FEATURES):
            for j in range(sample.shape[2]):
                sample[k, i, j] = measures[k, j * SAMPLE_COLS]


@kernel
def scan_measures(
    dem: np.ndarray,
    window: np.ndarray,
    cell_x_m: np.ndarray,
    cell_y_m: float,
    has_nodata: bool,
    nodata: float,
    row_start: int,
    row_stop: int,
    col_start: int,
    col_stop: int,
    low: np.ndarray,
    high: np.ndarray,
    listing: np.ndarray,
    known: np.ndarray,
    below: np.ndarray,
    listed: np.ndarray,
    positions: np.ndarray,
) -> None:
    """Count the known measures, those below `low` and those from `low` to just below `high`.

    The three counts are out and start at zero. Where `listing` says so the flat positions of the latter are written
    to `positions`, as many as there is room for.
    """
    width = col_stop - col_start
    words = -(-width // WORD_PX)
    # NaN past the end counts nowhere.
    measures = np.full((FEATURES, words * WORD_PX), np.nan, window.dtype)
    for near in range(row_start - 1, row_start + 1):
        load_row(dem, near, has_nodata, nodata, window)
    for row in range(row_start, row_stop):
        load_row(dem, row + 1, has_nodata, nodata, window)
        measure_row(window, row, col_start, width, cell_x_m[row], cell_y_m, measures)
        offset = row * dem.shape[1] + col_start
        for k in range(FEATURES):
            counts = scan_row(measures[k], low[k], high[k], listing[k], offset, positions[k], listed[k])
            known[k] += counts[0]
            below[k] += counts[1]
            listed[k] = counts[2]


@kernel
def scan_row(
    values: np.ndarray,
    low: np.float32,
    high: np.float32,
    listing: bool,
    offset: int,
    positions: np.ndarray,
    n: int,
) -> tuple[int, int, int]:
    """Known values, those below `low`, and n plus those between; the latter's places are appended to n positions."""
    address = np.uintp(values.ctypes.data)
    known, from_low = 0, 0
    for j in range(len(values) // WORD_PX):
        at = address + np.uintp(4 * WORD_PX * j)
        at_least_low = floats_from(at, low)
        word = at_least_low & ~floats_from(at, high)
        known += count_ones(floats_from(at, np.float32(-np.inf)))
        from_low += count_ones(at_least_low)
        if not listing:
            n += count_ones(word)
            continue
        while word != 0:
            if n < len(positions):
                positions[n] = offset + WORD_PX * j + trailing_zeros(word)
            n += 1
            word &= word - np.uint64(1)
    return known, known - from_low, n


@kernel
def exact_measures(
    feature: int, dem: np.ndarray, window: np.ndarray, cell_x_m: np.ndarray, cell_y_m: float, positions: np.ndarray
) -> np.ndarray:
    """A feature's measure at flat positions with known neighbours, as the rasters compute it, in float64."""
    width = dem.shape[1]
    values = np.empty(len(positions), np.float64)
    a = np.empty(9, window.dtype)
    for n in range(len(positions)):
        row, col = positions[n] // width, positions[n] % width
        if feature == 0:
            values[n] = dem[row, col]
            continue
        for k in range(9):
            a[k] = dem[row - 1 + k // 3, col - 1 + k % 3]
        if feature == 1:
            dx = ((a[0] + a[3] + a[3] + a[6]) - (a[2] + a[5] + a[5] + a[8])) / cell_x_m[row]
            dy = ((a[6] + a[7] + a[7] + a[8]) - (a[0] + a[1] + a[1] + a[2])) / cell_y_m
            values[n] = dx * dx + dy * dy
        elif feature == 2:
            total = 0.0
            for k in range(9):
                total += np.float64(a[k] - a[4]) ** 2
            values[n] = total
        else:
            lowest, highest = a[0], a[0]
            for k in range(1, 9):
                lowest, highest = min(lowest, a[k]), max(highest, a[k])
            values[n] = highest - lowest
    return values
