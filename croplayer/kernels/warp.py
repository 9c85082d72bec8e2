"""Web-Mercator tiles to a window of the longitude-latitude lattice, as GDAL resamples them.

Columns are linear in longitude and rows depend on latitude alone, so two short tables of weights serve a whole
window, and no coordinate is projected for a pixel. The tables are computed from global integer positions: a lattice
pixel has one value, whatever window it is asked for in.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np

from croplayer.kernels.resample import blend, pick_colour, pick_valid, whole_rows

BANDS_PER_DEGREE = 20
"""The kernel's height is constant inside bands of 0.05 degree, the height of a block."""

Resampling = Literal["nearest", "bilinear"]


class MercatorWindow(NamedTuple):
    """A rectangle of Web-Mercator pixels of one zoom, counted from the north-west corner of the world."""

    row: int
    """first row"""

    col: int
    """first column"""

    height: int
    """rows"""

    width: int
    """columns"""


class AxisTaps(NamedTuple):
    """Where the n lattice rows (or columns) of a window read the Mercator image, in global Mercator pixels."""

    nearest: np.ndarray
    """(n,) int64, the pixel that holds the centre"""
    first: np.ndarray
    """(n,) int64, first pixel of the kernel"""
    length: np.ndarray
    """(n,) int64, pixels of the kernel"""
    weights: np.ndarray
    """(n, most pixels of a kernel) float32, sum 1, zero from `length` on"""


def mercator_window(
    row: int,
    col: int,
    height: int,
    width: int,
    *,
    px_per_degree: int,
    zoom: int,
    tile_px: int,
    resampling: Resampling,
) -> MercatorWindow:
    """The Mercator pixels that a window of the lattice reads, the kernel's support included.

    Parameters
    ----------
    row, col, height, width : window of the lattice in pixels from 90 N 180 W
    px_per_degree : lattice pixels along one degree, a multiple of 20
    zoom, tile_px : Mercator zoom level and pixels along the edge of a tile
    resampling : "nearest" or "bilinear"

    Returns
    -------
    MercatorWindow inside the world; height 0 for a window beyond 85.05 degrees

    Raises
    ------
    ValueError
        for a window outside the lattice or another resampling.
    """
    _check_window(row, col, height, width, px_per_degree, zoom, tile_px, resampling)
    rows = row_taps(row, height, px_per_degree, zoom, tile_px)
    cols = column_taps(col, width, px_per_degree, zoom, tile_px)
    spans = []
    for taps in (rows, cols):
        first = taps.nearest if resampling == "nearest" else taps.first
        stop = first + 1 if resampling == "nearest" else first + taps.length
        start = min(max(int(first.min()), 0), tile_px << zoom)
        spans.append((start, min(max(int(stop.max()), start), tile_px << zoom) - start))
    return MercatorWindow(spans[0][0], spans[1][0], spans[0][1], spans[1][1])


def mercator_to_lonlat(
    mosaic: np.ndarray,
    mosaic_valid: np.ndarray,
    *,
    mosaic_row: int,
    mosaic_col: int,
    zoom: int,
    tile_px: int,
    row: int,
    col: int,
    height: int,
    width: int,
    px_per_degree: int,
    resampling: Resampling,
) -> tuple[np.ndarray, np.ndarray]:
    """Resample a mosaic of Web-Mercator tiles onto a window of the lattice.

    Parameters
    ----------
    mosaic : (H, W, 3) uint8
    mosaic_valid : (H, W) bool
    mosaic_row, mosaic_col : global Mercator pixel of its north-west corner at this zoom
    zoom, tile_px, row, col, height, width, px_per_degree, resampling : as in `mercator_window`

    Returns
    -------
    rgb : (height, width, 3) uint8, 0 where not valid
    valid : (height, width) bool; a pixel is valid when the source pixel that holds its centre is, and its colour is
        the kernel's mean over valid source pixels. Pixels outside the mosaic are not valid.

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape, a window outside the lattice or another resampling.

    Notes
    -----
    Equals `rasterio.warp.reproject` to one grey level: GDAL widens the bilinear kernel along an axis on which a
    lattice pixel covers more than 1.05 source pixels (a reciprocal within 0.05 of an integer counts as that
    integer). Its scale is that of the window asked for; here it is that of the pixel's band of 0.05 degree.
    """
    _check_window(row, col, height, width, px_per_degree, zoom, tile_px, resampling)
    _check_mosaic(mosaic, mosaic_valid)
    rows = row_taps(row, height, px_per_degree, zoom, tile_px)
    cols = column_taps(col, width, px_per_degree, zoom, tile_px)
    samples = np.ascontiguousarray(mosaic).reshape(len(mosaic), -1)
    known = np.ascontiguousarray(mosaic_valid)
    whole = whole_rows(known)
    rgb, valid = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.bool_)
    flat = rgb.reshape(height, 3 * width)
    pick_valid(known, whole, rows.nearest - mosaic_row, cols.nearest - mosaic_col, valid)
    if resampling == "nearest":
        pick_colour(samples, whole, rows.nearest - mosaic_row, cols.nearest - mosaic_col, valid, flat)
    else:
        blend(
            samples, known, whole, rows.first - mosaic_row, rows.length, rows.weights,
            cols.first - mosaic_col, cols.length, cols.weights, valid, flat,
        )  # fmt: skip
    return rgb, valid


def _check_mosaic(mosaic: np.ndarray, mosaic_valid: np.ndarray) -> None:
    if mosaic.dtype != np.uint8 or mosaic_valid.dtype != np.bool_:
        raise TypeError(f"mosaic is {mosaic.dtype} and mosaic_valid {mosaic_valid.dtype}; expected uint8 and bool")
    if mosaic.ndim != 3 or mosaic.shape[2] != 3 or mosaic_valid.shape != mosaic.shape[:2]:
        raise ValueError(
            f"mosaic has shape {mosaic.shape} and mosaic_valid {mosaic_valid.shape}; expected (H, W, 3) and (H, W)"
        )


