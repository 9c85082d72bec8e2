"""What lies at every pixel of a grid row: land cover, parcel, and the line that crosses it.

Truth and pictures share this kernel, so a picture cannot disagree with its truth.

A row is walked from west to east. The territory, the field block and the plot of the last pixel are kept until a
pixel leaves them; those met before come back from `Memory`. Most pixels therefore cost a few interpolations and
comparisons, although every boundary is decided by hashes alone.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.lines import (
    NO_LINE,
    STREET,
    highways,
    lanes,
    river_or_lake,
    street_depth,
    stream,
)
from croplayer.landscape.nodes import (
    DRYNESS,
    JUMP_STEPS,
    RELIEF,
    SLOPE_X,
    SLOPE_Y,
    TERRITORY_EDGE,
    TOWN,
    WARP_X,
    WARP_Y,
    WILDNESS,
    NodeGrid,
    between,
)
from croplayer.landscape.noise import hash2, salted
from croplayer.landscape.parcels import (
    T_BLOCK,
    T_COS,
    T_SIN,
    T_X,
    T_Y,
    block_cell,
    fill_block,
    holds,
    territory_at,
    territory_record,
)
from croplayer.landscape.plots import NO_PLOT, Place, open_land, settlement_plot, village_depth
from croplayer.landscape.terrain import METRES_PER_LON

BLOCK_SLOTS = 1024
TERRITORY_SLOTS = 64
"""Powers of two: the slot of a key is its lowest bits. A row of a picture crosses far fewer of either."""

NO_TERRITORY = -2147483000
"""Lattice index that no territory has."""


class Memory(NamedTuple):
    """Scratch of a survey: field blocks and territories met so far, each in the slot of its key.

    A record is a function of its key, so a key that takes the slot of another costs time and changes nothing.
    """

    block_keys: np.ndarray
    """(BLOCK_SLOTS,) uint64, 0 in free slots."""

    block_records: np.ndarray
    """(BLOCK_SLOTS, 13) float64, columns ``B_...`` of `parcels`."""

    territory_keys: np.ndarray
    """(TERRITORY_SLOTS,) uint64, 0 in free slots."""

    territory_records: np.ndarray
    """(TERRITORY_SLOTS, 10) float64, columns ``T_...`` of `parcels`."""


class SurveyedRow(NamedTuple):
    """What a survey finds at the w pixels of a row."""

    cover: np.ndarray
    """(w,) uint8, land cover under any line."""

    key: np.ndarray
    """(w,) uint64, hash of the parcel or plot; 0 for land that nobody works."""

    line: np.ndarray
    """(w,) uint8, kind of line."""

    inside: np.ndarray
    """(w,) float32, depth into the line in metres, negative outside."""

    u: np.ndarray
    """(w,) float32, coordinate along rows and furrows, metres."""

    v: np.ndarray
    """(w,) float32, coordinate across rows and furrows, metres."""


def new_memory() -> Memory:
    """Memory of a survey that has met nothing yet."""
    return Memory(
        np.zeros(BLOCK_SLOTS, dtype=np.uint64),
        np.zeros((BLOCK_SLOTS, 13)),
        np.zeros(TERRITORY_SLOTS, dtype=np.uint64),
        np.zeros((TERRITORY_SLOTS, 10)),
    )


@kernel
def new_row(width: int) -> SurveyedRow:
    """Room for a row of ``width`` pixels, not initialised."""
    return SurveyedRow(
        np.empty(width, dtype=np.uint8),
        np.empty(width, dtype=np.uint64),
        np.empty(width, dtype=np.uint8),
        np.empty(width, dtype=np.float32),
        np.empty(width, dtype=np.float32),
        np.empty(width, dtype=np.float32),
    )


@kernel
def survey_row(
    seed: np.uint64,
    nodes: NodeGrid,
    row: np.ndarray,
    node_row: int,
    position: np.ndarray,
    y: float,
    px: float,
    memory: Memory,
    out: SurveyedRow,
) -> None:
    """Fill one row of a survey.

    Parameters
    ----------
    row : (N_FIELDS, cols) float32, node fields interpolated to this row
    node_row : row of the node grid south of this row
    position : (w,) float64, pixel positions in nodes of the lattice
    y : of the row, metres
    px : pixel size in metres; 0 surveys points, a size widens lines by half a pixel for anti-aliasing
    memory : from `new_memory`, kept between rows
    """
    cover, key, line, inside, along, across = out
    ids, node_col, step_x = nodes.territory, nodes.col, METRES_PER_LON / nodes.per_degree
    reach, jump = 0.5 * px, JUMP_STEPS * step_x
    leaf, streets = np.empty(4), np.empty(4)
    block, territory = memory.block_records[0], memory.territory_records[0]
    block_key, territory_key = np.uint64(0), np.uint64(0)
    has_block, mixed = False, False
    plot = NO_PLOT
    last_c, ti, tj = -1, NO_TERRITORY, 0
    for p in range(len(position)):
        whole = np.floor(position[p])
        c, t = int(whole) - node_col, np.float32(position[p] - whole)
        x = (position[p] + 0.5) * step_x
        if c != last_c:
            last_c, mixed = c, _is_mixed(ids, node_row, c)
        i, j, edge = _territory_of(seed, ids, row, node_row, c, t, mixed, x, y)
        if i != ti or j != tj:
            ti, tj = i, j
            territory_key, territory = _remembered_territory(seed, memory, i, j)
            has_block, plot = False, NO_PLOT
        place = _place(row, territory, c, t, x, y)
        u, v = place.u, place.v
        in_town = between(row, TOWN, c, t) < 0.0
        if in_town or village_depth(territory, place.wild, u, v) > 0.0:
            plot = settlement_plot(plot, territory_key, in_town, u, v, streets, leaf)
            kind, depth = STREET, street_depth(in_town, u, v, streets, leaf)
        else:
            if not (has_block and holds(block, u, v)):
                block_key, block = _remembered_block(seed, memory, territory, territory_key, u, v)
                has_block, plot = True, NO_PLOT
            plot, kind, depth, u, v = open_land(plot, territory, block_key, block, row, place, reach, leaf)
            kind, depth = lanes(territory, place.u, place.v, edge, reach, kind, depth)
        kind, depth = stream(row, c, t, reach, jump, kind, depth)
        kind, depth = highways(row, c, t, place.relief, reach, jump, kind, depth)
        kind, depth = river_or_lake(row, c, t, place.wild, reach, jump, kind, depth)
        cover[p], key[p], along[p], across[p] = plot.cover, plot.key, u, v
        line[p], inside[p] = kind if depth > -reach else NO_LINE, depth


@inlined_kernel
def _is_mixed(ids: np.ndarray, node_row: int, c: int) -> bool:
    """Whether the four nodes around a pixel lie in more than one territory."""
    mixed = False
    for dr in range(2):
        for dc in range(2):
            for axis in range(2):
                mixed = mixed or ids[node_row + dr, c + dc, axis] != ids[node_row, c, axis]
    return mixed


@inlined_kernel
def _territory_of(
    seed: np.uint64,
    ids: np.ndarray,
    row: np.ndarray,
    node_row: int,
    c: int,
    t: np.float32,
    mixed: bool,
    x: float,
    y: float,
) -> tuple[int, int, float]:
    """Lattice index of a pixel's territory and the distance to its edge, metres.

    Between nodes of one territory both are interpolated; only where the nodes differ are the seats compared.
    """
    if mixed:
        return territory_at(seed, x, y)
    return np.int64(ids[node_row, c, 0]), np.int64(ids[node_row, c, 1]), np.float64(between(row, TERRITORY_EDGE, c, t))


@inlined_kernel
def _place(row: np.ndarray, territory: np.ndarray, c: int, t: np.float32, x: float, y: float) -> Place:
    """A pixel in the rotated coordinates of its territory, whose borders the warp fields bend."""
    dx = x + between(row, WARP_X, c, t) - territory[T_X]
    dy = y + between(row, WARP_Y, c, t) - territory[T_Y]
    gx, gy = between(row, SLOPE_X, c, t), between(row, SLOPE_Y, c, t)
    return Place(
        c,
        t,
        dx,
        dy,
        dx * territory[T_COS] + dy * territory[T_SIN],
        -dx * territory[T_SIN] + dy * territory[T_COS],
        np.sqrt(gx * gx + gy * gy),
        between(row, RELIEF, c, t),
        between(row, WILDNESS, c, t),
        between(row, DRYNESS, c, t),
    )


@kernel
def _remembered_territory(seed: np.uint64, memory: Memory, i: int, j: int) -> tuple[np.uint64, np.ndarray]:
    """Key and record of a territory."""
    key = hash2(salted(seed, draws.TERRITORY), i, j)
    slot = int(key & np.uint64(TERRITORY_SLOTS - 1))
    if memory.territory_keys[slot] != key:
        territory_record(seed, i, j, memory.territory_records[slot])
        memory.territory_keys[slot] = key
    return key, memory.territory_records[slot]


@kernel
def _remembered_block(
    seed: np.uint64, memory: Memory, territory: np.ndarray, territory_key: np.uint64, u: float, v: float
) -> tuple[np.uint64, np.ndarray]:
    """Key and record of the field block at local (u, v)."""
    key, u0, v0, u1, v1 = block_cell(territory_key, territory[T_BLOCK], u, v)
    slot = int(key & np.uint64(BLOCK_SLOTS - 1))
    if memory.block_keys[slot] != key:
        fill_block(seed, territory, key, u0, v0, u1, v1, memory.block_records[slot])
        memory.block_keys[slot] = key
    return key, memory.block_records[slot]
