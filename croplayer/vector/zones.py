"""The admin unit of each block or pixel, and the mapped area in each unit."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from croplayer.kernels.zones import packed_equal, zone_counts
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

if TYPE_CHECKING:
    import geopandas as gpd

OUTSIDE = -1
"""Zone of a pixel or block outside of all units."""
BORDER = -2
"""Zone of a block that lies only partly in a unit, or in several."""
LARGE_VERTICES = 10_000
"""Polygons with more vertices are cut to a window before they are rasterised."""
PIECE_VERTICES = 256
"""Vertices of the pieces of a ring that are looked at or passed over as a whole."""

# GDAL's in-memory rasters lose their transform, with a warning, if several threads make them at once.
_ONE_AT_A_TIME = threading.Lock()


def zones_of_blocks(units: gpd.GeoDataFrame, blocks: Sequence[BlockIndex]) -> np.ndarray:
    """Row of the only unit that a block has ground of and that contains it as a whole, else BORDER or OUTSIDE: (n,) int32.

    A block in which units overlap is BORDER, so that each of them gets all of its ground there.
    """
    grid = BlockGrid()
    zones = np.full(len(blocks), OUTSIDE, np.int32)
    bounds = np.array([grid.bounds(b) for b in blocks]).reshape(-1, 4)
    boxes = shapely.box(*bounds.T)
    tree = shapely.STRtree(boxes)
    # Preparing a geometry makes predicates on it crash where threads share it, so this is done to copies.
    for row, geometry in enumerate(shapely.from_wkb(shapely.to_wkb(units.geometry.to_numpy()))):
        shapely.prepare(geometry)
        hit = np.sort(tree.query(geometry, predicate="intersects"))
        whole = shapely.covers(geometry, boxes[hit])
        partly = hit[~whole]
        zones[partly[~shapely.touches(geometry, boxes[partly])]] = BORDER
        inner = hit[whole]
        zones[inner] = np.where(zones[inner] == OUTSIDE, row, BORDER)
    return zones


def _near(units: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid) -> list[tuple[BaseGeometry, int]]:
    """Polygons that may meet a window, with their rows; large ones are cut a pixel outside of it.

    GDAL takes seconds for each window of a polygon of a million vertices, however few of them lie in it.
    """
    polygons = units.geometry.to_numpy()
    bounds = grid.window_bounds(window)
    rows = _boxes_near(units, bounds)
    margin = 1 / grid.px_per_degree
    box = (bounds.west - margin, bounds.south - margin, bounds.east + margin, bounds.north + margin)
    is_large = shapely.get_num_coordinates(polygons[rows]) > LARGE_VERTICES
    near = [
        (shapely.clip_by_rect(polygons[row], *box) if large else polygons[row], int(row))
        for row, large in zip(rows, is_large, strict=True)
    ]
    return [(polygon, row) for polygon, row in near if not polygon.is_empty]


def _boxes_near(units: gpd.GeoDataFrame, box: Bounds) -> np.ndarray:
    """Rows of the units whose bounding boxes meet a box: (n,) int64.

    Threads ask this of the same geometries at once. A predicate of GEOS would crash them where somebody prepared a
    geometry, because its index is built by whoever comes first.
    """
    west, south, east, north = shapely.bounds(units.geometry.to_numpy()).T
    return np.flatnonzero((west <= box.east) & (box.west <= east) & (south <= box.north) & (box.south <= north))


def pixels_inside(units: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Whether the centre of each pixel lies in any unit: (h, w) bool."""
    shape = (window.height, window.width)
    near = _near(units, window, grid)
    if not near:
        return np.zeros(shape, bool)
    with _ONE_AT_A_TIME:
        return rasterize([polygon for polygon, _ in near], shape, transform=grid.transform(window), dtype="uint8") == 1


