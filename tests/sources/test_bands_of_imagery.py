"""What a raster says of its bands counts, and kind raster and kind stac give the same pixels of the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_items, write_mask_beside, write_raster

from croplayer.files.file_cache import forget_files
from croplayer.sources.imagery import Imagery
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from stores.grid import BlockGrid, BlockIndex

WINDOW = GRID.window(BLOCK)
R, G, B, A, U = (ColorInterp[name] for name in ("red", "green", "blue", "alpha", "undefined"))
SCENE = texture(5, 300, seed=4)
HALF = np.repeat([[255, 0]], 150, axis=1).astype(np.uint8).repeat(300, axis=0)


def tagged(
    path: Path, pixels: np.ndarray, colours: list[ColorInterp], texts: tuple[str, ...] = (), **profile: Any
) -> str:
    write_raster(path, pixels, photometric="MINISBLACK", **profile)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = colours
        for number, text in enumerate(texts, start=1):
            file.set_band_description(number, text)
    return str(path)


def both(path: str, tmp_path: Path, **settings: Any) -> Imagery:
    """The imagery of a file, the same bit for bit as raster and as the asset of a STAC item, and of one content."""
    forget_files()
    sources = (
        RasterSource("s", (path,), **settings),
        StacSource("s", write_items(tmp_path / "items.json", path), ("visual",), **settings),
    )
    for source in sources:
        source.check(BOUNDS)
    one, two = (source.read(WINDOW, GRID) for source in sources)
    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.valid, two.valid)
    assert len({source.content_of(BLOCK, GRID) for source in sources}) == 1
    return one


def refused(path: str, tmp_path: Path, message: str, **settings: Any) -> None:
    forget_files()
    for source in (
        RasterSource("s", (path,), **settings),
        StacSource("s", write_items(tmp_path / "items.json", path), ("visual",), **settings),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            source.check(BOUNDS)
        assert Path(path).name in str(caught.value)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Imagery:
    """The first three bands of the scene."""
    folder = tmp_path_factory.mktemp("plain")
    return both(str(write_raster(folder / "scene.tif", SCENE[:3])), folder)


def same(found: Imagery, expected: Imagery) -> None:
    np.testing.assert_array_equal(found.rgb, expected.rgb)
    np.testing.assert_array_equal(found.valid, expected.valid)


@pytest.mark.parametrize(
    ("order", "colours", "texts"),
    [
        ([2, 1, 0, 3], [B, G, R, U], ()),
        ([2, 1, 0, 3], [U, U, U, U], ("Blue", "Green", "Red", "NIR")),
        ([3, 4, 0, 1, 2], [U, U, R, G, B], ()),
        ([0, 1, 2, 3, 4], [U, U, U, U, U], ()),
        ([0, 1, 2], [ColorInterp.gray, U, U], ()),
    ],
    ids=["blue first", "blue first by description", "last", "untagged", "grey tag of GDAL"],
)
def test_bands_are_those_that_the_file_names(
    tmp_path: Path, plain: Imagery, order: list[int], colours: list[ColorInterp], texts: tuple[str, ...]
) -> None:
    same(both(tagged(tmp_path / "scene.tif", SCENE[order], colours, texts), tmp_path), plain)


def test_bands_of_the_recipe_count_whatever_the_tags_say(tmp_path: Path, plain: Imagery) -> None:
    path = tagged(tmp_path / "scene.tif", SCENE[[0, 1, 2, 3]], [B, G, R, U])
    same(both(path, tmp_path, bands=(1, 2, 3)), plain)
    grey = both(str(write_raster(tmp_path / "grey.tif", SCENE[:1])), tmp_path, bands=(1, 1, 1))
    np.testing.assert_array_equal(grey.rgb, plain.rgb[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(
    ("colours", "texts", "settings", "message"),
    [
        ([R, G, B, A], ("blue", "green", "red", "nir"), {}, r"1 red \(blue\), 2 green.*; set bands"),
        ([R, G, U, U], (), {}, "does not say clearly which bands are red, green and blue"),
        ([R, R, G, B], (), {}, "does not say clearly"),
        ([R, G, B, A], (), {"bands": (2, 3, 4)}, "band 4 is its alpha band"),
        ([ColorInterp.cyan, ColorInterp.magenta, ColorInterp.yellow, ColorInterp.black], (), {}, "holds cyan.*convert it to RGB"),
        ([R, G, B, U], (), {"bands": (3, 4, 5)}, "has 4 bands; source 's' asks for"),
    ],
)  # fmt: skip
def test_bands_that_cannot_be_told_are_refused(
    tmp_path: Path, colours: list[ColorInterp], texts: tuple[str, ...], settings: dict[str, Any], message: str
) -> None:
    refused(tagged(tmp_path / "scene.tif", SCENE[:4], colours, texts), tmp_path, message, **settings)


@pytest.mark.parametrize("place", [0, 1, 3, 4])
def test_an_alpha_band_hides_wherever_it_lies(tmp_path: Path, plain: Imagery, place: int) -> None:
    """Also in a file of five bands, and as the first band, where GDAL takes it for no mask."""
    colours: list[ColorInterp] = [R, G, B, U]
    pixels = np.insert(SCENE[:4], place, HALF, axis=0)
    colours.insert(place, A)
    found = both(tagged(tmp_path / "scene.tif", pixels, colours), tmp_path)
    assert found.valid.mean() == pytest.approx(0.5, abs=0.02)
    assert found.valid[:, :60].all() and not found.valid[:, 68:].any()
    np.testing.assert_array_equal(found.rgb[:, :60], plain.rgb[:, :60])


def test_every_kind_of_mask_hides_the_same_pixels(tmp_path: Path) -> None:
    """Alpha, a mask inside, a mask beside, nodata 0 and 255, and no mask for the number that is nodata elsewhere."""
    seen = [both(tagged(tmp_path / "alpha.tif", np.concatenate([SCENE[:3], HALF[None]]), [R, G, B, A]), tmp_path)]
    for name, inside in (("inside", True), ("beside", False)):
        path = write_raster(tmp_path / f"{name}.tif", SCENE[:3])
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as file:
            file.write_mask(HALF)
        assert path.with_suffix(".tif.msk").exists() != inside
        seen.append(both(str(path), tmp_path))
    for nodata in (0, 255):
        pixels = np.where(HALF > 0, np.clip(SCENE[:3], 1, 254), nodata).astype(np.uint8)
        seen.append(both(str(write_raster(tmp_path / f"n{nodata}.tif", pixels, nodata=nodata)), tmp_path))
    for found in seen[1:]:
        np.testing.assert_array_equal(found.valid, seen[0].valid)
    assert seen[0].valid.mean() == pytest.approx(0.5, abs=0.02)


def test_black_is_ground_unless_the_file_says_otherwise(tmp_path: Path) -> None:
    pixels = np.where(HALF > 0, SCENE[:3], 0).astype(np.uint8)
    assert both(str(write_raster(tmp_path / "black.tif", pixels)), tmp_path).valid.all()
    dark = np.concatenate([pixels, np.full((1, 300, 300), 9, np.uint8)])
    # Near infrared has something there, so the ground was seen.
    assert both(tagged(tmp_path / "dark.tif", dark, [R, G, B, U], nodata=0), tmp_path).valid.all()


def test_a_colour_table_is_colours(tmp_path: Path) -> None:
    numbers = (np.indices((300, 300)).sum(axis=0) // 150 % 3).astype(np.uint8)
    path = write_raster(tmp_path / "table.tif", numbers[None], photometric="PALETTE")
    colours = {0: (10, 20, 30, 255), 1: (200, 100, 50, 255), 2: (1, 2, 3, 0)}
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, colours)
    found = both(str(path), tmp_path)
    inside = {tuple(c) for c in found.rgb[found.valid].tolist()}
    assert {(10, 20, 30), (200, 100, 50)} <= inside
    refused(str(path), tmp_path, "numbers the colours of a table; leave out bands", bands=(1, 1, 1))


@pytest.mark.parametrize(
    ("pixels", "profile", "scale"),
    [
        (SCENE[:3].astype(np.uint16) * 12 + 300, {}, (300, 3360)),
        (SCENE[:3].astype(np.uint16) * 16, {"nbits": 12}, (0, 4080)),
        (SCENE[:3].astype(np.float32) / 255, {}, (0, 1)),
        (SCENE[:3].astype(np.int16) - 100, {}, (-100, 155)),
        (SCENE[:3].astype(np.uint16), {}, (0, 255)),
    ],
    ids=["reflectance", "12 bits", "float", "signed", "16 bits of small numbers"],
)
def test_other_pixels_need_a_scale_and_have_the_same_colours_then(
    tmp_path: Path, plain: Imagery, pixels: np.ndarray, profile: dict[str, Any], scale: tuple[float, float]
) -> None:
    path = str(write_raster(tmp_path / "scene.tif", pixels, **profile))
    refused(path, tmp_path, rf"has {pixels.dtype} pixels; expected uint8: set scale = \[low, high\]")
    found = both(path, tmp_path, scale=scale)
    assert found.valid.all()
    assert np.abs(found.rgb.astype(int) - plain.rgb).max() <= 1


def test_a_picture_in_which_0_is_white_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", SCENE[:1], photometric="MINISWHITE")
    refused(str(path), tmp_path, "says that 0 is white; invert it first", bands=(1, 1, 1))


def test_values_beyond_the_scale_and_no_numbers(tmp_path: Path) -> None:
    pixels = np.full((3, 300, 300), 0.5, np.float32)
    pixels[:, :, :100], pixels[:, :, 200:], pixels[:, 100:150] = 7.0, -7.0, np.nan
    found = both(str(write_raster(tmp_path / "scene.tif", pixels)), tmp_path, scale=(0, 1))
    assert (
        (found.rgb[:30, :35] == 255).all() and (found.rgb[:30, 95:] == 0).all() and (found.rgb[:30, 50:80] == 128).all()
    )
    assert found.valid[:30].all() and not found.valid[40:48].any()


def test_scale_and_offset_of_a_band_are_used(tmp_path: Path, plain: Imagery) -> None:
    path = write_raster(tmp_path / "scene.tif", SCENE[:3].astype(np.uint16) * 10 + 1000)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.0001,) * 3, (-0.1,) * 3
    found = both(str(path), tmp_path, scale=(0.0, 0.255))
    assert np.abs(found.rgb.astype(int) - plain.rgb).max() <= 1
    eight = write_raster(tmp_path / "eight.tif", SCENE[:3])
    with rasterio.open(eight, "r+") as file:
        file.scales = (0.5,) * 3
    refused(str(eight), tmp_path, "band 1 has scale 0.5 and offset 0; set scale")


@pytest.mark.parametrize("scale", [(1, 1), (2, 1), (0, float("nan")), (0, float("inf"))])
def test_a_scale_that_is_none_is_refused(scale: tuple[float, float]) -> None:
    for make in (lambda: RasterSource("s", ("a.tif",), scale=scale), lambda: StacSource("s", "i.json", scale=scale)):
        with pytest.raises(ValueError, match=r"scale is .*expected \[low, high\]"):
            make()


@pytest.mark.parametrize("west", [-180.0, 0.0, 100.0])
def test_longitudes_may_run_from_0_to_360(tmp_path: Path, west: float) -> None:
    """A file of all longitudes: at every place, also where they begin anew, the colour says the longitude."""
    step = 0.25
    lon = west + (np.arange(1440) + 0.5) * step
    wrapped = (lon + 180) % 360 - 180
    shade = np.rint(np.abs(wrapped)).astype(np.uint8)
    pixels = np.broadcast_to(shade, (3, 40, 1440))
    place = rasterio.transform.from_origin(west, 40, step, step)
    path = str(write_raster(tmp_path / "world.tif", pixels, transform=place))
    grid = BlockGrid(64)
    for at in (-97.03, 0.02, -0.02, 12.03, 100.01, 99.97, 150.02, 179.97, -179.97):
        block = grid.block_at(at, 34.07)
        source = RasterSource("s", (path,))
        source.check(grid.bounds(block))
        found = source.read(grid.window(block), grid)
        assert found.valid.all()
        assert np.abs(found.rgb.astype(float) - abs(at)).max() <= 1.2


def test_where_longitudes_begin_anew_under_a_block_both_sides_are_read(tmp_path: Path) -> None:
    """A global grid whose first pixel has its centre at Greenwich begins at 0.125 W, within a block."""
    pixels = np.full((3, 40, 1440), 50, np.uint8)
    pixels[:, :, 0], pixels[:, :, -1] = 90, 30
    place = rasterio.transform.from_origin(-0.125, 40, 0.25, 0.25)
    path = str(write_raster(tmp_path / "world.tif", pixels, transform=place))
    grid = BlockGrid(64)
    found = RasterSource("s", (path,)).read(grid.window(grid.block_at(-0.12, 34.07)), grid)
    assert found.valid.all()
    assert (found.rgb[:, :30] == 30).all() and (found.rgb[:, 34:] == 90).all()


def test_a_mask_of_one_band_alone_hides(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", SCENE[:3])
    mask = write_raster(tmp_path / "mask.tif", np.stack([np.full_like(HALF, 255), HALF, np.full_like(HALF, 255)]))
    with rasterio.open(mask, "r+") as file:
        file.update_tags(INTERNAL_MASK_FLAGS_1="0", INTERNAL_MASK_FLAGS_2="0", INTERNAL_MASK_FLAGS_3="0")
    mask.rename(tmp_path / "scene.tif.msk")
    found = both(str(path), tmp_path)
    assert found.valid[:, :60].all() and not found.valid[:, 68:].any()


def test_a_mask_beside_that_is_no_tiff_is_refused(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", SCENE[:3])
    path.with_name("scene.tif.msk").write_text("<VRTDataset/>")
    with pytest.raises(ValueError, match=r"scene\.tif\.msk is no TIFF"):
        RasterSource("s", (str(path),)).check(BOUNDS)


def test_a_file_of_several_images_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    path = write_raster(tmp_path / "one.tif", SCENE[:3], crs="EPSG:4326")
    pages = [Image.fromarray(np.ascontiguousarray(SCENE[:3].transpose(1, 2, 0)))] * 2
    several = tmp_path / "several.tif"
    pages[0].save(several, save_all=True, append_images=pages[1:])
    several.with_suffix(".tfw").write_text("2e-4\n0\n0\n-2e-4\n113.995\n34.105\n")
    with pytest.raises(ValueError, match=r"several\.tif holds 2 images"):
        RasterSource("s", (str(several),), assume_crs="EPSG:4326").check(BOUNDS)
    RasterSource("s", (str(path),)).check(BOUNDS)


def test_content_is_that_of_the_pixels(tmp_path: Path) -> None:
    """A copy, another compression and pixels elsewhere change nothing; a mask, a setting or a pixel of the block does."""
    path = write_raster(tmp_path / "scene.tif", SCENE[:3])
    copy = write_raster(tmp_path / "copy.tif", SCENE[:3], compress="deflate")
    far = SCENE[:3].copy()
    far[:, :, -1] ^= 1
    far_path = write_raster(
        tmp_path / "far.tif", np.concatenate([far, far], axis=2), transform=rasterio.open(path).transform
    )

    def content(file: Path, **settings: Any) -> str:
        return RasterSource("s", (str(file),), **settings).content_of(BLOCK, GRID)

    first = content(path)
    assert content(copy) == first
    assert content(path, bands=(1, 2, 3)) == first
    assert content(far_path) == first
    assert len({first, content(path, bands=(3, 2, 1)), content(path, scale=(0, 200))}) == 3
    near = SCENE[:3].copy()
    near[0, 150, 150] ^= 1
    assert content(write_raster(tmp_path / "near.tif", near)) != first
    write_mask_beside(copy, HALF)
    forget_files()
    assert content(copy) != first
    files = RasterSource("s", (str(copy), str(path))).files_of(BLOCK, GRID)
    assert [file for file in files if Path(file).exists()] == [str(copy), f"{copy}.msk", str(path)]
    assert RasterSource("s", (str(copy),)).files_of(BlockIndex(BLOCK.row, BLOCK.col + 9), GRID) == ()


def test_an_item_speaks_for_its_asset(tmp_path: Path, plain: Imagery) -> None:
    """Blue first, nodata, scale and offset that only the item tells, in the words of STAC 1.0 and 1.1."""
    pixels = SCENE[[2, 1, 0]].astype(np.uint16) * 10 + 1000
    pixels[:, :, 150:] = 7
    path = str(write_raster(tmp_path / "scene.tif", pixels, photometric="MINISBLACK"))
    bands = [{"name": n, "common_name": c} for n, c in (("B02", "blue"), ("B03", "green"), ("B04", "red"))]
    raster = {"nodata": 7, "scale": 0.0001, "offset": -0.1}
    old = {"eo:bands": bands, "raster:bands": [raster] * 3}
    new = {
        "bands": [{"eo:common_name": b["common_name"]} for b in bands],
        "nodata": 7, "raster:scale": 0.0001, "raster:offset": -0.1,
    }  # fmt: skip
    for words in (old, new):
        items = Path(write_items(tmp_path / "items.json", path))
        collection = json.loads(items.read_text())
        collection["features"][0]["assets"]["visual"] |= words
        items.write_text(json.dumps(collection))
        source = StacSource("s", str(items), ("visual",), scale=(0.0, 0.255))
        source.check(BOUNDS)
        found = source.read(WINDOW, GRID)
        assert np.abs(found.rgb[:, :60].astype(int) - plain.rgb[:, :60]).max() <= 1
        assert found.valid[:, :60].all() and not found.valid[:, 68:].any()
        forget_files()


def test_an_item_that_contradicts_its_asset_is_refused(tmp_path: Path) -> None:
    path = str(write_raster(tmp_path / "scene.tif", SCENE[:3], nodata=0))
    items = Path(write_items(tmp_path / "items.json", path))
    collection = json.loads(items.read_text())
    collection["features"][0]["assets"]["visual"]["raster:bands"] = [{"nodata": 255}] * 3
    items.write_text(json.dumps(collection))
    with pytest.raises(ValueError, match=r"says nodata 0, .*item0.* says 255; correct the one that is wrong"):
        StacSource("s", str(items), ("visual",)).check(BOUNDS)
