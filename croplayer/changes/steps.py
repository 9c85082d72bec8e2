"""What is written for one block of a comparison: the earlier imagery mapped again, the differences, the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import geopandas as gpd
import numpy as np
import xarray as xr

from croplayer.changes.blocks import Comparison, sieved_block
from croplayer.changes.editions import Edition
from croplayer.changes.evidence import Seen, plain_differences
from croplayer.changes.remapping import remapped_seen
from croplayer.changes.rules import ChangeRules
from croplayer.cube.lazy import segment
from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.each import each_block
from croplayer.vector.zones import UnitRings
from stores.change import CHANGE, DIFFERENCE, NEAR_CHANGE, REMAPPED, REMAPPED_PROBABILITY
from stores.columns import unit_sum
from stores.grid import BlockGrid, BlockIndex, PixelWindow
from stores.legends import NEVER_PROCESSED, Change
from stores.records import BlockRecord, Value

SUMS = {
    Change.STABLE_OTHER: "stable_other",
    Change.STABLE_CROPLAND: "stable_cropland",
    Change.GAIN: "gain",
    Change.LOSS: "loss",
    Change.UNKNOWN: "unknown",
    Change.NEVER_COMPARED: "never_compared",
}
"""Names of the sums of a block's changes."""
PLAIN, MODEL = "plain_", "model_"
"""Before the names of sums of differences without any rule: of the two maps, and of the two models."""


@dataclass(frozen=True)
class RemapTask:
    """Map the earlier imagery of a block again with the model of the later map."""

    before: Edition
    cube: Cube
    """Of the change."""
    model: str
    """Name or folder of the model."""
    threshold: float
    cell_px: int
    blend_px: int

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block."""
        window = self.before.cube.grid.window(block)
        names = sorted(self.before.cube.sources)
        taken = self.before.taken.of(block) or names
        scores = np.full((len(names), window.height, window.width), NEVER_PROCESSED, np.uint8)
        for layer, source in zip(scores, names, strict=True):
            if source in taken:
                layer[:] = self._mapped(source, window)
        seen = remapped_seen(self.before, block, window, scores, self.threshold)
        files = self.cube.write_block(REMAPPED, block, seen.flags)
        for layer, source in zip(seen.scores, names, strict=True):
            files |= self.cube.write_block(REMAPPED_PROBABILITY, block, layer, source)
        return BlockRecord(block, files=files)

    def _mapped(self, source: str, window: PixelWindow) -> np.ndarray:
        """Probability of a source in a window, with the context that the cube holds."""
        dataset = _opened(self.before.cube.path, self.before.cube.edition)
        whole = self.before.cube.blocks.window(self.before.cube.grid)
        y, x = window.slices_in(whole)
        lazy = segment(dataset.isel(y=y, x=x), source, self.model, cell_px=self.cell_px, blend_px=self.blend_px)
        return np.asarray(lazy.compute(scheduler="synchronous"))


@lru_cache(maxsize=2)
def _opened(path: str, edition: str) -> xr.Dataset:
    return open_cube(path, edition=edition)


@dataclass(frozen=True)
class CompareTask:
    """Write the differences of a block that have evidence."""

    comparison: Comparison
    cube: Cube
    """Of the change."""
    units: str
    """Parquet file of the admin units; empty for none."""
    is_remapped: bool = False

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block, with how far its imagery moved and the differences of the maps as they are."""
        window = self.cube.grid.window(block)
        found = self.comparison.of(block, remapped=self._remapped if self.is_remapped else None)
        files = self.cube.write_block(DIFFERENCE, block, found.difference)
        values: dict[str, Value] = {
            "reason": found.reason,
            "sources_before": "+".join(self.comparison.before.taken.of(block) or ()),
            "sources_after": "+".join(self.comparison.after.taken.of(block) or ()),
            "shift_agreement": found.moved.agreement if found.moved.windows else None,
        }
        is_measured = found.moved.is_measured
        values |= {
            "shift_m": found.moved.metres(window, self.cube.grid) if is_measured else None,
            "shift_rows_px": found.moved.rows if is_measured else None,
            "shift_cols_px": found.moved.cols if is_measured else None,
        }
        if not found.reason:
            named = {Change.GAIN: "gain", Change.LOSS: "loss"}
            plain = plain_differences(found.before, found.after)
            values |= self._areas(plain, block, {change: PLAIN + name for change, name in named.items()})
            if self.is_remapped:
                model = plain_differences(found.before, self._remapped(window).flags)
                values |= self._areas(model, block, {change: MODEL + name for change, name in named.items()})
        return BlockRecord(block, files=files, values=values)

    def _remapped(self, window: PixelWindow) -> Seen:
        scores = [self.cube.read_window(REMAPPED_PROBABILITY, window, source) for source in sorted(self.cube.sources)]
        return Seen(self.cube.read_window(REMAPPED, window), np.stack(scores))

    def _areas(self, classes: np.ndarray, block: BlockIndex, names: Mapping[Change, str]) -> dict[str, Value]:
        return class_areas(classes, names, self.cube.grid.window(block), self.cube.grid, self.units)


@dataclass(frozen=True)
class SieveTask:
    """Write the changes of a block, from its differences and those around it."""

    cube: Cube
    """Of the change."""
    rules: ChangeRules
    units: str
    """Parquet file of the admin units; empty for none."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block, with the areas of its changes."""
        window = self.cube.grid.window(block)
        found = sieved_block(self._differences, window, self.cube.grid, self.rules)
        files = self.cube.write_block(CHANGE, block, found.change)
        files |= self.cube.write_block(NEAR_CHANGE, block, found.near)
        values = class_areas(found.change, SUMS, window, self.cube.grid, self.units)
        return BlockRecord(block, files=files, values=values)

    def _differences(self, window: PixelWindow) -> np.ndarray:
        """Differences of a window that may reach beyond the cube."""
        out = np.full((window.height, window.width), Change.NEVER_COMPARED, np.uint8)
        part = window.common(self.cube.blocks.window(self.cube.grid))
        out[part.slices_in(window)] = self.cube.read_window(DIFFERENCE, part)
        return out


def class_areas(
    classes: np.ndarray, names: Mapping[Change, str], window: PixelWindow, grid: BlockGrid, units: str
) -> dict[str, Value]:
    """Area in km2 of some classes of a window: of all of it, and in each admin unit, by `stores.columns.unit_sum`."""
    rows = grid.pixel_area_m2(window.row, window.height) / 1e6
    present = [change for change in names if (classes == change).any()]
    found: dict[str, Value] = {
        unit_sum("", names[change]): float((classes == change).sum(axis=1) @ rows) for change in present
    }
    if units and present:
        codes, rings = _rings(units)
        near, areas = rings.areas_of_values_m2(classes, [int(c) for c in present], window, grid)
        for unit, sums in zip(near, areas, strict=True):
            found |= {
                unit_sum(codes[unit], names[change]): float(area) / 1e6
                for change, area in zip(present, sums, strict=True)
                if area
            }
    return found


@lru_cache(maxsize=2)
def _rings(path: str) -> tuple[tuple[str, ...], UnitRings]:
    units = gpd.read_parquet(Path(path))
    return tuple(units.adcode), UnitRings.of(units.geometry.to_numpy())
