"""Write the integrated map of a block from the masks that its decision names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from pyarrow import parquet

from croplayer.cube.whole_blocks import Cube
from croplayer.measures.masks import integrated_mask, shape_features
from croplayer.tasks.each import each_block
from stores.columns import CROPLAND_MASK, map_column
from stores.grid import BlockIndex
from stores.legends import INTEGRATED, Integration
from stores.records import BlockRecord

DECIDES = ("integration", "no_usable_imagery")
"""Columns of the decisions that decide a block's map."""


@dataclass(frozen=True)
class IntegrateTask:
    """Write ``croplayer`` of a block."""

    cube: Cube
    decisions: str
    """Parquet table with the column block and those of ``DECIDES``."""
    decisions_digest: str

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the shape features of the integrated map."""
        choice, unusable = decisions_of(self.decisions, self.decisions_digest)[block.name]
        masks = [self.cube.read_block(CROPLAND_MASK, block, s) for s in self.cube.sources]
        merged = integrated_mask(masks, Integration(choice), unusable)
        files = self.cube.write_block(INTEGRATED, block, merged)
        values = {map_column(name, INTEGRATED): v for name, v in shape_features(merged, self.cube.grid, block).items()}
        return BlockRecord(block, files=files, values=values)


@lru_cache(maxsize=2)
def decisions_of(path: str, digest: str) -> dict[str, tuple[int, bool]]:
    """Choice and whether no imagery was usable, by the name of the block, from a table of ``DECIDES``."""
    table = parquet.ParquetFile(path).read(columns=["block", *DECIDES])
    rows = zip(*(table[name].to_pylist() for name in ("block", *DECIDES)), strict=True)
    return {block: (int(choice), bool(unusable)) for block, choice, unusable in rows}
