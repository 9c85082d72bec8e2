"""Cut a region out of a cube: flags with everything outside the region never processed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from croplayer.cube.lazy import grid_of, window_of
from croplayer.vector.files import write_geoparquet, write_geotiff, write_shapefile
from croplayer.vector.parcels import parcels_of_mask
from stores.block_list import BlockList
from stores.columns import CROPLAND_MASK
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, INTEGRATED, NEVER_PROCESSED


class Cut(NamedTuple):
    """The map of a region in memory."""

    mask: np.ndarray
    """(h, w) uint8 flags."""
    window: PixelWindow
    grid: BlockGrid


MOST_PX = 2_000_000_000
"""A region is cut in one piece; this many pixels take about 8 GB."""
FORMATS = {".tif": "GeoTIFF", ".parquet": "GeoParquet", ".shp": "Shapefile"}


def cut_region(cube: xr.Dataset, source: str | None = None) -> Cut:
    """Load the map of a dataset of ``open_cube``; pixels outside its polygon become 255.

    Raises ValueError for a region of more pixels than MOST_PX.
    """
    array = cube[INTEGRATED] if source is None else cube[CROPLAND_MASK].sel(source=source)
    if array.size > MOST_PX:
        height, width = array.shape
        raise ValueError(
            f"the region is {height} x {width} px; at most {MOST_PX:,} are cut in one piece, so ask for smaller admin units "
            "or boxes"
        )
    mask = array.compute(scheduler="threads").to_numpy()
    if "in_region" in cube.coords:
        inside = cube.in_region.compute(scheduler="threads").to_numpy()
        mask = np.where(inside, mask, np.uint8(NEVER_PROCESSED))
    return Cut(mask, window_of(cube), grid_of(cube))


def finished_only(mask: np.ndarray, window: PixelWindow, grid: BlockGrid, finished: BlockList) -> np.ndarray:
    """Flags of a window (h, w), 255 in the blocks that are not among ``finished``.

    Where a block failed under new settings, or lies outside a region that was narrowed, a cube still holds pixels of
    the settings before.
    """
    out = np.full_like(mask, NEVER_PROCESSED)
    for block in grid.blocks_under(window):
        if block in finished:
            area = window.common(grid.window(block)).slices_in(window)
            out[area] = mask[area]
    return out


def write_cut(cut: Cut, path: Path) -> list[Path]:
    """Write a cut as .tif, .parquet or .shp; raises ValueError for another ending."""
    if path.suffix == ".tif":
        return [write_geotiff(path, *cut)]
    if path.suffix not in FORMATS:
        known = ", ".join(f"{ending} ({name})" for ending, name in FORMATS.items())
        raise ValueError(f"output {path} ends in '{path.suffix}'; expected one of {known}")
    parcels = parcels_of_mask(cut.mask == CROPLAND, cut.window, cut.grid)
    return [write_geoparquet(path, parcels)] if path.suffix == ".parquet" else write_shapefile(path, parcels)
