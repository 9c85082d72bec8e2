"""Compare the maps of a block with other products and with a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.products import agreement_values, area_values, compared_with, edge_densities
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from stores.grid import BlockGrid, BlockIndex
from stores.legends import INTEGRATED
from stores.records import BlockRecord, Value


@dataclass(frozen=True)
class CompareTask:
    """Measure products, and compare maps with them; writes nothing to the cube.

    Without a cube only the products' own areas are measured.
    """

    grid: BlockGrid
    cube: Cube | None
    products: tuple[Product, ...]
    reference: Product | None

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading:
        """The products and the reference."""
        return Reading((*self.products, *([self.reference] if self.reference else [])), self.grid)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block: areas and densities per product, agreement counts per map."""
        maps = read_maps(self.cube, block) if self.cube else {}
        window = self.grid.window(block)
        read = {p.name: p.read(window, self.grid) for p in self.products}
        classes = {p.name: read[p.name] for p in self.products if not p.is_percent}
        ours = dict(zip(classes, compared_with(maps[INTEGRATED], list(classes.values())), strict=True)) if maps else {}
        values: dict[str, Value] = {}
        for name, product in read.items():
            values |= area_values(name, product, self.grid, block)
            if name in ours:
                values |= agreement_values(INTEGRATED, name, ours[name])
                values |= edge_densities(INTEGRATED, maps[INTEGRATED], name, product, ours[name])
        if self.reference is not None:
            truth = self.reference.read(window, self.grid)
            name = self.reference.name
            values |= area_values(name, truth, self.grid, block)
            flags = maps | {product: theirs.flags() for product, theirs in classes.items()}
            for map_name, mask in flags.items():
                values |= agreement_values(map_name, name, *compared_with(mask, [truth]))
        return BlockRecord(block, values=values)
