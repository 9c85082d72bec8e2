"""The pixels of a run's region."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from croplayer.vector.zones import BORDER, OUTSIDE, pixels_inside, zones_of_blocks
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

if TYPE_CHECKING:
    import geopandas as gpd


class Region(NamedTuple):
    """A box, or the polygons of a vector file."""

    bounds: Bounds | None
    path: str = ""
    """The vector file, where there is no box."""
    digest: str = ""
    """Digest of its content."""


def pixels_of_region(region: Region, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Whether the centre of each pixel of a window lies in the region: (h, w) bool."""
    if region.bounds is None:
        return pixels_inside(_polygons(region.path, region.digest), window, grid)
    west, south, east, north = region.bounds
    lon = grid.longitudes(window.col, window.width)
    lat = grid.latitudes(window.row, window.height)
    return ((lat > south) & (lat < north))[:, None] & ((lon > west) & (lon < east))


def parts_of_region(region: Region, blocks: Sequence[BlockIndex]) -> Iterator[str]:
    """For each block a text that changes with the part of it that lies in the region; empty where that is the whole block."""
    if region.bounds is None:
        zones = zones_of_blocks(_polygons(region.path, region.digest).dissolve(), blocks)
        yield from (region.digest if zone in (BORDER, OUTSIDE) else "" for zone in zones)
        return
    west, south, east, north = region.bounds
    grid = BlockGrid(1)
    for block in blocks:
        box = grid.bounds(block)
        part = Bounds(max(west, box.west), max(south, box.south), min(east, box.east), min(north, box.north))
        yield "" if part == box else repr(tuple(part))


@lru_cache(maxsize=2)
def _polygons(path: str, digest: str) -> gpd.GeoDataFrame:
    # A region that is a box needs no geopandas, whose import takes as long as a block.
    from croplayer.vector.polygons import read_polygons

    return read_polygons(Path(path), "region.boundaries")
