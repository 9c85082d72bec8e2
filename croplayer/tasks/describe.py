"""Shape of the cropland of a block and the agreement of its two sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.kernels.flags import row_counts
from croplayer.measures.agreement import mask_agreement
from croplayer.measures.expected_errors import expected_errors
from croplayer.measures.masks import merged_mask, rows_km2, shape_features
from croplayer.tasks.each import each_block
from stores.columns import AREA_KM2, CROPLAND_MASK, CROPLAND_PROBABILITY, EXPECTED_ERROR, KNOWN, map_column
from stores.grid import BlockIndex
from stores.legends import CROPLAND, MERGE_BOTH, NO_IMAGERY
from stores.records import BlockRecord, Value, finite


@dataclass(frozen=True)
class DescribeTask:
    """Measure a block's masks; writes nothing to the cube."""

    cube: Cube

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the shape and consistency features of every source."""
        masks = {s: self.cube.read_block(CROPLAND_MASK, block, s) for s in self.cube.sources}
        values: dict[str, Value] = {}
        for source, mask in masks.items():
            shape = shape_features(mask, self.cube.grid, block)
            values |= {map_column(name, source): value for name, value in shape.items()}
        if len(masks) == 2:
            values |= consistency_features(masks)
            scores = (self.cube.read_block(CROPLAND_PROBABILITY, block, source) for source in masks)
            errors = expected_errors(*masks.values(), *scores)
            names = (map_column(EXPECTED_ERROR, name) for name in (*masks, MERGE_BOTH))
            values |= {name: finite(error) for name, error in zip(names, errors, strict=True)}
            merged = merged_mask(list(masks.values()))
            unseen = int(row_counts(merged, NO_IMAGERY).sum())
            values[map_column(KNOWN, MERGE_BOTH)] = (merged.size - unseen) / merged.size
            crop_rows = row_counts(merged, CROPLAND)
            values[map_column(AREA_KM2, MERGE_BOTH)] = rows_km2(crop_rows, self.cube.grid, block)
        return BlockRecord(block, values=values)


def consistency_features(masks: dict[str, np.ndarray]) -> dict[str, Value]:
    """Overlap of two sources' cropland where both have imagery; missing when neither has cropland there."""
    (a, mask_a), (b, mask_b) = masks.items()
    both = (mask_a != NO_IMAGERY) & (mask_b != NO_IMAGERY)
    counts = mask_agreement(mask_a == CROPLAND, mask_b == CROPLAND, both)
    return {
        map_column("iou_between_sources", a): finite(counts.iou),
        map_column("iou_between_sources", b): finite(counts.iou),
        map_column("confirmed", a): finite(counts.precision),
        map_column("confirmed", b): finite(counts.recall),
    }
