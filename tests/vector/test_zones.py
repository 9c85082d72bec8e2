"""Areas of pixels in admin units."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import rasterize

from croplayer.vector.zones import BORDER, LARGE_VERTICES, UnitRings, pixels_inside, zones_of_blocks, zones_of_pixels
from stores.grid import BlockGrid, BlockIndex


@given(st.data())
def test_areas_in_units_equal_rasterising_them(data: st.DataObject) -> None:
    grid = BlockGrid(32)
    window = grid.window(BlockIndex(1100, 5880))
    west, south, east, north = grid.window_bounds(window)
    cuts = np.sort(data.draw(hnp.arrays(np.float64, 2, elements=st.floats(0.101, 0.899), unique=True)))
    lean = data.draw(st.floats(-0.0997, 0.0997))
    x = [west - 1, *(west + cuts * (east - west)), east + 1]
    polygons = [
        shapely.Polygon(
            [(x[i] + lean * (i in (1, 2)) * 0.05, south - 1), (x[i + 1] + lean * (i + 1 in (1, 2)) * 0.05, south - 1),
             (x[i + 1], north + 1), (x[i], north + 1)]
        )
        for i in range(3)
    ]  # fmt: skip
    units = gpd.GeoDataFrame({"adcode": list("abc")}, geometry=polygons, crs="EPSG:4326")
    percent = data.draw(hnp.arrays(np.uint8, (32, 32), elements=st.sampled_from([0, 50, 100, 255])))
    near, found = UnitRings.of(units.geometry.to_numpy()).areas_of_values_m2(percent, (50, 100), window, grid)
    areas = dict(zip(near.tolist(), found @ (0.5, 1.0) / 1e6, strict=True))
    rows = grid.pixel_area_m2(window.row, 32)[:, None]
    for unit, polygon in enumerate(polygons):
        inside = rasterize([polygon], (32, 32), transform=grid.transform(window)) == 1
        expected = (np.where(percent == 255, 0, percent) / 100 * rows * inside).sum() / 1e6
        assert areas[unit] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_threads_may_ask_for_the_pixels_of_a_geometry_that_was_prepared() -> None:
    """GEOS builds the index of a prepared geometry on the first predicate, and two threads at once crash the process."""
    grid = BlockGrid(16)
    box = grid.bounds(BlockIndex(1118, 5880))
    for _ in range(30):
        circle = shapely.Point((box.west + box.east) / 2, box.south).buffer(0.06, quad_segs=500)
        shapely.prepare(circle)
        units = gpd.GeoDataFrame(geometry=[circle], crs="EPSG:4326")
        windows = [grid.window(BlockIndex(1118 + i, 5879 + j)) for i in range(3) for j in range(3)]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(lambda window, units=units: pixels_inside(units, window, grid), windows))
        assert 0 < sum(part.sum() for part in found) < sum(part.size for part in found)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 3), st.floats(-0.06, 0.06), st.floats(-0.06, 0.06))
def test_large_polygons_give_the_pixels_of_the_whole_polygon(seed: int, size: float, dx: float, dy: float) -> None:
    """Borders of 12,000 vertices, which are cut to the window before they are used."""
    grid = BlockGrid(32)
    block = BlockIndex(1100, 5880)
    window = grid.window(block)
    west, south, _, _ = grid.window_bounds(window)
    random = np.random.default_rng(seed)
    angle = np.linspace(0, 2 * np.pi, LARGE_VERTICES + 2000, endpoint=False)
    waves = random.normal(0, 0.05, 8) @ np.sin(np.outer(random.integers(1, 3000, 8), angle))
    radius = 0.05 * size * np.clip(1 + waves, 0.3, 2)
    polygon = shapely.Polygon(np.c_[west + dx + radius * np.cos(angle), south + dy + radius * np.sin(angle)])
    ring = shapely.Polygon(shapely.box(west - 1, south - 1, west + 1, south + 1).exterior, [polygon.exterior])
    units = gpd.GeoDataFrame({"adcode": ["1", "2"]}, geometry=[polygon, ring], crs="EPSG:4326")
    inside = rasterize([polygon], (32, 32), transform=grid.transform(window)) == 1
    assert np.array_equal(pixels_inside(units.iloc[:1], window, grid), inside)
    assert np.array_equal(zones_of_pixels(units, window, grid), np.where(inside, 0, 1))
    near, found = UnitRings.of(units.geometry.to_numpy()).areas_of_values_m2(
        np.full((32, 32), 100, np.uint8), (100,), window, grid
    )
    areas = dict(zip(near.tolist(), found[:, 0] / 1e6, strict=True))
    rows = grid.pixel_area_m2(window.row, 32)[:, None]
    for unit, mask in enumerate((inside, ~inside)):
        assert areas.get(unit, 0.0) == pytest.approx((mask * rows).sum() / 1e6, rel=1e-9, abs=1e-12)


def test_a_block_that_several_units_cover_is_shared() -> None:
    grid = BlockGrid(32)
    blocks = [BlockIndex(1100, 5880 + i) for i in range(3)]
    west, south, _, north = grid.bounds(blocks[0])
    outer = shapely.box(west, south, west + 0.15, north)
    enclave = shapely.box(west + 0.05, south, west + 0.1, north)
    sliver = shapely.box(west - 1, south, west + 0.001, north)
    units = gpd.GeoDataFrame(geometry=[outer, enclave, sliver], crs="EPSG:4326")
    assert list(zones_of_blocks(units, blocks)) == [BORDER, BORDER, 0]
    assert list(zones_of_blocks(units.iloc[::-1], blocks)) == [BORDER, BORDER, 2]
