"""Imagery from outside: the same pixel whatever the window, missing imagery told apart, bad input named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_items, write_raster, write_tiles

from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.contract import check_source
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiles")
    write_tiles(root, 14, Bounds(BOUNDS.west - 0.03, BOUNDS.south - 0.03, BOUNDS.east + 0.03, BOUNDS.north + 0.03))
    return root


@pytest.fixture(scope="module")
def every_source(tmp_path_factory: pytest.TempPathFactory, tiles: Path) -> dict[str, ImagerySource]:
    folder = tmp_path_factory.mktemp("rasters")
    rgba = texture(4)
    rgba[3] = np.where(np.arange(300)[None] < 200, 255, 0)
    lonlat = write_raster(folder / "lonlat.tif", rgba, photometric="RGB", alpha="YES")
    utm = folder / "utm.tif"
    with rasterio.open(
        utm, "w", driver="GTiff", dtype="uint8", count=3, height=600, width=600, crs="EPSG:32650", nodata=0,
        transform=from_origin(222_400, 3_778_500, 11.0, 11.0),
    ) as file:  # fmt: skip
        file.write(texture(3, 600, 1))
    items = write_items(folder / "items.json", str(write_raster(folder / "plain.tif", texture(3, 300, 2))))
    return {
        "raster with alpha": RasterSource("a", (str(lonlat),)),
        "projected raster": RasterSource("b", (str(utm),)),
        "tiles": XyzSource("c", FolderTiles(f"{tiles}/{{z}}/{{x}}/{{y}}.jpg"), 14),
        "stac": StacSource("d", items, ("visual",)),
    }


@pytest.mark.parametrize("name", ["raster with alpha", "projected raster", "tiles", "stac"])
def test_a_pixel_does_not_depend_on_the_window(every_source: dict[str, ImagerySource], name: str) -> None:
    source = every_source[name]
    source.check(BOUNDS)
    whole = GRID.window(BLOCK)
    wide = PixelWindow(whole.row - 20, whole.col - 20, 168, 168)
    parts = ((0, 0, 168, 168), (20, 20, 128, 128), (3, 90, 41, 70), (100, 1, 1, 1))
    check_source(source, GRID, wide, [PixelWindow(wide.row + row, wide.col + col, h, w) for row, col, h, w in parts])


@pytest.mark.parametrize("name", ["raster with alpha", "projected raster", "tiles", "stac"])
def test_sources_travel_to_workers(every_source: dict[str, ImagerySource], name: str) -> None:
    source = every_source[name]
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(GRID.window(BLOCK), GRID).rgb, source.read(GRID.window(BLOCK), GRID).rgb)


def test_transparent_and_nodata_pixels_are_no_imagery(tmp_path: Path) -> None:
    pixels = texture()
    pixels[:, :150] = 0
    path = write_raster(tmp_path / "half.tif", pixels, nodata=0)
    rgb, valid, _ = RasterSource("a", (str(path),)).read(GRID.window(BLOCK), GRID)
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
    rgb, valid, _ = RasterSource("x", paths).read(GRID.window(BLOCK), GRID)
    window = GRID.window(BLOCK)
    expected = shade(GRID.longitudes(window.col, window.width))
    gap = np.abs(GRID.longitudes(window.col, window.width) - (west + 150 * step)) < abs(shift_px) * step
    assert valid[:, ~gap].all()
    # Half a grey level from the raster's rounding and half from the result's.
    assert np.abs(rgb[:, ~gap, 0].astype(float) - expected[~gap]).max() <= 1 + 1e-6


@pytest.mark.parametrize("name", ["raster with alpha", "stac"])
def test_a_mask_beside_a_raster_counts_whatever_was_read_before(
    every_source: dict[str, ImagerySource], tmp_path: Path, name: str
) -> None:
    path = write_raster(tmp_path / "scene.tif", texture())
    write_mask_beside(path, np.repeat([[255, 0]], 150, axis=1).astype(np.uint8).repeat(300, axis=0))
    assert path.with_suffix(".tif.msk").exists()
    far = BlockIndex(BLOCK.row, BLOCK.col + 1)
    every_source[name].read(GRID.window(far), GRID)
    valid = RasterSource("a", (str(path),)).read(GRID.window(BLOCK), GRID).valid
    assert valid.mean() == pytest.approx(0.5, abs=0.06)


def without_georeference(path: Path) -> Path:
    """A raster whose place and CRS are in no tag, so that they can only come from files beside it."""
    return write_raster(path, texture(1), crs=None, transform=None)


def write_mask_beside(path: Path, mask: np.ndarray) -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(mask)


BESIDE: dict[str, Callable[[Path], object]] = {
    ".tif.msk": lambda p: write_mask_beside(p, np.eye(300, dtype=np.uint8) * 255),
    ".tif.aux.xml": lambda p: p.with_name("scene.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>"
    ),
    ".tfw": lambda p: p.with_suffix(".tfw").write_text("1e-4\n0\n0\n-1e-4\n114\n34\n"),
    ".WLD": lambda p: p.with_suffix(".WLD").write_text("1e-4\n0\n0\n-1e-4\n114\n34\n"),
}


@pytest.mark.parametrize("ending", BESIDE)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_that_is_read_with_a_raster_changes_its_fingerprint(tmp_path: Path, ending: str) -> None:
    path = without_georeference(tmp_path / "scene.tif")
    every = (RasterSource("a", (str(path),)), RasterCodes((str(path),)), ElevationRaster(str(path)))
    bare = [source.fingerprint() for source in every]
    BESIDE[ending](path)
    beside = path.with_name(f"scene{ending}")
    first = [source.fingerprint() for source in every]
    beside.write_bytes(beside.read_bytes() + b"\n")
    again = [source.fingerprint() for source in every]
    path.with_name("notes about the scene.txt").write_text("no pixel comes from here")
    path.with_name("scene.json").write_text("{}")
    assert [len({*three}) for three in zip(bare, first, again, strict=True)] == [3, 3, 3]
    assert [source.fingerprint() for source in every] == again


def test_assets_on_this_machine_are_part_of_their_items(tmp_path: Path) -> None:
    here, linked = (write_raster(tmp_path / f"{name} 1.tif", texture()) for name in ("here", "linked"))
    hrefs = (here.name, linked.as_uri(), "far away and not loaded.tif", "https://example.org/elsewhere.tif")
    items = write_items(tmp_path / "items.json", *hrefs)
    sources = (StacSource("a", items, ("visual",)), StacCodes(items, "visual"))
    found = [[source.fingerprint() for source in sources]]
    for seed, path in enumerate((here, linked), start=1):
        write_raster(path, texture(seed=seed))
        found.append([source.fingerprint() for source in sources])
    assert [len({*three}) for three in zip(*found, strict=True)] == [3, 3]


def test_a_raster_that_is_renamed_keeps_its_fingerprint(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "scene.tif", texture())
    write_mask_beside(path, np.eye(300, dtype=np.uint8) * 255)
    before = RasterSource("a", (str(path),)).fingerprint()
    (tmp_path / "later").mkdir()
    for file in (path, path.with_name("scene.tif.msk")):
        file.rename(tmp_path / "later" / file.name.replace("scene", "autumn"))
    assert RasterSource("a", (str(tmp_path / "later/autumn.tif"),)).fingerprint() == before


def test_the_first_valid_raster_counts(tmp_path: Path) -> None:
    first, second = texture(seed=1), np.full((3, 300, 300), 77, np.uint8)
    first[:, :, :150] = 0
    a = write_raster(tmp_path / "a.tif", first, nodata=0)
    b = write_raster(tmp_path / "b.tif", second)
    rgb, valid, _ = RasterSource("x", (str(a), str(b))).read(GRID.window(BLOCK), GRID)
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


def test_products_are_read_by_their_legend(tmp_path: Path) -> None:
    codes = np.array([[[10, 20], [0, 10]]], np.uint8)
    step = 0.025
    path = write_raster(tmp_path / "p.tif", codes, transform=from_origin(BOUNDS.west, BOUNDS.north, step, step))
    product = Product("p", RasterCodes((str(path),)), crop_codes=(10,), known_codes=(0, 10, 20), nodata=(0,))
    percent = product.read(GRID.window(BLOCK), GRID).on_pixels()
    assert percent[:64, :64].min() == 100 and percent[:64, 64:].max() == 0
    assert (percent[64:, :64] == 255).all() and percent[64:, 64:].min() == 100
    with pytest.raises(ValueError, match="holds code 20"):
        Product("p", RasterCodes((str(path),)), crop_codes=(10,), known_codes=(0, 10)).read(GRID.window(BLOCK), GRID)
    outside = BlockIndex(BLOCK.row, BLOCK.col + 4)
    assert (product.read(GRID.window(outside), GRID).on_pixels() == 255).all()


PLACES = {
    "lonlat": {"crs": "EPSG:4326", "transform": from_origin(BOUNDS.west - 0.01, BOUNDS.north + 0.01, 0.001, 0.001)},
    "utm": {"crs": "EPSG:32650", "transform": from_origin(221_500, 3_779_000, 110.0, 110.0)},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("product", "expected"),
    [
        ({"crop_codes": (1,)}, {0, 100, 255}),
        ({}, {0, 1, 255}),
        ({"crop_codes": (1,), "nodata": (0,)}, {100, 255}),
        ({"crop_codes": (1,), "known_codes": (0, 1, 255)}, {0, 100}),
        ({"crop_codes": (1, 255)}, {0, 100}),
    ],
    ids=["classes", "per cent", "another code too", "named as a class", "named as cropland"],
)  # fmt: skip
def test_what_a_file_calls_nodata_is_not_known(
    tmp_path: Path, place: str, product: dict[str, Any], expected: set[int]
) -> None:
    """Stripes of 0, 1 and 255 in a file that declares 255; what the user names counts as he names it."""
    stripes = np.array([0, 1, 255], np.uint8)[np.arange(75) % 3][None, None].repeat(75, axis=1)
    path = write_raster(tmp_path / "p.tif", stripes, nodata=255, **PLACES[place])
    percent = Product("p", RasterCodes((str(path),)), **product).read(GRID.window(BLOCK), GRID).on_pixels()
    assert {*np.unique(percent).tolist()} == expected


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("codes", [{}, {"crop_codes": (1,), "known_codes": (0, 1)}], ids=["per cent", "classes"])
def test_what_the_mask_of_a_product_hides_is_not_known(tmp_path: Path, place: str, codes: dict[str, Any]) -> None:
    plain, masked = (
        write_raster(tmp_path / f"{name}.tif", np.ones((1, 75, 75), np.uint8), **PLACES[place]) for name in "ab"
    )
    write_mask_beside(masked, np.arange(75, dtype=np.uint8).repeat(75).reshape(75, 75) % 2 * 255)
    rows = write_raster(
        tmp_path / "rows.tif", (np.arange(75, dtype=np.uint8) % 2).repeat(75).reshape(1, 75, 75), **PLACES[place]
    )
    whole, seen, row = (
        Product("p", RasterCodes((str(path),)), **c).read(GRID.window(BLOCK), GRID).on_pixels()
        for path, c in ((plain, codes), (masked, codes), (rows, {}))
    )
    assert 0.4 < (row == 1).mean() < 0.6
    np.testing.assert_array_equal(seen, np.where(row == 1, whole, 255))


def test_projected_products_equal_a_pointwise_lookup(data: Path) -> None:
    from pyproj import Transformer

    path = data / "cdl_kansas/2021_cultivated_layer.tif"
    product = Product("cdl", RasterCodes((str(path),)), crop_codes=(2,), known_codes=(1, 2))
    grid = BlockGrid(200)
    window = grid.window(grid.block_at(-97.05, 39.28))
    percent = product.read(window, grid).on_pixels()
    lon, lat = np.meshgrid(grid.longitudes(window.col, 200), grid.latitudes(window.row, 200))
    with rasterio.open(path) as file:
        x, y = Transformer.from_crs("EPSG:4326", file.crs, always_xy=True).transform(lon, lat)
        rows, cols = rasterio.transform.rowcol(file.transform, x.ravel(), y.ravel())
        expected = file.read(1)[np.asarray(rows), np.asarray(cols)].reshape(200, 200) == 2
    assert ((percent == 100) == expected).mean() > 0.9995


@pytest.mark.parametrize("lon", [179.97, -179.97])
def test_files_across_180_degrees_are_read_on_both_sides(tmp_path: Path, lon: float) -> None:
    """Files of UTM zone 60 that reach from 179.89 E to 179.88 W, and items whose box says so."""
    from pyproj import Transformer

    to_utm = Transformer.from_crs("EPSG:4326", "EPSG:32660", always_xy=True)
    west, north = to_utm.transform(179.9, 34.15)
    place = {"crs": "EPSG:32660", "transform": from_origin(west, north, 50, 50)}
    classes, scene = texture(1, 400) % 2 + 1, texture(3, 400)
    paths = {
        "map": str(write_raster(tmp_path / "map.tif", classes, **place)),
        "scene": str(write_raster(tmp_path / "scene.tif", scene, **place)),
    }
    items = {
        name: write_items(tmp_path / f"{name}.json", path, bbox=(179.89, 33.96, -179.88, 34.15), epsg=32660)
        for name, path in paths.items()
    }
    grid = BlockGrid(64)
    block = grid.block_at(lon, 34.07)
    window, bounds = grid.window(block), grid.bounds(block)

    x, y = to_utm.transform(*np.meshgrid(grid.longitudes(window.col, 64), grid.latitudes(window.row, 64)))
    codes = classes[0][((north - y) / 50).astype(int), ((x - west) / 50).astype(int)]
    for source in (RasterCodes((paths["map"],)), StacCodes(items["map"], "visual")):
        source.check(bounds)
        found = Product("p", source, crop_codes=(1,)).read(window, grid).on_pixels()
        assert (found == np.where(codes == 1, 100, 0)).mean() > 0.998
    for imagery in (RasterSource("a", (paths["scene"],)), StacSource("a", items["scene"], ("visual",))):
        imagery.check(bounds)
        assert imagery.read(window, grid).valid.all()
    terrain = ElevationRaster(paths["map"])
    terrain.check(bounds)
    assert terrain.block_terrain(block).elevation_void_fraction == 0

    elsewhere = Bounds(0.0, 34.0, 1.0, 34.1)
    for source in (RasterCodes((paths["map"],)), StacCodes(items["map"], "visual"), terrain):
        with pytest.raises(ValueError, match="overlap"):
            source.check(elsewhere)


def test_terrain_medians_of_a_tilted_plane(tmp_path: Path) -> None:
    size = 60
    rows = np.arange(size, dtype=np.float32)[:, None] * np.ones((1, size), np.float32)
    path = write_raster(tmp_path / "dem.tif", (1000 - 10 * rows)[None])
    medians = ElevationRaster(str(path)).block_terrain(BLOCK)
    metres = 0.001 * 111_319.49  # a degree as GDAL 3.11 has it
    assert medians.slope_deg == pytest.approx(np.degrees(np.arctan(10 / metres)), rel=1e-3)
    assert medians.roughness_m == pytest.approx(20, rel=1e-5)
    assert medians.ruggedness_m == pytest.approx(10 * 6**0.5, rel=1e-5)
    empty = write_raster(tmp_path / "void.tif", np.full((1, size, size), -32768, np.float32))
    nothing = ElevationRaster(str(empty)).block_terrain(BLOCK)
    assert np.isnan(nothing[:4]).all() and nothing.elevation_void_fraction == 1
    assert ElevationRaster(str(path)).block_terrain(BlockIndex(BLOCK.row, BLOCK.col + 9)).elevation_void_fraction == 1


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_an_assumed_crs_counts_as_one_in_the_file(tmp_path: Path) -> None:
    """Imagery, classes and elevation in UTM without a tag read as the same files with it: slopes in metres too."""
    place = {"transform": from_origin(222_400, 3_778_500, 11.0, 11.0)}
    rows = np.arange(600, dtype=np.int16)[:, None] * np.ones((1, 600), np.int16)
    pixels = {"scene": texture(3, 600, 1), "map": texture(1, 600, 2) % 2 + 1, "dem": (3000 - 3 * rows)[None]}
    tagged, bare = (
        {name: str(write_raster(tmp_path / f"{name}_{crs}.tif", p, crs=crs, **place)) for name, p in pixels.items()}
        for crs in ("EPSG:32650", None)
    )
    window, utm = GRID.window(BLOCK), "EPSG:32650"
    one, two = RasterSource("a", (tagged["scene"],)), RasterSource("a", (bare["scene"],), assume_crs=utm)
    two.check(BOUNDS)
    assert one.read(window, GRID).valid.any()
    np.testing.assert_array_equal(one.read(window, GRID).rgb, two.read(window, GRID).rgb)
    codes = {"crop_codes": (1,), "known_codes": (1, 2)}
    for overlap in ("first", "utm"):
        maps = [
            Product("p", RasterCodes((tagged["map"],), overlap=overlap), **codes),
            Product("p", RasterCodes((bare["map"],), assume_crs=utm, overlap=overlap), **codes),
        ]
        maps[1].check(BOUNDS)
        np.testing.assert_array_equal(*(m.read(window, GRID).on_pixels() for m in maps))
    terrain = ElevationRaster(bare["dem"], utm)
    terrain.check(BOUNDS)
    assert terrain.block_terrain(BLOCK) == ElevationRaster(tagged["dem"]).block_terrain(BLOCK)
    assert terrain.block_terrain(BLOCK).slope_deg == pytest.approx(np.degrees(np.arctan(3 / 11)), rel=1e-5)
    with pytest.raises(ValueError, match=r"scene_None\.tif has no CRS and assume_crs is 'EPSG:0'"):
        RasterSource("a", (bare["scene"],), assume_crs="EPSG:0").check(BOUNDS)


def test_real_imagery_that_misses_the_region_is_named(data: Path) -> None:
    source = RasterSource("autumn", (str(data / "naip_dates/m_4709963_se_14_1_20150926.tif"),))
    with pytest.raises(ValueError, match="source 'autumn' does not overlap the region"):
        source.check(Bounds(113.3, 23.1, 113.4, 23.2))
