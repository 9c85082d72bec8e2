"""The pieces of fields of one block, with all that is summed over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from croplayer.fields.separation import JOINED_EAST, JOINED_SOUTH
from croplayer.kernels.pieces import naming_cells, piece_sums, sides_between
from stores.grid import LATTICE_COLS, BlockGrid, BlockIndex

_EQUATOR_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563
"""WGS84."""


class Edge(NamedTuple):
    """What lies along one edge of a block, from north to south or from west to east."""

    piece: np.ndarray
    """(n,) uint32"""
    cropland: np.ndarray
    """(n,) uint8"""
    boundary: np.ndarray
    """(n,) uint8"""
    gap: np.ndarray
    """(n,) bool"""
    told: np.ndarray
    """(n,) bool, as in `BlockLayers`"""
    is_joined: np.ndarray
    """(n,) bool, whether the pixel beyond is of the same field; told by the block's east and south edges alone"""
    length_m: np.ndarray
    """(n,) lengths of the pixels' sides"""


@dataclass(frozen=True)
class BlockPieces:
    """The pieces of one block; row 0 of every table stands for no piece."""

    block: BlockIndex
    count: int
    sums: np.ndarray
    """(count + 1, 13) int64, `kernels.pieces.PIECE_SUMS` without the sides along the block's edges"""
    measures: np.ndarray
    """(count + 1, 2) float64, `kernels.pieces.PIECE_MEASURES`"""
    boxes: np.ndarray
    """(count + 1, 4) int32, first row and column of the lattice, one past the last"""
    ranks: np.ndarray
    """(count + 1,) float64; the cell of lowest rank names the field"""
    cells: np.ndarray
    """(count + 1,) int64 in the block"""
    between: np.ndarray
    """(n, 5) int64, `kernels.pieces.sides_between`"""
    between_m: np.ndarray
    """(n,) float64, lengths of these sides in metres"""
    east: Edge
    south: Edge
    west: Edge
    north: Edge


@dataclass(frozen=True)
class BlockLayers:
    """The layers of a cube that the pieces of a block are measured in, each (h, w)."""

    field: np.ndarray
    join: np.ndarray
    cropland: np.ndarray
    boundary: np.ndarray
    gap: np.ndarray
    """bool, ground without imagery"""
    told: np.ndarray
    """bool, pixels that a network scored and no person said otherwise"""


def block_pieces(layers: BlockLayers, block: BlockIndex, grid: BlockGrid) -> BlockPieces:
    """Measure the pieces of one block."""
    n = grid.block_px
    row_m2 = grid.pixel_area_m2(block.row * n, n)
    row_m = pixel_widths_m(grid, block.row * n, n + 1)
    col_m = row_m2 / ((row_m[:-1] + row_m[1:]) / 2)
    count = int(layers.field.max(initial=0))
    sums, measures, boxes = piece_sums(
        layers.field, count, layers.cropland, layers.boundary, layers.gap, layers.told, row_m2, row_m, col_m
    )
    boxes += np.array([block.row * n, block.col * n] * 2, np.int32)
    ranks, cells = naming_cells(layers.field, count, block.row * LATTICE_COLS + block.col)

    at_edge = np.zeros(count + 1, bool)
    for side in (layers.field[0], layers.field[-1], layers.field[:, 0], layers.field[:, -1]):
        at_edge[side] = True
    between = sides_between(layers.field, at_edge, layers.cropland, layers.boundary, layers.told, row_m, col_m)

    def edge(row: int | slice, col: int | slice, flag: int, length_m: np.ndarray) -> Edge:
        parts = (layers.field, layers.cropland, layers.boundary, layers.gap, layers.told)
        piece, cropland, boundary, gap, told = (np.ascontiguousarray(part[row, col]) for part in parts)
        return Edge(piece, cropland, boundary, gap, told, (layers.join[row, col] & flag) > 0, length_m)

    every = slice(None)
    return BlockPieces(
        block, count, sums, measures, boxes, ranks, cells, *between,
        east=edge(every, -1, JOINED_EAST, col_m), south=edge(-1, every, JOINED_SOUTH, np.full(n, row_m[-1])),
        west=edge(every, 0, 0, col_m), north=edge(0, every, 0, np.full(n, row_m[0])),
    )  # fmt: skip


def pixel_widths_m(grid: BlockGrid, row: int, count: int) -> np.ndarray:
    """Width of a pixel along the upper sides of ``count`` rows of the lattice: (count,) float64, metres on the WGS84."""
    latitude = np.radians(90.0 - (row + np.arange(count)) * grid.px_deg)
    squared = _FLATTENING * (2 - _FLATTENING)
    radius = _EQUATOR_M * np.cos(latitude) / np.sqrt(1 - squared * np.sin(latitude) ** 2)
    return radius * np.radians(grid.px_deg)
