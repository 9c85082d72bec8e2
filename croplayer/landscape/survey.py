"""What lies at every point of a grid row: land cover, parcel, and the line that crosses it.

The row kernel is shared by truth and rendering, so the image and its truth cannot disagree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape.classes import LandCover
from croplayer.landscape.compiled import kernel
from croplayer.landscape.nodes import (
    DRYNESS,
    ELEVATION,
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
)
from croplayer.landscape.noise import hash2, salted, unit
from croplayer.landscape.parcels import (
    B_AREA,
    B_ASPECT,
    B_CA,
    B_EDGE,
    B_KIND,
    B_SA,
    B_SLOPE,
    B_U0,
    B_U1,
    B_V0,
    B_V1,
    PASTURE,
    POND,
    T_BLOCK,
    T_COS,
    T_DRY,
    T_RELIEF,
    T_SIN,
    T_SIZE,
    T_VILLAGE,
    T_WET,
    T_X,
    T_Y,
    TERRACE,
    WILD,
    WOODLOT,
    block_cell,
    fill_block,
    parcel_class,
    split_rectangle,
    terrace,
    territory_at,
    territory_record,
)

NO_LINE = 0
BUND = 1
TRACK = 2
TREES = 3
DITCH = 4
LANE = 5
HIGHWAY = 6
RIVER_WATER = 7
STREET = 8
BANK = 9

LINE_CLASS = np.array(
    [
        LandCover.UNKNOWN,
        LandCover.BOUNDARY,
        LandCover.BOUNDARY,
        LandCover.BOUNDARY,
        LandCover.BOUNDARY,
        LandCover.ROAD,
        LandCover.ROAD,
        LandCover.WATER,
        LandCover.ROAD,
        LandCover.WETLAND,
    ],
    dtype=np.uint8,
)
"""Land cover of a line by its kind."""

JUMP_STEPS = 4.5
"""A signed distance that changes by more node steps than this between two nodes belongs to two lines."""

BLOCK_SLOTS = 1024
TERRITORY_SLOTS = 64

_WOODLAND = int(LandCover.WOODLAND)
_SHRUB = int(LandCover.SHRUB)
_GRASSLAND = int(LandCover.GRASSLAND)
_PARK = int(LandCover.PARK)
_BARE = int(LandCover.BARE)
_DUNE = int(LandCover.DUNE)
_BUILT = int(LandCover.BUILT)
_WATER = int(LandCover.WATER)
_PADDY = int(LandCover.PADDY)
_ORCHARD = int(LandCover.ORCHARD)
_GREENHOUSE = int(LandCover.GREENHOUSE)


class Memory(NamedTuple):
    """Scratch of a survey: field blocks and territories met so far, each in the slot of its key."""

    block_keys: np.ndarray
    block_records: np.ndarray
    territory_keys: np.ndarray
    territory_records: np.ndarray


def new_memory() -> Memory:
    """Memory of a survey that has met nothing yet."""
    return Memory(
        np.zeros(BLOCK_SLOTS, dtype=np.uint64),
        np.zeros((BLOCK_SLOTS, 13)),
        np.zeros(TERRITORY_SLOTS, dtype=np.uint64),
        np.zeros((TERRITORY_SLOTS, 10)),
    )


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


@kernel
def _wild(dry: float, wild: float) -> int:
    """Cover of land that nobody works."""
    if dry > 0.72:
        if wild > 0.25:
            return _GRASSLAND
        return _DUNE if wild < -0.05 else _BARE
    if wild > 0.02:
        return _WOODLAND
    if wild > -0.22:
        return _SHRUB
    return _GRASSLAND


@kernel
def survey_row(
    seed: np.uint64,
    row: np.ndarray,
    territory_ids: np.ndarray,
    node_row: int,
    node_col: int,
    node_position: np.ndarray,
    step_x: float,
    y: float,
    px: float,
    memory: Memory,
    cover: np.ndarray,
    key_out: np.ndarray,
    line: np.ndarray,
    inside: np.ndarray,
    local_u: np.ndarray,
    local_v: np.ndarray,
) -> None:
    """Fill one row of a survey.

    Parameters
    ----------
    row : (N_FIELDS, cols) float32, node fields interpolated to this row
    territory_ids : (rows, cols, 2) int32 of the node grid
    node_row : row of the node grid south of this row
    node_col : lattice index of the grid's first column
    node_position : (w,) float64, pixel positions in nodes of the lattice
    step_x, y : metres between two nodes, and of the row
    px : pixel size in metres; 0 surveys points, a size widens lines by half a pixel for anti-aliasing
    memory : from `new_memory`, kept between rows
    cover : (w,) uint8 out, land cover under any line
    key_out : (w,) uint64 out, hash of the parcel or plot
    line : (w,) uint8 out, kind of line
    inside : (w,) float32 out, distance into the line in metres, negative outside
    local_u, local_v : (w,) float32 out, coordinates of rows and furrows, metres
    """
    block = memory.block_records[0]
    territory = memory.territory_records[0]
    leaf = np.empty(4)
    streets = np.empty(4)
    has_block = False
    last_c = -1
    mixed = False
    node_i = territory_ids[node_row, 0, 0]
    node_j = territory_ids[node_row, 0, 1]
    leaf_mode = 0
    leaf_cover = 0
    leaf_key = np.uint64(0)
    block_key = np.uint64(0)
    territory_key = np.uint64(0)
    ti = -2147483000
    tj = 0
    reach = 0.5 * px
    jump = JUMP_STEPS * step_x
    for p in range(node_position.shape[0]):
        position = node_position[p]
        whole = np.floor(position)
        c = int(whole) - node_col
        t = np.float32(position - whole)
        x = (position + 0.5) * step_x
        relief = row[RELIEF, c] + (row[RELIEF, c + 1] - row[RELIEF, c]) * t
        wild = row[WILDNESS, c] + (row[WILDNESS, c + 1] - row[WILDNESS, c]) * t
        dry = row[DRYNESS, c] + (row[DRYNESS, c + 1] - row[DRYNESS, c]) * t
        gx = row[SLOPE_X, c] + (row[SLOPE_X, c + 1] - row[SLOPE_X, c]) * t
        gy = row[SLOPE_Y, c] + (row[SLOPE_Y, c + 1] - row[SLOPE_Y, c]) * t
        warp_x = row[WARP_X, c] + (row[WARP_X, c + 1] - row[WARP_X, c]) * t
        warp_y = row[WARP_Y, c] + (row[WARP_Y, c + 1] - row[WARP_Y, c]) * t
        slope = np.sqrt(gx * gx + gy * gy)

        if c != last_c:
            last_c = c
            node_i = territory_ids[node_row, c, 0]
            node_j = territory_ids[node_row, c, 1]
            mixed = False
            for dr in range(2):
                for dc in range(2):
                    other_i = territory_ids[node_row + dr, c + dc, 0]
                    other_j = territory_ids[node_row + dr, c + dc, 1]
                    mixed = mixed or other_i != node_i or other_j != node_j
        ni = node_i
        nj = node_j
        if mixed:
            wi, wj, edge = territory_at(seed, x, y)
            ni = np.int32(wi)
            nj = np.int32(wj)
        else:
            edge = float(row[TERRITORY_EDGE, c] + (row[TERRITORY_EDGE, c + 1] - row[TERRITORY_EDGE, c]) * t)
        if ni != ti or nj != tj:
            ti = ni
            tj = nj
            territory_key = hash2(salted(seed, 102), ti, tj)
            slot = int(territory_key & np.uint64(TERRITORY_SLOTS - 1))
            if memory.territory_keys[slot] != territory_key:
                territory_record(seed, ti, tj, memory.territory_records[slot])
                memory.territory_keys[slot] = territory_key
            territory = memory.territory_records[slot]
            has_block = False
            leaf_mode = 0

        dx = x + warp_x - territory[T_X]
        dy = y + warp_y - territory[T_Y]
        u = dx * territory[T_COS] + dy * territory[T_SIN]
        v = -dx * territory[T_SIN] + dy * territory[T_COS]
        local_u[p] = u
        local_v[p] = v

        town = row[TOWN, c] + (row[TOWN, c + 1] - row[TOWN, c]) * t
        far = max(abs(u), abs(v))
        village = territory[T_VILLAGE] * (1.0 + 0.9 * wild) - 0.6 * far - 0.4 * np.sqrt(u * u + v * v)
        kind = NO_LINE
        depth = -1e9
        if town < 0.0 or village > 0.0:
            if not (leaf_mode == 3 and leaf[0] <= u < leaf[2] and leaf[1] <= v < leaf[3]):
                quarter = 11_000.0 if town < 0.0 else 4_500.0
                leaf_key = split_rectangle(
                    -4_096.0, -4_096.0, 4_096.0, 4_096.0, quarter, 1.3, territory_key, u, v, streets
                )
                lot = unit(salted(leaf_key, 31))
                target = 650.0 if town < 0.0 else 300.0
                if lot < 0.3 and town < 0.0:
                    target = 2_200.0
                if lot > 0.93:
                    target = 1e9
                leaf_key = split_rectangle(
                    streets[0], streets[1], streets[2], streets[3], target, 1.6, leaf_key, u, v, leaf
                )
                leaf_mode = 3
                leaf_cover = _BUILT
                house = unit(salted(leaf_key, 32))
                if lot > 0.93:
                    leaf_cover = _PARK if lot < 0.98 else _BARE
                elif house < 0.12:
                    leaf_cover = _WOODLAND
                elif house < 0.15:
                    leaf_cover = _BARE
            cover[p] = leaf_cover
            key_out[p] = leaf_key
            kind = STREET
            depth = 0.7 - min(min(u - leaf[0], leaf[2] - u), min(v - leaf[1], leaf[3] - v))
            d = min(min(u - streets[0], streets[2] - u), min(v - streets[1], streets[3] - v))
            depth = max(depth, (4.5 if town < 0.0 else 2.0) - d)
        else:
            if not (has_block and block[B_U0] <= u < block[B_U1] and block[B_V0] <= v < block[B_V1]):
                block_key, u0, v0, u1, v1 = block_cell(territory_key, territory[T_BLOCK], u, v)
                slot = int(block_key & np.uint64(BLOCK_SLOTS - 1))
                if memory.block_keys[slot] != block_key:
                    fill_block(seed, territory, block_key, u0, v0, u1, v1, memory.block_records[slot])
                    memory.block_keys[slot] = block_key
                block = memory.block_records[slot]
                has_block = True
                leaf_mode = 0
            use = int(block[B_KIND])
            woods = 2.1 * slope + 0.55 * wild + 0.22 * relief - 0.5 * dry
            if use == WILD or woods > 0.62:
                leaf_mode = 0
                cover[p] = _wild(dry, wild) if use == WILD and woods <= 0.62 else _WOODLAND
                key_out[p] = np.uint64(0)
            elif dry > 0.78 and wild < -0.28:
                leaf_mode = 0
                cover[p] = _DUNE
                key_out[p] = np.uint64(0)
            else:
                if use == TERRACE:
                    a = dx * block[B_CA] + dy * block[B_SA]
                    z = np.float64(row[ELEVATION, c] + (row[ELEVATION, c + 1] - row[ELEVATION, c]) * t)
                    b = z / block[B_SLOPE]
                    if not (leaf_mode == 2 and leaf[0] <= a < leaf[2] and leaf[1] <= b < leaf[3]):
                        leaf_key = terrace(block, block_key, a, b, leaf)
                        leaf_mode = 2
                        leaf_cover = parcel_class(
                            leaf_key, block_key, use, territory[T_WET], territory[T_DRY], territory[T_SIZE]
                        )
                    scale = block[B_SLOPE] / max(slope, 0.03)
                    d = min(min(a - leaf[0], leaf[2] - a), min(b - leaf[1], leaf[3] - b) * scale)
                    local_u[p] = a
                    local_v[p] = b
                    kind = BUND
                    depth = 0.7 + 0.6 * unit(salted(leaf_key, 33)) - d
                else:
                    if not (leaf_mode == 1 and leaf[0] <= u < leaf[2] and leaf[1] <= v < leaf[3]):
                        leaf_key = split_rectangle(
                            block[B_U0],
                            block[B_V0],
                            block[B_U1],
                            block[B_V1],
                            block[B_AREA],
                            block[B_ASPECT],
                            block_key,
                            u,
                            v,
                            leaf,
                        )
                        leaf_mode = 1
                        leaf_cover = parcel_class(
                            leaf_key, block_key, use, territory[T_WET], territory[T_DRY], territory[T_SIZE]
                        )
                    d = min(min(u - leaf[0], leaf[2] - u), min(v - leaf[1], leaf[3] - v))
                    kind = BUND
                    half = 0.45 + 0.7 * unit(salted(block_key, 33))
                    if use == POND:
                        half = 2.2
                    elif use in (WOODLOT, PASTURE):
                        half = -1e9
                    depth = half - d
                    if leaf[2] - leaf[0] < leaf[3] - leaf[1]:
                        local_u[p] = v
                        local_v[p] = u
                cover[p] = leaf_cover
                key_out[p] = leaf_key
                d = min(min(u - block[B_U0], block[B_U1] - u), min(v - block[B_V0], block[B_V1] - v))
                e = block[B_EDGE]
                if e < 0.5:
                    half = 1.3 + 2.4 * e
                    border = TRACK
                elif e < 0.72:
                    half = 2.0 + 6.0 * (e - 0.5)
                    border = TREES
                elif e < 0.88:
                    half = 1.6
                    border = DITCH
                else:
                    half = 1.0
                    border = BUND
                if half - d > -reach and half - d > depth:
                    kind = border
                    depth = half - d
            d = min(abs(u), abs(v))
            if territory[T_VILLAGE] > 0.0 and 2.1 - d > -reach and 2.1 - d > depth:
                kind = LANE
                depth = 2.1 - d
            if 2.6 - edge > -reach and territory[T_RELIEF] < 0.35 and 2.6 - edge > depth:
                kind = TRACK
                depth = 2.6 - edge

        low = row[STREAM, c]
        high = row[STREAM, c + 1]
        if abs(high - low) < jump:
            half = row[STREAM_HALF, c] + (row[STREAM_HALF, c + 1] - row[STREAM_HALF, c]) * t
            d = half - abs(low + (high - low) * t)
            if half > 0.4 and d > -5.0:
                if d > -reach:
                    kind = RIVER_WATER
                    depth = d
                elif d + 4.0 > -reach:
                    kind = BANK
                    depth = d + 4.0
        low = row[ROAD_EW, c]
        high = row[ROAD_EW, c + 1]
        if abs(high - low) < jump and relief < 0.3:
            d = 5.5 - abs(low + (high - low) * t)
            if d > -reach:
                kind = HIGHWAY
                depth = d
        low = row[ROAD_NS, c]
        high = row[ROAD_NS, c + 1]
        if abs(high - low) < jump and relief < 0.3:
            d = 4.5 - abs(low + (high - low) * t)
            if d > -reach:
                kind = HIGHWAY
                depth = d
        lake = row[LAKE, c] + (row[LAKE, c + 1] - row[LAKE, c]) * t
        d = -lake
        low = row[RIVER, c]
        high = row[RIVER, c + 1]
        if abs(high - low) < jump:
            half = row[RIVER_HALF, c] + (row[RIVER_HALF, c + 1] - row[RIVER_HALF, c]) * t
            d = max(d, half - abs(low + (high - low) * t))
        if d > -14.0 and kind != HIGHWAY:
            if d > -reach:
                kind = RIVER_WATER
                depth = d
            elif d + 9.0 + 5.0 * wild > -reach:
                kind = BANK
                depth = d + 9.0 + 5.0 * wild
        line[p] = kind if depth > -reach else NO_LINE
        inside[p] = depth
