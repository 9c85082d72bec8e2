"""The map of a region in memory, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
from shapely.geometry.base import BaseGeometry

from croplayer.cube.whole_blocks import Cube
from croplayer.vector.files import write_geoparquet, write_geotiff, write_shapefile
from croplayer.vector.regions import regions_of_mask
from croplayer.vector.zones import pixels_inside
from stores.block_list import BlockList
from stores.grid import CRS, BlockGrid, Bounds, PixelWindow
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


def check_size(height: int, width: int) -> None:
    """Raise ValueError for a region of more pixels than MOST_PX."""
    if height * width > MOST_PX:
        raise ValueError(
            f"the region is {height} x {width} px; at most {MOST_PX:,} are cut in one piece, so ask for smaller admin units "
            "or boxes"
        )


def window_of_polygon(cube: Cube, polygon: BaseGeometry) -> PixelWindow:
    """Pixels of a cube inside the box around a polygon; empty where they do not overlap."""
    return cube.grid.pixels_of(Bounds(*polygon.bounds)).common(cube.blocks.window(cube.grid))


def cut_polygon(cube: Cube, polygon: BaseGeometry, finished: BlockList) -> Cut:
    """The integrated map of a polygon, read block by block.

    Parameters
    ----------
    polygon : in EPSG:4326; it shares pixels with the cube
    finished : blocks that are finished; pixels of other blocks and outside the polygon become 255

    Raises ValueError for a region of more pixels than MOST_PX.
    """
    window = window_of_polygon(cube, polygon)
    check_size(window.height, window.width)
    mask = np.full((window.height, window.width), NEVER_PROCESSED, np.uint8)
    for part, pixels in pieces_of_polygon(cube, polygon, finished, window):
        mask[part.slices_in(window)] = pixels
    return Cut(mask, window, cube.grid)


def pieces_of_polygon(
    cube: Cube, polygon: BaseGeometry, finished: BlockList, window: PixelWindow
) -> Iterator[tuple[PixelWindow, np.ndarray]]:
    """The part of each finished block in a window, in raster order, with its flags (h, w) uint8: 255 outside the polygon."""
    units = gpd.GeoDataFrame(geometry=[polygon], crs=CRS)
    for block in cube.grid.blocks_under(window):
        if block in finished:
            part = window.common(cube.grid.window(block))
            pixels = cube.read_window(INTEGRATED, part)
            inside = pixels_inside(units, part, cube.grid)
            yield part, np.where(inside, pixels, np.uint8(NEVER_PROCESSED))


def strips_of_polygon(cube: Cube, polygon: BaseGeometry, finished: BlockList) -> Iterator[np.ndarray]:
    """The integrated map of a polygon in strips of a row of blocks, from north to south: (h, width) uint8.

    Together the strips are `window_of_polygon`; pixels outside the polygon and of other blocks are 255.
    """
    window = window_of_polygon(cube, polygon)
    n = cube.grid.block_px
    for row in range(window.row // n, -(-window.row_stop // n)):
        strip = window.common(PixelWindow(row * n, window.col, n, window.width))
        flags = np.full((strip.height, strip.width), NEVER_PROCESSED, np.uint8)
        for part, pixels in pieces_of_polygon(cube, polygon, finished, strip):
            flags[part.slices_in(strip)] = pixels
        yield flags


def write_cut(cut: Cut, *paths: Path) -> list[Path]:
    """Write a cut as .tif, .parquet and .shp; raises ValueError for another ending. Returns the files written."""
    for path in paths:
        if path.suffix not in FORMATS:
            known = ", ".join(f"{ending} ({name})" for ending, name in FORMATS.items())
            raise ValueError(f"output {path} ends in '{path.suffix}'; expected one of {known}")
    written: list[Path] = []
    regions = None
    for path in paths:
        if path.suffix == ".tif":
            written.append(write_geotiff(path, *cut))
            continue
        if regions is None:
            regions = regions_of_mask(cut.mask == CROPLAND, cut.window, cut.grid)
        written += [write_geoparquet(path, regions)] if path.suffix == ".parquet" else write_shapefile(path, regions)
    return written
