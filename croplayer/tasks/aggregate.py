"""Area of every map and product by admin unit in the blocks that units share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import geopandas as gpd
import numpy as np

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.products.product import UNKNOWN, Product
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from croplayer.vector.zones import UnitRings
from stores.columns import LAND, known_land, unit_sum
from stores.grid import BlockGrid, BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY
from stores.records import BlockRecord, Value


@dataclass(frozen=True)
class AggregateTask:
    """Sum areas to the pixel; writes nothing to the cube. Values are named ``ADCODE:MAP`` in km2, and ``ADCODE:MAP:known``."""

    grid: BlockGrid
    cube: Cube | None
    products: tuple[Product, ...]
    units: str
    """GeoParquet of admin units with the column adcode."""
    units_digest: str

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks, self.reading)

    @property
    def reading(self) -> Reading | None:
        """The products, where there are any."""
        return Reading(self.products, self.grid) if self.products else None

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the area of each map in each unit near it."""
        codes, rings = _units(self.units, self.units_digest)
        window = self.grid.window(block)
        layers = {LAND: np.full((window.height, window.width), 100, np.uint8)}
        for name, mask in (read_maps(self.cube, block) if self.cube else {}).items():
            layers |= {name: (mask == CROPLAND) * np.uint8(100), known_land(name): (mask != NO_IMAGERY) * np.uint8(100)}
        for product in self.products:
            percent = product.read(window, self.grid).on_pixels()
            layers |= {product.name: percent, known_land(product.name): (percent != UNKNOWN) * np.uint8(100)}
        values: dict[str, Value] = {}
        for name, percent in layers.items():
            areas = rings.areas_km2(percent, window, self.grid)
            values |= {unit_sum(codes[unit], name): area for unit, area in areas.items()}
        return BlockRecord(block, values=values)


@lru_cache(maxsize=2)
def _units(path: str, digest: str) -> tuple[list[str], UnitRings]:
    units = gpd.read_parquet(path)
    return units.adcode.tolist(), UnitRings.of(units)
