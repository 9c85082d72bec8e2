"""Area of maps and products in the admin units that share a block: values for the block's record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from croplayer.kernels.zones import packed_equal, packed_equal_under
from croplayer.products.product import UNKNOWN, ProductWindow
from croplayer.vector.zones import UnitRings
from stores.columns import LAND, known_land, unit_sum
from stores.grid import BlockGrid, PixelWindow
from stores.legends import CROPLAND, NO_IMAGERY
from stores.records import Value


class Layer(NamedTuple):
    """A map of a window as masks of its values, each packed as by `kernels.bits.pack_mask`."""

    name: str
    percents: tuple[int, ...]
    """Per cent of cropland, 1 to 100, that each of the masks stands for."""
    masks: tuple[np.ndarray, ...]
    unknown: np.ndarray
    """Where the map says nothing."""


def layer_of_mask(name: str, mask: np.ndarray) -> Layer:
    """The layer of a mask of flags (h, w) uint8."""
    return Layer(name, (100,), (packed_equal(mask, CROPLAND),), packed_equal(mask, NO_IMAGERY))


def layer_of_product(name: str, product: ProductWindow, is_percent: bool) -> Layer:
    """The layer of a product; one that is no map of per cent has 0 and 100 alone."""
    percents = [100]
    if is_percent:
        used = product.percent[np.unique(product.index_y)][:, np.unique(product.index_x)]
        percents = [value for value in np.unique(used).tolist() if 0 < value <= 100]

    def where(value: int) -> np.ndarray:
        return packed_equal_under(product.percent, product.index_y, product.index_x, value)

    return Layer(name, tuple(percents), tuple(where(percent) for percent in percents), where(UNKNOWN))


def area_sums(
    layers: Iterable[Layer], codes: Sequence[str], rings: UnitRings, window: PixelWindow, grid: BlockGrid
) -> dict[str, Value]:
    """Land of each unit near a window, and cropland and known land of each map in it: km2 on the ellipsoid.

    Parameters
    ----------
    layers : maps of the window
    codes : code of each unit of ``rings``

    Returns
    -------
    Areas named as by ``unit_sum``; a pixel belongs to the unit that contains its centre
    """
    layers = list(layers)
    everywhere = packed_equal(np.zeros((window.height, window.width), np.uint8), 0)
    near, counts = rings.counts(
        [everywhere, *(mask for layer in layers for mask in (*layer.masks, layer.unknown))], window, grid
    )
    rows = grid.pixel_area_m2(window.row, window.height)

    def km2(pixels: np.ndarray, percents: tuple[int, ...] = (100,)) -> list[float]:
        """Area by unit of (units, values, rows) pixels."""
        areas = np.ascontiguousarray(pixels) @ rows
        return [float(area) for area in areas @ (np.array(percents) / 100) / 1e6]

    land, at = counts[:, :1], 1
    sums = {LAND: km2(land)}
    for layer in layers:
        unknown = at + len(layer.masks)
        sums[layer.name] = km2(counts[:, at:unknown], layer.percents)
        sums[known_land(layer.name)] = km2(land - counts[:, unknown : unknown + 1])
        at = unknown + 1
    return {
        unit_sum(codes[unit], name): area
        for name, areas in sums.items()
        for unit, area in zip(near.tolist(), areas, strict=True)
    }
