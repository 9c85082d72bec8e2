"""How the land is divided: village territories, field blocks in them, parcels in those.

A territory is a Voronoi cell around a jittered seat. In its own rotated coordinates it is cut into field blocks by
jittered lines, and a field block into parcels: by recursive splitting on level land, by bands of elevation on terraced
slopes. The hash of what is cut, its key, decides every cut. So a point finds its parcel from the top down, without a
map of parcels, and all points of a parcel find the same key.
"""

from __future__ import annotations

from typing import NamedTuple

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
TOWN_BLOCK = 9


NOT_CUT, FIELD_CUT, TERRACE_CUT, LOT_CUT = range(4)
"""How a plot was cut, and so in which coordinates its rectangle is; NOT_CUT: it has none."""


class Territory(NamedTuple):
    """Land of one village. All fields are float64, so that a row of an array holds a territory."""

    x: float
    """Seat, metres."""

    y: float
    """Seat, metres."""

    cos: float
    """Direction of the territory's own u axis."""

    sin: float
    """Direction of the territory's own u axis."""

    block_m: float
    """Mean edge of a field block."""

    village_m: float
    """Radius of the village; 0 where there is none."""

    wet: float
    """0 (dry fields) to 1 (paddies)."""

    dry: float
    """0 (humid) to 1 (desert)."""

    size: float
    """Of its fields, 0 (garden plots) to 1 (estate fields)."""

    relief: float
    """0 (plain) to 1 (mountains)."""


class Rectangle(NamedTuple):
    """A rectangle in the coordinates of what is cut, metres; upper ends excluded."""

    u0: float
    """Lower end along u."""

    v0: float
    """Lower end along v."""

    u1: float
    """Upper end along u."""

    v1: float
    """Upper end along v."""


class Block(NamedTuple):
    """A field block. All fields are float64, so that a row of an array holds a block."""

    u0: float
    """Rectangle in the territory's coordinates, metres."""

    v0: float
    """As in `Rectangle`."""

    u1: float
    """As in `Rectangle`."""

    v1: float
    """As in `Rectangle`."""

    use: float
    """FARM to TOWN_BLOCK."""

    area_m2: float
    """Mean area of its parcels."""

    aspect: float
    """How much longer than wide its parcels are on average."""

    slope: float
    """m/m, at least 0.03."""

    along_x: float
    """Direction along the contour."""

    along_y: float
    """Direction along the contour."""

    band_m: float
    """Mean width of a terrace up the slope."""

    length_m: float
    """Mean length of a terrace parcel along the contour."""

    border: float
    """Draw that decides what lies along its sides, 0-1."""


class Plot(NamedTuple):
    """The plot of the last pixel."""

    cut: int
    """How it was cut; a pixel of another cut cannot lie in it."""

    key: np.uint64
    """Hash of the plot; 0 for uncultivated land."""

    cover: int
    """`LandCover` code."""

    u0: float
    """Rectangle, metres."""

    v0: float
    """As in `Rectangle`."""

    u1: float
    """As in `Rectangle`."""

    v1: float
    """As in `Rectangle`."""


NO_PLOT = Plot(NOT_CUT, np.uint64(0), 0, 0.0, 0.0, 0.0, 0.0)


@kernel
def _seat(seed: np.uint64, i: int, j: int) -> tuple[float, float]:
    own = hash2(salted(seed, draws.SEAT), i, j)
    return (i + 0.5 + 0.66 * (draw(own, draws.SEAT_X) - 0.5)) * TERRITORY_M, (
        j + 0.5 + 0.66 * (draw(own, draws.SEAT_Y) - 0.5)
    ) * TERRITORY_M


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
    # The edge is the perpendicular bisector of the two nearest seats.
    between = np.sqrt((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1))
    return bi, bj, (d2 - d1) / (2.0 * between)


