"""Area of every map and product by admin unit in the blocks that units share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import geopandas as gpd
import numpy as np

from croplayer.cube import Cube
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.legends import CROPLAND
from croplayer.records import BlockRecord, Value
from croplayer.sources.product import ProductRaster
from croplayer.tasks.compare import read_maps
from croplayer.tasks.each import each_block
from croplayer.zones import zone_areas_km2, zones_of_pixels

LAND = "land"
"""Name under which the area of the unit itself is counted."""


@dataclass(frozen=True)
class AggregateTask:
    """Sum areas to the pixel; writes nothing to the cube. Values are named ``ADCODE:MAP`` in km2."""

    grid: BlockGrid
    cube: Cube | None
    products: tuple[ProductRaster, ...]
    units: str
    """GeoParquet of admin units with the column adcode."""
    units_digest: str

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(self.one, blocks)

    def one(self, block: BlockIndex) -> BlockRecord:
        """Record of one block with the area of each map in each unit that has a pixel there."""
        units = _units(self.units, self.units_digest)
        window = self.grid.window(block)
        zones = zones_of_pixels(units, window, self.grid)
        rows = self.grid.pixel_area_m2(window.row, window.height)
        layers: dict[str, np.ndarray] = {LAND: np.ones(zones.shape, bool)}
        if self.cube is not None:
            layers |= {name: mask == CROPLAND for name, mask in read_maps(self.cube, block).items()}
        layers |= {p.name: p.read(window, self.grid) for p in self.products}
        present = np.unique(zones[zones >= 0])
        values: dict[str, Value] = {}
        for name, weight in layers.items():
            areas = zone_areas_km2(weight, zones, len(units), rows)
            values |= {f"{units.adcode.iloc[zone]}:{name}": float(areas[zone]) for zone in present}
        return BlockRecord(block, values=values)


@lru_cache(maxsize=2)
def _units(path: str, digest: str) -> gpd.GeoDataFrame:
    return gpd.read_parquet(path)
