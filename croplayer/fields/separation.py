"""Separate the cropland of a block into pieces of fields.

The map's cropland falls into basins (`kernels.basins`), and a learned rule joins those that are one field
(`kernels.joining`). Both see the block and 256 px around it. Whether two pixels on both sides of a block's edge belong to
one field is decided in the block north or west of the edge, so the fields of a country do not depend on how it is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from croplayer.fields.rules import LearnedPair
from croplayer.kernels.basins import basins, regions_of_equal, relief, tile_numbers
from croplayer.kernels.joining import Touching, joined, touching
from stores.grid import BlockGrid, BlockIndex, PixelWindow

HALO_PX = 256
"""Pixels around a block that its fields are decided with."""
JOINED_EAST, JOINED_SOUTH = 1, 2
"""Flags of a pixel at the east or south edge of a block: it and the one beyond the edge belong to one field."""


@dataclass(frozen=True)
class Ground:
    """What fields are found from, in one window."""

    window: PixelWindow
    inside: np.ndarray
    """(h, w) bool, cropland of the map"""
    cropland: np.ndarray
    """(h, w) uint8 score of the sources that the map takes in the block whose fields are found, 0..250"""
    boundary: np.ndarray
    """(h, w) uint8 boundary score of these, 0..250; 0 where no network tells it"""
    rgb: np.ndarray
    """(h, w, 3) uint8 imagery of the first of these"""


class BlockFields(NamedTuple):
    """The fields of one block."""

    field: np.ndarray
    """(h, w) uint32 number of the piece, from 1 in raster order; 0 outside of all. A piece is 4-connected"""
    join: np.ndarray
    """(h, w) uint8 of `JOINED_EAST` and `JOINED_SOUTH`"""


def basin_graph(ground: Ground, block_px: int) -> tuple[np.ndarray, Touching]:
    """Numbers (h, w) int32 of the basins of a window, 0 outside of the map's cropland, and how they touch."""
    window = ground.window
    rows = tile_numbers(window.row, window.height, block_px)
    cols = tile_numbers(window.col, window.width, block_px)
    labels, count = basins(relief(ground.cropland, ground.boundary), ground.inside, rows, cols)
    return labels, touching(labels, count, ground.cropland, ground.boundary, ground.rgb)


def separate(ground: Ground, block: BlockIndex, grid: BlockGrid, rules: LearnedPair, least_score: float) -> BlockFields:
    """Pieces of fields of one block, and which of them go on beyond its east and south edges.

    Parameters
    ----------
    ground : a window that holds the block and, where there is anything, ``HALO_PX`` around it
    least_score : regions are joined while the rule's score is at least this; 0 where one field and two are as likely
    """
    window, n = ground.window, grid.block_px
    labels, graph = basin_graph(ground, n)
    pixel_m = float(np.sqrt(grid.pixel_area_m2(block.row * n + n // 2, 1)[0]))
    whole = joined(graph, rules.join, pixel_m, least_score)[labels]
    top, left = block.row * n - window.row, block.col * n - window.col
    inner = whole[top : top + n, left : left + n]
    field, _ = regions_of_equal(np.ascontiguousarray(inner))
    join = np.zeros((n, n), np.uint8)
    if left + n < window.width:
        beyond = whole[top : top + n, left + n]
        join[:, -1] |= np.where((inner[:, -1] > 0) & (inner[:, -1] == beyond), JOINED_EAST, 0).astype(np.uint8)
    if top + n < window.height:
        beyond = whole[top + n, left : left + n]
        join[-1] |= np.where((inner[-1] > 0) & (inner[-1] == beyond), JOINED_SOUTH, 0).astype(np.uint8)
    return BlockFields(field, join)
