"""Areas of pixels in admin units."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import rasterize

from croplayer.vector.zones import UnitRings, pixels_inside
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
    areas = UnitRings.of(units).areas_km2(percent, window, grid)
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
