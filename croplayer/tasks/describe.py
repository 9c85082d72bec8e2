"""Shape of the cropland of a block and the agreement of its two sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube import Cube
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.kernels.regions import region_properties, summarise
from croplayer.legends import CROPLAND, NO_IMAGERY
from croplayer.records import BlockRecord, Value, finite
from croplayer.tasks.each import each_block


@dataclass(frozen=True)
class DescribeTask:
    """Measure a block's masks; writes nothing to the cube."""

    cube: Cube

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the shape and consistency features of every source."""
        masks = {s: self.cube.read_block("cropland", block, s) for s in self.cube.sources}
        values: dict[str, Value] = {}
        for source, mask in masks.items():
            shape = shape_features(mask, self.cube.grid, block)
            values |= {f"{name}_{source}": value for name, value in shape.items()}
        if len(masks) == 2:
            values |= consistency_features(masks)
        return BlockRecord(block, values=values)


def shape_features(mask: np.ndarray, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Area, area fraction, solidity and Euler number of a block's mask of flags.

    Totals of a mask without cropland are 0 and means are missing; everything is missing without imagery.
    """
    known = mask != NO_IMAGERY
    crop = mask == CROPLAND
    if not known.any():
        names = ("area_km2", "area_fraction", "solidity_mean", "solidity_total", "euler_mean", "euler_total", "regions")
        return dict.fromkeys(names)
    summary = summarise(region_properties(crop))
    return {
        "area_km2": area_km2(crop, grid, block),
        "area_fraction": float(crop.sum() / known.sum()),
        "solidity_mean": finite(summary.solidity_mean),
        "solidity_total": finite(summary.solidity_total),
        "euler_mean": finite(summary.euler_mean),
        "euler_total": finite(summary.euler_total),
        "regions": int(summary.count),
    }


def area_km2(weight: np.ndarray, grid: BlockGrid, block: BlockIndex) -> float:
    """Area of a block's pixels weighted by ``weight`` (h, w), in km2 on the ellipsoid."""
    rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
    return float(weight.sum(axis=1, dtype=np.float64) @ rows / 1e6)


def consistency_features(masks: dict[str, np.ndarray]) -> dict[str, Value]:
    """Overlap of two sources' cropland where both have imagery; missing when neither has cropland there."""
    (a, mask_a), (b, mask_b) = masks.items()
    both = (mask_a != NO_IMAGERY) & (mask_b != NO_IMAGERY)
    crop_a, crop_b = (mask_a == CROPLAND) & both, (mask_b == CROPLAND) & both
    common, union = int((crop_a & crop_b).sum()), int((crop_a | crop_b).sum())
    iou = common / union if union else None
    return {
        f"iou_between_sources_{a}": iou,
        f"iou_between_sources_{b}": iou,
        f"confirmed_{a}": common / int(crop_a.sum()) if crop_a.any() else None,
        f"confirmed_{b}": common / int(crop_b.sum()) if crop_b.any() else None,
    }
