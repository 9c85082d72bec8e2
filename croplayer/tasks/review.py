"""Label blocks from a reference map, where no person reviews them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.reference import reference_labels
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from stores.columns import CROPLAND_MASK
from stores.grid import BlockIndex
from stores.records import BlockRecord


@dataclass(frozen=True)
class ReviewTask:
    """Label a block as a reviewer who knows the reference would; writes nothing to the cube."""

    cube: Cube
    reference: Product

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading:
        """The reference."""
        return Reading((self.reference,), self.cube.grid)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: correctness_SOURCE and integration, labels; missing without imagery or reference."""
        reference = self.reference.read(self.cube.grid.window(block), self.cube.grid).flags()
        masks = {s: self.cube.read_block(CROPLAND_MASK, block, s) for s in self.cube.sources}
        return BlockRecord(block, values=reference_labels(reference, masks))
