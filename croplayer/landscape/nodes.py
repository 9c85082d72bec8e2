"""The slowly varying fields of the country on a global lattice of arc-second nodes.

Relief, climate and distances to rivers, roads and towns are costly and vary over hundreds of metres. They are computed
at nodes about 30 m apart and interpolated between them. The whole country shares one lattice of nodes, so a field is a
pure function of the place, however the country is cut into tiles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import kernel, typed_kernel
from croplayer.landscape.noise import noise2, salted
from croplayer.landscape.parcels import territory_at
from croplayer.landscape.regions import (
    dryness_at,
    road_distances,
    town_distance,
    wetness_at,
    wildness_at,
)
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON, ground_at
from stores.grid import Bounds

NODES_PER_DEGREE = 3600
"""Nodes lie at half arc-seconds: node k is at (k + 0.5) / 3600 degrees, the centres of a 1 arc-second DEM."""

(
    RIVER,
    STREAM,
    ROAD_EW,
    ROAD_NS,
    ELEVATION,
    SLOPE_X,
    SLOPE_Y,
    RELIEF,
    RIVER_HALF,
    STREAM_HALF,
    LAKE,
    TOWN,
    DRYNESS,
    WETNESS,
    WILDNESS,
    WARP_X,
    WARP_Y,
    TERRITORY_EDGE,
) = range(18)
"""Fields of a node, in the order of the first axis of `NodeGrid.fields`."""

N_FIELDS = 18
N_SIGNED = 4
"""The first fields are signed distances to lines; where the nearest line changes they jump, and must not pass zero."""


JUMP_STEPS = 4.5
"""A signed distance that changes by more node steps than this between two nodes belongs to two lines. Along one line it
changes by about one step, or by a few where the line bends."""

TWO_LINES = 1e9
"""Distance to a line, metres, between two nodes whose nearest lines differ: out of reach of any line."""


class NodeGrid(NamedTuple):
    """The fields on a rectangle of nodes, south to north and west to east."""

    col: int
    """Node index of the first column; longitude (col + 0.5) / per_degree."""

    row: int
    """Node index of the first row; latitude (row + 0.5) / per_degree."""

    per_degree: int
    """Nodes along a degree: 3600 is the country itself, less is a sketch of it for overviews."""

    fields: np.ndarray
    """(rows, N_FIELDS, cols) float32."""

    territory: np.ndarray
    """(rows, cols, 2) int32, lattice index of the village territory of each node."""

    years: float = 0.0
    """Years since the first one, for which the land is surveyed; the fields are the same in all."""


@kernel
def _fill_nodes(
    seed: np.uint64, col: int, row: int, per_degree: int, fields: np.ndarray, territory: np.ndarray
) -> None:
    # Rows of nodes hold their fields one after the other, (rows, fields, cols): a row of pixels reads two such rows.
    rows, _, cols = fields.shape
    for r in range(rows):
        for c in range(cols):
            x = (col + c + 0.5) * METRES_PER_LON / per_degree
            y = (row + r + 0.5) * METRES_PER_LAT / per_degree
            z, relief, river, river_half, stream, stream_half, lake = ground_at(seed, x, y)
            wet = wetness_at(seed, x, y)
            fields[r, ELEVATION, c] = z
            fields[r, RELIEF, c] = relief
            fields[r, RIVER, c] = river
            fields[r, RIVER_HALF, c] = river_half
            fields[r, STREAM, c] = stream
            fields[r, STREAM_HALF, c] = stream_half
            fields[r, LAKE, c] = lake
            road_ew, road_ns = road_distances(seed, x, y)
            fields[r, ROAD_EW, c] = road_ew
            fields[r, ROAD_NS, c] = road_ns
            fields[r, TOWN, c] = town_distance(seed, x, y)
            fields[r, DRYNESS, c] = dryness_at(seed, x, y)
            fields[r, WETNESS, c] = wet
            fields[r, WILDNESS, c] = wildness_at(seed, x, y)
            # Borders bend by more in hills and where paddies follow the ground.
            bend = 9.0 + 34.0 * relief + 16.0 * wet
            fields[r, WARP_X, c] = bend * noise2(salted(seed, draws.BORDER_WARP_X), x / 240.0, y / 240.0)
            fields[r, WARP_Y, c] = bend * noise2(salted(seed, draws.BORDER_WARP_Y), x / 240.0, y / 240.0)
            i, j, edge = territory_at(seed, x, y)
            territory[r, c, 0] = i
            territory[r, c, 1] = j
            fields[r, TERRITORY_EDGE, c] = edge


@kernel
def _fill_slopes(fields: np.ndarray, step_x: float, step_y: float) -> None:
    rows, _, cols = fields.shape
    for r in range(1, rows - 1):
        for c in range(1, cols - 1):
            fields[r, SLOPE_X, c] = (fields[r, ELEVATION, c + 1] - fields[r, ELEVATION, c - 1]) / (2.0 * step_x)
            fields[r, SLOPE_Y, c] = (fields[r + 1, ELEVATION, c] - fields[r - 1, ELEVATION, c]) / (2.0 * step_y)


def node_grid(seed: int, bounds: Bounds, *, per_degree: int = NODES_PER_DEGREE, years: float = 0.0) -> NodeGrid:
    """Nodes that surround a box in degrees with one more on every side, slopes (m/m) included."""
    # One node more on every side for slopes, which are taken between the neighbours of a node, and cut off at the end.
    col = int(np.floor(bounds.west * per_degree - 0.5)) - 1
    row = int(np.floor(bounds.south * per_degree - 0.5)) - 1
    col_stop = int(np.floor(bounds.east * per_degree - 0.5)) + 3
    row_stop = int(np.floor(bounds.north * per_degree - 0.5)) + 3
    rows, cols = row_stop - row + 2, col_stop - col + 2
    fields = np.zeros((rows, N_FIELDS, cols), dtype=np.float32)
    territory = np.zeros((rows, cols, 2), dtype=np.int32)
    _fill_nodes(np.uint64(seed), col - 1, row - 1, per_degree, fields, territory)
    _fill_slopes(fields, METRES_PER_LON / per_degree, METRES_PER_LAT / per_degree)
    return NodeGrid(
        col, row, per_degree, np.ascontiguousarray(fields[1:-1, :, 1:-1]), np.ascontiguousarray(territory[1:-1, 1:-1]),
        years,
    )  # fmt: skip


@kernel
def interpolate_row(
    fields: np.ndarray, position: float, node_row: int, signed: int, jump: float, out: np.ndarray
) -> int:
    """Node fields at a row position (in nodes of the lattice): fill (fields, cols), return the grid's row south of it.

    Fractions are taken of lattice positions, so that rounding does not depend on the grid.
    The first ``signed`` fields take the nearer node where they differ by more than ``jump``.
    """
    whole = np.floor(position)
    r = int(whole) - node_row
    t = np.float32(position - whole)
    for f in range(fields.shape[1]):
        for c in range(fields.shape[2]):
            low = fields[r, f, c]
            high = fields[r + 1, f, c]
            if f < signed and abs(high - low) > jump:
                out[f, c] = low if t < 0.5 else high
            else:
                out[f, c] = low + (high - low) * t
    return r


@typed_kernel(
    "float32(float32[:, ::1], int64, int64, float32)", "float64(float32[:, ::1], int64, int64, float64)", inlined=True
)
def between(row: np.ndarray, field: int, c: int, t: float | np.float32) -> float:
    """A field of an interpolated row at a share ``t`` of the way from column ``c`` to the next."""
    return row[field, c] + (row[field, c + 1] - row[field, c]) * t


@typed_kernel("float32(float32[:, ::1], int64, int64, float32, float64)", inlined=True)
def line_between(row: np.ndarray, field: int, c: int, t: float | np.float32, jump: float) -> float:
    """`between` for a signed distance to a line; TWO_LINES where it changes by ``jump`` or more to the next column.

    There the nearest line changes, and a distance interpolated from one line to another would pass through zero.
    """
    if abs(row[field, c + 1] - row[field, c]) < jump:
        return row[field, c] + (row[field, c + 1] - row[field, c]) * t
    return TWO_LINES
