"""How the land is divided: village territories, field blocks in them, parcels in those.

A territory is a Voronoi cell around a jittered seat. In its own rotated coordinates it is cut into
field blocks by jittered lines, and a field block into parcels: by recursive splitting on level land,
by bands of elevation on terraced slopes. Every cut is decided by the hash of what it cuts.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.noise import draw, hash2, mix, salted, smoothstep, unit
from croplayer.landscape.regions import dryness_at, field_size_at, wetness_at
from croplayer.landscape.terrain import ground_at

TERRITORY_M = 2_500.0

FARM = 0
TERRACE = 1
PLANTATION = 2
GLASS = 3
WOODLOT = 4
PASTURE = 5
POND = 6
WILD = 7
VILLAGE = 8
TOWN_BLOCK = 9

T_X, T_Y, T_COS, T_SIN, T_BLOCK, T_VILLAGE, T_WET, T_DRY, T_SIZE, T_RELIEF = range(10)
"""Columns of a territory's record."""

B_U0, B_V0, B_U1, B_V1, B_KIND, B_AREA, B_ASPECT, B_SLOPE, B_CA, B_SA, B_BAND, B_LENGTH, B_EDGE = range(13)
"""Columns of a field block's record."""


@kernel
def _seat(seed: np.uint64, i: int, j: int) -> tuple[float, float]:
    own = hash2(salted(seed, draws.SEAT), i, j)
    return (i + 0.5 + 0.66 * (draw(own, draws.SEAT_X) - 0.5)) * TERRITORY_M, (j + 0.5 + 0.66 * (draw(own, draws.SEAT_Y) - 0.5)) * TERRITORY_M


@kernel
def territory_at(seed: np.uint64, x: float, y: float) -> tuple[int, int, float]:
    """Lattice index of the territory of a place and the distance to the territory's edge, metres."""
    ci = int(np.floor(x / TERRITORY_M))
    cj = int(np.floor(y / TERRITORY_M))
    d1 = 1e18
    d2 = 1e18
    bi = ci
    bj = cj
    x1 = 0.0
    y1 = 0.0
    x2 = 0.0
    y2 = 0.0
    for i in range(ci - 1, ci + 2):
        for j in range(cj - 1, cj + 2):
            sx, sy = _seat(seed, i, j)
            d = (x - sx) * (x - sx) + (y - sy) * (y - sy)
            if d < d1:
                d2 = d1
                x2 = x1
                y2 = y1
                d1 = d
                x1 = sx
                y1 = sy
                bi = i
                bj = j
            elif d < d2:
                d2 = d
                x2 = sx
                y2 = sy
    between = np.sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
    return bi, bj, (d2 - d1) / (2.0 * between)


@kernel
def territory_record(seed: np.uint64, i: int, j: int, record: np.ndarray) -> np.uint64:
    """Fill the record of a territory and return its key."""
    key = hash2(salted(seed, draws.TERRITORY), i, j)
    sx, sy = _seat(seed, i, j)
    _z, relief, river, river_half, stream, stream_half, lake = ground_at(seed, sx, sy)
    size = field_size_at(seed, sx, sy)
    wet = wetness_at(seed, sx, sy)
    turn = 0.16 + 0.9 * relief + 0.35 * wet
    s = turn * (2.0 * draw(key, draws.TERRITORY_TURN) - 1.0)
    s = min(max(s, -0.98), 0.98)
    record[T_X] = sx
    record[T_Y] = sy
    record[T_COS] = np.sqrt(1.0 - s * s)
    record[T_SIN] = s
    record[T_BLOCK] = (260.0 + 900.0 * size * size) * (0.8 + 0.4 * draw(key, draws.TERRITORY_BLOCK)) * (1.0 - 0.25 * wet)
    dry = dryness_at(seed, sx, sy)
    radius = 90.0 + 210.0 * draw(key, draws.TERRITORY_VILLAGE)
    wet_ground = min(min(abs(river) - river_half, abs(stream) - stream_half), lake)
    keep = (1.0 - 0.7 * smoothstep(0.1, 0.5, relief)) * (1.0 - smoothstep(0.75, 0.95, dry))
    record[T_VILLAGE] = radius * keep if wet_ground > 60.0 else 0.0
    record[T_WET] = wet
    record[T_DRY] = dry
    record[T_SIZE] = size
    record[T_RELIEF] = relief
    return key


@inlined_kernel
def holds(rectangle: np.ndarray, u: float, v: float) -> bool:
    """Whether a point lies in a rectangle u0, v0, u1, v1 (the first columns of a field block), upper ends excluded."""
    return bool(rectangle[0] <= u < rectangle[2] and rectangle[1] <= v < rectangle[3])


