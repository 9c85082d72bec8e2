"""Terrain equals GDAL bit for bit, and the definitions written out in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from benchmarks.gdal_terrain import find_gdaldem, write_dem
from croplayer.kernels.terrain import (
    geographic_cell_size,
    roughness_m,
    ruggedness_m,
    slope_deg,
    terrain_medians,
)

GdalDem = Callable[..., np.ndarray]


@pytest.fixture
def gdaldem(tmp_path: Path) -> GdalDem:
    """GDAL's own answer, NaN for nodata."""
    found = find_gdaldem()
    if found is None:
        pytest.skip("needs the gdaldem command (Debian: gdal-bin) or rasterio from a wheel that holds GDAL")

    def answer(mode: str, dem: np.ndarray, cell: float, nodata: float | None, *options: str) -> np.ndarray:
        source, target = tmp_path / "dem.tif", tmp_path / f"{mode}.tif"
        write_dem(source, dem, cell, nodata)
        found[1](mode, source, target, list(options))
        with rasterio.open(target) as made:
            values = made.read(1)
        return np.where(values == -9999, np.float32(np.nan), values)

    return answer


def mountains(dtype: type, shape: tuple[int, int] = (180, 211), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), 6) * 3000
    return (smooth + rng.standard_normal(shape) * 8).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("nodata", [None, -9999])
def test_equals_gdal(gdaldem: GdalDem, dtype: type, nodata: float | None) -> None:
    dem = mountains(dtype)
    if nodata is not None:
        rng = np.random.default_rng(1)
        dem[rng.integers(0, dem.shape[0], 60), rng.integers(0, dem.shape[1], 60)] = nodata
    same = np.testing.assert_array_equal
    same(slope_deg(dem, 30.0, 30.0, nodata), gdaldem("slope", dem, 30.0, nodata))
    cell = 111120.0 * (1 / 3600)
    same(slope_deg(dem, cell, cell, nodata), gdaldem("slope", dem, 1 / 3600, nodata, "-s", "111120"))
    same(ruggedness_m(dem, nodata), gdaldem("TRI", dem, 30.0, nodata, "-alg", "Riley"))
    same(roughness_m(dem, nodata), gdaldem("roughness", dem, 30.0, nodata))


def neighbourhoods(dem: np.ndarray) -> np.ndarray:
    """(h - 2, w - 2, 9) float64."""
    return sliding_window_view(dem.astype(np.float64), (3, 3)).reshape(dem.shape[0] - 2, dem.shape[1] - 2, 9)


@settings(deadline=None, max_examples=100)
@given(
    hnp.arrays(
        np.int16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=24), elements=st.integers(-500, 9000)
    ),
    st.integers(-500, 9000),
)
def test_equals_the_definition(dem: np.ndarray, nodata: int) -> None:
    a = neighbourhoods(np.where(dem == nodata, np.nan, dem.astype(np.float64)))
    cell_x = 20.0 + np.arange(len(dem))
    dx = (a[..., [0, 3, 3, 6]] - a[..., [2, 5, 5, 8]]).sum(axis=-1) / cell_x[1:-1, None]
    dy = (a[..., [6, 7, 7, 8]] - a[..., [0, 1, 1, 2]]).sum(axis=-1) / 31.0
    slope = np.degrees(np.arctan(np.sqrt(dx**2 + dy**2) / 8)) + 0 * a[..., 4]
    inner = np.s_[1:-1, 1:-1]
    np.testing.assert_allclose(slope_deg(dem, cell_x, 31.0, nodata)[inner], slope, rtol=1e-6)
    riley = np.sqrt(((a - a[..., 4:5]) ** 2).sum(axis=-1))
    np.testing.assert_allclose(ruggedness_m(dem, nodata)[inner], riley, rtol=1e-6)
    np.testing.assert_array_equal(roughness_m(dem, nodata)[inner], a.max(axis=-1) - a.min(axis=-1))


@pytest.mark.parametrize("shape", [(0, 0), (1, 5), (5, 2), (3, 3)])
def test_the_outermost_pixels_are_undefined(shape: tuple[int, int]) -> None:
    dem = np.ones(shape, np.float32)
    for raster in (slope_deg(dem, 1, 1), ruggedness_m(dem), roughness_m(dem)):
        assert np.isnan(raster).sum() == dem.size - max(shape[0] - 2, 0) * max(shape[1] - 2, 0)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("odd", [0, 1])
