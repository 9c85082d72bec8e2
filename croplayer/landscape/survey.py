"""What lies at every pixel of a grid row: land cover, parcel, and the line that crosses it.

Truth and images share this kernel, so an image cannot disagree with its truth.

A row is walked from west to east. The territory, the field block and the plot of the last pixel are kept until a
pixel leaves them; earlier ones are looked up in `Memory`. Most pixels therefore cost a few interpolations and
comparisons, although hashes alone decide every boundary.
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
    stream,
    street_depth,
)
from croplayer.landscape.nodes import (
    DRYNESS,
    ELEVATION,
    JUMP_STEPS,
    LAKE,
    RELIEF,
    RIVER,
    RIVER_HALF,
    ROAD_EW,
    ROAD_NS,
    SLOPE_X,
    SLOPE_Y,
    STREAM,
    STREAM_HALF,
    TERRITORY_EDGE,
    TOWN,
    WARP_X,
    WARP_Y,
    WILDNESS,
    NodeGrid,
    between,
    line_between,
)
from croplayer.landscape.noise import hash2, salted
from croplayer.landscape.parcels import (
    LOT_CUT,
    NO_PLOT,
    Block,
    Rectangle,
    Territory,
    block_cell,
    block_record,
    holds,
    territory_at,
    territory_record,
)
from croplayer.landscape.plots import Place, open_land, settlement_lot, village_depth
from croplayer.landscape.terrain import METRES_PER_LON
from croplayer.landscape.years import later_block, later_territory, town_growth_m

BLOCK_SLOTS = 1024
TERRITORY_SLOTS = 64
"""Powers of two: the slot of a key is its lowest bits. A row of a picture crosses far fewer of either."""

NO_TERRITORY = -2147483000
"""Lattice index that no territory has."""

NO_LAND = Territory(*[0.0] * len(Territory._fields))
NO_BLOCK = Block(*[0.0] * len(Block._fields))
NO_STREETS = Rectangle(0.0, 0.0, 0.0, 0.0)
"""What a row starts with, before its first pixel."""


class Memory(NamedTuple):
    """Cache of a survey: field blocks and territories found so far, each in the slot of its key.

    A record is a function of its key, so a key that takes the slot of another costs time and changes nothing.
    """

    block_keys: np.ndarray
    """(BLOCK_SLOTS,) uint64, 0 in free slots."""

    blocks: np.ndarray
    """(BLOCK_SLOTS, 13) float64, a `Block` per slot."""

    territory_keys: np.ndarray
    """(TERRITORY_SLOTS,) uint64, 0 in free slots."""

    territories: np.ndarray
    """(TERRITORY_SLOTS, 10) float64, a `Territory` per slot."""


class SurveyedRow(NamedTuple):
    """What a survey finds at the w pixels of a row."""

    cover: np.ndarray
    """(w,) uint8, land cover under any line."""

    key: np.ndarray
    """(w,) uint64, hash of the parcel or plot; 0 for uncultivated land."""

    line: np.ndarray
    """(w,) uint8, kind of line."""

    inside: np.ndarray
    """(w,) float32, depth into the line in metres, negative outside."""

    u: np.ndarray
    """(w,) float32, coordinate along rows and furrows, metres."""

    v: np.ndarray
    """(w,) float32, coordinate across rows and furrows, metres."""


def new_memory() -> Memory:
    """An empty cache."""
    return Memory(
        np.zeros(BLOCK_SLOTS, dtype=np.uint64),
        np.zeros((BLOCK_SLOTS, len(Block._fields))),
        np.zeros(TERRITORY_SLOTS, dtype=np.uint64),
        np.zeros((TERRITORY_SLOTS, len(Territory._fields))),
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
    reach, jump, town_growth = 0.5 * px, JUMP_STEPS * step_x, town_growth_m(nodes.years)
    territory_key, territory = np.uint64(0), NO_LAND
    block_key, block, streets, plot = np.uint64(0), NO_BLOCK, NO_STREETS, NO_PLOT
    has_block, mixed, last_c, ti, tj = False, False, -1, NO_TERRITORY, 0
    for p in range(len(position)):
        whole = np.floor(position[p])
        c, t = int(whole) - node_col, np.float32(position[p] - whole)
        x = (position[p] + 0.5) * step_x
        if c != last_c:
            last_c, mixed = c, _is_mixed(ids, node_row, c)
        # Between nodes of one territory all is interpolated; only where the nodes differ are the seats compared.
        i, j, edge = int(ids[node_row, c, 0]), int(ids[node_row, c, 1]), 0.0
        if mixed:
            i, j, edge = territory_at(seed, x, y)
        else:
            edge = between(row, TERRITORY_EDGE, c, t)
        if i != ti or j != tj:
            ti, tj, has_block, plot = i, j, False, NO_PLOT
            territory_key, territory = _remembered_territory(seed, memory, i, j, nodes.years)
        place = _place(row, territory, c, t, x, y)
        u, v = place.u, place.v
        in_town = between(row, TOWN, c, t) < town_growth
        if in_town or village_depth(territory, place.wild, u, v) > 0.0:
            if not (plot.cut == LOT_CUT and holds(plot, u, v)):
                plot, streets = settlement_lot(territory_key, in_town, u, v)
            kind, depth = STREET, street_depth(in_town, u, v, streets, plot)
        else:
            if not (has_block and holds(block, u, v)):
                block_key, block = _remembered_block(seed, memory, territory, territory_key, u, v, nodes.years)
                has_block, plot = True, NO_PLOT
            plot, kind, depth, u, v = open_land(plot, territory, block_key, block, place, reach)
            kind, depth = lanes(territory, place.u, place.v, edge, reach, kind, depth)
        kind, depth = _crossing_line(row, c, t, jump, reach, place, kind, depth)
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
def _place(row: np.ndarray, territory: Territory, c: int, t: np.float32, x: float, y: float) -> Place:
    """A pixel in the rotated coordinates of its territory; the warp fields bend them, and with them all borders."""
    dx = x + between(row, WARP_X, c, t) - territory.x
    dy = y + between(row, WARP_Y, c, t) - territory.y
    gx, gy = between(row, SLOPE_X, c, t), between(row, SLOPE_Y, c, t)
    return Place(
        dx,
        dy,
        dx * territory.cos + dy * territory.sin,
        -dx * territory.sin + dy * territory.cos,
        between(row, ELEVATION, c, t),
        np.sqrt(gx * gx + gy * gy),
        between(row, RELIEF, c, t),
        between(row, WILDNESS, c, t),
        between(row, DRYNESS, c, t),
    )


@inlined_kernel
def _crossing_line(
    row: np.ndarray, c: int, t: np.float32, jump: float, reach: float, place: Place, kind: int, depth: float
) -> tuple[int, float]:
    """The line after streams, highways, the river and the lake have crossed it."""
    kind, depth = stream(line_between(row, STREAM, c, t, jump), between(row, STREAM_HALF, c, t), reach, kind, depth)
    roads_ew, roads_ns = line_between(row, ROAD_EW, c, t, jump), line_between(row, ROAD_NS, c, t, jump)
    kind, depth = highways(roads_ew, roads_ns, place.relief, reach, kind, depth)
    river, half, lake = line_between(row, RIVER, c, t, jump), between(row, RIVER_HALF, c, t), between(row, LAKE, c, t)
    return river_or_lake(river, half, lake, place.wild, reach, kind, depth)


@kernel
def _remembered_territory(seed: np.uint64, memory: Memory, i: int, j: int, years: float) -> tuple[np.uint64, Territory]:
    """Key and record of a territory."""
    key = hash2(salted(seed, draws.TERRITORY), i, j)
    slot = int(key & np.uint64(TERRITORY_SLOTS - 1))
    records = memory.territories
    if memory.territory_keys[slot] != key:
        memory.territory_keys[slot] = key
        record = later_territory(territory_record(seed, i, j), years)
        for k in range(len(record)):
            records[slot, k] = record[k]
    r = records[slot]
    return key, Territory(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9])


@kernel
def _remembered_block(
    seed: np.uint64, memory: Memory, territory: Territory, territory_key: np.uint64, u: float, v: float, years: float
) -> tuple[np.uint64, Block]:
    """Key and record of the field block at local (u, v)."""
    key, cell = block_cell(territory_key, territory.block_m, u, v)
    slot = int(key & np.uint64(BLOCK_SLOTS - 1))
    records = memory.blocks
    if memory.block_keys[slot] != key:
        memory.block_keys[slot] = key
        record = later_block(block_record(seed, territory, key, cell), key, years)
        for k in range(len(record)):
            records[slot, k] = record[k]
    r = records[slot]
    return key, Block(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12])