@inlined_kernel
def distance_to_edge(rectangle: np.ndarray, u: float, v: float) -> float:
    """Distance of a point in a rectangle u0, v0, u1, v1 to its nearest side, metres; negative outside."""
    return min(min(u - rectangle[0], rectangle[2] - u), min(v - rectangle[1], rectangle[3] - v))


@kernel
def _line(key: np.uint64, i: int, step: float) -> float:
    if i == 0:
        return 0.0
    return (i + 0.5 * (unit(hash2(key, i, draws.CUT_LINE)) - 0.5)) * step


@kernel
def _cell(key: np.uint64, value: float, step: float) -> tuple[int, float, float]:
    """Index and ends of the jittered interval that holds a value."""
    i = int(np.floor(value / step))
    low = _line(key, i, step)
    high = _line(key, i + 1, step)
    if value < low:
        return i - 1, _line(key, i - 1, step), low
    if value >= high:
        return i + 1, high, _line(key, i + 2, step)
    return i, low, high


@kernel
def _block_kind(h: np.uint64, slope: float, relief: float, wet: float, dry: float) -> int:
    """Land use of a field block from its slope and climate."""
    p = draw(h, draws.BLOCK_USE)
    if slope > 0.34 or p < smoothstep(0.45, 0.8, relief) or p < smoothstep(0.76, 0.9, dry):
        return WILD
    if slope > 0.075:
        if p < 0.68 - 0.5 * dry:
            return TERRACE
        if p < 0.84:
            return PLANTATION
        return WILD
    if dry > 0.72:
        return FARM if p < 0.5 else WILD
    if wet > 0.6 and p < 0.06:
        return POND
    if p < 0.13:
        return PLANTATION
    if p < 0.145:
        return GLASS
    if p < 0.175:
        return WOODLOT
    if p < 0.2 + 0.3 * dry * dry:
        return PASTURE
    return FARM


@kernel
def block_cell(
    territory_key: np.uint64, step: float, u: float, v: float
) -> tuple[np.uint64, float, float, float, float]:
    """Key and rectangle (u0, v0, u1, v1) of the field block at local (u, v)."""
    i, u0, u1 = _cell(territory_key, u, step)
    column = hash2(territory_key, i, draws.BLOCK_COLUMN)
    j, v0, v1 = _cell(column, v, step)
    return hash2(column, j, draws.BLOCK_ROW), u0, v0, u1, v1


@kernel
def fill_block(
    seed: np.uint64,
    territory: np.ndarray,
    key: np.uint64,
    u0: float,
    v0: float,
    u1: float,
    v1: float,
    record: np.ndarray,
) -> None:
    """Fill the record of a field block."""
    cu = 0.5 * (u0 + u1)
    cv = 0.5 * (v0 + v1)
    x = territory[T_X] + cu * territory[T_COS] - cv * territory[T_SIN]
    y = territory[T_Y] + cu * territory[T_SIN] + cv * territory[T_COS]
    z = ground_at(seed, x, y)[0]
    gx = (ground_at(seed, x + 60.0, y)[0] - z) / 60.0
    gy = (ground_at(seed, x, y + 60.0)[0] - z) / 60.0
    slope = np.sqrt(gx * gx + gy * gy)
    wet = territory[T_WET]
    size = territory[T_SIZE]
    kind = _block_kind(key, slope, territory[T_RELIEF], wet, territory[T_DRY])
    record[B_U0] = u0
    record[B_V0] = v0
    record[B_U1] = u1
    record[B_V1] = v1
    record[B_KIND] = kind
    paddy = smoothstep(0.45, 0.75, wet)
    area = (3_500.0 + 190_000.0 * size * size * size) * (0.6 + 0.8 * draw(key, draws.BLOCK_AREA))
    area = area * (1.0 - paddy) + paddy * (500.0 + 3_500.0 * size) * (0.6 + 0.8 * draw(key, draws.BLOCK_AREA))
    if kind == GLASS:
        area = 900.0
    elif kind == POND:
        area = 5_000.0
    elif kind == PLANTATION:
        area = max(area, 3_000.0)
    elif kind in (WOODLOT, PASTURE):
        area = 1e9
    record[B_AREA] = area
    record[B_ASPECT] = 1.0 + (3.5 - 2.0 * paddy) * draw(key, draws.BLOCK_ASPECT)
    record[B_SLOPE] = max(slope, 0.03)
    record[B_CA] = -gy / max(slope, 1e-6) if slope > 1e-6 else 1.0
    record[B_SA] = gx / max(slope, 1e-6) if slope > 1e-6 else 0.0
    record[B_BAND] = 9.0 + 22.0 * draw(key, draws.BLOCK_BAND) * (1.0 - 0.5 * smoothstep(0.1, 0.3, slope))
    record[B_LENGTH] = 55.0 + 130.0 * draw(key, draws.BLOCK_LENGTH)
    record[B_EDGE] = draw(key, draws.BLOCK_BORDER)