def zones_of_pixels(units: gpd.GeoDataFrame, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Row of the unit that contains the centre of each pixel, else OUTSIDE: (h, w) int32.

    Where units overlap, the last one counts.
    """
    shape = (window.height, window.width)
    near = _near(units, window, grid)
    if not near:
        return np.full(shape, OUTSIDE, np.int32)
    with _ONE_AT_A_TIME:
        return rasterize(near, shape, fill=OUTSIDE, transform=grid.transform(window), dtype="int32")


@dataclass(frozen=True)
class UnitRings:
    """The rings of admin units, prepared for measuring areas in any window."""

    lonlat: np.ndarray
    """(k, 2) float64, vertices in degrees."""
    offsets: np.ndarray
    """(rings + 1,) int64, ring i is ``lonlat[offsets[i]:offsets[i + 1]]``."""
    unit: np.ndarray
    """(rings,) int64, row of the unit that each ring belongs to, sorted."""
    bounds: np.ndarray
    """(units, 4) float64, west, south, east, north of each unit."""
    pieces: np.ndarray
    """(pieces + 1,) int64, piece i of a ring is ``lonlat[pieces[i]:pieces[i + 1]]``; at most PIECE_VERTICES each."""
    piece_bounds: np.ndarray
    """(pieces, 4) float64, west, south, east, north of each piece."""

    @classmethod
    def of(cls, units: np.ndarray) -> UnitRings:
        """Rings of the polygons of units (n,) in EPSG:4326, holes and all parts included."""
        parts, unit_of_part = shapely.get_parts(units, return_index=True)
        rings, part_of_ring = shapely.get_rings(parts, return_index=True)
        lonlat, ring_of_vertex = shapely.get_coordinates(rings, return_index=True)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(ring_of_vertex, minlength=len(rings)))])
        pieces = np.unique(np.concatenate([offsets, *(np.arange(a, b, PIECE_VERTICES) for a, b in pairwise(offsets))]))
        low, high = (f.reduceat(lonlat, pieces[:-1], axis=0) for f in (np.minimum, np.maximum))
        bounds = shapely.bounds(units)
        return cls(lonlat, offsets, unit_of_part[part_of_ring], bounds, pieces, np.hstack([low, high]))

    def near(self, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
        """Rows of the units whose bounding box meets a window."""
        west, south, east, north = grid.window_bounds(window)
        b = self.bounds
        return np.flatnonzero((b[:, 0] < east) & (b[:, 2] > west) & (b[:, 1] < north) & (b[:, 3] > south))

    def areas_of_values_m2(
        self, classes: np.ndarray, values: Sequence[int], window: PixelWindow, grid: BlockGrid
    ) -> tuple[np.ndarray, np.ndarray]:
        """Area of some values of (h, w) uint8 classes in each unit near a window, pixel by pixel.

        Returns
        -------
        (n,) rows of the units near the window, and (n, values) float64, square metres on the ellipsoid
        """
        planes = [packed_equal(classes, value) for value in values]
        near, counts = self.counts(planes, window, grid)
        return near, counts @ grid.pixel_area_m2(window.row, window.height)

    def counts(
        self, planes: Sequence[np.ndarray], window: PixelWindow, grid: BlockGrid
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of many masks of a window in each unit near it; a pixel belongs to the unit that contains its centre.

        Parameters
        ----------
        planes : masks of the window, each packed as by `kernels.bits.pack_mask`

        Returns
        -------
        (n,) rows of the units near the window, and (n, planes, h) int64, pixels in each row of the window
        """
        near = self.near(window, grid)
        if not len(near) or not planes:
            return near, np.zeros((len(near), len(planes), window.height), np.int64)
        west, _, _, north = grid.window_bounds(window)
        mine = np.flatnonzero(np.isin(self.unit, near))
        vertices, offsets = self._vertices(mine, window, grid)
        pixels = (self.lonlat[vertices] - (west, north)) * (grid.px_per_degree, -grid.px_per_degree)
        zone = np.searchsorted(near, self.unit[mine])
        return near, zone_counts(planes, (window.height, window.width), pixels, offsets, zone, len(near))

    def _vertices(self, rings: np.ndarray, window: PixelWindow, grid: BlockGrid) -> tuple[np.ndarray, np.ndarray]:
        """Vertices of rings that can matter to a window (n,), and the offsets of the rings in them (rings + 1,).

        Of a piece that lies on one side of the window, the line between its ends crosses the same rows as the piece
        does, up to pairs of crossings on that side, which cancel out.
        """
        west, south, east, north = grid.window_bounds(window)
        margin = 1 / grid.px_per_degree
        low_x, low_y, high_x, high_y = self.piece_bounds.T
        aside = (
            (high_x < west - margin) | (low_x > east + margin) | (high_y < south - margin) | (low_y > north + margin)
        )
        starts, stops = (np.searchsorted(self.pieces, self.offsets[rings + end]) for end in (0, 1))
        chosen, lengths = [], []
        for first, stop in zip(starts, stops, strict=True):
            of_ring = [
                np.unique([a, b - 1]) if aside[piece] else np.arange(a, b)
                for piece, (a, b) in enumerate(pairwise(self.pieces[first : stop + 1]), start=first)
            ]
            chosen += of_ring
            lengths.append(sum(map(len, of_ring)))
        return np.concatenate(chosen), np.concatenate([[0], np.cumsum(lengths)])
