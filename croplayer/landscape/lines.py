"""Lines that cross the land: field borders, lanes, roads, streams and shores.

A line is a band around a curve whose distance is known everywhere. Its depth at a place is its half width minus that
distance, in metres: positive inside, negative outside. The truth cuts the band where the depth is 0. An image blends
the band in over half a pixel (`reach`) on both sides of that edge, which anti-aliases it.

The functions take the line found so far, (kind, depth), and return the line after their own. Among the lines of a
field the deepest wins. Streams, highways and rivers then cover whatever they cross, in this order, except that a river
does not cover a highway: highways cross all water on bridges.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel
from croplayer.landscape.noise import salted, unit
from croplayer.landscape.parcels import PASTURE, POND, WOODLOT, Block, Plot, Rectangle, Territory, distance_to_edge

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

NOWHERE_M = -1e9
"""Depth where there is no line."""

LANE_HALF_M = 2.1
TRACK_HALF_M = 2.6
STREAM_BANK_M = 4.0
SHORE_M = 9.0
LEVEL_RELIEF = 0.35
"""Territories above this relief have no track along their edge."""

HIGHWAY_RELIEF = 0.3
"""Highways end where the relief reaches this."""


@inlined_kernel
def street_depth(in_town: bool, u: float, v: float, streets: Rectangle, lot: Plot) -> float:
    """Depth into the streets around a block of lots, or into the gap between two lots."""
    gap = 0.7 - distance_to_edge(lot, u, v)
    return max(gap, (4.5 if in_town else 2.0) - distance_to_edge(streets, u, v))


@inlined_kernel
def terrace_bund_depth(key: np.uint64, block_slope: float, slope: float, a: float, b: float, parcel: Plot) -> float:
    """Depth into the bund around a terrace parcel at its own coordinates.

    ``b`` is elevation over the mean slope of the block, so a step of ``b`` is a metre of ground only where the slope
    is that mean; elsewhere the distance up the slope is scaled by the ratio of the two.
    """
    scale = block_slope / max(slope, 0.03)
    distance = min(min(a - parcel.u0, parcel.u1 - a), min(b - parcel.v0, parcel.v1 - b) * scale)
    return 0.7 + 0.6 * unit(salted(key, draws.BUND_WIDTH)) - distance


@inlined_kernel
def bund_depth(block_key: np.uint64, use: int, u: float, v: float, parcel: Plot) -> float:
    """Depth into the bund around a parcel on level land; woodlots and pastures have none."""
    half = 0.45 + 0.7 * unit(salted(block_key, draws.BUND_WIDTH))
    if use == POND:
        half = 2.2
    elif use in (WOODLOT, PASTURE):
        half = NOWHERE_M
    return half - distance_to_edge(parcel, u, v)


@inlined_kernel
def block_border(block: Block, u: float, v: float, reach: float, kind: int, depth: float) -> tuple[int, float]:
    """The track, row of trees, ditch or bund around a field block, where it is deeper than the line so far."""
    if block.border < 0.5:
        half = 1.3 + 2.4 * block.border
        border = TRACK
    elif block.border < 0.72:
        half = 2.0 + 6.0 * (block.border - 0.5)
        border = TREES
    elif block.border < 0.88:
        half = 1.6
        border = DITCH
    else:
        half = 1.0
        border = BUND
    own = half - distance_to_edge(block, u, v)
    if own > -reach and own > depth:
        return border, own
    return kind, depth


@inlined_kernel
def lanes(
    territory: Territory, u: float, v: float, edge: float, reach: float, kind: int, depth: float
) -> tuple[int, float]:
    """The two lanes that cross in a village, and the track along the edge of its territory."""
    own = LANE_HALF_M - min(abs(u), abs(v))
    if territory.village_m > 0.0 and own > -reach and own > depth:
        kind = LANE
        depth = own
    own = TRACK_HALF_M - edge
    if own > -reach and territory.relief < LEVEL_RELIEF and own > depth:
        kind = TRACK
        depth = own
    return kind, depth


@inlined_kernel
def stream(distance: float, half: float, reach: float, kind: int, depth: float) -> tuple[int, float]:
    """A tributary and its banks, from the signed distance to its centre line and its half width."""
    own = half - abs(distance)
    if half > 0.4 and own > -5.0:
        if own > -reach:
            return RIVER_WATER, np.float64(own)
        if own + STREAM_BANK_M > -reach:
            return BANK, own + STREAM_BANK_M
    return kind, depth


@inlined_kernel
def highways(
    east_west: float, north_south: float, relief: float, reach: float, kind: int, depth: float
) -> tuple[int, float]:
    """The roads across the country, from the signed distances to the nearest of either direction."""
    if relief < HIGHWAY_RELIEF:
        own = 5.5 - abs(east_west)
        if own > -reach:
            kind = HIGHWAY
            depth = own
        own = 4.5 - abs(north_south)
        if own > -reach:
            kind = HIGHWAY
            depth = own
    return kind, depth


@inlined_kernel
def river_or_lake(
    river: float, half: float, lake: float, wild: float, reach: float, kind: int, depth: float
) -> tuple[int, float]:
    """A main river or the lake on it, with an uneven shore of wetland; bridges of highways stay.

    ``river`` is the signed distance to the centre line, ``lake`` that to the shore, negative inside.
    """
    own = max(-lake, half - abs(river))
    if own > -14.0 and kind != HIGHWAY:
        if own > -reach:
            return RIVER_WATER, np.float64(own)
        shore = own + SHORE_M + 5.0 * wild
        if shore > -reach:
            return BANK, shore
    return kind, depth