@kernel
def territory_record(seed: np.uint64, i: int, j: int) -> Territory:
    """The territory of a lattice index."""
    key = hash2(salted(seed, draws.TERRITORY), i, j)
    sx, sy = _seat(seed, i, j)
    _z, relief, river, river_half, stream, stream_half, lake = ground_at(seed, sx, sy)
    size = field_size_at(seed, sx, sy)
    wet = wetness_at(seed, sx, sy)
    dry = dryness_at(seed, sx, sy)
    turn = 0.16 + 0.9 * relief + 0.35 * wet
    # The sine is drawn, not the angle: a sine of an angle is not the same on every machine, a square root is.
    sin = turn * (2.0 * draw(key, draws.TERRITORY_TURN) - 1.0)
    sin = min(max(sin, -0.98), 0.98)
    block_m = (260.0 + 900.0 * size * size) * (0.8 + 0.4 * draw(key, draws.TERRITORY_BLOCK)) * (1.0 - 0.25 * wet)
    radius = 90.0 + 210.0 * draw(key, draws.TERRITORY_VILLAGE)
    to_water = min(min(abs(river) - river_half, abs(stream) - stream_half), lake)
    keep = (1.0 - 0.7 * smoothstep(0.1, 0.5, relief)) * (1.0 - smoothstep(0.75, 0.95, dry))
    village_m = radius * keep if to_water > 60.0 else 0.0
    return Territory(sx, sy, np.sqrt(1.0 - sin * sin), sin, block_m, village_m, wet, dry, size, relief)


@inlined_kernel
def holds(rectangle: Rectangle | Block | Plot, u: float, v: float) -> bool:
    """Whether a point lies in a rectangle, or in anything with its four fields."""
    return bool(rectangle.u0 <= u < rectangle.u1 and rectangle.v0 <= v < rectangle.v1)


@inlined_kernel
def distance_to_edge(rectangle: Rectangle | Block | Plot, u: float, v: float) -> float:
    """Distance of a point in a rectangle to its nearest side, metres; negative outside."""
    return min(min(u - rectangle.u0, rectangle.u1 - u), min(v - rectangle.v0, rectangle.v1 - v))


@kernel
def _line(key: np.uint64, i: int, step: float) -> float:
    # Line 0 is not shifted: the lanes of a village run along it, through the seat.
    if i == 0:
        return 0.0
    return (i + 0.5 * (unit(hash2(key, i, draws.CUT_LINE)) - 0.5)) * step


@kernel
def _cell(key: np.uint64, value: float, step: float) -> tuple[int, float, float]:
    """Index and ends of the jittered interval that holds a value."""
    # Lines are shifted by at most a quarter of a step, so the interval is that of the lattice or the one beside it.
    i = int(np.floor(value / step))
    low = _line(key, i, step)
    high = _line(key, i + 1, step)
    if value < low:
        return i - 1, _line(key, i - 1, step), low
    if value >= high:
        return i + 1, high, _line(key, i + 2, step)
    return i, low, high


@kernel
def _block_use(h: np.uint64, slope: float, relief: float, wet: float, dry: float) -> int:
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
def block_cell(territory_key: np.uint64, step: float, u: float, v: float) -> tuple[np.uint64, Rectangle]:
    """Key and rectangle of the field block at local (u, v); every column of blocks has rows of its own."""
    i, u0, u1 = _cell(territory_key, u, step)
    column = hash2(territory_key, i, draws.BLOCK_COLUMN)
    j, v0, v1 = _cell(column, v, step)
    return hash2(column, j, draws.BLOCK_ROW), Rectangle(u0, v0, u1, v1)