@kernel
def terrace(block: np.ndarray, key: np.uint64, a: float, b: float, leaf: np.ndarray) -> np.uint64:
    """The terrace parcel at distance ``a`` along the contour and scaled elevation ``b``; fill ``leaf``."""
    band, b0, b1 = _cell(key, b, block[B_BAND])
    own = hash2(key, band, draws.TERRACE_BAND)
    i, a0, a1 = _cell(own, a, block[B_LENGTH])
    leaf[0] = a0
    leaf[1] = b0
    leaf[2] = a1
    leaf[3] = b1
    return hash2(own, i, draws.TERRACE_PIECE)


@kernel
def split_rectangle(
    u0: float,
    v0: float,
    u1: float,
    v1: float,
    target: float,
    aspect: float,
    key: np.uint64,
    u: float,
    v: float,
    leaf: np.ndarray,
) -> np.uint64:
    """Recursive halving of a rectangle: ``leaf`` receives u0, v0, u1, v1 of the piece that holds (u, v)."""
    along_u = unit(salted(key, draws.SPLIT_AXIS)) < 0.5
    for _ in range(24):
        width = u1 - u0
        height = v1 - v0
        key = mix(key + np.uint64(draws.SPLIT_STEP))
        if width * height < target * (0.75 + 0.9 * unit(key)):
            break
        stretched = width if along_u else width * aspect
        other = height * aspect if along_u else height
        at = 0.5 + 0.26 * (unit(mix(key + np.uint64(draws.SPLIT_PLACE))) - 0.5)
        if stretched > other:
            middle = u0 + at * width
            if u < middle:
                u1 = middle
                key = mix(key ^ np.uint64(draws.SPLIT_LOW))
            else:
                u0 = middle
                key = mix(key ^ np.uint64(draws.SPLIT_HIGH))
        else:
            middle = v0 + at * height
            if v < middle:
                v1 = middle
                key = mix(key ^ np.uint64(draws.SPLIT_LOW))
            else:
                v0 = middle
                key = mix(key ^ np.uint64(draws.SPLIT_HIGH))
    leaf[0] = u0
    leaf[1] = v0
    leaf[2] = u1
    leaf[3] = v1
    return key


@kernel
def parcel_class(key: np.uint64, block_key: np.uint64, kind: int, wet: float, dry: float, size: float) -> int:
    """Land cover of a parcel from its block's use and its own hash."""
    if kind == PLANTATION:
        return LandCover.ORCHARD.value
    if kind == GLASS:
        return LandCover.GREENHOUSE.value if unit(salted(key, draws.PARCEL_GLASS)) < 0.8 else LandCover.VEGETABLES.value
    if kind == WOODLOT:
        return LandCover.WOODLAND.value
    if kind == PASTURE:
        return LandCover.GRASSLAND.value
    if kind == POND:
        return LandCover.WATER.value
    p = unit(salted(key, draws.PARCEL_CROP))
    block = unit(salted(block_key, draws.BLOCK_CROP))
    if kind == TERRACE:
        if wet > 0.55:
            return LandCover.PADDY.value if p < 0.8 else LandCover.VEGETABLES.value
        if p < 0.1 + 0.25 * dry:
            return LandCover.FALLOW.value
        if p < 0.18:
            return LandCover.ORCHARD.value
        return LandCover.MAIZE.value if p < 0.6 else LandCover.WINTER_GRAIN.value
    if wet > 0.5 + 0.12 * (block - 0.5):
        if p < 0.82:
            return LandCover.PADDY.value
        if p < 0.9:
            return LandCover.VEGETABLES.value
        return LandCover.OILSEED.value
    if p < 0.05 + 0.1 * dry:
        return LandCover.FALLOW.value
    if p < 0.13 + 0.15 * (1.0 - size):
        return LandCover.VEGETABLES.value
    if p < 0.25 and wet > 0.25:
        return LandCover.OILSEED.value
    return LandCover.WINTER_GRAIN.value if (unit(salted(key, draws.PARCEL_GRAIN)) + block) < 1.0 else LandCover.MAIZE.value
