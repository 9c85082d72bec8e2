"""Hold the maps of a block against other products and against a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from croplayer.cube import Cube
from croplayer.evaluation.agreement import Agreement
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.kernels.agreement import Reference, agreement, agreements
from croplayer.legends import CROPLAND, NO_IMAGERY, Integration
from croplayer.masks import integrated_mask
from croplayer.records import BlockRecord, Value
from croplayer.sources.product import UNKNOWN, Product, ProductWindow
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
                values |= density_values(maps[INTEGRATED], product.name, read)
        if self.reference is not None:
            truth = self.reference.read(window, self.grid)
            name = self.reference.name
            values |= area_values(name, truth, self.grid, block)
            for map_name, mask in maps.items():
                values |= agreement_values(map_name, mask, name, truth)
            for product, read in products.items():
                if not product.is_percent:
                    values |= agreement_values(product.name, _as_mask(read), name, truth)
        return BlockRecord(block, values=values)


def read_maps(cube: Cube, block: BlockIndex) -> dict[str, np.ndarray]:
    """Masks of a block: each source, both merged, and the integrated map."""
    maps = {s: cube.read_block("cropland", block, s) for s in cube.sources}
    if len(maps) == 2:
        maps[MERGE_BOTH] = integrated_mask(list(maps.values()), Integration.MERGE_BOTH, False)
    maps[INTEGRATED] = cube.read_block("croplayer", block)
    return maps


def _as_mask(product: ProductWindow) -> np.ndarray:
    percent = product.on_pixels()
    return np.where(percent == UNKNOWN, NO_IMAGERY, percent > 50).astype(np.uint8)


def area_values(name: str, product: ProductWindow, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Cropland area, area fraction and known share of a product in a block, without upsampling it."""
    columns = np.bincount(product.index_x, minlength=product.percent.shape[1]).astype(np.float64)
    known = product.percent != UNKNOWN
    known_px = (known @ columns)[product.index_y].sum()
    size = len(product.index_x) * len(product.index_y)
    values: dict[str, Value] = {f"known_{name}": float(known_px / size)}
    if known_px:
        crop_px = (np.where(known, product.percent, 0) @ columns / 100)[product.index_y]
        rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
        values[f"area_km2_{name}"] = float(crop_px @ rows / 1e6)
        values[f"area_fraction_{name}"] = float(crop_px.sum() / known_px)
    return values


def density_values(mask: np.ndarray, name: str, product: ProductWindow) -> dict[str, Value]:
    """Edge density of the map and of a product at the map's pixels."""
    counts = agreement(mask == CROPLAND, _is_crop(product), product.index_y, product.index_x)
    return {
        f"edge_density_{INTEGRATED}": counts.mask_edge_density,
        f"edge_density_{name}": counts.reference_edge_density,
    }


def agreement_values(map_name: str, mask: np.ndarray, name: str, product: ProductWindow) -> dict[str, Value]:
    """Agreement counts of a mask of flags with a product, as ``tp_MAP_PRODUCT`` and so on."""
    counts = map_agreement(mask, product)
    return {f"{field}_{map_name}_{name}": value for field, value in counts._asdict().items()}


def map_agreement(mask: np.ndarray, product: ProductWindow) -> Agreement:
    """Counts over the pixels that both a mask of flags (h, w) and a product of classes know.

    The kernel counts masks without gaps; what it finds under either's gaps is taken off again.
    """
    index = product.index_y, product.index_x
    references = [Reference(_is_crop(product), *index), Reference(product.percent == UNKNOWN, *index)]
    crop, crop_gap = agreements(mask == CROPLAND, references)
    blind, blind_gap = agreements(mask == NO_IMAGERY, references)
    fp, fn = crop.fp - crop_gap.tp, crop.fn - blind.tp
    unknown = (blind.tp + blind.fp) + (crop_gap.tp + crop_gap.fn) - blind_gap.tp
    return Agreement(crop.tp, fp, fn, crop.pixels - unknown - crop.tp - fp - fn)


def _is_crop(product: ProductWindow) -> np.ndarray:
    return (product.percent > 50) & (product.percent != UNKNOWN)
