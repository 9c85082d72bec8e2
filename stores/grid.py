"""The global lattice: 0.05 degree blocks, their pixels and their areas.

Every coordinate is computed from integers with one division, never summed, so a block has the
same edges in every run, every region and every country.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import shapely
from affine import Affine
from shapely.geometry.base import BaseGeometry

BLOCKS_PER_DEGREE = 20
"""Blocks along one degree; a block is 0.05 degree wide and high."""

LARGEST_BLOCK_PX = 10_240
"""Largest block of a cube: pixels of about 0.5 m; the coordinates of the whole lattice still fit into memory."""

EDGE_TOLERANCE_BLOCKS = 1e-9
"""A position this near to an edge, in blocks, is on it."""

LATTICE_ROWS = 180 * BLOCKS_PER_DEGREE
LATTICE_COLS = 360 * BLOCKS_PER_DEGREE

CRS = "EPSG:4326"
WGS84_A_M = 6378137.0
WGS84_F = 1 / 298.257223563


class Bounds(NamedTuple):
    """A box in degrees, EPSG:4326."""

    west: float
    south: float
    east: float
    north: float


class BlockIndex(NamedTuple):
    """Position of a block in the lattice: row from 90 N southwards, column from 180 W eastwards."""

    row: int
    col: int

    @property
    def name(self) -> str:
        """The block's name in every run and every country, for example ``r1100c5900``."""
        return f"r{self.row:04d}c{self.col:04d}"

    @property
    def beside(self) -> tuple[BlockIndex, BlockIndex, BlockIndex, BlockIndex]:
        """The positions north, west, east and south of the block; at its ends they are none of the lattice's blocks."""
        row, col = self
        return BlockIndex(row - 1, col), BlockIndex(row, col - 1), BlockIndex(row, col + 1), BlockIndex(row + 1, col)

    @classmethod
    def parse(cls, name: str) -> BlockIndex:
        """The block called ``name``; raises ValueError when it is not a block name."""
        match = re.fullmatch(r"r(\d{4})c(\d{4})", name)
        if match is None:
            raise ValueError(f"'{name}' is not a block name; expected a form like 'r1100c5900'")
        return cls(int(match[1]), int(match[2]))


