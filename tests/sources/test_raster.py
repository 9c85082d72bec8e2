"""Imagery in rasters: several of them, masks beside them, and bad ones named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_raster

from croplayer.sources.raster import RasterSource
from stores.grid import Bounds


def test_transparent_and_nodata_pixels_are_no_imagery(tmp_path: Path) -> None:
    pixels = texture()
    pixels[:, :150] = 0
    path = write_raster(tmp_path / "half.tif", pixels, nodata=0)
    rgb, valid, *_ = RasterSource("a", (str(path),)).read(GRID.window(BLOCK), GRID)
    assert valid.mean() == pytest.approx(0.5, abs=0.06)
    assert not valid[:50].any() and valid[-50:].all()
    assert (rgb[~valid] == 0).all()
    # Colours at the edge are not darkened by the missing side.
    assert rgb[valid].min() >= 1


@pytest.mark.parametrize("shift_px", [0, 1e-9 / 0.0002, -1e-9 / 0.0002, 0.5, -0.5], ids=str)
def test_rasters_of_one_source_need_not_share_a_grid(tmp_path: Path, shift_px: float) -> None:
    """Two halves of a slope of colour, the second with its corner off by noise or half a pixel: no pixel is lost or moved.

    Each shows at its own pixels' centres what is there, so that every pixel of the lattice must show what is at its own.
    """
    step = 0.0002
    west, north = BOUNDS.west - 0.005, BOUNDS.north + 0.005

    def shade(lon: np.ndarray) -> np.ndarray:
        return (lon - west) * 4000

    def half(name: str, left: float) -> str:
        columns = shade(left + (np.arange(150) + 0.5) * step)
        pixels = np.rint(np.broadcast_to(columns, (3, 300, 150))).astype(np.uint8)
        return str(write_raster(tmp_path / name, pixels, transform=from_origin(left, north, step, step)))

    paths = half("a.tif", west), half("b.tif", west + (150 + shift_px) * step)
    rgb, valid, *_ = RasterSource("x", paths).read(GRID.window(BLOCK), GRID)
    window = GRID.window(BLOCK)
    expected = shade(GRID.longitudes(window.col, window.width))
    gap = np.abs(GRID.longitudes(window.col, window.width) - (west + 150 * step)) < abs(shift_px) * step
    assert valid[:, ~gap].all()
    # Half a grey level from the raster's rounding and half from the result's.
    assert np.abs(rgb[:, ~gap, 0].astype(float) - expected[~gap]).max() <= 1 + 1e-6


def test_the_first_valid_raster_counts(tmp_path: Path) -> None:
    first, second = texture(seed=1), np.full((3, 300, 300), 77, np.uint8)
    first[:, :, :150] = 0
    a = write_raster(tmp_path / "a.tif", first, nodata=0)
    b = write_raster(tmp_path / "b.tif", second)
    rgb, valid, *_ = RasterSource("x", (str(a), str(b))).read(GRID.window(BLOCK), GRID)
    assert valid.all()
    assert (rgb[:, :50] == 77).all() and (rgb[:, -50:] != 77).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: write_raster(p, texture(), crs=None), "has no CRS.*assume_crs"),
        (lambda p: write_raster(p, texture(2)), r"has 2 bands; source 's' asks for \(1, 2, 3\)"),
        (lambda p: write_raster(p, texture().astype(np.uint16)), "uint16 pixels; expected uint8"),
        (
            lambda p: write_raster(p, texture(), transform=from_origin(10, 10, 0.001, 0.001)),
            "does not overlap the region",
        ),
        (
            lambda p: write_raster(p, texture(), transform=rasterio.Affine(1e-4, 1e-5, 114, 1e-5, -1e-4, 34.2)),
            "is rotated",
        ),
        (lambda p: p.write_text("<VRTDataset/>") and p, "cannot be opened as GeoTIFF"),
        (lambda p: p, "does not exist"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_bad_rasters_are_named(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = tmp_path / "scene.tif"
    make(path)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as caught:
        RasterSource("s", (str(path),)).check(BOUNDS)
    assert "scene.tif" in str(caught.value)


def test_a_truncated_raster_fails_and_gives_no_pixels(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", texture())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"scene\.tif"):
        RasterSource("s", (str(path),)).read(GRID.window(BLOCK), GRID)


def test_real_imagery_that_misses_the_region_is_named(data: Path) -> None:
    source = RasterSource("autumn", (str(data / "naip_dates/m_4709963_se_14_1_20150926.tif"),))
    with pytest.raises(ValueError, match="source 'autumn' does not overlap the region"):
        source.check(Bounds(113.3, 23.1, 113.4, 23.2))
