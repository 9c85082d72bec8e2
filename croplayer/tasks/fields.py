"""Separate the cropland of a block's map into fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from croplayer.cube.decisions import Taken, decisions_of
from croplayer.cube.field_layers import FieldLayers
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.rules import load_rules
from croplayer.fields.separation import separate
from croplayer.tasks.each import each_block
from stores.block_list import BlockList
from stores.columns import FIELD, FIELD_JOIN
from stores.grid import BlockIndex
from stores.records import BlockRecord

LEAST_SCORE = 0.0
"""Two regions are joined where one field is at least as likely as two."""


@dataclass(frozen=True)
class FieldsTask:
    """Write ``field`` and ``field_join`` of a block; the record tells the number of its pieces."""

    cube: Cube
    decisions: str
    """Parquet table with the column block and those of ``columns.DECIDES``."""
    decisions_digest: str
    rules: str
    """Place of the rules: see ``fields.rules.load_rules``."""
    rules_digest: str
    tells_boundaries: bool
    """Whether the network tells the boundaries of fields."""
    mapped: BlockList
    """Blocks near those of the task whose map is finished."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def narrowed(self, blocks: Sequence[BlockIndex], mapped: BlockList) -> FieldsTask:
        """The same task with only the mapped blocks next to some blocks, so that it is small to send."""
        return replace(self, mapped=mapped.both(BlockList.of(blocks).grown()))

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block."""
        rules = load_rules(self.rules)
        if rules.digest != self.rules_digest:
            raise ValueError(f"the field rules {self.rules} changed while the run went on; run again")
        taken = Taken(self.cube.sources, decisions_of(self.decisions, self.decisions_digest))
        layers = FieldLayers(self.cube, taken.only(self.mapped), self.tells_boundaries)
        found = separate(layers.ground(block), block, self.cube.grid, rules.of(self.tells_boundaries), LEAST_SCORE)
        files = self.cube.write_block(FIELD, block, found.field)
        files |= self.cube.write_block(FIELD_JOIN, block, found.join)
        return BlockRecord(block, files=files, values={"field_pieces": int(found.field.max(initial=0))})
