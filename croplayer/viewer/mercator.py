"""Which pixels of the lattice a tile of a web map shows: Web Mercator (EPSG:3857), nearest pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from stores.grid import BlockGrid, Bounds

TILE_PX = 256
"""Pixels along the edge of a tile."""
MOST_LATITUDE = 85.05112878
"""Where the pyramid ends, north and south."""
ROUNDING = 1e-6
"""Share of a tile that is taken for nothing."""
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


class Places(NamedTuple):
    """Row and column of the lattice under the centre of each row and column of a picture: (h,) and (w,) int64, ascending."""

    rows: np.ndarray
    cols: np.ndarray
    per_pixel: float
    """Columns of the lattice that a column of the picture covers; below 1 where the picture is finer."""


def tiles_over(bounds: Bounds, zoom: int) -> tuple[range, range]:
    """Columns and rows of the tiles of a zoom that share some area with a box in degrees."""
    edge = 2.0**zoom

    def row(lat: float) -> float:
        bounded = math.radians(min(max(lat, -MOST_LATITUDE), MOST_LATITUDE))
        return (1 - math.asinh(math.tan(bounded)) / math.pi) / 2 * edge

    west, east = ((lon + 180) / 360 * edge for lon in (bounds.west, bounds.east))
    north, south = row(bounds.north), row(bounds.south)
    # Edges that differ from those of a tile by rounding alone are its edges.
    first_x, first_y = (max(math.floor(edge_of + ROUNDING), 0) for edge_of in (west, north))
    last_x, last_y = (min(math.ceil(edge_of - ROUNDING), int(edge)) for edge_of in (east, south))
    return range(first_x, last_x), range(first_y, last_y)


def pixels_of_tile(tile: Tile, grid: BlockGrid) -> Places:
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
    return Places(rows, cols, pixels_per_tile_pixel(tile.zoom, grid))


def pixels_per_tile_pixel(zoom: int, grid: BlockGrid) -> float:
    """Columns of the lattice that a column of a tile covers; below 1 where the tile is finer."""
    return 360 * grid.px_per_degree / (TILE_PX * 2**zoom)


def own_zoom(grid: BlockGrid) -> int:
    """The first zoom whose tiles are at least as fine as the lattice."""
    return min(max(math.ceil(math.log2(360 * grid.px_per_degree / TILE_PX)), 0), MOST_ZOOM)