def test_medians_are_those_of_the_rasters(dtype: type, odd: int) -> None:
    dem = np.abs(mountains(np.float64) % 200).astype(dtype)
    dem[20:40, 50:90] = 17
    inner = (slice(1, 101 + odd), slice(3, 204))
    cell_x = geographic_cell_size(np.linspace(35.05, 35.0, len(dem)), 1 / 3600).x_m
    found = terrain_medians(dem, cell_x, 30.9, inner, nodata=17)
    elevation = np.where(dem == 17, np.nan, dem).astype(np.float32)
    rasters = (elevation, slope_deg(dem, cell_x, 30.9, 17), ruggedness_m(dem, 17), roughness_m(dem, 17))
    for name, value, raster in zip(found._fields, found, rasters, strict=True):
        assert value == np.nanmedian(raster[inner].astype(np.float64)), name


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("scene", ["mountains", "holes", "plain", "two plains", "slope with a step", "any heights"])
def test_medians_of_large_rasters(dtype: type, scene: str) -> None:
    rng = np.random.default_rng(2)
    dem = mountains(np.float64, (420, 391), seed=5)
    if scene == "holes":
        dem[rng.random(dem.shape) < 0.03] = -9999
    elif scene == "plain":
        dem[:] = 12
        dem[rng.random(dem.shape) < 0.01] = 13
    elif scene == "two plains":
        dem[:210], dem[210:] = 0, 800
    elif scene == "slope with a step":
        dem = np.arange(391.0) * 3 + np.where(np.arange(420)[:, None] > 212, 900, 0)
    elif scene == "any heights":
        dem[:] = rng.integers(-32768, 32768, dem.shape)
    dem = dem.astype(dtype)
    inner = (slice(1, 418), slice(2, 389))
    cell_x = np.linspace(24.0, 26.0, len(dem))
    found = terrain_medians(dem, cell_x, 30.9, inner, nodata=-9999)
    elevation = np.where(dem == -9999, np.nan, dem).astype(np.float32)
    rasters = (elevation, slope_deg(dem, cell_x, 30.9, -9999), ruggedness_m(dem, -9999), roughness_m(dem, -9999))
    for name, value, raster in zip(found._fields, found, rasters, strict=True):
        assert value == np.nanmedian(raster[inner].astype(np.float64)), name
    nothing = terrain_medians(np.full_like(dem, -9999), cell_x, 30.9, inner, nodata=-9999)
    assert np.isnan(nothing).all()


def test_nan_and_nodata_are_missing_alike() -> None:
    dem = mountains(np.float32)
    holes = dem.copy()
    holes[10:13, 40] = np.nan
    marked = np.where(np.isnan(holes), np.float32(-9999), holes)
    for kernel in (lambda d, n: slope_deg(d, 30, 30, n), ruggedness_m, roughness_m):
        np.testing.assert_array_equal(kernel(holes, None), kernel(marked, -9999))
    inner = (slice(1, -1), slice(1, -1))
    assert terrain_medians(holes, 30, 30, inner) == terrain_medians(marked, 30, 30, inner, nodata=-9999)


def test_nothing_known_has_no_medians() -> None:
    dem = np.full((20, 20), -32768, np.int16)
    assert np.isnan(terrain_medians(dem, 30, 30, (slice(1, -1), slice(1, -1)), nodata=-32768)).all()


def test_cell_size_conventions() -> None:
    latitudes = 35.05 - (np.arange(180) + 0.5) / 3600
    per_row = geographic_cell_size(latitudes, 1 / 3600)
    assert per_row.y_m == pytest.approx(30.922, abs=1e-3)
    np.testing.assert_allclose(per_row.x_m, per_row.y_m * np.cos(np.radians(latitudes)))
    assert set(geographic_cell_size(latitudes, 1 / 3600, "s111120").x_m) == {111120 / 3600}
    auto = geographic_cell_size(latitudes, 1 / 3600, "auto311")
    assert np.ptp(auto.x_m) == 0 and auto.x_m[0] == pytest.approx(per_row.x_m.mean(), rel=1e-6)
    with pytest.raises(ValueError, match="expected 'per_row', 's111120' or 'auto311'"):
        geographic_cell_size(latitudes, 1 / 3600, "wgs84")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between -90 and 90"):
        geographic_cell_size(latitudes + 80, 1 / 3600)


@pytest.mark.parametrize(
    ("dem", "cell", "error", "message"),
    [
        (np.zeros((5, 5), complex), 1, TypeError, "dem is complex128"),
        (np.zeros((5, 5), np.int64), 1, TypeError, "dem is int64"),
        (np.zeros((5, 5, 1)), 1, ValueError, "dem has shape"),
        (np.zeros((5, 5)), np.ones(4), ValueError, r"cell_x_m has shape \(4,\)"),
        (np.zeros((5, 5)), -30.0, ValueError, "not all positive"),
    ],
)
def test_bad_input(dem: np.ndarray, cell: float | np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        slope_deg(dem, cell, 30.0)


def test_a_patch_with_a_border_equals_the_whole() -> None:
    dem = mountains(np.int16)
    cell_x = geographic_cell_size(np.linspace(35.05, 35.0, len(dem)), 1 / 3600).x_m
    patch, inner = np.s_[39:121, 59:161], np.s_[1:-1, 1:-1]
    whole = np.s_[40:120, 60:160]
    np.testing.assert_array_equal(
        slope_deg(dem[patch], cell_x[39:121], 30.9)[inner], slope_deg(dem, cell_x, 30.9)[whole]
    )
    np.testing.assert_array_equal(ruggedness_m(dem[patch])[inner], ruggedness_m(dem)[whole])
    np.testing.assert_array_equal(roughness_m(dem[patch])[inner], roughness_m(dem)[whole])


@pytest.mark.data
def test_real_mountains_equal_gdal(gdaldem: GdalDem, data: Path) -> None:
    with rasterio.open(next((data / "wuhan_dem").glob("*.tif"))) as source:
        nodata = source.nodata
        dem = source.read(1, window=((900, 1700), (1000, 1700)))
    same = np.testing.assert_array_equal
    same(slope_deg(dem, 30.0, 30.0, nodata), gdaldem("slope", dem, 30.0, nodata))
    same(ruggedness_m(dem, nodata), gdaldem("TRI", dem, 30.0, nodata, "-alg", "Riley"))
    same(roughness_m(dem, nodata), gdaldem("roughness", dem, 30.0, nodata))
    inner = (slice(1, -1), slice(1, -1))
    found = terrain_medians(dem, 30.0, 30.0, inner, nodata)
    assert found.slope_deg == np.nanmedian(slope_deg(dem, 30.0, 30.0, nodata)[inner].astype(np.float64))
