"""Which band holds the codes, and that kinds raster and STAC read the same of the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, GRID, write_items, write_mask_beside, write_raster

from croplayer.files.file_cache import forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from croplayer.products.stac_codes import StacCodes
from stores.grid import BlockGrid

WINDOW = GRID.window(BLOCK)


def both(path: Path, tmp_path: Path, codes: dict[str, Any], **settings: Any) -> np.ndarray:
    """Per cent of cropland of a file, the same bit for bit as raster and as the asset of a STAC item."""
    forget_files()
    sources = (
        RasterCodes((str(path),), **settings),
        StacCodes(write_items(tmp_path / "i.json", str(path)), "visual", **settings),
    )
    found = []
    for source in sources:
        product = Product("p", source, **codes)
        product.check(BOUNDS)
        found.append(product.read(WINDOW, GRID).on_pixels())
    np.testing.assert_array_equal(*found)
    assert len({source.content_of(BLOCK, GRID) for source in sources}) == 1
    return found[0]


def refused(path: Path, tmp_path: Path, message: str, **settings: Any) -> None:
    forget_files()
    for source in (
        RasterCodes((str(path),), **settings),
        StacCodes(write_items(tmp_path / "i.json", str(path)), "visual", **settings),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            source.check(BOUNDS)
        assert path.name in str(caught.value)


def annual(path: Path, texts: tuple[str, ...] = (), years: int = 5) -> Path:
    """Bands of which the one with index i holds code i everywhere."""
    write_raster(path, np.arange(years, dtype=np.uint8)[:, None, None].repeat(60, 1).repeat(60, 2))
    with rasterio.open(path, "r+") as file:
        for number, text in enumerate(texts, start=1):
            file.set_band_description(number, text)
    return path


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("map.tif", ("2016", "2017", "2018", "2019", "2020")),
        ("map.tif", tuple(f"classification_{year}" for year in (2020, 2016, 2017, 2018, 2019))),
        ("GLC_20162020_E110N35_Annual.tif", ()),
        ("cover_2016-2020.tif", ()),
        ("cover_2016_to_2020_v12.tif", ()),
    ],
)
def test_a_year_chooses_its_band(tmp_path: Path, name: str, texts: tuple[str, ...]) -> None:
    path = annual(tmp_path / name, texts)
    for year in range(2016, 2021):
        band = next((i for i, text in enumerate(texts) if str(year) in text), year - 2016)
        source = RasterCodes((str(path),), year=year)
        source.check(BOUNDS)
        (part,) = source.parts(WINDOW, GRID)
        assert set(part.codes[part.reached]) == {band}
        assert (both(path, tmp_path, {"crop_codes": (band, 9)}, band=band + 1) == 100).all()
    refused(path, tmp_path, "has 5 bands, of the years 2016 to 2020; set band, from 1 to 5, or year")
    with pytest.raises(ValueError, match="years 2016 to 2020 and year = 2021 is none of them; set band"):
        RasterCodes((str(path),), year=2021).check(BOUNDS)


@pytest.mark.parametrize(
    ("name", "texts"),
    [("map.tif", ()), ("map_2016.tif", ()), ("map_20162019.tif", ()), ("map.tif", ("2016", "2016", "2017", "2018", "2019"))],
)  # fmt: skip
def test_bands_of_unknown_years_need_a_band(tmp_path: Path, name: str, texts: tuple[str, ...]) -> None:
    path = annual(tmp_path / name, texts)
    refused(path, tmp_path, "has 5 bands; set band, from 1 to 5$")
    with pytest.raises(ValueError, match="has 5 bands; set band"):
        RasterCodes((str(path),), year=2016).check(BOUNDS)
    refused(path, tmp_path, "has 5 bands; band = 6 is none of them", band=6)


def test_a_year_of_a_single_band_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.ones((1, 60, 60), np.uint8))
    with pytest.raises(ValueError, match="has one band, so year = 2020 chooses nothing; leave year out"):
        RasterCodes((str(path),), year=2020).check(BOUNDS)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32650"])
@pytest.mark.parametrize(
    ("dtype", "crop", "other"),
    [("uint16", 700, 300), ("int8", -5, 3), ("int16", -300, 300), ("int32", 70_000, -70_000), ("uint32", 4_000_000_000, 7)],
)  # fmt: skip
def test_codes_of_every_integer_type_are_whole(tmp_path: Path, crs: str, dtype: str, crop: int, other: int) -> None:
    stripes = np.where(np.arange(80) < 40, crop, other).astype(dtype)
    place = {"transform": from_origin(221_500, 3_779_000, 110.0, 110.0), "crs": crs} if crs != "EPSG:4326" else {}
    path = write_raster(tmp_path / "map.tif", stripes[None, None].repeat(80, axis=1), **place)
    percent = both(path, tmp_path, {"crop_codes": (crop,), "known_codes": (crop, other)})
    assert {*np.unique(percent).tolist()} == {0, 100}
    assert (percent[:, 0] == 100).all() and (percent[:, -1] == 0).all()


def test_a_code_0_is_a_class_if_the_legend_says_so(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.zeros((1, 60, 60), np.uint8))
    assert (both(path, tmp_path, {"crop_codes": (0,), "known_codes": (0, 1)}) == 100).all()
    assert (both(path, tmp_path, {"crop_codes": (1,), "known_codes": (0, 1), "nodata": (0,)}) == 255).all()


def test_masks_hide_codes_of_both_kinds(tmp_path: Path) -> None:
    half = (np.arange(60) < 30).astype(np.uint8) * 255 * np.ones((60, 1), np.uint8)
    beside = write_raster(tmp_path / "beside.tif", np.ones((1, 60, 60), np.uint8))
    write_mask_beside(beside, half)
    alpha = write_raster(tmp_path / "alpha.tif", np.stack([half, np.ones_like(half)]), photometric="MINISBLACK")
    with rasterio.open(alpha, "r+") as file:
        file.colorinterp = [ColorInterp.alpha, ColorInterp.gray]
    one, two = (both(path, tmp_path, {"crop_codes": (1,)}) for path in (beside, alpha))
    np.testing.assert_array_equal(one, two)
    assert {*np.unique(one).tolist()} == {100, 255}


def test_numbers_that_are_no_codes_are_refused(tmp_path: Path) -> None:
    refused(
        write_raster(tmp_path / "f.tif", np.ones((1, 60, 60), np.float32)),
        tmp_path,
        "has float32 pixels; expected integer codes",
    )
    path = write_raster(tmp_path / "s.tif", np.ones((1, 60, 60), np.uint8))
    with rasterio.open(path, "r+") as file:
        file.scales = (0.01,)
    refused(path, tmp_path, "band 1 has scale 0.01 and offset 0, so its numbers are not codes")


def test_codes_with_a_colour_table_are_codes(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "map.tif", np.full((1, 60, 60), 2, np.uint8), photometric="PALETTE")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {2: (255, 255, 0, 255), 3: (0, 0, 0, 0)})
    assert (both(path, tmp_path, {"crop_codes": (2,), "known_codes": (2, 3)}) == 100).all()


@pytest.mark.parametrize("west", [-180.0, 0.0, -0.125])
def test_longitudes_of_a_map_may_run_from_0_to_360(tmp_path: Path, west: float) -> None:
    lon = (west + (np.arange(1440) + 0.5) * 0.25 + 180) % 360 - 180
    codes = np.broadcast_to(np.rint(np.abs(lon)).astype(np.uint8), (1, 40, 1440))
    path = write_raster(tmp_path / "world.tif", codes, transform=from_origin(west, 40, 0.25, 0.25))
    grid = BlockGrid(64)
    for at in (-97.03, 0.02, -0.02, -0.12, 12.03, 150.02, 179.97, -179.97):
        block = grid.block_at(at, 34.07)
        product = Product("p", RasterCodes((str(path),)), crop_codes=tuple(range(181)))
        product.check(grid.bounds(block))
        window = grid.window(block)
        assert (product.read(window, grid).on_pixels() == 100).all()
        seen = np.full((64, 64), -1)
        for part in RasterCodes((str(path),)).parts(window, grid):
            seen = np.where(part.on_pixels(part.reached, False), part.on_pixels(part.codes, 0), seen)
        place = west + (np.floor((grid.longitudes(window.col, 64) - west) / 0.25) + 0.5) * 0.25
        np.testing.assert_array_equal(seen, np.broadcast_to(np.rint(np.abs(place)), (64, 64)))
