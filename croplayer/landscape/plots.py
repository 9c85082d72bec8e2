"""What lies at a place between the lines: a lot of a settlement, a parcel of a field block, or land that nobody works.

The rectangle of the last plot (`leaf`) is kept from pixel to pixel. Neighbours in a row mostly lie in one plot, so
most pixels only check that they are still inside and spare the cutting of a block into parcels.
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
from croplayer.landscape.nodes import ELEVATION, between
from croplayer.landscape.noise import salted, unit
from croplayer.landscape.parcels import (
    B_AREA,
    B_ASPECT,
    B_CA,
    B_KIND,
    B_SA,
    B_SLOPE,
    B_U0,
    B_U1,
    B_V0,
    B_V1,
    T_DRY,
    T_SIZE,
    T_VILLAGE,
    T_WET,
    TERRACE,
    WILD,
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

NOT_CUT, FIELD_CUT, TERRACE_CUT, LOT_CUT = range(4)
"""How the rectangle of the last plot was cut, and so in which coordinates it is; NOT_CUT: there is no rectangle."""

FARMED = -1
"""Natural cover of land that somebody works."""

SETTLEMENT_HALF_M = 4_096.0
"""Half the square that is cut into streets around the seat of a territory; it holds any territory."""

LARGE_LOT = 0.93
"""A block of lots that draws more than this stays whole: a park, or from 0.98 on bare ground."""


class Plot(NamedTuple):
    """The plot of the last pixel."""

    cut: int
    """How `leaf` was cut; a pixel of another cut cannot lie in it."""

    key: np.uint64
    """Hash of the plot; 0 for land that nobody works."""

    cover: int
    """`LandCover` code."""


NO_PLOT = Plot(NOT_CUT, np.uint64(0), 0)


class Place(NamedTuple):
    """A pixel: where it lies in the node grid and in its territory, and the slow fields there."""

    c: int
    """Column of the node grid west of it."""

    t: np.float32
    """Share of the way to the next column."""

    dx: float
    """Metres east of the seat of the territory."""

    dy: float
    """Metres north of the seat."""

    u: float
    """Coordinate along the territory's axis, metres."""

    v: float
    """Coordinate across the territory's axis, metres."""

    slope: np.float32
    """m/m."""

    relief: np.float32
    wild: np.float32
    dry: np.float32


@inlined_kernel
def village_depth(territory: np.ndarray, wild: float, u: float, v: float) -> float:
    """How deep a place lies in the village at the seat of a territory, metres; a rounded square with a ragged edge."""
    far = max(abs(u), abs(v))
    return float(territory[T_VILLAGE] * (1.0 + 0.9 * wild) - 0.6 * far - 0.4 * np.sqrt(u * u + v * v))


@inlined_kernel
def settlement_plot(
    plot: Plot, territory_key: np.uint64, in_town: bool, u: float, v: float, streets: np.ndarray, leaf: np.ndarray
) -> Plot:
    """The lot of a town or village at local (u, v); ``streets`` receives the block of lots around it."""
    if plot.cut == LOT_CUT and holds(leaf, u, v):
        return plot
    return _new_lot(territory_key, in_town, u, v, streets, leaf)


@kernel
def _new_lot(
    territory_key: np.uint64, in_town: bool, u: float, v: float, streets: np.ndarray, leaf: np.ndarray
) -> Plot:
    half = SETTLEMENT_HALF_M
    quarter = 11_000.0 if in_town else 4_500.0
    key = split_rectangle(-half, -half, half, half, quarter, 1.3, territory_key, u, v, streets)
    lot = unit(salted(key, draws.LOT))
    target = 650.0 if in_town else 300.0
    if lot < 0.3 and in_town:
        target = 2_200.0
    if lot > LARGE_LOT:
        target = 1e9
    key = split_rectangle(streets[0], streets[1], streets[2], streets[3], target, 1.6, key, u, v, leaf)
    cover = _BUILT
    house = unit(salted(key, draws.HOUSE))
    if lot > LARGE_LOT:
        cover = _PARK if lot < 0.98 else _BARE
    elif house < 0.12:
        cover = _WOODLAND
    elif house < 0.15:
        cover = _BARE
    return Plot(LOT_CUT, key, cover)


@inlined_kernel
def open_land(
    plot: Plot,
    territory: np.ndarray,
    block_key: np.uint64,
    block: np.ndarray,
    row: np.ndarray,
    place: Place,
    reach: float,
    leaf: np.ndarray,
) -> tuple[Plot, int, float, float, float]:
    """Plot, kind and depth of the line, and coordinates of rows and furrows at a place outside settlements."""
    u, v, use = place.u, place.v, int(block[B_KIND])
    natural = _natural_cover(use, place)
    if natural != FARMED:
        return Plot(NOT_CUT, np.uint64(0), natural), NO_LINE, NOWHERE_M, u, v
    if use == TERRACE:
        # Along the contour, and up the slope as elevation: bands of equal elevation are as wide as the slope lets them.
        along = place.dx * block[B_CA] + place.dy * block[B_SA]
        up = np.float64(between(row, ELEVATION, place.c, place.t)) / block[B_SLOPE]
        plot = _terrace_plot(plot, territory, block_key, block, along, up, leaf)
        depth = terrace_bund_depth(plot.key, block, place.slope, along, up, leaf)
        kind, depth = block_border(block, u, v, reach, BUND, depth)
        return plot, kind, depth, along, up
    plot = _field_plot(plot, territory, block_key, block, u, v, leaf)
    kind, depth = block_border(block, u, v, reach, BUND, bund_depth(block_key, use, u, v, leaf))
    # Furrows run along the longer side of a parcel.
    if leaf[2] - leaf[0] < leaf[3] - leaf[1]:
        return plot, kind, depth, v, u
    return plot, kind, depth, u, v


@inlined_kernel
def _natural_cover(use: int, place: Place) -> int:
    """Cover of land that nobody works, FARMED elsewhere: woods on steep or wild land, dunes where it is driest."""
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


@inlined_kernel
def _terrace_plot(
    plot: Plot,
    territory: np.ndarray,
    block_key: np.uint64,
    block: np.ndarray,
    along: float,
    up: float,
    leaf: np.ndarray,
) -> Plot:
    if plot.cut == TERRACE_CUT and holds(leaf, along, up):
        return plot
    key = terrace(block, block_key, along, up, leaf)
    return Plot(TERRACE_CUT, key, _crop(key, block_key, block, territory))


@inlined_kernel
def _field_plot(
    plot: Plot, territory: np.ndarray, block_key: np.uint64, block: np.ndarray, u: float, v: float, leaf: np.ndarray
) -> Plot:
    if plot.cut == FIELD_CUT and holds(leaf, u, v):
        return plot
    key = split_rectangle(
        block[B_U0], block[B_V0], block[B_U1], block[B_V1], block[B_AREA], block[B_ASPECT], block_key, u, v, leaf
    )
    return Plot(FIELD_CUT, key, _crop(key, block_key, block, territory))


@inlined_kernel
def _crop(key: np.uint64, block_key: np.uint64, block: np.ndarray, territory: np.ndarray) -> int:
    return parcel_class(key, block_key, int(block[B_KIND]), territory[T_WET], territory[T_DRY], territory[T_SIZE])