class PixelWindow(NamedTuple):
    """A rectangle of pixels on the global lattice, in pixels from 90 N 180 W."""

    row: int
    col: int
    height: int
    width: int

    @property
    def row_stop(self) -> int:
        """The row below the window."""
        return self.row + self.height

    @property
    def col_stop(self) -> int:
        """The column right of the window."""
        return self.col + self.width

    @property
    def is_empty(self) -> bool:
        """Whether the window holds no pixel."""
        return self.height <= 0 or self.width <= 0

    def common(self, other: PixelWindow) -> PixelWindow:
        """Pixels of both windows; an empty window where they do not overlap."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        height, width = min(self.row_stop, other.row_stop) - row, min(self.col_stop, other.col_stop) - col
        return PixelWindow(row, col, max(height, 0), max(width, 0))

    def grown(self, margin_px: int) -> PixelWindow:
        """The window with a margin on all sides; it may reach beyond the lattice."""
        return PixelWindow(
            self.row - margin_px, self.col - margin_px, self.height + 2 * margin_px, self.width + 2 * margin_px
        )

    def slices_in(self, whole: PixelWindow) -> tuple[slice, slice]:
        """Rows and columns of this window in an array of a larger one; raises ValueError when it does not lie inside."""
        y, x = self.row - whole.row, self.col - whole.col
        if min(y, x) < 0 or y + self.height > whole.height or x + self.width > whole.width:
            raise ValueError(f"window {tuple(self)} does not lie in window {tuple(whole)} (row, column, height, width)")
        return slice(y, y + self.height), slice(x, x + self.width)


@dataclass(frozen=True)
class BlockGrid:
    """The lattice of 3,600 x 7,200 blocks with a fixed number of pixels along each block edge."""

    block_px: int = 2560
    """Pixels along the edge of a block; 2,560 is about 2 m (2.17 m north-south)."""

    def __post_init__(self) -> None:
        if self.block_px < 1:
            raise ValueError(f"block_px is {self.block_px}; expected at least 1 pixel")

    @property
    def px_per_degree(self) -> int:
        """Pixels along one degree, an exact integer."""
        return BLOCKS_PER_DEGREE * self.block_px

    @property
    def px_deg(self) -> float:
        """Size of a pixel in degrees."""
        return 1 / self.px_per_degree

    def longitudes(self, start: int, count: int) -> np.ndarray:
        """Centres of ``count`` pixel columns from global column ``start``: (count,) float64 degrees."""
        k = 2 * np.arange(start, start + count, dtype=np.int64) + 1 - 360 * self.px_per_degree
        return k / (2 * self.px_per_degree)

    def latitudes(self, start: int, count: int) -> np.ndarray:
        """Centres of ``count`` pixel rows from global row ``start``, north first: (count,) float64 degrees."""
        k = 180 * self.px_per_degree - 2 * np.arange(start, start + count, dtype=np.int64) - 1
        return k / (2 * self.px_per_degree)

    def block_at(self, lon: float, lat: float) -> BlockIndex:
        """The block that holds a point; a point on an edge belongs to the block east or south of it.

        The east and south ends of the lattice (180 E, 90 S) belong to the last column and row.
        """
        return BlockIndex(*BlockGrid(1).pixel_at(lon, lat))

    def pixel_at(self, lon: float, lat: float) -> tuple[int, int]:
        """Row and column of the pixel that holds a point; a point on an edge belongs to the pixel east or south of it.

        The east and south ends of the lattice (180 E, 90 S) belong to the last column and row. A position within 1e-9
        of a block from an edge is on it: that is a thousand times the rounding of degrees in float64, and at most a
        hundred thousandth of a pixel of the smallest kind.
        """
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise ValueError(f"point ({lon}, {lat}) is not a longitude and latitude in degrees")
        row, col = _floor_px(90 - lat, self), _floor_px(lon + 180, self)
        return min(row, 180 * self.px_per_degree - 1), min(col, 360 * self.px_per_degree - 1)

    def pixels_of(self, bounds: Bounds) -> PixelWindow:
        """Pixels that share area with a box, with the edges of `pixel_at`.

        A box that reaches beyond the lattice gives pixels beyond it, and a box without area an empty window.
        Raises ValueError when a side of the box is not a finite number.
        """
        if not np.isfinite(bounds).all():
            raise ValueError(f"bounds {tuple(bounds)} are not a box in degrees")
        row, col = _floor_px(90 - bounds.north, self), _floor_px(bounds.west + 180, self)
        row_stop, col_stop = -_floor_px(bounds.south - 90, self), -_floor_px(-180 - bounds.east, self)
        return PixelWindow(row, col, max(row_stop - row, 0), max(col_stop - col, 0))

    def holds(self, block: BlockIndex) -> bool:
        """Whether a position is one of the lattice's blocks."""
        return 0 <= block.row < LATTICE_ROWS and 0 <= block.col < LATTICE_COLS

    def check(self, block: BlockIndex) -> None:
        """Raise ValueError when ``block`` is outside the lattice."""
        if not self.holds(block):
            raise ValueError(
                f"block ({block.row}, {block.col}) is outside the lattice of {LATTICE_ROWS} x {LATTICE_COLS} blocks"
            )

    def bounds(self, block: BlockIndex) -> Bounds:
        """Edges of a block in degrees."""
        self.check(block)
        return Bounds(
            west=(block.col - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE,
            south=(LATTICE_ROWS // 2 - block.row - 1) / BLOCKS_PER_DEGREE,
            east=(block.col + 1 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE,
            north=(LATTICE_ROWS // 2 - block.row) / BLOCKS_PER_DEGREE,
        )

    def block_km2(self, row: int) -> float:
        """Area of a block of a row of the lattice, on the ellipsoid."""
        n = self.block_px
        return float(self.pixel_area_m2(row * n, n).sum() * n / 1e6)

    def window(self, block: BlockIndex) -> PixelWindow:
        """Pixels of a block on the global lattice."""
        self.check(block)
        return PixelWindow(block.row * self.block_px, block.col * self.block_px, self.block_px, self.block_px)

    def window_bounds(self, window: PixelWindow) -> Bounds:
        """Edges of a window of pixels in degrees."""
        ppd = self.px_per_degree
        return Bounds(
            west=(window.col - 180 * ppd) / ppd,
            south=(90 * ppd - window.row_stop) / ppd,
            east=(window.col_stop - 180 * ppd) / ppd,
            north=(90 * ppd - window.row) / ppd,
        )

    def transform(self, window: PixelWindow) -> Affine:
        """GDAL-style affine transform of a window: pixel corner to degrees."""
        box = self.window_bounds(window)
        return Affine(self.px_deg, 0.0, box.west, 0.0, -self.px_deg, box.north)

    def blocks_in(self, region: Bounds | BaseGeometry) -> Iterator[BlockIndex]:
        """Blocks that share area with a region, in raster order (north first, then west first).

        A block that only touches the region's edge is not in it.
        """
        if isinstance(region, Bounds):
            yield from _blocks_in_bounds(region)
            return
        # Preparing a geometry makes predicates on it crash where threads share it, so this is done to a copy.
        region = shapely.from_wkb(region.wkb)
        shapely.prepare(region)
        rows, cols = block_rectangle(Bounds(*region.bounds))
        column_index = np.arange(cols.start, cols.stop)
        west = (column_index - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
        east = (column_index + 1 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
        for row in rows:
            south = (LATTICE_ROWS // 2 - row - 1) / BLOCKS_PER_DEGREE
            north = (LATTICE_ROWS // 2 - row) / BLOCKS_PER_DEGREE
            boxes = shapely.box(west, south, east, north)
            hit = shapely.intersects(region, boxes)
            hit[hit] = ~shapely.touches(region, boxes[hit])
            for col in column_index[hit]:
                yield BlockIndex(row, int(col))

    def blocks_under(self, window: PixelWindow) -> Iterator[BlockIndex]:
        """Blocks of the lattice that share pixels with a window, in raster order."""
        part = window.common(PixelWindow(0, 0, 180 * self.px_per_degree, 360 * self.px_per_degree))
        if part.is_empty:
            return
        n = self.block_px
        for row in range(part.row // n, (part.row_stop - 1) // n + 1):
            for col in range(part.col // n, (part.col_stop - 1) // n + 1):
                yield BlockIndex(row, col)

    def pixel_area_m2(self, start: int, count: int) -> np.ndarray:
        """Area of one pixel in each of ``count`` rows from global row ``start``.

        Returns
        -------
        (count,) float64, square metres on the WGS84 ellipsoid, exact up to rounding
        (the area between two parallels and two meridians in closed form).
        """
        return _row_areas_m2(self.px_per_degree, start, count)


@dataclass(frozen=True)
class BlockRange:
    """A rectangle of blocks: the window of the lattice that a cube covers."""

    row: int
    col: int
    rows: int
    cols: int

    @classmethod
    def around(cls, blocks: Iterable[BlockIndex]) -> BlockRange:
        """The smallest rectangle around some blocks; raises ValueError when there are none."""
        index = np.array([tuple(b) for b in blocks], dtype=np.int64).reshape(-1, 2)
        if not len(index):
            raise ValueError("the region holds no block; give a region with area")
        (row, col), (row_last, col_last) = index.min(axis=0), index.max(axis=0)
        return cls(int(row), int(col), int(row_last - row) + 1, int(col_last - col) + 1)

    def window(self, grid: BlockGrid) -> PixelWindow:
        """Pixels of the rectangle on the global lattice."""
        n = grid.block_px
        return PixelWindow(self.row * n, self.col * n, self.rows * n, self.cols * n)

    def holds(self, block: BlockIndex) -> bool:
        """Whether a block lies in the rectangle."""
        return 0 <= block.row - self.row < self.rows and 0 <= block.col - self.col < self.cols

    def slices(self, grid: BlockGrid, block: BlockIndex) -> tuple[slice, slice]:
        """(y, x) pixel slices of a block inside the rectangle; raises ValueError for a block outside."""
        if not self.holds(block):
            raise ValueError(f"block {block.name} is outside the cube of {self.rows} x {self.cols} blocks at {self}")
        return grid.window(block).slices_in(self.window(grid))


def _floor_px(degrees: float, grid: BlockGrid) -> int:
    """Pixels up to a distance in degrees, rounded down; a distance within 1e-9 of a block from an edge is on it."""
    position = degrees * grid.px_per_degree
    nearest = round(position)
    return nearest if abs(position - nearest) < EDGE_TOLERANCE_BLOCKS * grid.block_px else math.floor(position)


def block_rectangle(bounds: Bounds) -> tuple[range, range]:
    """Rows and columns of the blocks that share area with a box; raises ValueError for an empty box."""
    west, south, east, north = bounds
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError(
            f"bounds west={west} south={south} east={east} north={north} are not a box in degrees; "
            "expected -180 <= west < east <= 180 and -90 <= south < north <= 90"
        )
    squares = BlockGrid(1).pixels_of(bounds)
    return range(squares.row, squares.row_stop), range(squares.col, squares.col_stop)


def _blocks_in_bounds(bounds: Bounds) -> Iterator[BlockIndex]:
    rows, cols = block_rectangle(bounds)
    for row in rows:
        for col in cols:
            yield BlockIndex(row, col)


@lru_cache(maxsize=256)
def _row_areas_m2(px_per_degree: int, start: int, count: int) -> np.ndarray:
    k = 90 * px_per_degree - np.arange(start, start + count + 1, dtype=np.int64)
    latitude = np.deg2rad(k.astype(np.longdouble) / px_per_degree)
    e2 = np.longdouble(WGS84_F) * (2 - np.longdouble(WGS84_F))
    e = np.sqrt(e2)
    s = np.sin(latitude)
    q = s / (1 - e2 * s * s) + np.arctanh(e * s) / e
    b2 = np.longdouble(WGS84_A_M) ** 2 * (1 - e2)
    width = np.deg2rad(np.longdouble(1) / px_per_degree)
    areas = np.asarray(b2 / 2 * width * (q[:-1] - q[1:]), dtype=np.float64)
    areas.flags.writeable = False
    return areas
