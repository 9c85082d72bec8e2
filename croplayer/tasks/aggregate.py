"""Area of every map and product by admin unit in the blocks that units share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely
from pyarrow import parquet

from croplayer.cube.maps import read_maps
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.unit_areas import area_sums, layer_of_mask, layer_of_product
from croplayer.products.product import Product
from croplayer.tasks.each import each_block
from croplayer.tasks.reading import Reading
from croplayer.vector.zones import UnitRings
from stores.grid import BlockGrid, BlockIndex
from stores.records import BlockRecord


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
        codes, rings = units_of(self.units, self.units_digest)
        window = self.grid.window(block)
        maps = read_maps(self.cube, block) if self.cube else {}
        layers = [layer_of_mask(name, mask) for name, mask in maps.items()]
        layers += [layer_of_product(p.name, p.read(window, self.grid), p.is_percent) for p in self.products]
        return BlockRecord(block, values=area_sums(layers, codes, rings, window, self.grid))


@lru_cache(maxsize=2)
def units_of(path: str, digest: str) -> tuple[list[str], UnitRings]:
    """Codes and rings of the units of a GeoParquet file with the column adcode, read once; ``digest`` is that of the file."""
    # Not with geopandas, whose import takes longer than a block.
    units = parquet.ParquetFile(path).read(columns=["adcode", "geometry"])
    polygons = shapely.from_wkb(np.array(units["geometry"].to_pylist(), object))
    return units["adcode"].to_pylist(), UnitRings.of(polygons)
