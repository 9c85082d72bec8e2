"""Label blocks from a reference map, where no person reviews them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.judgement import best_integration, mask_correctness
from croplayer.measures.masks import integrated_mask
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from stores.columns import CROPLAND_MASK, map_column
from stores.grid import BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY, Integration
from stores.records import BlockRecord, Value


@dataclass(frozen=True)
class ReviewTask:
    """Label a block as a reviewer who knows the reference would; writes nothing to the cube."""

    cube: Cube
    reference: Product

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: correctness_SOURCE and integration, labels; missing without imagery or reference."""
        reference = self.reference.read(self.cube.grid.window(block), self.cube.grid).flags()
        masks = {s: self.cube.read_block(CROPLAND_MASK, block, s) for s in self.cube.sources}
        return BlockRecord(block, values=reference_labels(reference, masks))


def reference_labels(reference: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, Value]:
    """Correctness of each source's mask and the best integration, by a reference.

    Parameters
    ----------
    reference : (h, w) flags of the reference; pixels without data count as not cropland in every mask
    masks : (h, w) flags of each source; pixels without imagery count as not cropland
    """
    known, truth = reference != NO_IMAGERY, reference == CROPLAND
    has_imagery = {s: bool((mask != NO_IMAGERY).any()) for s, mask in masks.items()}
    labels: dict[str, Value] = dict.fromkeys([*(map_column("correctness", s) for s in masks), "integration"])
    if not known.any() or not any(has_imagery.values()):
        return labels
    crops = {s: (mask == CROPLAND) & known for s, mask in masks.items()}
    for source, crop in crops.items():
        if has_imagery[source]:
            labels[map_column("correctness", source)] = mask_correctness(truth, crop).label
    if len(crops) == 2:
        a, b = crops.values()
        merged = integrated_mask(list(masks.values()), Integration.MERGE_BOTH, False) == CROPLAND
        labels["integration"] = best_integration(truth, a, b, merged & known).label
    else:
        (only,) = crops.values()
        labels["integration"] = best_integration(truth, only, np.zeros_like(only), only).label
    return labels
