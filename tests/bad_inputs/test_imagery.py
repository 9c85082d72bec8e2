"""Bad tiles, rasters and STAC answers get one sentence that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image, PngImagePlugin
from rasterio.transform import from_origin
from shared.bad_files import (
    BLOCK,
    BOUNDS,
    GIF,
    GRID,
    HUGE_TEXT,
    VRT,
    WARNED_OF,
    Case,
    bytes_of,
    check,
    noise,
    picture,
    png,
    raster,
    text_of,
    truncated,
)

from croplayer.files.file_cache import forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tile_image import TileKind, decode_tile
from croplayer.sources.tiles import FolderTiles, TilePlace

pytestmark = WARNED_OF


def read_tile(path: Path) -> object:
    """The only tile of a folder, as a run reads it."""
    return FolderTiles(f"{path.parent}/{{z}}_{{x}}_{{y}}.jpg").read_tile(
        TilePlace(1, 2, 3), lambda data: decode_tile(data, 256, frozenset(), f"tile {path}")
    )


def tile(name: str, data: bytes, sentence: str) -> Case:
    return Case(f"tile {name}", "3_1_2.jpg", bytes_of(data), read_tile, sentence)


TILES = [
    tile("truncated JPEG", picture(noise())[:4000], "truncated or damaged"),
    tile("truncated PNG", picture(noise(), "PNG")[:-400], "truncated or damaged"),
    tile("JPEG without its last byte", picture(noise())[:-1], "truncated or damaged"),
    tile("bit flip in PNG", (p := picture(noise(), "PNG"))[:5000] + bytes([p[5000] ^ 8]) + p[5001:], "truncated or damaged"),
    tile("0 bytes", b"", "is not a JPEG, PNG or WEBP image"),
    tile("HTML", b"<!DOCTYPE html><html>please sign in</html>", "is not a JPEG, PNG or WEBP image"),
    tile("JSON", b'{"message": "Tile not found"}', "is not a JPEG, PNG or WEBP image"),
    tile("16-bit grey", picture(Image.new("I;16", (256, 256), 900), "PNG"), "has pixels of 16 bits"),
    tile("16-bit RGB", png(256, 256, 16, 2, bytes(256 * (1 + 256 * 6))), "has pixels of 16 bits"),
    tile("CMYK", picture(noise(mode="CMYK")), "has pixels of mode CMYK"),
    tile("GIF", GIF, "is not a JPEG, PNG or WEBP image"),
    tile("512 px", picture(noise(512)), "is 512 x 512 px; expected 256 x 256"),
    tile("40 gigapixel header", png(200_000, 200_000, 8, 2, b""), "is 200000 x 200000 px; expected|cannot be decoded"),
    tile("10 kpx header", png(10_000, 10_000, 8, 2, b""), "is 10000 x 10000 px; expected|cannot be decoded"),
    tile("200 MB of text in a PNG", png(256, 256, 8, 2, bytes(256 * 769), (b"zTXt", HUGE_TEXT)), "cannot be decoded"),
    tile("more than 2 MiB", b"\xff\xd8\xff" + bytes(3_000_000), "a tile has at most 2097152"),
    tile("VRT", VRT, "is not a JPEG, PNG or WEBP image"),
    tile(
        "animated",
        picture(noise(), "PNG", save_all=True, append_images=[noise()]),
        "more than one image",
    ),
]  # fmt: skip


def imagery(path: Path) -> object:
    source = RasterSource("a", (str(path),))
    source.check(BOUNDS)
    return source.read(GRID.window(BLOCK), GRID)


def classes(path: Path) -> object:
    product = Product("p", RasterCodes((str(path),)), crop_codes=(1,), known_codes=(0, 1, 3), nodata=(0,))
    product.check(BOUNDS)
    return product.read(GRID.window(BLOCK), GRID)


def elevation(path: Path) -> object:
    dem = ElevationRaster(str(path))
    dem.check(BOUNDS)
    return dem.block_terrain(BLOCK)


def scene(name: str, write: Callable[[Path], object], sentence: str) -> Case:
    return Case(f"raster {name}", "scene.tif", write, imagery, sentence)


RASTERS = [
    scene("without CRS", raster(crs=None), "has no CRS; add it to the file or set assume_crs"),
    scene("with the wrong CRS", raster(crs="EPSG:32650"), "does not overlap the region"),
    scene("rotated", raster(transform=rasterio.Affine(7e-4, 1e-5, BOUNDS.west, 1e-5, -7e-4, BOUNDS.north)), "is rotated"),
    scene("south-up", raster(transform=rasterio.Affine(7e-4, 0, BOUNDS.west, 0, 7e-4, BOUNDS.south)), "is not north-up"),
    scene("with a place that is no number", raster(transform=rasterio.Affine(np.nan, 0, 1, 0, -1, 1)), "not finite|north-up"),
    scene("with two bands", raster(pixels=np.ones((2, 80, 80), np.uint8)), r"has 2 bands; source 'a' asks for \(1, 2, 3\)"),
    scene("of 16 bits", raster(pixels=np.ones((3, 80, 80), np.uint16)), "has uint16 pixels; expected uint8"),
    scene("truncated", truncated(raster()), "cannot be (read|opened)"),
    scene("cut to its header", truncated(raster(), 0.01), "cannot be (read|opened)"),
    scene("empty", bytes_of(b""), "cannot be opened as GeoTIFF"),
    scene("VRT", bytes_of(VRT), "cannot be opened as GeoTIFF"),
    scene("PNG", bytes_of(picture(noise(), "PNG")), "cannot be opened as GeoTIFF"),
    scene("absent", lambda path: None, "does not exist"),
    Case("raster of classes with one outside the legend", "map.tif", raster(pixels=np.full((1, 80, 80), 2, np.uint8)), classes, "code 2"),
    Case("elevation elsewhere", "dem.tif", raster(pixels=np.ones((1, 80, 80), np.int16), transform=from_origin(0, 0, 1e-3, 1e-3)), elevation, "does not overlap the region"),
]  # fmt: skip


def stac(path: Path) -> object:
    return StacSource("s", str(path)).check(BOUNDS)


ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "x",
    "properties": {"datetime": "2020-01-01T00:00:00Z"},
    "geometry": None,
    "links": [],
    "assets": {},
}


STAC = [
    Case("STAC that is no JSON", "items.json", text_of("{"), stac, "is not a FeatureCollection"),
    Case("STAC that is a list", "items.json", text_of("[]"), stac, "is not a FeatureCollection"),
    Case("STAC in another encoding", "items.json", text_of('{"é": 1}', "latin-1"), stac, "is not a FeatureCollection"),
    Case("STAC with a feature that is no item", "items.json", text_of('{"features": [{"type": "x"}]}'), stac, "feature 1 .*is not a STAC item"),
    Case("STAC item without the asset", "items.json", text_of(json.dumps({"features": [ITEM]})), stac, "has no asset 'red'"),
]  # fmt: skip


CASES = [*TILES, *RASTERS, *STAC]


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def kind_of(image: Image.Image, **options: object) -> tuple[TileKind, np.ndarray, np.ndarray]:
    found = decode_tile(picture(image, "PNG", **options), 256, frozenset(), "tile")
    assert found.imagery is not None
    return found.kind, found.imagery.rgb, found.imagery.valid


def test_hidden_colours_of_transparent_pixels_are_not_shown() -> None:
    rgba = np.array(noise(mode="RGBA"))
    rgba[:100, :, 3] = 0
    _, rgb, valid = kind_of(Image.fromarray(rgba))
    assert not valid[:100].any() and valid[100:].all() and not rgb[:100].any()


def test_a_palette_is_colours_and_its_transparent_entry_no_imagery() -> None:
    image = Image.frombytes("P", (256, 256), (np.indices((256, 256)).sum(axis=0) % 3).astype(np.uint8).tobytes())
    image.putpalette([10, 20, 30, 200, 100, 50, 1, 2, 3] + [0] * 759)
    _, rgb, valid = kind_of(image, transparency=2)
    assert set(map(tuple, rgb[valid])) == {(10, 20, 30), (200, 100, 50)}
    assert valid.mean() == pytest.approx(2 / 3, abs=0.01)


def test_a_stored_rotation_is_ignored() -> None:
    image = noise()
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, turned = (picture(image, quality=90, **o) for o in ({}, {"exif": exif.tobytes()}))
    one, two = (decode_tile(d, 256, frozenset(), "tile").imagery for d in (plain, turned))
    assert one is not None and two is not None
    np.testing.assert_array_equal(one.rgb, two.rgb)


def test_a_tile_of_one_colour_and_a_transparent_one_are_no_imagery() -> None:
    for image in (Image.new("RGB", (256, 256), (200, 200, 200)), Image.new("RGBA", (256, 256), (9, 9, 9, 0))):
        assert decode_tile(picture(image, "PNG"), 256, frozenset(), "tile").kind is TileKind.BLANK


def test_text_in_a_png_is_no_matter() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 1000)
    assert kind_of(noise(), pnginfo=info)[0] is TileKind.IMAGE


def test_voids_of_an_elevation_model_are_not_heights(tmp_path: Path) -> None:
    """-32768 without a nodata tag, and values no mountain has, are left out of the median, and their share is kept."""
    pixels = np.full((1, 80, 80), 1500, np.int16)
    pixels[0, ::3] = -32768
    pixels[0, 1::9] = 9500
    path = tmp_path / "dem.tif"
    raster(pixels=pixels)(path)
    terrain = ElevationRaster(str(path)).block_terrain(BLOCK)
    assert terrain.elevation_m == 1500
    assert terrain.elevation_void_fraction == pytest.approx(1 / 3 + 1 / 9, abs=0.02)


def test_classes_are_never_mixed(tmp_path: Path) -> None:
    """Between classes 1 and 3 no class 2 appears, also through a warp."""
    pixels = np.where(np.arange(80) % 2, 1, 3).astype(np.uint8)[None, None].repeat(80, axis=1)
    path = tmp_path / "map.tif"
    raster(pixels=pixels)(path)
    read = Product("p", RasterCodes((str(path),)), crop_codes=(1,), known_codes=(1, 3)).read(GRID.window(BLOCK), GRID)
    assert set(np.unique(read.on_pixels())) <= {0, 100, 255}


def test_a_changed_bit_of_an_uncompressed_raster_changes_what_a_block_is_read_from(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    raster()(path)
    before = RasterSource("a", (str(path),)).content_of(BLOCK, GRID)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))
    forget_files()
    assert RasterSource("a", (str(path),)).content_of(BLOCK, GRID) != before


def test_bright_pixels_do_not_wrap_around(tmp_path: Path) -> None:
    """The mean of 200 and 100 is 150 and not 22: bilinear resampling works in wider numbers."""
    pixels = np.where(np.arange(80) % 2, 200, 100).astype(np.uint8)[None, None].repeat(80, axis=1).repeat(3, axis=0)
    path = tmp_path / "scene.tif"
    raster(pixels=pixels)(path)
    rgb = RasterSource("a", (str(path),)).read(GRID.window(BLOCK), GRID).rgb
    assert rgb.min() >= 100 and rgb.max() <= 200
