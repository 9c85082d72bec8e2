"""Draw the fields that a block names, and tell their attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from croplayer.cube.decisions import Taken, decisions_of
from croplayer.cube.field_layers import FieldLayers
from croplayer.cube.field_table import FieldChoice, FieldTables
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.block_tables import OUTLINES, encode_fields
from croplayer.fields.rules import load_rules
from croplayer.fields.whole import MOST_BLOCKS
from croplayer.kernels.zones import packed_equal
from croplayer.sources.elevation import ElevationRaster
from croplayer.tasks.aggregate import units_of
from croplayer.tasks.each import each_block
from stores.block_list import BlockList
from stores.columns import unit_sum
from stores.field_columns import IN_FIELDS, IN_NONE
from stores.grid import BlockIndex
from stores.records import BlockRecord, Value

BLOCKS_SEEN = 2 * MOST_BLOCKS
"""A field reaches at most `MOST_BLOCKS` blocks, and its outline depends on which of the pieces beside it are one field."""


@dataclass(frozen=True)
class OutlinesTask:
    """Write the table of the fields that a block names.

    The record tells their number, and how much of the block's cropland is in fields and in none, in ha: in all, and named by
    `columns.unit_sum` in each of the units that share the block.
    """

    cube: Cube
    decisions: str
    """Parquet table with the column block and those of ``columns.DECIDES``."""
    decisions_digest: str
    rules: str
    """Place of the rules: see ``fields.rules.load_rules``."""
    rules_digest: str
    tells_boundaries: bool
    """Whether the network tells the boundaries of fields."""
    choice: FieldChoice
    elevation: ElevationRaster | None
    known: pd.DataFrame
    """Rows of the run's block table for the blocks of the task, with the column block."""
    mapped: BlockList
    """Blocks near those of the task whose fields are numbered."""
    shared: BlockList
    """Blocks that several units share, or that lie in a unit in part."""
    units: str | None
    """GeoParquet of these units with the column adcode."""
    units_digest: str | None

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def narrowed(self, blocks: Sequence[BlockIndex]) -> OutlinesTask:
        """The same task with only what some blocks need, so that it is small to send."""
        seen = BlockList.of(blocks).grown(BLOCKS_SEEN + 1)
        names = [block.name for block in blocks]
        shared = self.shared.both(BlockList.of(blocks))
        return replace(
            self, mapped=self.mapped.both(seen), known=self.known[self.known.block.isin(names)], shared=shared
        )

    @cached_property
    def tables(self) -> FieldTables:
        """The fields of the cube; they remember the blocks beside one, which the next one needs too."""
        rules = load_rules(self.rules)
        if rules.digest != self.rules_digest:
            raise ValueError(f"the field rules {self.rules} changed while the run went on; run again")
        taken = Taken(self.cube.sources, decisions_of(self.decisions, self.decisions_digest))
        layers = FieldLayers(self.cube, taken.only(self.mapped), self.tells_boundaries)
        pair, edition = rules.of(self.tells_boundaries), self.cube.edition
        return FieldTables(layers, pair, self.choice, edition, self.known, self.elevation)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block."""
        found = self.tables.of(block)
        files = self.cube.write_table(OUTLINES, block, encode_fields(found))
        return BlockRecord(block, files=files, values={"fields": len(found.table), **self._areas(block)})

    def _areas(self, block: BlockIndex) -> dict[str, Value]:
        """Cropland in fields and in none, ha, pixel by pixel."""
        window, grid = self.cube.grid.window(block), self.cube.grid
        kept, rows_ha = self.tables.kept(block), grid.pixel_area_m2(window.row, window.height) / 1e4
        layers = {IN_FIELDS: kept, IN_NONE: (self.tables.numbers(block) > 0) & ~kept}
        values: dict[str, Value] = {name: float(mask.sum(axis=1) @ rows_ha) for name, mask in layers.items()}
        if block in self.shared and self.units is not None:
            codes, rings = units_of(self.units, str(self.units_digest))
            near, counts = rings.counts([packed_equal(mask, 1) for mask in layers.values()], window, grid)
            for unit, areas in zip(near.tolist(), counts @ rows_ha, strict=True):
                values |= {unit_sum(codes[unit], n): float(ha) for n, ha in zip(layers, areas, strict=True) if ha}
        return values