def _check_window(
    row: int, col: int, height: int, width: int, px_per_degree: int, zoom: int, tile_px: int, resampling: str
) -> None:
    if resampling not in ("nearest", "bilinear"):
        raise ValueError(f"resampling is {resampling!r}; expected 'nearest' or 'bilinear'")
    if px_per_degree < 1 or px_per_degree % BANDS_PER_DEGREE:
        raise ValueError(f"px_per_degree is {px_per_degree}; expected a multiple of {BANDS_PER_DEGREE}")
    if zoom < 0 or tile_px < 1:
        raise ValueError(f"zoom is {zoom} and tile_px {tile_px}; expected 0 or more and 1 or more")
    inside = min(row, col) >= 0 and row + height <= 180 * px_per_degree and col + width <= 360 * px_per_degree
    if not (inside and height > 0 and width > 0):
        raise ValueError(
            f"window row={row} col={col} height={height} width={width} is not inside the lattice "
            f"of {180 * px_per_degree} x {360 * px_per_degree} pixels"
        )


@lru_cache(maxsize=256)
def column_taps(col: int, width: int, px_per_degree: int, zoom: int, tile_px: int) -> AxisTaps:
    """Taps of lattice columns: exact integer arithmetic, as columns are linear in longitude."""
    world = tile_px << zoom
    size = 720 * px_per_degree
    # Counted in fractions 1 / size of a source pixel, every centre is an integer: rounding decides nothing.
    centre = (2 * np.arange(col, col + width, dtype=np.int64) + 1) * world
    low, rest = np.divmod(2 * centre - size, 2 * size)
    return _triangle_taps(centre // size, low, rest / (2 * size), _kernel_reach(2 * world / size))


@lru_cache(maxsize=256)
def row_taps(row: int, height: int, px_per_degree: int, zoom: int, tile_px: int) -> AxisTaps:
    """Taps of lattice rows, cut from the tables of their bands of 0.05 degree."""
    band_px = px_per_degree // BANDS_PER_DEGREE
    bands = range(row // band_px, (row + height - 1) // band_px + 1)
    tables = [_band_taps(band, px_per_degree, zoom, tile_px) for band in bands]
    inside = slice(row - bands[0] * band_px, row - bands[0] * band_px + height)
    widest = max(table.weights.shape[1] for table in tables)
    weights = [np.pad(table.weights, ((0, 0), (0, widest - table.weights.shape[1]))) for table in tables]
    return AxisTaps(
        np.concatenate([table.nearest for table in tables])[inside],
        np.concatenate([table.first for table in tables])[inside],
        np.concatenate([table.length for table in tables])[inside],
        np.concatenate(weights)[inside],
    )


@lru_cache(maxsize=256)
def _band_taps(band: int, px_per_degree: int, zoom: int, tile_px: int) -> AxisTaps:
    """Taps of all rows of a band: computed whole, so that a row's rounding never depends on the window."""
    band_px = px_per_degree // BANDS_PER_DEGREE
    edges = _mercator_rows(np.array([2 * band * band_px, 2 * (band + 1) * band_px]), px_per_degree, zoom, tile_px)
    half_pixels = 2 * np.arange(band * band_px, (band + 1) * band_px, dtype=np.int64) + 1
    centre = _mercator_rows(half_pixels, px_per_degree, zoom, tile_px)
    low = np.floor(centre - 0.5)
    reach = _kernel_reach(float(edges[1] - edges[0]) / band_px)
    return _triangle_taps(np.floor(centre).astype(np.int64), low.astype(np.int64), centre - 0.5 - low, reach)


def _mercator_rows(half_pixels: np.ndarray, px_per_degree: int, zoom: int, tile_px: int) -> np.ndarray:
    """Global Mercator row of lattice positions counted in half pixels from 90 N; one world beyond at the poles."""
    latitude = np.deg2rad((180 * px_per_degree - half_pixels) / (2 * px_per_degree))
    position = (1 - np.arcsinh(np.tan(latitude)) / math.pi) / 2
    return np.clip(position, -1, 2) * (tile_px << zoom)


def _kernel_reach(source_px: float) -> float:
    """Half the width of the triangle kernel, in source pixels, for lattice pixels of so many source pixels."""
    # GDAL's rule: a scale within 0.05 of an integer counts as that integer, and a kernel is never narrower than 1.
    whole = math.floor(source_px + 0.5)
    if source_px <= 1 or abs(source_px - whole) < 0.05:
        return max(1.0, float(whole))
    return source_px


def _triangle_taps(nearest: np.ndarray, low: np.ndarray, fraction: np.ndarray, reach: float) -> AxisTaps:
    """Triangle kernel around positions `low + fraction`, counted from pixel centres."""
    steps = math.ceil(reach)
    offsets = np.arange(1 - steps, steps + 1)
    weights = np.maximum(0.0, 1 - np.abs(offsets - fraction[:, None]) / reach)
    # Weights of 0 at both ends are cut off, so that a kernel reads no pixel in vain, least of all a missing one.
    count = (weights > 0).sum(axis=1)
    skip = (weights > 0).argmax(axis=1)
    widest = int(count.max())
    at = np.minimum(skip[:, None] + np.arange(widest), len(offsets) - 1)
    weights = np.take_along_axis(weights, at, axis=1) * (np.arange(widest) < count[:, None])
    weights /= weights.sum(axis=1, keepdims=True)
    return AxisTaps(nearest, low + offsets[0] + skip, count, weights.astype(np.float32))
