"""The scan behind `terrain_medians` on large rasters: no raster is written and nothing is sorted.

Each feature has a measure that grows with it and needs neither root nor arctangent: the elevation, the squared
steepness, the sum of squared differences, the range. A sample of pixels tells about where the median of a measure
lies. One scan then counts the pixels below that bracket and finds those inside it, in single precision, and measures
the latter again exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from croplayer.kernels.bits import AT_ONCE, WORD_PX, bytes_with, count_ones, trailing_zeros
from croplayer.kernels.compiled import kernel
from croplayer.kernels.terrain_rows import load_row

FEATURES = 4
SAMPLE_ROWS, SAMPLE_COLS = 16, 8
BRACKET = 0.004
"""Half the bracket's width, as a share of the pixels."""

ROUNDING = 1e-6
"""More than the relative error of a measure in single precision."""

PIXEL_KNOWN, ALL_KNOWN = 16, 32
"""Bits of pixels that are known, and of those known with all eight neighbours."""


class Model(NamedTuple):
    """An elevation model as `slope_rows` takes it."""

    dem: np.ndarray
    """(h, w) float32, int16 or int32"""

    window: np.ndarray
    """(3, w) float32 or float64, scratch"""

    cell_x_m: np.ndarray
    """(h,) float64"""

    cell_y_m: float
    """metres"""

    has_nodata: bool
    """whether a value marks missing pixels"""

    nodata: float
    """that value"""


class Limits(NamedTuple):
    """The bracket around the median of each feature."""

    low: tuple[np.float32, ...]
    """Measures from here on are in the bracket."""

    high: tuple[np.float32, ...]
    """Measures from here on are above it."""

    listing: np.ndarray
    """(4,) bool, whether the measures in the bracket are listed."""


