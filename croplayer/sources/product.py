"""Existing land-cover maps as per cent of cropland on the lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds

from croplayer.durable import digest_file, digest_text
from croplayer.grid import CRS, BlockGrid, Bounds, PixelWindow
from croplayer.sources.raster import MINIMUM_OVERLAP, check_georeference, open_raster, overlap_share

UNKNOWN = 255
"""Per cent of a pixel about which the product says nothing."""


class ProductWindow(NamedTuple):
    """A product under a window of the lattice, at its own resolution."""

    percent: np.ndarray
    """(H, W) uint8, per cent of cropland, 0 to 100; 255 where the product says nothing."""
    index_y: np.ndarray
    """(h,) int64, the product's row under each row of the window."""
    index_x: np.ndarray
    """(w,) int64, the product's column under each column of the window."""

    def on_pixels(self) -> np.ndarray:
        """Per cent of cropland at every pixel of the window: (h, w) uint8, 255 where nothing is known."""
        return self.percent[self.index_y[:, None], self.index_x]


@dataclass(frozen=True)
class ProductRaster:
    """A map whose pixels are classes, some of them cropland, or per cent of cropland."""

    name: str
    path: str
    crop_codes: tuple[int, ...] = ()
    """Class codes that are cropland; empty for a map of per cent."""
    known_codes: tuple[int, ...] = ()
    """All codes of the legend; a pixel with another code is an error. Empty: not checked."""
    nodata: tuple[int, ...] = ()
    """Codes without information."""
    assume_crs: str | None = None

    @property
    def is_percent(self) -> bool:
        """Whether a pixel is a per cent of cropland instead of a class."""
        return not self.crop_codes

    def read(self, window: PixelWindow, grid: BlockGrid) -> ProductWindow:
        """The product under a window of the lattice; every pixel takes the product pixel that holds its centre.

        Raises ValueError for a code outside the legend or a per cent above 100.
        """
        dataset, crs, is_lonlat = _open_product(self.path, self.assume_crs)
        read = _read_lonlat(dataset, window, grid) if is_lonlat else _read_projected(dataset, crs, window, grid)
        codes, reached, index_y, index_x = read
        known = reached & ~np.isin(codes, self.nodata)
        if self.is_percent:
            if (codes[known] > 100).any():
                raise ValueError(f"product '{self.name}' holds {codes[known].max()} per cent in {self.path}")
            percent = codes.astype(np.uint8)
        else:
            self._check_codes(codes[known])
            percent = np.isin(codes, self.crop_codes) * np.uint8(100)
        return ProductWindow(np.where(known, percent, np.uint8(UNKNOWN)), index_y, index_x)

    def fingerprint(self) -> str:
        """A text that changes when the product or its legend changes."""
        legend = f"{self.crop_codes} {self.known_codes} {self.nodata} {self.assume_crs}"
        return digest_text(f"product {legend} {digest_file(Path(self.path)).sha256}")

    def check(self, bounds: Bounds) -> None:
        """Raise when the product is unreadable, has no CRS or does not overlap the region."""
        with open_raster(self.path) as dataset:
            crs = check_georeference(dataset, self.assume_crs)
            if overlap_share(dataset, crs, bounds) < MINIMUM_OVERLAP:
                raise ValueError(f"product '{self.name}' ({self.path}) does not overlap the region {tuple(bounds)}")

    def _check_codes(self, codes: np.ndarray) -> None:
        if self.known_codes:
            unknown = np.setdiff1d(codes, self.known_codes)
            if unknown.size:
                raise ValueError(
                    f"product '{self.name}' holds code {unknown[0]} in {self.path}, which its legend does not name"
                )


@lru_cache(maxsize=32)
def _open_product(path: str, assume_crs: str | None) -> tuple[DatasetReader, str, bool]:
    dataset = open_raster(path)
    crs = check_georeference(dataset, assume_crs)
    is_lonlat = dataset.crs.to_epsg() == 4326 if dataset.crs else assume_crs == CRS
    return dataset, crs, is_lonlat


_Read = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Codes (H, W), where the product reaches (H, W), and row and column of the codes under each pixel."""


def _read_lonlat(dataset: DatasetReader, window: PixelWindow, grid: BlockGrid) -> _Read:
    """Product pixels as they are, with one row and column more for pixels that the product does not reach."""
    t = dataset.transform
    cols = np.floor((grid.longitudes(window.col, window.width) - t.c) / t.a).astype(np.int64)
    rows = np.floor((grid.latitudes(window.row, window.height) - t.f) / t.e).astype(np.int64)
    row_in, col_in = (rows >= 0) & (rows < dataset.height), (cols >= 0) & (cols < dataset.width)
    if not (row_in.any() and col_in.any()):
        nothing = np.zeros((1, 1), dataset.dtypes[0])
        return nothing, np.zeros((1, 1), bool), np.zeros(window.height, np.int64), np.zeros(window.width, np.int64)
    top, left = int(rows[row_in].min()), int(cols[col_in].min())
    area = Window(left, top, int(cols[col_in].max()) - left + 1, int(rows[row_in].max()) - top + 1)
    codes = np.pad(dataset.read(1, window=area), ((0, 1), (0, 1)))
    reached = np.zeros(codes.shape, bool)
    reached[:-1, :-1] = True
    index_y = np.where(row_in, rows - top, codes.shape[0] - 1)
    index_x = np.where(col_in, cols - left, codes.shape[1] - 1)
    return codes, reached, index_y, index_x


def _read_projected(dataset: DatasetReader, crs: str, window: PixelWindow, grid: BlockGrid) -> _Read:
    """The product warped to the window's own pixels by nearest neighbour."""
    codes = np.zeros((window.height, window.width), dataset.dtypes[0])
    reached = np.zeros((window.height, window.width), np.uint8)
    index = np.arange(window.height), np.arange(window.width)
    wanted = from_bounds(*transform_bounds(CRS, crs, *grid.window_bounds(window), densify_pts=21), dataset.transform)
    row, col = max(int(wanted.row_off) - 2, 0), max(int(wanted.col_off) - 2, 0)
    row_stop = min(int(wanted.row_off + wanted.height) + 3, dataset.height)
    col_stop = min(int(wanted.col_off + wanted.width) + 3, dataset.width)
    if row >= row_stop or col >= col_stop:
        return codes, reached > 0, *index
    area = Window(col, row, col_stop - col, row_stop - row)
    shared = {
        "src_transform": dataset.window_transform(area),
        "src_crs": crs,
        "dst_transform": grid.transform(window),
        "dst_crs": CRS,
        "resampling": Resampling.nearest,
        "tolerance": 0.0,
    }
    values = dataset.read(1, window=area)
    reproject(values, codes, **shared)
    reproject(np.ones(values.shape, np.uint8), reached, **shared)
    return codes, reached > 0, *index
