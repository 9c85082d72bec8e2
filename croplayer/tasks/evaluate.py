"""Compare the maps of a block with the reference: boundaries, correctness, and the best integration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.boundary import boundary_agreement, boundary_width_px
from croplayer.measures.judgement import best_integration, mask_correctness
from croplayer.measures.masks import shape_features
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from stores.columns import boundary_columns, map_column
from stores.grid import BlockIndex
from stores.legends import CROPLAND, MERGE_BOTH, NO_IMAGERY
from stores.records import BlockRecord, Value

SHAPE_OF_MERGED = ("solidity_mean", "solidity_total", "euler_mean", "euler_total", "regions")


@dataclass(frozen=True)
class EvaluateTask:
    """Measure a block's maps; writes nothing to the cube."""

    cube: Cube
    reference: Product | None
    """Map of classes that is taken as true; None leaves out what needs one."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: shape of the merged mask, and every map compared with the reference."""
        maps = read_maps(self.cube, block)
        values: dict[str, Value] = {}
        if MERGE_BOTH in maps:
            shape = shape_features(maps[MERGE_BOTH], self.cube.grid, block)
            values |= {map_column(name, MERGE_BOTH): shape[name] for name in SHAPE_OF_MERGED}
        if self.reference is not None:
            reference = self.reference.read(self.cube.grid.window(block), self.cube.grid).flags()
            values |= reference_values(maps, self.cube.sources, reference, boundary_width_px(self.cube.grid))
        return BlockRecord(block, values=values)


def reference_values(
    maps: dict[str, np.ndarray], sources: Sequence[str], reference: np.ndarray, width_px: int
) -> dict[str, Value]:
    """Boundary counts and correctness of each map, and the best integration of the block.

    Parameters
    ----------
    maps : masks of flags (h, w) by name, those of the sources among them
    reference : flags of the reference (h, w)

    Returns
    -------
    ``boundary_both_MAP`` and ``boundary_any_MAP`` in pixels; ``true_correctness_MAP`` (label) and
    ``best_integration`` (label), both missing where map and reference both have data in less than half of the block.
    """
    truth = reference == CROPLAND
    values: dict[str, Value] = {}
    known_of = {name: (mask != NO_IMAGERY) & (reference != NO_IMAGERY) for name, mask in maps.items()}
    for name, mask in maps.items():
        known, crop = known_of[name], mask == CROPLAND
        counts = boundary_agreement(crop, truth, known, width_px)
        values |= dict(zip(boundary_columns(name), counts, strict=True))
        judged = mask_correctness(truth & known, crop & known).label if known.mean() >= 0.5 else None
        values[map_column("true_correctness", name)] = judged
    if len(sources) == 2:
        known = known_of[MERGE_BOTH]
        masks = [(maps[s] == CROPLAND) & known for s in sources]
        best = best_integration(truth & known, masks[0], masks[1], (maps[MERGE_BOTH] == CROPLAND) & known)
        values["best_integration"] = best.label if known.mean() >= 0.5 else None
    return values
