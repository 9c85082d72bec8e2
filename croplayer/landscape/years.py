"""How the country changes: towns and villages grow, fields are merged, orchards planted and grubbed up, grassland ploughed.

Each is a function of the land and of the years since the first one, at which nothing has changed yet.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import inlined_kernel, kernel
from croplayer.landscape.noise import draw
from croplayer.landscape.parcels import FARM, PASTURE, PLANTATION, Block, Territory

TOWN_GROWTH_M = 15.0
"""A town's edge moves outwards by this much in a year."""
VILLAGE_GROWTH = 0.03
"""A village's radius grows by this share of its first one in a year."""
PLANTED, MERGED = 0.012, 0.03
"""Shares of the field blocks of fields that become orchards, and whose fields are merged by fours, in a year."""
PLOUGHED = 0.03
"""Share of the field blocks of orchards or grassland that become fields in a year."""
MERGED_FIELDS = 4.0


@inlined_kernel
def town_growth_m(years: float) -> float:
    """How far the edges of towns have moved outwards, metres."""
    return TOWN_GROWTH_M * years


@kernel
def later_territory(territory: Territory, years: float) -> Territory:
    """A territory after some years."""
    t = territory
    village_m = t.village_m * (1.0 + VILLAGE_GROWTH * years)
    return Territory(t.x, t.y, t.cos, t.sin, t.block_m, village_m, t.wet, t.dry, t.size, t.relief)


@kernel
def later_block(block: Block, key: np.uint64, years: float) -> Block:
    """The field block of a key after some years."""
    chance = draw(key, draws.BLOCK_LATER)
    use, area = block.use, block.area_m2
    if use == FARM:
        if chance < PLANTED * years:
            use = float(PLANTATION)
        elif 1.0 - chance < MERGED * years:
            area = MERGED_FIELDS * area
    elif (use in (PASTURE, PLANTATION)) and chance < PLOUGHED * years:
        use = float(FARM)
    b = block
    return Block(
        b.u0, b.v0, b.u1, b.v1, use, area, b.aspect, b.slope, b.along_x, b.along_y, b.band_m, b.length_m, b.border
    )
