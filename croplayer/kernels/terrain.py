"""Slope, ruggedness and roughness of an elevation model, as GDAL computes them, and their medians."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from croplayer.kernels.terrain_medians import middle_measures
from croplayer.kernels.terrain_rows import roughness_rows, ruggedness_rows, slope_rows

DEGREE_M = np.pi / 180 * 6378137.0
"""Metres along one degree of a meridian or of the equator, on a sphere with the equatorial radius."""

GDAL_DEGREE_M = 111120.0
"""Metres along one degree in the usual `gdaldem -s 111120`."""


LARGE_PX = 100_000
"""Windows from this size on are scanned for their medians instead of written as rasters."""


class CellSize(NamedTuple):
    """Size of the cells of an elevation model in metres."""

    x_m: np.ndarray
    """(h,) float64, one value per row"""
    y_m: float
    """the same for every row"""


class TerrainMedians(NamedTuple):
    """Medians over the known pixels of a block; NaN where none is known."""

    elevation_m: float
    """metres"""

    slope_deg: float
    """0 to 90 degrees"""

    ruggedness_m: float
    """metres, 0 or more"""

    roughness_m: float
    """metres, 0 or more"""


def geographic_cell_size(
    latitudes: np.ndarray, cell_deg: float, convention: Literal["per_row", "s111120", "auto311"] = "per_row"
) -> CellSize:
    """Cell size in metres of an elevation model in longitude and latitude.

    Parameters
    ----------
    latitudes : (h,) float64, degrees, centre of each row
    cell_deg : degrees, width and height of a cell
    convention : how a degree becomes metres
        `per_row`: each row is narrowed by the cosine of its own latitude;
        `s111120`: `gdaldem -s 111120`, 111,120 m both ways (slopes facing east or west come out too gentle);
        `auto311`: GDAL 3.11 and later without `-s`, one cosine of the mean latitude for the whole raster.

    Raises
    ------
    ValueError
        for another convention or a latitude outside -90 to 90.
    """
    latitudes = np.asarray(latitudes, np.float64)
    if latitudes.ndim != 1 or not np.all(np.abs(latitudes) <= 90):
        raise ValueError("latitudes are not one row of degrees between -90 and 90")
    if convention == "per_row":
        return CellSize(cell_deg * (DEGREE_M * np.cos(np.deg2rad(latitudes))), cell_deg * DEGREE_M)
    if convention == "s111120":
        return CellSize(np.full(len(latitudes), cell_deg * GDAL_DEGREE_M), cell_deg * GDAL_DEGREE_M)
    if convention == "auto311":
        middle = (latitudes[0] + latitudes[-1]) / 2
        width = cell_deg * (DEGREE_M * np.cos(np.deg2rad(middle)))
        return CellSize(np.full(len(latitudes), width), cell_deg * DEGREE_M)
    raise ValueError(f"convention is {convention!r}; expected 'per_row', 's111120' or 'auto311'")


def slope_deg(
    dem: np.ndarray, cell_x_m: float | np.ndarray, cell_y_m: float, nodata: float | None = None
) -> np.ndarray:
    """Slope in degrees by Horn's formula, equal to `gdaldem slope` at the same scale.

    Parameters
    ----------
    dem : (h, w) integer or floating, metres; floating values are taken as float32, as GDAL does
    cell_x_m : metres, one value or one per row ((h,) float64): see `geographic_cell_size`
    cell_y_m : metres
    nodata : value of missing pixels; NaN is always missing

    Returns
    -------
    (h, w) float32, 0 to 90 degrees; NaN on the outermost pixels and wherever one of the 3 x 3 pixels is missing

    Raises
    ------
    TypeError, ValueError
        for another dtype or shape, and for a cell size that is not positive.
    """
    dem = _as_dem(dem)
    widths = _cell_widths(dem, cell_x_m, cell_y_m)
    slope = _framed_raster(dem)
    slope_rows(dem, _window(dem), widths, float(cell_y_m), *_missing(dem, nodata), slope)
    return slope


def ruggedness_m(dem: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Terrain ruggedness index of Riley et al. (1999), equal to `gdaldem TRI`.

    The root of the sum of squared differences between a pixel and its eight neighbours; it knows no cell size and
    so depends on the posting of the elevation model. Parameters, missing pixels and errors as in `slope_deg`.

    Returns
    -------
    (h, w) float32, metres, 0 or more
    """
    dem = _as_dem(dem)
    ruggedness = _framed_raster(dem)
    ruggedness_rows(dem, _window(dem), *_missing(dem, nodata), ruggedness)
    return ruggedness


def roughness_m(dem: np.ndarray, nodata: float | None = None) -> np.ndarray:
    """Highest minus lowest of the 3 x 3 pixels, equal to `gdaldem roughness`.

    Parameters, missing pixels and errors as in `slope_deg`.

    Returns
    -------
    (h, w) float32, metres, 0 or more
    """
    dem = _as_dem(dem)
    roughness = _framed_raster(dem)
    roughness_rows(dem, _window(dem), *_missing(dem, nodata), roughness)
    return roughness


