"""Which pixels of the lattice a tile of a web map shows: Web Mercator (EPSG:3857), nearest pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stores.grid import BlockGrid

TILE_PX = 256
"""Pixels along the edge of a tile."""
MOST_ZOOM = 22
"""Pixels of tiles are 4 cm wide at this zoom; indices stay far below 2 to the power of 63."""


class Tile(NamedTuple):
    """A tile of the pyramid of web maps: ``2**zoom`` columns from 180 W and as many rows from 85.05 N southwards."""

    zoom: int
    x: int
    y: int

    @property
    def is_there(self) -> bool:
        """Whether the pyramid has the tile."""
        return 0 <= self.zoom <= MOST_ZOOM and 0 <= self.x < 2**self.zoom and 0 <= self.y < 2**self.zoom


class TilePixels(NamedTuple):
    """Row and column of the lattice under the centre of each row and column of a tile: (256,) int64 both, ascending."""

    rows: np.ndarray
    cols: np.ndarray


def pixels_of_tile(tile: Tile, grid: BlockGrid) -> TilePixels:
    """The pixels of the lattice that hold the centres of a tile's pixels.

    Web Mercator takes geodetic latitudes for those of a sphere (EPSG method 1024), so rows follow from
    ``atan(sinh(y))``. Columns are computed from integers and are exact.

    Raises ValueError when the pyramid has no such tile.
    """
    if not tile.is_there:
        raise ValueError(f"there is no tile {tile.zoom}/{tile.x}/{tile.y}")
    across = 2 * TILE_PX * 2**tile.zoom
    place = 2 * np.arange(TILE_PX, dtype=np.int64) + 1
    cols = (2 * TILE_PX * tile.x + place) * (360 * grid.px_per_degree) // across
    northing = math.pi * (1 - 2 * (2 * TILE_PX * tile.y + place) / across)
    latitude = np.degrees(np.arctan(np.sinh(northing)))
    rows = np.floor((90 - latitude) * grid.px_per_degree).astype(np.int64)
    return TilePixels(rows, cols)


def pixels_per_tile_pixel(zoom: int, grid: BlockGrid) -> float:
    """Columns of the lattice that a column of a tile covers; below 1 where the tile is finer."""
    return 360 * grid.px_per_degree / (TILE_PX * 2**zoom)


def own_zoom(grid: BlockGrid) -> int:
    """The first zoom whose tiles are at least as fine as the lattice."""
    return min(max(math.ceil(math.log2(360 * grid.px_per_degree / TILE_PX)), 0), MOST_ZOOM)
