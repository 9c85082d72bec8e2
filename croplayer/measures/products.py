"""Areas of a product in a block, and the agreement of a mask of flags with it: values for the block's record."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.agreement import Reference, agreement, agreements
from croplayer.measures.agreement import Agreement
from croplayer.products.product import ProductWindow
from stores.columns import AREA_FRACTION, AREA_KM2, KNOWN, agreement_columns, map_column
from stores.grid import BlockGrid, BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY
from stores.records import Value


def area_values(name: str, product: ProductWindow, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Cropland area, area fraction and known share of a product in a block, without upsampling it."""
    columns = np.bincount(product.index_x, minlength=product.percent.shape[1]).astype(np.float64)
    known = product.is_known()
    known_px = (known @ columns)[product.index_y].sum()
    size = len(product.index_x) * len(product.index_y)
    values: dict[str, Value] = {map_column(KNOWN, name): float(known_px / size)}
    if known_px:
        crop_px = (np.where(known, product.percent, 0) @ columns / 100)[product.index_y]
        rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
        values[map_column(AREA_KM2, name)] = float(crop_px @ rows / 1e6)
        values[map_column(AREA_FRACTION, name)] = float(crop_px.sum() / known_px)
    return values


def density_values(map_name: str, mask: np.ndarray, name: str, product: ProductWindow) -> dict[str, Value]:
    """Edge density of a mask of flags and of a product at the mask's pixels; missing where either has no data."""
    counts = agreement(mask == CROPLAND, product.is_crop(), product.index_y, product.index_x)
    return {
        map_column("edge_density", map_name): counts.mask_edge / mask.size if (mask != NO_IMAGERY).any() else None,
        map_column("edge_density", name): counts.reference_edge / mask.size if product.is_known().any() else None,
    }


def agreement_values(map_name: str, mask: np.ndarray, name: str, product: ProductWindow) -> dict[str, Value]:
    """Agreement counts of a mask of flags with a product, as ``tp_MAP_PRODUCT`` and so on."""
    counts = map_agreement(mask, product)
    return dict(zip(agreement_columns(map_name, name), counts, strict=True))


def map_agreement(mask: np.ndarray, product: ProductWindow) -> Agreement:
    """Counts over the pixels for which both a mask of flags (h, w) and a product of classes have data.

    The kernel counts masks without gaps; the counts under the gaps of either are subtracted.
    """
    index = product.index_y, product.index_x
    references = [Reference(product.is_crop(), *index), Reference(~product.is_known(), *index)]
    crop, crop_gap = agreements(mask == CROPLAND, references)
    blind, blind_gap = agreements(mask == NO_IMAGERY, references)
    fp, fn = crop.fp - crop_gap.tp, crop.fn - blind.tp
    unknown = (blind.tp + blind.fp) + (crop_gap.tp + crop_gap.fn) - blind_gap.tp
    return Agreement(crop.tp, fp, fn, mask.size - unknown - crop.tp - fp - fn)
