"""What holds for sources of every kind: the same pixel whatever the window, on both sides of 180 degrees, in the CRS of the user."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_items, write_mask_beside, write_raster, write_tiles

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
    inner = [PixelWindow(wide.row + row, wide.col + col, height, width) for row, col, height, width in parts]
    check_source(source, GRID, wide, inner, copy=pickle.loads(pickle.dumps(source)))


@pytest.mark.parametrize("name", ["raster with alpha", "projected raster", "tiles", "stac"])
def test_sources_travel_to_workers(every_source: dict[str, ImagerySource], name: str) -> None:
    source = every_source[name]
    again = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(again.read(GRID.window(BLOCK), GRID).rgb, source.read(GRID.window(BLOCK), GRID).rgb)


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
    # The projection is larger than the ground by 0.055 per cent, 277 km from its central meridian.
    assert terrain.block_terrain(BLOCK).slope_deg == pytest.approx(np.degrees(np.arctan(3 * 1.00055 / 11)), rel=1e-4)
    with pytest.raises(ValueError, match=r"scene_None\.tif has no CRS and assume_crs is 'EPSG:0'"):
        RasterSource("a", (bare["scene"],), assume_crs="EPSG:0").check(BOUNDS)
