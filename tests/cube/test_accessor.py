"""What is computed from an opened cube: areas, regions and comparisons, lazily and equal to a plain count."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from pyproj import Geod
from scipy import ndimage
from shared.small_cubes import RANGE, fill_checkerboard, make_cube
from skimage.measure import label, regionprops

import croplayer
from croplayer.cube.opening import open_cube
from stores.grid import BlockIndex


def test_area_by_province_on_a_checkerboard_equals_the_geodesic_sum(tmp_path: Path) -> None:
    """Pixel by pixel against pyproj, membership by an independent point-in-polygon test."""
    cube = make_cube(tmp_path / "cube.zarr", 32)
    fill_checkerboard(cube)
    units = gpd.GeoDataFrame(
        {"adcode": ["a", "b"]},
        geometry=[
            shapely.Polygon([(114.0, 34.9), (114.07, 34.9), (114.04, 35.0), (114.0, 35.0)]),
            shapely.Polygon([(114.07, 34.9), (114.15, 34.9), (114.15, 35.0), (114.04, 35.0)]),
        ],
        crs="EPSG:4326",
    )
    table = open_cube(tmp_path / "cube.zarr").crop.area(by=units)
    geod = Geod(ellps="WGS84")
    window = RANGE.window(cube.grid)
    box = cube.grid.window_bounds(window)
    x, y = np.linspace(box.west, box.east, window.width + 1), np.linspace(box.north, box.south, window.height + 1)
    expected = np.zeros(2)
    for j in range(window.height):
        pixel = ([x[0], x[1], x[1], x[0]], [y[j + 1], y[j + 1], y[j], y[j]])
        area = abs(geod.polygon_area_perimeter(*pixel)[0]) / 1e6
        centres = shapely.points((x[:-1] + x[1:]) / 2, np.full(window.width, (y[j] + y[j + 1]) / 2))
        crop = (np.arange(window.width) + j) % 2 == 1
        for u, polygon in enumerate(units.geometry):
            expected[u] += area * (shapely.contains(polygon, centres) & crop).sum()
    np.testing.assert_allclose(table.area_km2, expected, rtol=1e-6)


def test_regions_of_each_chunk_are_those_of_scikit_image(tmp_path: Path) -> None:
    cube, rng = make_cube(tmp_path / "cube.zarr"), np.random.default_rng(4)
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            # Blobs, some of them with holes, and a block without cropland.
            pixels = (ndimage.gaussian_filter(rng.random((64, 64)), 2) > 0.5).astype(np.uint8)
            pixels[:5] = 254
            cube.write_block("croplayer", BlockIndex(RANGE.row + row, RANGE.col + col), pixels * (row + col > 0))
    # The selection cuts blocks, and its chunks differ in size.
    dataset = croplayer.open_cube(tmp_path / "cube.zarr").isel(y=slice(12, 116), x=slice(12, 180))
    shape = croplayer.region_properties(dataset, dataset.croplayer)
    assert shape.regions.shape == (2, 3) and shape.regions.chunks is not None
    shape = shape.compute()
    ends = [np.cumsum((0, *dataset.chunksizes[d])) for d in ("y", "x")]
    for i, j in np.ndindex(2, 3):
        chunk = dataset.croplayer[ends[0][i] : ends[0][i + 1], ends[1][j] : ends[1][j + 1]] == 1
        found = {name: float(values[i, j]) for name, values in shape.items()}
        regions = regionprops(label(chunk.to_numpy(), connectivity=2))
        assert (found["regions"], found["area_px"]) == (len(regions), sum(r.area for r in regions))
        assert found["euler_total"] == sum(r.euler_number for r in regions)
        assert found["solidity_total"] == pytest.approx(sum(r.solidity for r in regions))
        for name in ("euler", "solidity"):
            mean = found[f"{name}_total"] / len(regions) if regions else np.nan
            assert found[f"{name}_mean"] == pytest.approx(mean, nan_ok=True)
    assert shape.regions.sum() > 20 and shape.regions[0, 0] == 0 and (shape.euler_total < shape.regions).any()


def test_a_product_is_compared_lazily_pixel_by_pixel(tmp_path: Path) -> None:
    fill_checkerboard(make_cube(tmp_path / "cube.zarr"))
    codes = np.zeros((64, 96), np.uint8)
    codes[:, :48], codes[:32, 48:] = 40, 10
    with rasterio.open(
        tmp_path / "esa.tif", "w", driver="GTiff", width=96, height=64, count=1, dtype="uint8", crs="EPSG:4326",
        transform=rasterio.transform.from_origin(114.0, 35.0, 0.15 / 96, 0.1 / 64),
    ) as sink:  # fmt: skip
        sink.write(codes, 1)
    found = open_cube(tmp_path / "cube.zarr").crop.compare("ESA", str(tmp_path / "esa.tif"))
    pixels = 128 * 192
    # Half is cropland in the product, a quarter other land, a quarter nodata; ours is a checkerboard.
    assert found[["tp", "fp", "fn", "tn"]].tolist() == [pixels / 4, pixels / 8, pixels / 4, pixels / 8]
    assert found.area_fraction == 0.5
    assert found.area_fraction_esa == pytest.approx(2 / 3)
