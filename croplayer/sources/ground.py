"""Where a source may have imagery, and how fine it is, told from tile files and from the boxes of rasters alone."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import Layer, RasterSource
from croplayer.sources.raster_file import boxes_of, open_file
from croplayer.sources.stac import StacSource
from croplayer.sources.tiles import TilePlace
from croplayer.sources.xyz import XyzSource
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

EARTH_RADIUS_M = 6_378_137.0
"""Radius of the sphere of Web Mercator."""


def ground_with_files(source: ImagerySource, window: PixelWindow, grid: BlockGrid) -> np.ndarray | None:
    """Whether the centre of each pixel lies on a tile or in a raster that is there; no pixel is read.

    Returns
    -------
    (h, w) bool; None for a provider of tiles, who would have to be asked, and for sources of other kinds
    """
    lon, lat = grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height)
    if isinstance(source, XyzSource):
        return None if source.is_remote else _on_tiles(source, lon, lat)
    if not isinstance(source, RasterSource | StacSource):
        return None
    found = np.zeros((window.height, window.width), bool)
    for layer in source.layers(grid.window_bounds(window)):
        for west, south, east, north in boxes_of(layer.places[0]):
            found |= ((lat > south) & (lat < north))[:, None] & ((lon > west) & (lon < east))
    return found


def pixel_of_source_m(source: ImagerySource, block: BlockIndex) -> float | None:
    """About the edge of a pixel of a source's own imagery at a block, metres; None where nothing tells it."""
    box = BlockGrid().bounds(block)
    latitude = math.radians((box.south + box.north) / 2)
    if isinstance(source, XyzSource):
        return 2 * math.pi * EARTH_RADIUS_M * math.cos(latitude) / (2**source.zoom * source.tile_px)
    layers: Sequence[Layer] = source.layers(box) if isinstance(source, RasterSource | StacSource) else ()
    for layer in layers:
        return _pixel_of_raster_m(layer)
    return None


def _pixel_of_raster_m(layer: Layer) -> float:
    """From the area of the raster's box and the number of its pixels."""
    rows, cols = open_file(layer.places[0]).shape
    return math.sqrt(sum(_area_m2(box) for box in boxes_of(layer.places[0])) / (rows * cols))


def _area_m2(box: Bounds) -> float:
    south, north = (math.sin(math.radians(lat)) for lat in (box.south, box.north))
    return EARTH_RADIUS_M**2 * math.radians(box.east - box.west) * (north - south)


def _on_tiles(source: XyzSource, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    count = 2**source.zoom
    cols = np.clip(np.floor((lon + 180) / 360 * count), 0, count - 1).astype(np.int64)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = np.floor((1 - np.arcsinh(np.tan(np.radians(lat))) / np.pi) / 2 * count)
    has_row = np.isfinite(rows) & (rows >= 0) & (rows < count)
    rows = np.where(has_row, rows, 0).astype(np.int64)
    rows, row_at = np.unique(rows, return_inverse=True)
    cols, col_at = np.unique(cols, return_inverse=True)
    there = np.zeros((len(rows), len(cols)), bool)
    for i in np.unique(row_at[has_row]).tolist():
        for j, col in enumerate(cols.tolist()):
            there[i, j] = os.path.isfile(source.tiles.file_of(TilePlace(col, int(rows[i]), source.zoom)))  # noqa: PTH113
    return there[row_at][:, col_at] & has_row[:, None]