class Found(NamedTuple):
    """What a scan finds of each feature; the counts start at 0."""

    known: np.ndarray
    """(4,) int64, known measures"""

    below: np.ndarray
    """(4,) int64, measures below the bracket"""

    listed: np.ndarray
    """(4,) int64, measures in the bracket"""

    values: np.ndarray
    """(4, room) float64, exact measures in the bracket where they are listed, as far as there is room"""


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
    model = Model(dem, window, cell_x_m, cell_y_m, has_nodata, nodata)
    sample_rows, sample_cols = -(-(rows[1] - rows[0]) // SAMPLE_ROWS), -(-(cols[1] - cols[0]) // SAMPLE_COLS)
    sample = np.empty((FEATURES, sample_rows, sample_cols), window.dtype)
    sample_measures(model, rows, cols, sample)
    low, high = (np.array(edges) for edges in zip(*(_bracket(values) for values in sample), strict=True))
    # Elevation and range are exact in single precision: a bracket with equal ends holds one value, and needs no list.
    # The others are widened by more than their rounding, so that the exact median cannot fall outside unnoticed.
    single = (low == high) & np.array([True, False, False, True])
    below_low = np.where(single, low, low - 1e-30 - 4 * ROUNDING * abs(low)).astype(np.float32)
    above_high = np.where(
        single, np.nextafter(high.astype(np.float32), np.float32(np.inf)), high + 1e-30 + 4 * ROUNDING * abs(high)
    ).astype(np.float32)
    known, below, listed = np.zeros((3, FEATURES), np.int64)
    pixels = (rows[1] - rows[0]) * (cols[1] - cols[0])
    # A bracket holds about 1 % of the pixels; if one holds more than this, it is given up.
    values = np.empty((FEATURES, pixels // 16), np.float64)
    limits = Limits(tuple(below_low), tuple(above_high), ~single)
    scan_measures(model, rows, cols, limits, Found(known, below, listed, values))
    middles: list[tuple[float, float] | None] = []
    for k in range(FEATURES):
        ranks = [int(known[k] - 1) // 2 - int(below[k]), int(known[k]) // 2 - int(below[k])]
        if known[k] == 0:
            middles.append((math.nan, math.nan))
        elif ranks[0] < 0 or ranks[1] >= listed[k] or (listed[k] > values.shape[1] and not single[k]):
            middles.append(None)
        elif single[k]:
            middles.append((float(low[k]), float(high[k])))
        else:
            first, second = _at_ranks(values[k, : listed[k]], *ranks)
            sure = below_low[k] + abs(low[k]) * ROUNDING < first and second < above_high[k] - abs(high[k]) * ROUNDING
            middles.append((first, second) if sure else None)
    return middles


def _bracket(sample: np.ndarray) -> tuple[float, float]:
    """Values around the median of a sample."""
    known = sample[~np.isnan(sample)]
    if not len(known):
        return -math.inf, math.inf
    lower, upper = int((0.5 - BRACKET) * len(known)), min(int((0.5 + BRACKET) * len(known)) + 1, len(known) - 1)
    return _at_ranks(known, lower, upper)


def _at_ranks(values: np.ndarray, lower: int, upper: int) -> tuple[float, float]:
    """Values at two ranks, lower one first; puts the values in another order.

    NumPy finds two ranks one after the other many times faster than in one call.
    """
    values.partition(lower)
    first, rest = float(values[lower]), values[lower:]
    rest.partition(upper - lower)
    return first, float(rest[upper - lower])


@kernel
def measure(
    north: np.ndarray, middle: np.ndarray, south: np.ndarray, col: int, per_x: np.float32, per_y: np.float32
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Measures in single precision of the pixel at `col` + 1 of three float32 rows.

    `per_x` and `per_y` are one over the cell's size in metres. Where one of the 3 x 3 pixels is missing, the measures
    of slope and ruggedness are NaN and that of roughness is any value.
    """
    a, b, c = north[col], north[col + 1], north[col + 2]
    d, e, f = middle[col], middle[col + 1], middle[col + 2]
    g, h, k = south[col], south[col + 1], south[col + 2]
    dx = ((a + d + d + g) - (c + f + f + k)) * per_x
    dy = ((g + h + h + k) - (a + b + b + c)) * per_y
    # 0, or NaN where the centre is missing, which Horn's formula leaves out.
    slope = dx * dx + dy * dy + (e - e)
    highest = max(max(max(max(a, b), max(c, d)), max(max(e, f), max(g, h))), k)
    lowest = min(min(min(min(a, b), min(c, d)), min(min(e, f), min(g, h))), k)
    a, b, c, d, f, g, h, k = a - e, b - e, c - e, d - e, f - e, g - e, h - e, k - e
    ruggedness = a * a + b * b + c * c + d * d + f * f + g * g + h * h + k * k
    return e, slope, ruggedness, highest - lowest


@kernel
def sample_measures(model: Model, rows: tuple[int, int], cols: tuple[int, int], sample: np.ndarray) -> None:
    """Measures of every so many pixels, (4, m, n) out, NaN where they are unknown."""
    window = model.window
    for i in range(sample.shape[1]):
        row = rows[0] + i * SAMPLE_ROWS
        for near in range(row - 1, row + 2):
            load_row(model.dem, near, model.has_nodata, model.nodata, window)
        north, middle, south = window[(row - 1) % 3], window[row % 3], window[(row + 1) % 3]
        per_x, per_y = np.float32(1 / model.cell_x_m[row]), np.float32(1 / model.cell_y_m)
        for j in range(sample.shape[2]):
            found = measure(north, middle, south, cols[0] - 1 + j * SAMPLE_COLS, per_x, per_y)
            for k in range(FEATURES):
                sample[k, i, j] = found[k]
            if np.isnan(found[1]):
                sample[3, i, j] = np.nan


@kernel
def scan_measures(model: Model, rows: tuple[int, int], cols: tuple[int, int], limits: Limits, found: Found) -> None:
    """Count the measures below and in the brackets, and list those in them."""
    window, cell_x_m, cell_y_m = model.window, model.cell_x_m, model.cell_y_m
    width = cols[1] - cols[0]
    part = slice(cols[0] - 1, cols[1] + 1)
    # Zeros past the end count nowhere.
    from_low, from_high = np.zeros((2, -(-width // WORD_PX) * WORD_PX), np.uint8)
    places = np.empty(len(from_low) + AT_ONCE, np.int64)
    for near in range(rows[0] - 1, rows[0] + 1):
        load_row(model.dem, near, model.has_nodata, model.nodata, window)
    for row in range(rows[0], rows[1]):
        load_row(model.dem, row + 1, model.has_nodata, model.nodata, window)
        north, middle, south = window[(row - 1) % 3][part], window[row % 3][part], window[(row + 1) % 3][part]
        per_x, per_y = np.float32(1 / cell_x_m[row]), np.float32(1 / cell_y_m)
        compare_row(north, middle, south, per_x, per_y, limits.low, limits.high, from_low[:width], from_high[:width])
        for k in range(FEATURES):
            all_known, all_below, between = scan_row(from_low, from_high, k, places)
            start, stop = found.listed[k], found.listed[k] + between
            if limits.listing[k] and stop <= found.values.shape[1]:
                # At once, while the rows are still in the fastest memory.
                exact_measures(k, north, middle, south, cell_x_m[row], cell_y_m, places, found.values[k, start:stop])
            found.known[k] += all_known
            found.below[k] += all_below
            found.listed[k] += between


@kernel
def compare_row(
    north: np.ndarray,
    middle: np.ndarray,
    south: np.ndarray,
    per_x: np.float32,
    per_y: np.float32,
    low: tuple[np.float32, ...],
    high: tuple[np.float32, ...],
    from_low: np.ndarray,
    from_high: np.ndarray,
) -> None:
    """Tell which measures of a row's pixels are at least `low` and at least `high`.

    Bit k of the bytes of `from_low` and `from_high`, (w,) uint8 out, stands for feature k. Two more bits of the former
    are PIXEL_KNOWN and ALL_KNOWN. The rows reach one pixel further on both sides.
    """
    # All in one loop with little to store: reading pixels that straddle vectors is what costs most.
    for col in range(len(from_low)):
        elevation, slope, ruggedness, roughness = measure(north, middle, south, col, per_x, per_y)
        from_low[col] = (
            bit_if(elevation >= low[0], 1)
            | bit_if(slope >= low[1], 2)
            | bit_if(ruggedness >= low[2], 4)
            | bit_if(roughness >= low[3], 8)
            | bit_if(elevation == elevation, PIXEL_KNOWN)
            | bit_if(slope == slope, ALL_KNOWN)
        )
        from_high[col] = (
            bit_if(elevation >= high[0], 1)
            | bit_if(slope >= high[1], 2)
            | bit_if(ruggedness >= high[2], 4)
            | bit_if(roughness >= high[3], 8)
        )


@kernel
def bit_if(condition: bool | np.bool_, bit: int) -> np.uint8:
    """The bit or nothing."""
    return np.uint8(bit) if condition else np.uint8(0)


@kernel
def scan_row(from_low: np.ndarray, from_high: np.ndarray, feature: int, places: np.ndarray) -> tuple[int, int, int]:
    """Number of known values, of those below `low` and of those between, whose columns are written to `places`.

    `places` is (w + AT_ONCE,) int64; what follows the last column is of no meaning.
    """
    low, high = np.uintp(from_low.ctypes.data), np.uintp(from_high.ctypes.data)
    bit, known_bit = np.uint8(1 << feature), np.uint8(ALL_KNOWN if feature else PIXEL_KNOWN)
    known, below, between = 0, 0, 0
    for j in range(len(from_low) // WORD_PX):
        first = np.uintp(WORD_PX * j)
        is_known, at_least_low = bytes_with(low + first, known_bit), bytes_with(low + first, bit)
        known += count_ones(is_known)
        below += count_ones(is_known & ~at_least_low)
        word = is_known & at_least_low & ~bytes_with(high + first, bit)
        at = between
        between += count_ones(word)
        # The first few are written, wanted or not: that spares a branch that nothing foretells.
        while True:
            for k in range(AT_ONCE):
                places[at + k] = WORD_PX * j + trailing_zeros(word)
                word &= word - np.uint64(1)
            at += AT_ONCE
            if at >= between:
                break
    return known, below, between


@kernel
def exact_measures(
    feature: int,
    north: np.ndarray,
    middle: np.ndarray,
    south: np.ndarray,
    cell_x_m: float,
    cell_y_m: float,
    places: np.ndarray,
    values: np.ndarray,
) -> None:
    """A feature's measure as the rasters compute it, of as many places as `values`, (n,) float64 out, has room for.

    Places count as in `measure`; all nine pixels are known.
    """
    for n in range(len(values)):
        col = places[n]
        a, b, c = north[col], north[col + 1], north[col + 2]
        d, e, f = middle[col], middle[col + 1], middle[col + 2]
        g, h, k = south[col], south[col + 1], south[col + 2]
        if feature == 0:
            values[n] = e
        elif feature == 1:
            dx = ((a + d + d + g) - (c + f + f + k)) / cell_x_m
            dy = ((g + h + h + k) - (a + b + b + c)) / cell_y_m
            values[n] = dx * dx + dy * dy
        elif feature == 2:
            total = np.float64(a - e) ** 2 + np.float64(b - e) ** 2 + np.float64(c - e) ** 2 + np.float64(d - e) ** 2
            total += np.float64(f - e) ** 2
            total += np.float64(g - e) ** 2
            total += np.float64(h - e) ** 2
            values[n] = total + np.float64(k - e) ** 2
        else:
            values[n] = measure(north, middle, south, col, np.float32(0), np.float32(0))[3]
