"""Elevation rasters in any CRS, read around a block at the raster's own resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds

from croplayer.kernels.terrain import geographic_cell_size, terrain_medians
from croplayer.sources.raster import (
    MINIMUM_OVERLAP,
    check_georeference,
    crs_of,
    digest_raster,
    open_raster,
    overlap_share,
)
from stores.durable import digest_text
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds, PixelWindow

ELEVATION_RANGE_M = (-500.0, 9000.0)
"""Elevations outside this range count as voids, whatever the file says."""


class BlockTerrain(NamedTuple):
    """Terrain of a block; medians are NaN if the block has no elevation."""

    elevation_m: float
    slope_deg: float
    ruggedness_m: float
    roughness_m: float
    elevation_void_fraction: float
    """Share of the elevation model's cells under the block that are void, 0 to 1; 1 outside the model."""


UNKNOWN_TERRAIN = BlockTerrain(np.nan, np.nan, np.nan, np.nan, np.nan)
"""Terrain of a block if there is no elevation model."""
NO_CELLS = UNKNOWN_TERRAIN._replace(elevation_void_fraction=1.0)
"""Terrain of a block in which the elevation model has no cell."""


@dataclass(frozen=True)
class ElevationRaster:
    """A digital elevation model in metres."""

    path: str
    assume_crs: str | None = None
    """CRS of a raster that has none."""

    def block_terrain(self, block: BlockIndex) -> BlockTerrain:
        """Median elevation (m), slope (degrees), ruggedness (m) and roughness (m) of a block, and its share of voids.

        Raises FileNotFoundError or ValueError if the raster cannot be opened or has no usable georeference.
        """
        with open_raster(self.path) as dataset:
            crs = check_georeference(dataset, self.assume_crs)
            box = BlockGrid().bounds(block)
            wanted = from_bounds(*transform_bounds(CRS, crs, *box, densify_pts=21), transform=dataset.transform)
            # Cells whose centre lies in the block, and one more on each side for the slope.
            row, row_stop = int(np.ceil(wanted.row_off - 0.5)), int(np.ceil(wanted.row_off + wanted.height - 0.5))
            col, col_stop = int(np.ceil(wanted.col_off - 0.5)), int(np.ceil(wanted.col_off + wanted.width - 0.5))
            if row_stop <= row or col_stop <= col:
                return NO_CELLS
            area = Window(col - 1, row - 1, col_stop - col + 2, row_stop - row + 2)
            read = dataset.read(1, window=area, boundless=True, masked=True, fill_value=0)
            outside = dataset.read_masks(1, window=area, boundless=True) == 0
            transform = dataset.window_transform(area)
            is_geographic = crs_of(dataset, self.assume_crs).is_geographic
        dem = read.filled(0).astype(np.float64)
        low, high = ELEVATION_RANGE_M
        dem[outside | np.ma.getmaskarray(read) | ~((dem >= low) & (dem <= high))] = np.nan
        cell_x: float | np.ndarray = abs(transform.a)
        cell_y = abs(transform.e)
        if is_geographic:
            latitudes = transform.f + transform.e * (np.arange(dem.shape[0]) + 0.5)
            cell_x = geographic_cell_size(latitudes, abs(transform.a)).x_m
            cell_y = geographic_cell_size(latitudes, abs(transform.e)).y_m
        inside = (slice(1, -1), slice(1, -1))
        return BlockTerrain(*terrain_medians(dem, cell_x, cell_y, inside), float(np.isnan(dem[inside]).mean()))

    @property
    def is_remote(self) -> bool:
        return False

    def settings(self) -> str:
        return ""

    def content_of(self, window: PixelWindow, grid: BlockGrid) -> str:
        return self.fingerprint()

    def files_of(self, window: PixelWindow, grid: BlockGrid) -> Sequence[str]:
        return (self.path,)

    def fingerprint(self) -> str:
        """Text that changes when the raster or a file that is read with it changes."""
        return digest_text(f"elevation {self.assume_crs} {digest_raster(self.path)}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if the raster is unreadable, has no CRS or misses the region."""
        with open_raster(self.path) as dataset:
            crs = check_georeference(dataset, self.assume_crs)
            if overlap_share(dataset, crs, bounds) < MINIMUM_OVERLAP:
                raise ValueError(f"elevation {self.path} does not overlap the region {tuple(bounds)}; check its CRS")
