"""Write the integrated map of a block from the masks that its decision names, with the corrections by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube.decisions import decisions_of
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.corrections import corrected_mask
from croplayer.measures.masks import integrated_mask, rows_km2, shape_features
from croplayer.tasks.each import each_block
from croplayer.vector.corrections import Action, HandCorrection, by_block, corrections_of_pixels
from stores.columns import ADDED_KM2, CORRECTION, CORRECTIONS, CROPLAND_MASK, REMOVED_KM2, map_column
from stores.durable import FileDigest
from stores.grid import BlockIndex
from stores.legends import CROPLAND, INTEGRATED, Integration
from stores.records import BlockRecord, Value

KM2_DIGITS = 9
"""Decimals of the areas of corrections, km2: square millimetres."""


@dataclass(frozen=True)
class IntegrateTask:
    """Write ``croplayer`` of a block, and ``correction`` where people corrected it."""

    cube: Cube
    decisions: str
    """Parquet table with the column block and those of ``columns.DECIDES``."""
    decisions_digest: str
    corrections: tuple[HandCorrection, ...] = ()
    """Those that touch the task's blocks, in the order in which they are applied."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the shape features of the corrected map, and what was corrected."""
        choice, unusable = decisions_of(self.decisions, self.decisions_digest)[block.name]
        masks = [self.cube.read_block(CROPLAND_MASK, block, s) for s in self.cube.sources]
        mask = integrated_mask(masks, Integration(choice), unusable)
        mask, values, files = self._corrected(mask, block)
        files |= self.cube.write_block(INTEGRATED, block, mask)
        shapes = shape_features(mask, self.cube.grid, block)
        values = {map_column(name, INTEGRATED): v for name, v in shapes.items()} | values
        return BlockRecord(block, files=files, values=values)

    def _corrected(
        self, mask: np.ndarray, block: BlockIndex
    ) -> tuple[np.ndarray, dict[str, Value], dict[str, FileDigest]]:
        """The map of a block with its corrections, what they did, and the file that says where."""
        own = by_block(self.corrections, [block], self.cube.grid).get(block, ())
        if not own:
            if self.cube.has_array(CORRECTION):
                # Corrections that were taken back would pass for those of this map.
                self.cube.remove_block(CORRECTION, block)
            return mask, {}, {}
        drawn = corrections_of_pixels(own, self.cube.grid.window(block), self.cube.grid)
        adds = np.array([c.action is Action.ADD for c in own])
        is_drawn, added = drawn >= 0, adds[drawn]
        corrected, done = corrected_mask(mask, is_drawn & added, is_drawn & ~added)
        told = [
            {**correction.words, **self._areas(mask, corrected, drawn == place, block)}
            for place, correction in enumerate(own)
        ]
        areas = self._areas(mask, corrected, is_drawn, block)
        values: dict[str, Value] = {
            CORRECTIONS: json.dumps(told, ensure_ascii=False),
            ADDED_KM2: areas["added_km2"],
            REMOVED_KM2: areas["removed_km2"],
        }
        return corrected, values, self.cube.write_block(CORRECTION, block, done)

    def _areas(self, before: np.ndarray, after: np.ndarray, where: np.ndarray, block: BlockIndex) -> dict[str, float]:
        """Cropland that came and that went in some pixels of a block, km2."""
        was, is_now = (before == CROPLAND) & where, (after == CROPLAND) & where
        changes = {"added_km2": is_now & ~was, "removed_km2": was & ~is_now}
        return {
            name: round(rows_km2(np.count_nonzero(pixels, axis=1), self.cube.grid, block), KM2_DIGITS)
            for name, pixels in changes.items()
        }
