"""The maps of a block: each source's own, both merged, the integrated one."""

from __future__ import annotations

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.masks import integrated_mask
from stores.columns import CROPLAND_MASK
from stores.grid import BlockIndex
from stores.legends import INTEGRATED, MERGE_BOTH, Integration


def own_maps(sources: tuple[str, ...]) -> list[str]:
    """Names of the maps of a cube with these sources; none without sources."""
    if not sources:
        return []
    return [*sources, *([MERGE_BOTH] if len(sources) == 2 else []), INTEGRATED]


def read_maps(cube: Cube, block: BlockIndex) -> dict[str, np.ndarray]:
    """Masks of a block: each source, both merged, and the integrated map."""
    maps = {s: cube.read_block(CROPLAND_MASK, block, s) for s in cube.sources}
    if len(maps) == 2:
        maps[MERGE_BOTH] = integrated_mask(list(maps.values()), Integration.MERGE_BOTH, False)
    maps[INTEGRATED] = cube.read_block(INTEGRATED, block)
    return maps
