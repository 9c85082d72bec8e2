"""What lies at a place between the lines: a lot of a settlement, a parcel of a field block, or uncultivated land.

The last plot is kept from pixel to pixel. Most neighbours in a row lie in the same plot, so most pixels only check that
they are still inside it, and the block is not cut again.

Plots, places and records are tuples of numbers, not rows of arrays. Numba counts references to an array that is passed
to a function, which would cost more than these functions do; numbers stay in registers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.classes import LandCover
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.lines import (
    BUND,
    NO_LINE,
    NOWHERE_M,
    block_border,
    bund_depth,
    terrace_bund_depth,
)
from croplayer.landscape.noise import salted, unit
from croplayer.landscape.parcels import (
    FIELD_CUT,
    LOT_CUT,
    NOT_CUT,
    TERRACE,
    TERRACE_CUT,
    WILD,
    Block,
    Plot,
    Rectangle,
    Territory,
    holds,
    parcel_class,
    split_rectangle,
    terrace,
)

_WOODLAND = int(LandCover.WOODLAND)
_SHRUB = int(LandCover.SHRUB)
_GRASSLAND = int(LandCover.GRASSLAND)
_PARK = int(LandCover.PARK)
_BARE = int(LandCover.BARE)
_DUNE = int(LandCover.DUNE)
_BUILT = int(LandCover.BUILT)

FARMED = -1
"""Stands for the natural cover of cultivated land, which has none."""

SETTLEMENT_HALF_M = 4_096.0
"""Half the square that is cut into streets around the seat of a territory; it holds any territory."""

LARGE_LOT = 0.93
"""A block of lots that draws more than this stays whole: a park, or from 0.98 on bare ground."""


class Place(NamedTuple):
    """A pixel: where it lies in its territory, and the slow fields there."""

    dx: float
    """Metres east of the seat of the territory."""

    dy: float
    """Metres north of the seat."""

    u: float
    """Coordinate along the territory's axis, metres."""

    v: float
    """Coordinate across the territory's axis, metres."""

    elevation: float
    """Metres."""

    slope: float
    """m/m."""

    relief: float
    """0 (plain) to 1 (mountains)."""

    wild: float
    """About -1 to 1."""

    dry: float
    """0 (humid) to 1 (desert)."""


@inlined_kernel
def village_depth(territory: Territory, wild: float, u: float, v: float) -> float:
    """How deep a place lies in the village at the seat of a territory, metres; a rounded square with a ragged edge."""
    far = max(abs(u), abs(v))
    return territory.village_m * (1.0 + 0.9 * wild) - 0.6 * far - 0.4 * np.sqrt(u * u + v * v)


@kernel
def settlement_lot(territory_key: np.uint64, in_town: bool, u: float, v: float) -> tuple[Plot, Rectangle]:
    """The lot of a town or village at local (u, v), and the block of lots between streets that it is part of."""
    half = SETTLEMENT_HALF_M
    quarter = 11_000.0 if in_town else 4_500.0
    key, streets = split_rectangle(Rectangle(-half, -half, half, half), quarter, 1.3, territory_key, u, v)
    lot = unit(salted(key, draws.LOT))
    target = 650.0 if in_town else 300.0
    if lot < 0.3 and in_town:
        target = 2_200.0
    if lot > LARGE_LOT:
        target = 1e9
    key, leaf = split_rectangle(streets, target, 1.6, key, u, v)
    cover = _BUILT
    house = unit(salted(key, draws.HOUSE))
    if lot > LARGE_LOT:
        cover = _PARK if lot < 0.98 else _BARE
    elif house < 0.12:
        cover = _WOODLAND
    elif house < 0.15:
        cover = _BARE
    return Plot(LOT_CUT, key, cover, leaf.u0, leaf.v0, leaf.u1, leaf.v1), streets


@inlined_kernel
def open_land(
    plot: Plot, territory: Territory, block_key: np.uint64, block: Block, place: Place, reach: float
) -> tuple[Plot, int, float, float, float]:
    """Plot, kind and depth of the line, and coordinates of rows and furrows at a place outside settlements."""
    u, v, use = place.u, place.v, int(block.use)
    natural = _natural_cover(use, place)
    if natural != FARMED:
        return Plot(NOT_CUT, np.uint64(0), natural, 0.0, 0.0, 0.0, 0.0), NO_LINE, NOWHERE_M, u, v
    if use == TERRACE:
        # Terraces are bands of elevation, cut along the contour. Elevation is divided by the slope of the block, so
        # that the width of a band is in metres of ground.
        along = place.dx * block.along_x + place.dy * block.along_y
        up = np.float64(place.elevation) / block.slope
        if not (plot.cut == TERRACE_CUT and holds(plot, along, up)):
            plot = _terrace_plot(territory, block_key, block, along, up)
        depth = terrace_bund_depth(plot.key, block.slope, place.slope, along, up, plot)
        kind, depth = block_border(block, u, v, reach, BUND, depth)
        return plot, kind, depth, along, up
    if not (plot.cut == FIELD_CUT and holds(plot, u, v)):
        plot = _field_plot(territory, block_key, block, u, v)
    kind, depth = block_border(block, u, v, reach, BUND, bund_depth(block_key, use, u, v, plot))
    # Furrows run along the longer side of a parcel.
    if plot.u1 - plot.u0 < plot.v1 - plot.v0:
        return plot, kind, depth, v, u
    return plot, kind, depth, u, v


@inlined_kernel
def _natural_cover(use: int, place: Place) -> int:
    """Cover of uncultivated land, FARMED elsewhere: woods on steep or wild land, dunes where it is driest."""
    woods = 2.1 * place.slope + 0.55 * place.wild + 0.22 * place.relief - 0.5 * place.dry
    if woods > 0.62:
        return _WOODLAND
    if use == WILD:
        return _wild_cover(place.dry, place.wild)
    if place.dry > 0.78 and place.wild < -0.28:
        return _DUNE
    return FARMED


@inlined_kernel
def _wild_cover(dry: float, wild: float) -> int:
    """Cover of a field block that is left to nature."""
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
def _terrace_plot(territory: Territory, block_key: np.uint64, block: Block, along: float, up: float) -> Plot:
    key, leaf = terrace(block, block_key, along, up)
    cover = parcel_class(key, block_key, TERRACE, territory.wet, territory.dry, territory.size)
    return Plot(TERRACE_CUT, key, cover, leaf.u0, leaf.v0, leaf.u1, leaf.v1)


@kernel
def _field_plot(territory: Territory, block_key: np.uint64, block: Block, u: float, v: float) -> Plot:
    whole = Rectangle(block.u0, block.v0, block.u1, block.v1)
    key, leaf = split_rectangle(whole, block.area_m2, block.aspect, block_key, u, v)
    cover = parcel_class(key, block_key, int(block.use), territory.wet, territory.dry, territory.size)
    return Plot(FIELD_CUT, key, cover, leaf.u0, leaf.v0, leaf.u1, leaf.v1)
