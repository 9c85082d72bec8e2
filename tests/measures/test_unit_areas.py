"""Areas by unit of a block beside rasterised units."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from rasterio.features import rasterize

from croplayer.measures.unit_areas import area_sums, layer_of_mask, layer_of_product
from croplayer.products.product import ProductWindow
from croplayer.vector.zones import UnitRings
from stores.columns import LAND, known_land, unit_sum
from stores.grid import BlockGrid, BlockIndex


def test_maps_and_products_are_summed_by_unit() -> None:
    grid, random = BlockGrid(64), np.random.default_rng(0)
    window = grid.window(BlockIndex(1100, 5880))
    west, south, east, north = grid.window_bounds(window)
    units = gpd.GeoDataFrame(
        {"adcode": ["1", "2"]},
        geometry=[
            shapely.Polygon([(west, south), (east, south), (west, north)]),
            shapely.Polygon([(east, south), (east, north), (west, north)]),
        ],
        crs="EPSG:4326",
    )
    mask = random.choice(np.array([0, 1, 254, 255], np.uint8), (64, 64))
    classes = ProductWindow(
        random.choice(np.array([0, 100, 255], np.uint8), (9, 8)), np.arange(64) // 8 + 1, np.arange(64) // 8
    )
    shares = ProductWindow(
        random.choice(np.array([0, 7, 55, 100, 255], np.uint8), (2, 64)), np.arange(64) // 32, np.arange(64)
    )
    layers = [
        layer_of_mask("map", mask),
        layer_of_product("classes", classes, False),
        layer_of_product("shares", shares, True),
    ]
    sums = area_sums(layers, units.adcode.tolist(), UnitRings.of(units.geometry.to_numpy()), window, grid)

    percents = {
        "map": np.where(mask == 254, np.nan, (mask == 1) * 100.0),
        **{name: np.where(p.on_pixels() == 255, np.nan, p.on_pixels()) for name, p in {"classes": classes, "shares": shares}.items()},
    }  # fmt: skip
    rows = grid.pixel_area_m2(window.row, 64)[:, None] / 1e6
    for code, polygon in zip(units.adcode, units.geometry, strict=True):
        inside = rasterize([polygon], (64, 64), transform=grid.transform(window)) == 1
        assert sums[unit_sum(code, LAND)] == pytest.approx((inside * rows).sum(), rel=1e-12)
        for name, percent in percents.items():
            crop = np.nan_to_num(percent) / 100
            assert sums[unit_sum(code, name)] == pytest.approx((crop * inside * rows).sum(), rel=1e-12)
            known = (~np.isnan(percent) & inside) * rows
            assert sums[unit_sum(code, known_land(name))] == pytest.approx(known.sum(), rel=1e-12)
    assert len(sums) == 2 * 7