@kernel
def block_record(seed: np.uint64, territory: Territory, key: np.uint64, cell: Rectangle) -> Block:
    """The field block of a key and rectangle; its use follows from the slope at its centre."""
    cu = 0.5 * (cell.u0 + cell.u1)
    cv = 0.5 * (cell.v0 + cell.v1)
    x = territory.x + cu * territory.cos - cv * territory.sin
    y = territory.y + cu * territory.sin + cv * territory.cos
    z = ground_at(seed, x, y)[0]
    gx = (ground_at(seed, x + 60.0, y)[0] - z) / 60.0
    gy = (ground_at(seed, x, y + 60.0)[0] - z) / 60.0
    slope = np.sqrt(gx * gx + gy * gy)
    use = _block_use(key, slope, territory.relief, territory.wet, territory.dry)
    paddy = smoothstep(0.45, 0.75, territory.wet)
    return Block(
        cell.u0,
        cell.v0,
        cell.u1,
        cell.v1,
        float(use),
        _parcel_area(key, use, territory.size, paddy),
        1.0 + (3.5 - 2.0 * paddy) * draw(key, draws.BLOCK_ASPECT),
        max(slope, 0.03),
        -gy / max(slope, 1e-6) if slope > 1e-6 else 1.0,
        gx / max(slope, 1e-6) if slope > 1e-6 else 0.0,
        9.0 + 22.0 * draw(key, draws.BLOCK_BAND) * (1.0 - 0.5 * smoothstep(0.1, 0.3, slope)),
        55.0 + 130.0 * draw(key, draws.BLOCK_LENGTH),
        draw(key, draws.BLOCK_BORDER),
    )


@kernel
def _parcel_area(key: np.uint64, use: int, size: float, paddy: float) -> float:
    """Mean area of the parcels of a block, m2; paddies are small, woodlots and pastures are not divided."""
    scatter = 0.6 + 0.8 * draw(key, draws.BLOCK_AREA)
    area = (3_500.0 + 190_000.0 * size * size * size) * scatter
    area = area * (1.0 - paddy) + paddy * (500.0 + 3_500.0 * size) * scatter
    if use == GLASS:
        return 900.0
    if use == POND:
        return 5_000.0
    if use == PLANTATION:
        return max(area, 3_000.0)
    if use in (WOODLOT, PASTURE):
        return 1e9
    return area


@kernel
def terrace(block: Block, key: np.uint64, a: float, b: float) -> tuple[np.uint64, Rectangle]:
    """Key and rectangle of the terrace parcel at distance ``a`` along the contour and scaled elevation ``b``."""
    band, b0, b1 = _cell(key, b, block.band_m)
    own = hash2(key, band, draws.TERRACE_BAND)
    i, a0, a1 = _cell(own, a, block.length_m)
    return hash2(own, i, draws.TERRACE_PIECE), Rectangle(a0, b0, a1, b1)


@kernel
def split_rectangle(
    whole: Rectangle, target: float, aspect: float, key: np.uint64, u: float, v: float
) -> tuple[np.uint64, Rectangle]:
    """Key and rectangle of the piece that holds (u, v) when a rectangle is halved again and again.

    Each half is cut by its own hash, so a piece is found without the pieces beside it, and all points of a piece find
    the same one. A piece is done when it is smaller than ``target`` (m2), give or take a draw. Pieces are cut across
    the longer side after one side, drawn once, is stretched by ``aspect``: pieces come out so much longer that way.
    """
    u0, v0, u1, v1 = whole.u0, whole.v0, whole.u1, whole.v1
    along_u = unit(salted(key, draws.SPLIT_AXIS)) < 0.5
    # 24 halvings take any rectangle below any target; the bound is there for the compiler.
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
            low = u < middle
            if low:
                u1 = middle
            else:
                u0 = middle
        else:
            middle = v0 + at * height
            low = v < middle
            if low:
                v1 = middle
            else:
                v0 = middle
        key = mix(key ^ np.uint64(draws.SPLIT_LOW)) if low else mix(key ^ np.uint64(draws.SPLIT_HIGH))
    return key, Rectangle(u0, v0, u1, v1)


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
    return (
        LandCover.WINTER_GRAIN.value if (unit(salted(key, draws.PARCEL_GRAIN)) + block) < 1.0 else LandCover.MAIZE.value
    )
