"""Relief and water: rivers first, then land that rises from them.

Water that runs downhill is a property of a whole catchment, while every place must be made alone. So the order of
nature is turned round: the beds come first, as formulas that only fall, and the land rises from them. Main rivers run
eastwards; tributaries start below the ridge between two main rivers and fall towards one of them; land is carved down
to the beds.

Lines and points are spread over lattices: one in each cell, shifted by a draw. The nearest one lies in the cell of a
place or beside it, so three cells (nine in the plane) are all that is looked at.

Coordinates are the country's metres: x = longitude x METRES_PER_LON, y = latitude x METRES_PER_LAT,
true to scale at 34.5 N.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.noise import (
    draw,
    fbm,
    hash2,
    noise1,
    noise2,
    salted,
    smoothstep,
)

METRES_PER_LON = 91_740.0
METRES_PER_LAT = 110_940.0
CENTRE_LON = 114.5
CENTRE_LAT = 34.5

RIVER_SPACING_M = 15_000.0
TRIBUTARY_SPACING_M = 4_300.0
LAKE_SPACING_M = 11_000.0
BED_SLOPE = 0.00013
BED_AT_CENTRE_M = 250.0
FAR_M = 400.0
"""Signed distances to water and roads are clamped to this: nothing further away is drawn, and a clamped distance
varies slowly, as a field on nodes must."""


@kernel
def relief_at(seed: np.uint64, x: float, y: float) -> float:
    """How mountainous a place is, 0 (plain) to 1."""
    west = (CENTRE_LON - x / METRES_PER_LON) / 1.5
    raw = 1.9 * noise2(salted(seed, draws.RELIEF_COARSE), x / 34_000.0, y / 34_000.0) + 0.35 * noise2(
        salted(seed, draws.RELIEF_FINE), x / 9_000.0, y / 9_000.0
    )
    return smoothstep(0.08, 0.72, raw + 0.12 * min(max(west, -1.0), 2.0))


@kernel
def warped(seed: np.uint64, x: float, y: float) -> tuple[float, float]:
    """Bent coordinates (u, v) of a place, metres: main rivers run along u."""
    u = x + 3_500.0 * noise2(salted(seed, draws.WARP_U), x / 31_000.0, y / 31_000.0)
    v = y + 3_500.0 * noise2(salted(seed, draws.WARP_V), x / 31_000.0, y / 31_000.0)
    return u, v


@kernel
def river_line(seed: np.uint64, j: int) -> float:
    """The v around which main river ``j`` meanders, metres."""
    return (j + 0.5 + 0.3 * (draw(hash2(seed, j, draws.RIVER_LINE), draws.RIVER_LINE_V) - 0.5)) * RIVER_SPACING_M


@kernel
def river_meander(seed: np.uint64, j: int, u: float) -> float:
    """Offset of main river ``j`` from its line at ``u``, metres."""
    own = hash2(seed, j, draws.RIVER_MEANDER)
    return (
        900.0 * noise1(own, u / 7_000.0)
        + 330.0 * noise1(salted(own, draws.MEANDER_MIDDLE), u / 2_300.0)
        + 90.0 * noise1(salted(own, draws.MEANDER_FINE), u / 700.0)
    )


@kernel
def _lake_on(seed: np.uint64, j: int, cell: int) -> tuple[float, float, float]:
    """Centre along the river, half length and half width of a lake; zeros where the cell has none."""
    own = hash2(salted(seed, draws.LAKE), j, cell)
    if draw(own, draws.LAKE_EXISTS) > 0.45:
        return 0.0, 0.0, 0.0
    half = 350.0 + 1_400.0 * draw(own, draws.LAKE_LENGTH)
    centre = (cell + 0.3 + 0.4 * draw(own, draws.LAKE_CENTRE)) * LAKE_SPACING_M
    return centre, half, half * (0.35 + 0.4 * draw(own, draws.LAKE_BREADTH))


@kernel
def river_bed(seed: np.uint64, j: int, u: float) -> float:
    """Water level of main river ``j`` at ``u``, metres; never rises with ``u`` and is level across a lake."""
    cell = int(np.floor(u / LAKE_SPACING_M))
    start = cell * LAKE_SPACING_M
    along = u - start
    centre, half, _ = _lake_on(seed, j, cell)
    # A lake is level; its fall is spread over the rest of the cell, so the beds of neighbouring cells still meet.
    if half > 0.0:
        before = centre - half - start
        open_water = 2.0 * half
        past = min(max(along - before, 0.0), open_water)
        along = (along - past) * LAKE_SPACING_M / (LAKE_SPACING_M - open_water)
    return BED_AT_CENTRE_M - BED_SLOPE * (start + along - CENTRE_LON * METRES_PER_LON)


@kernel
def nearest_river(seed: np.uint64, u: float, v: float) -> tuple[int, float]:
    """Index of the nearest main river and the signed offset from it (north positive)."""
    middle = int(np.floor(v / RIVER_SPACING_M))
    best = middle
    # Further than any river.
    offset = 1e12
    for j in range(middle - 1, middle + 2):
        d = v - river_line(seed, j) - river_meander(seed, j, u)
        if abs(d) < abs(offset):
            offset = d
            best = j
    return best, offset


@kernel
def tributary(seed: np.uint64, j: int, side: int, u: float, w: float) -> tuple[float, float, float]:
    """Nearest tributary of river ``j`` on a side (1 north, -1 south) at ``u``, ``w`` metres off the main river.

    Returns its signed distance, half width and water level, metres; the level falls towards the main river.
    """
    gap = 0.5 * abs(river_line(seed, j + side) - river_line(seed, j))
    middle = int(np.floor(u / TRIBUTARY_SPACING_M))
    best = 1e12
    half_width = 0.0
    level = 0.0
    for k in range(middle - 1, middle + 2):
        own = hash2(salted(seed, draws.TRIBUTARY + side), j, k)
        if draw(own, draws.STREAM_EXISTS) > 0.8:
            continue
        mouth = (k + 0.5 + 0.5 * (draw(own, draws.STREAM_MOUTH) - 0.5)) * TRIBUTARY_SPACING_M
        length = (gap - 2_700.0) * (0.45 + 0.55 * draw(own, draws.STREAM_LENGTH))
        bend = 500.0 * noise1(salted(own, draws.STREAM_BEND), w / 2_600.0) + 120.0 * noise1(
            salted(own, draws.STREAM_BEND_FINE), w / 620.0
        )
        across = u - mouth - bend
        # Beyond its source a tributary has no width, but distances to it go on, around its end.
        beyond = max(w - length, 0.0)
        d = np.sqrt(across * across + beyond * beyond)
        if d < abs(best):
            best = d if across >= 0.0 else -d
            half_width = (3.0 + 8.0 * draw(own, draws.STREAM_WIDTH)) * max(1.0 - w / (length + 400.0), 0.15)
            if beyond > 0.0:
                half_width = 0.0
            slope = 0.0009 + 0.016 * relief_at(seed, mouth, river_line(seed, j) + side * 0.5 * gap)
            level = river_bed(seed, j, mouth) + slope * min(w, length)
    return best, half_width, level


@kernel
def _lake_distance(seed: np.uint64, j: int, u: float, offset: float) -> float:
    """Distance to the shore of the nearest lake of river ``j``, negative inside, metres."""
    middle = int(np.floor(u / LAKE_SPACING_M))
    best = 1e9
    for cell in range(middle - 1, middle + 2):
        centre, half, breadth = _lake_on(seed, j, cell)
        if half <= 0.0:
            continue
        own = hash2(salted(seed, draws.SHORE), j, cell)
        a = (u - centre) / half
        b = offset / breadth
        ragged = 0.16 * noise2(own, u / 420.0, offset / 420.0) + 0.07 * noise2(
            salted(own, draws.SHORE_FINE), u / 130.0, offset / 130.0
        )
        # An ellipse with a ragged edge. Scaled by the shorter axis it is close to a distance near the shore.
        d = (np.sqrt(a * a + b * b) - 0.84 + ragged) * min(half, breadth)
        best = min(best, d)
    return best


@kernel
def ground_at(seed: np.uint64, x: float, y: float) -> tuple[float, float, float, float, float, float, float]:
    """Elevation and water at a place.

    Returns
    -------
    elevation (m), relief (0-1), signed distance to the main river's centre line, its half width,
    signed distance to the tributary's centre line, its half width, distance to the lake shore
    (negative inside); all distances in metres, clamped to +-FAR_M.
    """
    relief = relief_at(seed, x, y)
    u, v = warped(seed, x, y)
    j, offset = nearest_river(seed, u, v)
    side = 1 if offset >= 0.0 else -1
    w = abs(offset)
    # `offset` is measured across the country; divided by the length of the meander's tangent it becomes a distance.
    bend = (river_meander(seed, j, u + 20.0) - river_meander(seed, j, u - 20.0)) / 40.0
    river = offset / np.sqrt(1.0 + bend * bend)
    river_half = (
        22.0
        + 55.0 * draw(hash2(seed, j, draws.RIVER_WIDTH), draws.RIVER_WIDTH_MEAN)
        + 14.0 * noise1(hash2(seed, j, draws.RIVER_WIDTH_ALONG), u / 900.0)
    )
    bed = river_bed(seed, j, u)
    stream, stream_half, stream_level = tributary(seed, j, side, u, w)
    lake = _lake_distance(seed, j, u, offset)

    away = min(abs(river), abs(stream), max(lake, 0.0))
    hills = 0.5 + 0.5 * fbm(salted(seed, draws.HILLS), x / 3_000.0, y / 3_000.0, 5)
    hills = hills * hills * (60.0 + 1_500.0 * relief) * relief * smoothstep(0.0, 1_500.0, away)
    swell = 1.4 * noise2(salted(seed, draws.SWELL), x / 1_700.0, y / 1_700.0)
    land = bed + 2.2 + (0.0009 + 0.012 * relief) * w + hills + swell * smoothstep(0.0, 400.0, away)

    # Carve the stream first and the river last, so that a tributary ends on the level of its river.
    reach = 160.0 + 500.0 * relief
    edge = max(abs(stream) - stream_half, 0.0)
    land = stream_level + (land - stream_level) * smoothstep(0.0, reach, edge)
    edge = max(min(abs(river) - river_half, lake), 0.0)
    land = bed + (land - bed) * smoothstep(0.0, reach, edge)
    return (
        land,
        relief,
        min(max(river, -FAR_M), FAR_M),
        river_half,
        min(max(stream, -FAR_M), FAR_M),
        stream_half,
        min(lake, FAR_M),
    )
