"""Hold the maps of a block against other products and against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube import Cube
from croplayer.evaluation.agreement import count_agreement, edge_density
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.legends import CROPLAND, NO_IMAGERY, Integration
from croplayer.masks import area_km2, integrated_mask
from croplayer.records import BlockRecord, Value
from croplayer.sources.product import ProductRaster
from croplayer.tasks.each import each_block

MERGE_BOTH = "merge_both"
INTEGRATED = "croplayer"


@dataclass(frozen=True)
class CompareTask:
    """Measure products, and maps against them; writes nothing to the cube.

    Without a cube only the products' own areas are measured.
    """

    grid: BlockGrid
    cube: Cube | None
    products: tuple[ProductRaster, ...]
    reference: ProductRaster | None

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: areas and densities per product, agreement counts per map."""
        maps = read_maps(self.cube, block) if self.cube else {}
        integrated = maps.get(INTEGRATED)
        values: dict[str, Value] = {}
        if integrated is not None:
            values[f"edge_density_{INTEGRATED}"] = edge_density(integrated == CROPLAND)
        for product in self.products:
            share = product.read(self.grid.window(block), self.grid)
            values |= product_values(product, share, self.grid, block)
            if integrated is not None and not product.is_percent:
                values |= agreement_values(f"{INTEGRATED}_{product.name}", integrated, share)
        if self.reference is not None:
            share = self.reference.read(self.grid.window(block), self.grid)
            values |= product_values(self.reference, share, self.grid, block)
            for name, mask in maps.items():
                values |= agreement_values(f"{name}_{self.reference.name}", mask, share)
            for product in self.products:
                if not product.is_percent:
                    other = product.read(self.grid.window(block), self.grid)
                    flags = np.where(np.isnan(other), NO_IMAGERY, other).astype(np.uint8)
                    values |= agreement_values(f"{product.name}_{self.reference.name}", flags, share)
        return BlockRecord(block, values=values)


def read_maps(cube: Cube, block: BlockIndex) -> dict[str, np.ndarray]:
    """Masks of a block: each source, both merged, and the integrated map."""
    maps = {s: cube.read_block("cropland", block, s) for s in cube.sources}
    if len(maps) == 2:
        maps[MERGE_BOTH] = integrated_mask(list(maps.values()), Integration.MERGE_BOTH, False)
    maps[INTEGRATED] = cube.read_block("croplayer", block)
    return maps


def product_values(product: ProductRaster, share: np.ndarray, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Cropland area, known share and, for class maps, edge density of a product in a block."""
    known = ~np.isnan(share)
    values: dict[str, Value] = {f"known_{product.name}": float(known.mean())}
    if not known.any():
        return values
    filled = np.where(known, share, 0)
    values[f"area_km2_{product.name}"] = area_km2(filled, grid, block)
    values[f"area_fraction_{product.name}"] = float(filled.sum() / known.sum())
    if not product.is_percent:
        values[f"edge_density_{product.name}"] = edge_density(filled > 0.5)
    return values


def agreement_values(name: str, mask: np.ndarray, share: np.ndarray) -> dict[str, Value]:
    """Agreement counts of a mask of flags with a product's shares, as ``tp_NAME`` and so on."""
    known = (mask != NO_IMAGERY) & ~np.isnan(share)
    counts = count_agreement(mask == CROPLAND, np.nan_to_num(share) > 0.5, known)
    return {f"{field}_{name}": value for field, value in counts._asdict().items()}
