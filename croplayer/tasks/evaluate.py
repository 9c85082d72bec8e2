"""Compare the maps of a block with the reference: boundaries, correctness, and the best integration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.boundary import boundary_width_px
from croplayer.measures.masks import shape_features
from croplayer.measures.reference import reference_values
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from stores.columns import EULER_MEAN, SOLIDITY_MEAN, map_column
from stores.grid import BlockIndex
from stores.legends import MERGE_BOTH
from stores.records import BlockRecord, Value

SHAPE_OF_MERGED = (SOLIDITY_MEAN, "solidity_total", EULER_MEAN, "euler_total", "regions")


@dataclass(frozen=True)
class EvaluateTask:
    """Measure a block's maps; writes nothing to the cube."""

    cube: Cube
    reference: Product | None
    """Map of classes that is taken as true; None leaves out what needs one."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading | None:
        """The reference, where there is one."""
        return Reading((self.reference,), self.cube.grid) if self.reference else None

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
