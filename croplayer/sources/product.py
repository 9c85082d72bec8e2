"""Existing land-cover maps as the share of cropland on the lattice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from rasterio.io import DatasetReader
from rasterio.warp import Resampling, reproject, transform_bounds
from rasterio.windows import Window, from_bounds

from croplayer.durable import digest_file, digest_text
from croplayer.grid import CRS, BlockGrid, Bounds, PixelWindow
from croplayer.sources.raster import MINIMUM_OVERLAP, check_georeference, open_raster, overlap_share


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

    def read(self, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
        """Share of cropland at each pixel of a window, from the nearest product pixel.

        Returns
        -------
        (h, w) float32 in 0..1; NaN where the product has no data or does not reach

        Raises
        ------
        ValueError for a code outside the legend or a per cent above 100.
        """
        codes, inside = self.read_codes(window, grid)
        known = inside & ~np.isin(codes, self.nodata)
        if self.is_percent:
            if (codes[known] > 100).any():
                raise ValueError(f"product '{self.name}' holds {codes[known].max()} per cent in {self.path}")
            share = codes.astype(np.float32) / 100
        else:
            self._check_codes(codes[known])
            share = np.isin(codes, self.crop_codes).astype(np.float32)
        share[~known] = np.nan
        return share

    def read_codes(self, window: PixelWindow, grid: BlockGrid) -> tuple[np.ndarray, np.ndarray]:
        """Nearest product value at each pixel, (h, w) in the product's dtype, and where the product reaches."""
        dataset, crs, is_lonlat = _open_product(self.path, self.assume_crs)
        if is_lonlat:
            return _read_lonlat(dataset, window, grid)
        return _read_projected(dataset, crs, window, grid)

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


def _read_lonlat(dataset: DatasetReader, window: PixelWindow, grid: BlockGrid) -> tuple[np.ndarray, np.ndarray]:
    """Product pixels that hold the centres: index arithmetic, no warp."""
    t = dataset.transform
    cols = np.floor((grid.longitudes(window.col, window.width) - t.c) / t.a).astype(np.int64)
    rows = np.floor((grid.latitudes(window.row, window.height) - t.f) / t.e).astype(np.int64)
    inside = ((rows >= 0) & (rows < dataset.height))[:, None] & ((cols >= 0) & (cols < dataset.width))[None]
    if not inside.any():
        return np.zeros(inside.shape, dataset.dtypes[0]), inside
    rows, cols = rows.clip(0, dataset.height - 1), cols.clip(0, dataset.width - 1)
    top, left = int(rows.min()), int(cols.min())
    area = Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1)
    return dataset.read(1, window=area)[(rows - top)[:, None], (cols - left)[None]], inside


def _read_projected(
    dataset: DatasetReader, crs: str, window: PixelWindow, grid: BlockGrid
) -> tuple[np.ndarray, np.ndarray]:
    codes = np.zeros((window.height, window.width), dataset.dtypes[0])
    reached = np.zeros((window.height, window.width), np.uint8)
    wanted = from_bounds(*transform_bounds(CRS, crs, *grid.window_bounds(window), densify_pts=21), dataset.transform)
    row, col = max(int(wanted.row_off) - 2, 0), max(int(wanted.col_off) - 2, 0)
    row_stop = min(int(wanted.row_off + wanted.height) + 3, dataset.height)
    col_stop = min(int(wanted.col_off + wanted.width) + 3, dataset.width)
    if row >= row_stop or col >= col_stop:
        return codes, reached > 0
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
    return codes, reached > 0