def terrain_medians(
    dem: np.ndarray,
    cell_x_m: float | np.ndarray,
    cell_y_m: float,
    inner: tuple[slice, slice],
    nodata: float | None = None,
) -> TerrainMedians:
    """Medians of elevation, slope, ruggedness and roughness over a window of an elevation model.

    Parameters
    ----------
    dem, cell_x_m, cell_y_m, nodata : as in `slope_deg`; the patch carries one pixel around the window
    inner : (rows, columns) of the window; its pixels on the edge of `dem` have no slope and do not count

    Returns
    -------
    TerrainMedians, each exactly the median of the float32 raster's known pixels in the window (the mean of the two
    middle ones for an even number); NaN where no pixel is known
    """
    dem = _as_dem(dem)
    rows, cols = (part.indices(size) for part, size in zip(inner, dem.shape, strict=True))
    if rows[2] != 1 or cols[2] != 1:
        raise ValueError(f"inner is {inner}; expected slices without a step")
    framed = rows[0] > 0 and cols[0] > 0 and rows[1] < dem.shape[0] and cols[1] < dem.shape[1]
    large = (rows[1] - rows[0]) * (cols[1] - cols[0]) >= LARGE_PX and cols[1] - cols[0] >= 64
    if framed and large and dem.dtype != np.int32:
        widths = _cell_widths(dem, cell_x_m, cell_y_m)
        found = middle_measures(
            dem, _window(dem), widths, float(cell_y_m), *_missing(dem, nodata), (rows[0], rows[1]), (cols[0], cols[1])
        )
        if None not in found:
            elevation, slope, ruggedness, roughness = (np.array(middle) for middle in found)
            return TerrainMedians(
                float(elevation.astype(np.float32).mean(dtype=np.float64)),
                float((np.arctan(np.sqrt(slope) / 8) * (180 / np.pi)).astype(np.float32).mean(dtype=np.float64)),
                float(np.sqrt(ruggedness).astype(np.float32).mean(dtype=np.float64)),
                float(roughness.astype(np.float32).mean(dtype=np.float64)),
            )
    has_nodata, value = _missing(dem, nodata)
    elevations = dem[inner].astype(np.float32)
    if has_nodata:
        elevations[dem[inner] == value] = np.nan
    return TerrainMedians(
        _median(elevations),
        _median(slope_deg(dem, cell_x_m, cell_y_m, nodata)[inner]),
        _median(ruggedness_m(dem, nodata)[inner]),
        _median(roughness_m(dem, nodata)[inner]),
    )


def _median(values: np.ndarray) -> float:
    known = values[~np.isnan(values)].astype(np.float64)
    return float(np.median(known)) if len(known) else float("nan")


def _as_dem(dem: np.ndarray) -> np.ndarray:
    if not isinstance(dem, np.ndarray) or dem.dtype.kind not in "iuf":
        raise TypeError(f"dem is {getattr(dem, 'dtype', type(dem).__name__)}; expected an array of numbers")
    if dem.ndim != 2:
        raise ValueError(f"dem has shape {dem.shape}; expected two dimensions (rows, columns)")
    if dem.dtype.kind == "f":
        return np.ascontiguousarray(dem, np.float32)
    if dem.dtype.itemsize > 4 or dem.dtype == np.uint32:
        raise TypeError(f"dem is {dem.dtype}; expected integers of at most 32 bits, or floating values")
    return np.ascontiguousarray(dem, np.int16 if dem.dtype == np.int16 else np.int32)


def _cell_widths(dem: np.ndarray, cell_x_m: float | np.ndarray, cell_y_m: float) -> np.ndarray:
    widths = np.asarray(cell_x_m, np.float64)
    if widths.shape not in ((), (len(dem),)):
        raise ValueError(f"cell_x_m has shape {widths.shape}; expected one value or one per row, ({len(dem)},)")
    if not (np.all(widths > 0) and cell_y_m > 0):
        raise ValueError("cell_x_m and cell_y_m are not all positive; expected metres")
    return np.ascontiguousarray(np.broadcast_to(widths, (len(dem),)))


def _window(dem: np.ndarray) -> np.ndarray:
    """Room for three rows in a precision that holds sums of four pixels as GDAL adds them up."""
    return np.empty((3, dem.shape[1]), np.float64 if dem.dtype == np.int32 else np.float32)


def _framed_raster(dem: np.ndarray) -> np.ndarray:
    """A raster to fill, with its outermost pixels undefined."""
    raster = np.empty(dem.shape, np.float32)
    for frame in (raster[:1], raster[-1:], raster[:, :1], raster[:, -1:]):
        frame[:] = np.nan
    return raster


def _missing(dem: np.ndarray, nodata: float | None) -> tuple[bool, float]:
    """Whether a value marks missing pixels, and that value in the precision of the elevation model."""
    if nodata is None or np.isnan(nodata):
        return False, 0.0
    return True, float(np.float32(nodata)) if dem.dtype == np.float32 else float(nodata)
