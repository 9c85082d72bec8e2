"""Areas of a product in a block, and the agreement of a mask of flags with it: values for the block's record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from croplayer.kernels.agreement import AgreementCounts, Reference, agreements
from croplayer.kernels.flags import percent_rows
from croplayer.measures.agreement import Agreement
from croplayer.measures.masks import has_data
from croplayer.products.product import UNKNOWN, ProductWindow
from stores.columns import AREA_FRACTION, AREA_KM2, KNOWN, agreement_columns, map_column
from stores.grid import BlockGrid, BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY
from stores.records import Value


class Compared(NamedTuple):
    """A mask of flags (h, w) uint8 beside a product."""

    agreement: Agreement
    """Counts over the pixels for which both have data."""
    mask_edge: int
    """Cropland pixels of the mask with one of four neighbours outside of it."""
    product_edge: int
    """The same of the product, at the mask's pixels."""


def area_values(name: str, product: ProductWindow, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Cropland area, area fraction and known share of a product in a block, without upsampling it."""
    columns = np.bincount(product.index_x, minlength=product.percent.shape[1])
    known, percents = percent_rows(np.ascontiguousarray(product.percent), columns)
    known_px = float(known[product.index_y].sum())
    size = len(product.index_x) * len(product.index_y)
    values: dict[str, Value] = {map_column(KNOWN, name): known_px / size}
    if known_px:
        crop_px = (percents.astype(np.float64) / 100)[product.index_y]
        rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
        values[map_column(AREA_KM2, name)] = float(crop_px @ rows / 1e6)
        values[map_column(AREA_FRACTION, name)] = float(crop_px.sum() / known_px)
    return values


def density_values(map_name: str, mask: np.ndarray, name: str, product: ProductWindow) -> dict[str, Value]:
    """Edge density of a mask of flags and of a product at the mask's pixels; missing where either has no data."""
    (compared,) = compared_with(mask, [product])
    return edge_densities(map_name, mask, name, product, compared)


def edge_densities(
    map_name: str, mask: np.ndarray, name: str, product: ProductWindow, compared: Compared
) -> dict[str, Value]:
    """`density_values` of what was compared."""
    return {
        map_column("edge_density", map_name): compared.mask_edge / mask.size if has_data(mask) else None,
        map_column("edge_density", name): compared.product_edge / mask.size if product.has_data() else None,
    }


def agreement_values(map_name: str, name: str, compared: Compared) -> dict[str, Value]:
    """Agreement counts of a mask of flags with a product, as ``tp_MAP_PRODUCT`` and so on."""
    return dict(zip(agreement_columns(map_name, name), compared.agreement, strict=True))


def map_agreement(mask: np.ndarray, product: ProductWindow) -> Agreement:
    """Counts over the pixels for which both a mask of flags (h, w) and a product of classes have data."""
    return compared_with(mask, [product])[0].agreement


def compared_with(mask: np.ndarray, products: Sequence[ProductWindow]) -> list[Compared]:
    """A mask of flags (h, w) beside products of classes.

    The kernel counts masks without gaps; the counts under the gaps of either are subtracted, where there are gaps.
    """
    crops = [Reference(p.is_crop(), p.index_y, p.index_x) for p in products]
    unknown_px = [p.percent == UNKNOWN for p in products]
    gaps = [
        Reference(unknown, p.index_y, p.index_x) if unknown.any() else None
        for p, unknown in zip(products, unknown_px, strict=True)
    ]
    references = [*crops, *(gap for gap in gaps if gap is not None)]
    crop = iter(agreements(mask == CROPLAND, references))
    unseen = mask == NO_IMAGERY
    blind = iter(agreements(unseen, references) if unseen.any() else [_NOTHING] * len(references))
    pairs = [(next(crop), next(blind)) for _ in products]
    found = []
    for (seen, hidden), gap in zip(pairs, gaps, strict=True):
        seen_gap, hidden_gap = (_NOTHING, _NOTHING) if gap is None else (next(crop), next(blind))
        fp, fn = seen.fp - seen_gap.tp, seen.fn - hidden.tp
        unknown = (hidden.tp + hidden.fp) + (seen_gap.tp + seen_gap.fn) - hidden_gap.tp
        counts = Agreement(seen.tp, fp, fn, mask.size - unknown - seen.tp - fp - fn)
        found.append(Compared(counts, seen.mask_edge, seen.reference_edge))
    return found


_NOTHING = AgreementCounts(0, 0, 0, 0, 0, 0)
