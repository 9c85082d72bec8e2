"""The maps of a block: each source's own, both merged, the integrated one."""

from __future__ import annotations

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.masks import merged_mask
from stores.columns import CROPLAND_MASK
from stores.grid import BlockIndex
from stores.legends import INTEGRATED, MERGE_BOTH


def read_maps(cube: Cube, block: BlockIndex) -> dict[str, np.ndarray]:
    """Masks of a block: each source, both merged, and the integrated map."""
    maps = {s: cube.read_block(CROPLAND_MASK, block, s) for s in cube.sources}
    if len(maps) == 2:
        maps[MERGE_BOTH] = merged_mask(list(maps.values()))
    maps[INTEGRATED] = cube.read_block(INTEGRATED, block)
    return maps
