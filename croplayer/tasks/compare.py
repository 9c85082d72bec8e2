"""Hold the maps of a block against other products and against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube import Cube
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.legends import Integration
from croplayer.masks import integrated_mask
from croplayer.products.measure import agreement_values, area_values, density_values, mask_of
from croplayer.records import BlockRecord, Value
from croplayer.sources.product import Product
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
    products: tuple[Product, ...]
    reference: Product | None

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: areas and densities per product, agreement counts per map."""
        maps = read_maps(self.cube, block) if self.cube else {}
        window = self.grid.window(block)
        products = {p: p.read(window, self.grid) for p in self.products}
        values: dict[str, Value] = {}
        for product, read in products.items():
            values |= area_values(product.name, read, self.grid, block)
            if maps and not product.is_percent:
                values |= agreement_values(INTEGRATED, maps[INTEGRATED], product.name, read)
                values |= density_values(INTEGRATED, maps[INTEGRATED], product.name, read)
        if self.reference is not None:
            truth = self.reference.read(window, self.grid)
            name = self.reference.name
            values |= area_values(name, truth, self.grid, block)
            for map_name, mask in maps.items():
                values |= agreement_values(map_name, mask, name, truth)
            for product, read in products.items():
                if not product.is_percent:
                    values |= agreement_values(product.name, mask_of(read), name, truth)
        return BlockRecord(block, values=values)


def read_maps(cube: Cube, block: BlockIndex) -> dict[str, np.ndarray]:
    """Masks of a block: each source, both merged, and the integrated map."""
    maps = {s: cube.read_block("cropland", block, s) for s in cube.sources}
    if len(maps) == 2:
        maps[MERGE_BOTH] = integrated_mask(list(maps.values()), Integration.MERGE_BOTH, False)
    maps[INTEGRATED] = cube.read_block("croplayer", block)
    return maps
