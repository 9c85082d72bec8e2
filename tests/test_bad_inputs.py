"""Bad input of every kind gets one sentence that names the file, and where there are any the field and the row."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image, PngImagePlugin
from rasterio.transform import from_origin

from croplayer.boundaries import BoundaryColumns, check_overlap, read_boundaries
from croplayer.decisions.reviews import read_overrides, read_reviews
from croplayer.evaluation.statistics import match_statistics, read_statistics
from croplayer.grid import BlockGrid, BlockIndex
from croplayer.models.coverage_samples import check_sample_images, read_cloud_scenes
from croplayer.models.scenes import LabelledScenes
from croplayer.sources.codes import RasterCodes
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.product import Product
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tile_image import TileKind, understand_tile
from croplayer.sources.tiles import FolderTiles, TilePlace
from croplayer.vector.polygons import read_polygons

GRID = BlockGrid(64)
BLOCK = BlockIndex(1118, 5880)
BOUNDS = GRID.bounds(BLOCK)
HEADER = "adcode,name_en,name_zh,cropland_kha,note\n"
REPOSITORY = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore:'crs' was not provided"),
    pytest.mark.filterwarnings("ignore:Column names longer than 10 characters"),
    pytest.mark.filterwarnings("ignore:Normalized/laundered field name"),
]


class Case(NamedTuple):
    """A file that is wrong and the sentence it gets."""

    name: str
    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    sentence: str


def picture(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: int = 256, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((size, size), 60).convert(mode)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, so that its header may lie."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *(chunk(*e) for e in extra), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )  # fmt: skip


def bytes_of(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def text_of(text: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode(encoding))


def read_tile(path: Path) -> object:
    """The only tile of a folder, as a run reads it."""
    return FolderTiles(f"{path.parent}/{{z}}_{{x}}_{{y}}.jpg").read_tile(
        TilePlace(1, 2, 3), lambda data: understand_tile(data, 256, frozenset(), f"tile {path}")
    )


def tile(name: str, data: bytes, sentence: str) -> Case:
    return Case(f"tile {name}", "3_1_2.jpg", bytes_of(data), read_tile, sentence)


GIF = picture(noise(), "GIF")
VRT = b'<VRTDataset rasterXSize="256" rasterYSize="256"><SRS>EPSG:4326</SRS></VRTDataset>'
HUGE_TEXT = b"k\0\0" + zlib.compress(bytes(200_000_000), 9)
TILES = [
    tile("truncated JPEG", picture(noise())[:4000], "truncated or damaged"),
    tile("truncated PNG", picture(noise(), "PNG")[:-400], "truncated or damaged"),
    tile("JPEG without its last byte", picture(noise())[:-1], "truncated or damaged"),
    tile("bit flip in PNG", (p := picture(noise(), "PNG"))[:5000] + bytes([p[5000] ^ 8]) + p[5001:], "truncated or damaged"),
    tile("0 bytes", b"", "is no JPEG, PNG or WEBP image"),
    tile("HTML", b"<!DOCTYPE html><html>please sign in</html>", "is no JPEG, PNG or WEBP image"),
    tile("JSON", b'{"message": "Tile not found"}', "is no JPEG, PNG or WEBP image"),
    tile("16-bit grey", picture(Image.new("I;16", (256, 256), 900), "PNG"), "has pixels of 16 bits"),
    tile("16-bit RGB", png(256, 256, 16, 2, bytes(256 * (1 + 256 * 6))), "has pixels of 16 bits"),
    tile("CMYK", picture(noise(mode="CMYK")), "has pixels of mode CMYK"),
    tile("GIF", GIF, "is no JPEG, PNG or WEBP image"),
    tile("512 px", picture(noise(512)), "is 512 x 512 px; expected 256 x 256"),
    tile("40 gigapixel header", png(200_000, 200_000, 8, 2, b""), "is 200000 x 200000 px; expected|cannot be decoded"),
    tile("10 kpx header", png(10_000, 10_000, 8, 2, b""), "is 10000 x 10000 px; expected|cannot be decoded"),
    tile("200 MB of text in a PNG", png(256, 256, 8, 2, bytes(256 * 769), (b"zTXt", HUGE_TEXT)), "cannot be decoded"),
    tile("more than 2 MiB", b"\xff\xd8\xff" + bytes(3_000_000), "a tile has at most 2097152"),
    tile("VRT", VRT, "is no JPEG, PNG or WEBP image"),
    tile(
        "animated",
        picture(noise(), "PNG", save_all=True, append_images=[noise()]),
        "more than one picture",
    ),
]  # fmt: skip


def raster(**changes: object) -> Callable[[Path], object]:
    """A GeoTIFF over the block; ``pixels`` (n, h, w) and every setting can be changed."""

    def write(path: Path) -> object:
        settings: dict[str, object] = {
            "pixels": np.random.default_rng(0).integers(1, 255, (3, 80, 80)).astype(np.uint8),
            "crs": "EPSG:4326", "transform": from_origin(BOUNDS.west - 0.005, BOUNDS.north + 0.005, 0.06 / 80, 0.06 / 80),
        } | changes  # fmt: skip
        pixels = settings.pop("pixels")
        assert isinstance(pixels, np.ndarray)
        shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
        with rasterio.open(path, "w", driver="GTiff", **{**shape, **settings}) as file:
            file.write(pixels)
        return path

    return write


def truncated(write: Callable[[Path], object], share: float = 0.5) -> Callable[[Path], object]:
    def cut(path: Path) -> object:
        write(path)
        return path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return cut


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


NORTH = from_origin(BOUNDS.west - 0.005, BOUNDS.north + 0.005, 0.06 / 80, 0.06 / 80)
RASTERS = [
    scene("without CRS", raster(crs=None), "has no CRS; add it to the file or set assume_crs"),
    scene("with the wrong CRS", raster(crs="EPSG:32650"), "does not overlap the region"),
    scene("rotated", raster(transform=rasterio.Affine(7e-4, 1e-5, BOUNDS.west, 1e-5, -7e-4, BOUNDS.north)), "is rotated"),
    scene("south-up", raster(transform=rasterio.Affine(7e-4, 0, BOUNDS.west, 0, 7e-4, BOUNDS.south)), "is not north-up"),
    scene("with a place that is no number", raster(transform=rasterio.Affine(np.nan, 0, 1, 0, -1, 1)), "no number|north-up"),
    scene("with two bands", raster(pixels=np.ones((2, 80, 80), np.uint8)), r"has 2 bands; source 'a' asks for \(1, 2, 3\)"),
    scene("of 16 bits", raster(pixels=np.ones((3, 80, 80), np.uint16)), "has uint16 pixels; expected uint8"),
    scene("truncated", truncated(raster()), "cannot be (read|opened)"),
    scene("cut to its header", truncated(raster(), 0.01), "cannot be (read|opened)"),
    scene("empty", bytes_of(b""), "cannot be opened as GeoTIFF"),
    scene("VRT", bytes_of(VRT), "cannot be opened as GeoTIFF"),
    scene("PNG", bytes_of(picture(noise(), "PNG")), "cannot be opened as GeoTIFF"),
    scene("absent", lambda path: None, "does not exist"),
    scene("in one huge strip", raster(pixels=np.zeros((3, 16, 80), np.uint8), height=16), "") ,
    Case("raster of classes with one outside the legend", "map.tif", raster(pixels=np.full((1, 80, 80), 2, np.uint8)), classes, "code 2"),
    Case("elevation elsewhere", "dem.tif", raster(pixels=np.ones((1, 80, 80), np.int16), transform=from_origin(0, 0, 1e-3, 1e-3)), elevation, "does not overlap the region"),
]  # fmt: skip
RASTERS = [c for c in RASTERS if c.sentence]


def units(**changes: object) -> gpd.GeoDataFrame:
    west, south = BOUNDS.west, BOUNDS.south
    table: dict[str, object] = {
        "adcode": ["110000", "120000"], "name_en": ["A", "B"], "name_zh": ["北京", "天津"],
        "geometry": [shapely.box(west, south, west + 1, south + 1), shapely.box(west + 1, south, west + 2, south + 1)],
    }  # fmt: skip
    crs = changes.pop("crs", "EPSG:4326")
    return gpd.GeoDataFrame({**table, **changes}, crs=crs)


def vector(frame: gpd.GeoDataFrame, after: Callable[[Path], object] = lambda path: None) -> Callable[[Path], object]:
    def write(path: Path) -> object:
        frame.to_file(path, encoding="utf-8") if path.suffix == ".shp" else frame.to_file(path)
        return after(path)

    return write


def boundaries(name: str, write: Callable[[Path], object], sentence: str, file: str = "units.gpkg") -> Case:
    return Case(f"boundaries {name}", file, write, read_boundaries, sentence)


def cut(suffix: str, share: float) -> Callable[[Path], object]:
    def after(path: Path) -> object:
        part = path.with_suffix(suffix)
        return part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])

    return after


def lose(suffix: str) -> Callable[[Path], object]:
    return lambda path: path.with_suffix(suffix).unlink()


def parcels(path: Path) -> object:
    return read_polygons(path, "parcels")


A, B = units().geometry
BOW = shapely.Polygon([(114, 34), (115, 35), (115, 34), (114, 35)])
BOUNDARIES = [
    boundaries("bow-tie", vector(units(geometry=[BOW, B])), r"feature 1 \('A'\) is invalid and repairing it changes its area by"),
    boundaries("without CRS", vector(units(crs=None)), "has no CRS|have no CRS"),
    boundaries("in degrees beyond the Earth", vector(units(geometry=[shapely.box(500, 1, 501, 2), B])), r"feature 1 \('A'\) lies outside"),
    Case("boundaries with the wrong CRS", "units.gpkg", vector(units(crs="EPSG:32650")), lambda path: check_overlap(read_boundaries(path), BOUNDS, path), "do not overlap the region"),
    boundaries("across the antimeridian", vector(units(geometry=[shapely.box(-179, 50, 179, 60), B])), r"feature 1 \('A'\) is more than 180 degrees wide"),
    boundaries("without a geometry", vector(units(geometry=[A, None])), r"feature 2 \('B'\) has no geometry"),
    boundaries("of points", vector(units(geometry=[A.centroid, B.centroid])), r"feature 1 \('A'\) is a Point"),
    boundaries("with a code twice", vector(units(adcode=["110000", "110000"])), "feature 2: adcode '110000' appears twice"),
    boundaries("without a code", vector(units(adcode=["110000", None])), r"feature 2 \('B'\) has no adcode"),
    boundaries("without the column", vector(units().drop(columns="adcode")), "have no column 'adcode' for adcode"),
    boundaries("without any feature", vector(units().iloc[:0]), "holds no feature"),
    boundaries("without .dbf", vector(units(), lose(".dbf")), r"lack their \.dbf", "units.shp"),
    boundaries("without .prj", vector(units(), lose(".prj")), r"lack their \.prj", "units.shp"),
    boundaries("without .cpg", vector(units(), lose(".cpg")), r"lack their \.cpg", "units.shp"),
    boundaries("without .shx", vector(units(), lose(".shx")), r"lack their \.shx", "units.shp"),
    boundaries("truncated .shp", vector(units(), cut(".shp", 0.7)), "is truncated", "units.shp"),
    boundaries("truncated .shx", vector(units(), cut(".shx", 0.95)), "is truncated|cannot be read", "units.shp"),
    boundaries("truncated .dbf", vector(units(), cut(".dbf", 0.3)), "cannot be read|have no column|has no adcode|truncated", "units.shp"),
    boundaries("truncated GeoPackage", vector(units(), cut(".gpkg", 0.5)), "cannot be read|holds no feature"),
    boundaries("truncated GeoJSON", vector(units(), cut(".geojson", 0.8)), "cannot be read as GeoJSON", "units.geojson"),
    boundaries("VRT that names another file", bytes_of(b"<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>"), "is no FlatGeobuf, GeoJSON"),
    boundaries("zip", bytes_of(b"PK\x03\x04" + bytes(100)), "is no FlatGeobuf, GeoJSON"),
    boundaries("absent", lambda path: None, "do not exist"),
]  # fmt: skip


def boundaries_by_a_long_name(path: Path) -> object:
    return read_boundaries(path, BoundaryColumns(adcode="province_code"))


LONG = units().rename(columns={"adcode": "province_code"})
BOUNDARIES += [
    Case(
        "boundaries with a name that the shapefile cut", "units.shp", vector(LONG), boundaries_by_a_long_name,
        r"no column 'province_code' for adcode; .*a shapefile cuts names to 10 bytes, so ask for 'province_c'",
    ),
    Case("boundaries without area", "units.gpkg", vector(units(geometry=[shapely.Polygon([(0, 0), (1, 1), (0, 0), (0, 0)]), B])), read_boundaries, r"feature 1 \('A'\) has no area"),
    Case("parcels in a VRT", "parcels.gpkg", bytes_of(b"<OGRVRTDataSource/>"), parcels, "is no FlatGeobuf, GeoJSON"),
    Case("parcels without CRS", "parcels.gpkg", vector(units(crs=None)), parcels, "has no CRS"),
    Case("parcels of points", "parcels.gpkg", vector(units(geometry=[A.centroid, B])), parcels, "feature 1 is a Point"),
    Case("parcels with a bow-tie", "parcels.gpkg", vector(units(geometry=[A, BOW])), parcels, "feature 2 is invalid and repairing it changes"),
    Case("parcels absent", "parcels.gpkg", lambda path: None, parcels, "do not exist"),
    Case("reviews in a VRT", "r.gpkg", bytes_of(b"<OGRVRTDataSource/>"), lambda p: read_reviews([p], ["a"]), "is no FlatGeobuf, GeoJSON"),
    Case("reviews in half a GeoPackage", "r.gpkg", vector(units(), cut(".gpkg", 0.5)), lambda p: read_reviews([p], ["a"]), "cannot be read|holds no feature"),
    Case("overrides in a VRT", "o.gpkg", bytes_of(b"<OGRVRTDataSource/>"), read_overrides, "is no FlatGeobuf, GeoJSON"),
]  # fmt: skip


def statistics(name: str, write: Callable[[Path], object], sentence: str) -> Case:
    return Case(f"statistics {name}", "areas.csv", write, read_statistics, sentence)


ROW = "110000,A,北京,93.5,\n"
TABLES = [
    statistics("in gb18030", text_of(HEADER + ROW, "gb18030"), "row 2: the text is not UTF-8; save the file as UTF-8"),
    statistics("in latin-1", text_of(HEADER + "1,É,b,3,\n", "latin-1"), "row 2: the text is not UTF-8"),
    statistics("with '1,234'", text_of(HEADER + '110000,A,B,"1,234",\n'), r"row 2 \(adcode 110000\): cropland_kha is '1,234'"),
    statistics("with '-'", text_of(HEADER + ROW + "120000,A,B,-,\n"), r"row 3 \(adcode 120000\): cropland_kha is '-'"),
    statistics("with 'NA'", text_of(HEADER + "110000,A,B,NA,\n"), "row 2 .*cropland_kha is 'NA'"),
    statistics("with 'nan'", text_of(HEADER + "110000,A,B,nan,\n"), "row 2 .*cropland_kha is 'nan'"),
    statistics("with 'inf'", text_of(HEADER + "110000,A,B,inf,\n"), "row 2 .*cropland_kha is 'inf'"),
    statistics("with '1_000'", text_of(HEADER + "110000,A,B,1_000,\n"), "row 2 .*cropland_kha is '1_000'"),
    statistics("negative", text_of(HEADER + "110000,A,B,-5,\n"), "row 2 .*cropland_kha is -5; expected 0 or more"),
    statistics("with a field more", text_of(HEADER + "110000,A,B,x,1.5,\n"), "row 2: has 6 fields, the header has 5"),
    statistics("with a field less", text_of(HEADER + ROW + "120000,A,1.5\n"), "row 3: has 3 fields, the header has 5"),
    statistics("with an open quotation", text_of(HEADER + '110000,"A,B,1.5,\n'), "row 2: .*mend the quotation marks"),
    statistics("with a NUL", text_of(HEADER + "110000,A\0,B,1.5,\n"), "row 2: holds a NUL"),
    statistics("with a column twice", text_of("adcode," + HEADER + "1," + ROW), "row 1: the column 'adcode' appears twice"),
    statistics("without a column", text_of("adcode,area\n1,2\n"), "have no column 'name_en'; they have adcode, area"),
    statistics("without a unit of measure", text_of("adcode,name_en,cropland\n110000,A,3\n"), "have no column of areas; expected one of 'cropland_kha'"),
    statistics("in two units", text_of("adcode,name_en,cropland_ha,cropland_mu\n110000,A,3,45\n"), "have the columns cropland_ha,cropland_mu; expected one"),
    statistics("with a quoted number", text_of("adcode,name_en,cropland_mu\n110000,A,'3'\n"), r"row 2 \(adcode 110000\): cropland_mu is"),
    Case(
        "statistics in mu that are said to be hectares", "areas.csv", text_of("adcode,name_en,cropland_ha\n110000,A,30000\n"),
        lambda path: match_statistics(units()[["adcode", "name_en"]].iloc[:1], read_statistics(path), path, (), (15, 25)),
        r"sum up to 300 km2 over 1 units; statistics.sum_km2 expects 15 to 25, so check the unit",
    ),
    statistics("without a row", text_of(HEADER), "hold no row"),
    statistics("empty", bytes_of(b""), "the file is empty"),
    statistics("with a code twice", text_of(HEADER + ROW + ROW), "row 3: adcode 110000 appears twice"),
    statistics("without a code", text_of(HEADER + ",A,B,1,\n"), "row 2: adcode is empty"),
    statistics("absent", lambda path: None, "do not exist"),
    Case(
        "statistics of more cropland than land", "areas.csv", text_of(HEADER + "110000,A,B,9350,\n"),
        lambda path: match_statistics(units()[["adcode", "name_en"]].iloc[:1].assign(land_km2=16_400.0), read_statistics(path), path),
        r"adcode 110000\): 93500 km2 of cropland are more than the 16400 km2 of the unit; check the unit of measure",
    ),
    Case(
        "statistics without a province", "areas.csv", text_of(HEADER + ROW),
        lambda path: match_statistics(units(), read_statistics(path), path), r"have no row for 120000 \(B\)",
    ),
    Case("reviews with a wrong block", "r.csv", text_of("block,integration\nr1c1,Neither\n"), lambda p: read_reviews([p], ["a"]), "row 2: block"),
    Case("reviews with a wrong class", "r.csv", text_of(f"block,integration\n{BLOCK.name},Both\n"), lambda p: read_reviews([p], ["a"]), "row 2: integration 'Both' is unknown"),
    Case("reviews with a field more", "r.csv", text_of(f"block,integration\n{BLOCK.name},Neither,\n"), lambda p: read_reviews([p], ["a"]), "row 2: has 3 fields"),
    Case("overrides without a reason", "o.csv", text_of(f"block,integration,reason\n{BLOCK.name},Neither,\n"), read_overrides, "row 2: reason is empty"),
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
    Case("STAC that is no JSON", "items.json", text_of("{"), stac, "is no FeatureCollection"),
    Case("STAC that is a list", "items.json", text_of("[]"), stac, "is no FeatureCollection"),
    Case("STAC in another encoding", "items.json", text_of('{"é": 1}', "latin-1"), stac, "is no FeatureCollection"),
    Case("STAC with a feature that is no item", "items.json", text_of('{"features": [{"type": "x"}]}'), stac, "feature 1 .*is no STAC item"),
    Case("STAC item without the asset", "items.json", text_of(json.dumps({"features": [ITEM]})), stac, "has no asset 'red'"),
]  # fmt: skip


def labelled(path: Path) -> object:
    """The only scene of a folder, with a polygon on it, as training reads it."""
    fields = path.parent / "fields.gpkg"
    gpd.GeoDataFrame({"image": [path.stem]}, geometry=[shapely.box(*BOUNDS)], crs="EPSG:4326").to_file(fields)
    return LabelledScenes.open(path.parent, fields).read_all()


def labelled_scene(name: str, write: Callable[[Path], object], sentence: str, file: str = "scene.tif") -> Case:
    return Case(f"labelled scene {name}", file, write, labelled, sentence)


def arrays(**members: bytes) -> Callable[[Path], object]:
    """An .npz written by hand, so that the headers of its arrays may lie; ``name=b"..."`` are the packed bytes."""

    def write(path: Path) -> object:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(f"{name}.npy", data)
        return path

    return write


def npy(shape: tuple[int, ...], kind: str = "<f4", data: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + data


def clouds(name: str, write: Callable[[Path], object], sentence: str) -> Case:
    return Case(f"cloud scene {name}", "scene.npz", write, lambda path: read_cloud_scenes(path.parent), sentence)


def sample_image(name: str, data: bytes, sentence: str) -> Case:
    def write(path: Path) -> object:
        path.parent.mkdir()
        (path.parent.parent / "labels.csv").write_text("image,coverage_type,origin\na.png,Cloudy,real\n")
        return path.write_bytes(data)

    return Case(
        f"sample image {name}", "images/a.png", write, lambda path: check_sample_images(path.parent.parent), sentence
    )


SOUND = npy((4, 4), "<i8", bytes(128))
SAMPLES = [
    labelled_scene("VRT", bytes_of(VRT), "cannot be opened as GeoTIFF"),
    labelled_scene("of another format than its name", raster(), "cannot be opened as PNG", "scene.png"),
    labelled_scene("that is no picture", bytes_of(b"<html></html>"), "cannot be opened as JPEG", "scene.jpg"),
    labelled_scene("without CRS", raster(crs=None), "has no CRS; the polygons cannot be placed on it"),
    labelled_scene("rotated", raster(transform=rasterio.Affine(7e-4, 1e-5, BOUNDS.west, 1e-5, -7e-4, BOUNDS.north)), "is rotated"),
    labelled_scene("with two bands", raster(pixels=np.ones((2, 80, 80), np.uint8)), "has 2 bands of uint8; expected RGB of uint8"),
    labelled_scene("truncated", truncated(raster()), "cannot be (read|opened)"),
    labelled_scene("of 900 megapixels", raster(pixels=np.zeros((1, 1, 1), np.uint8), height=30_000, width=30_000, tiled=True, SPARSE_OK=True), "is 30000 x 30000 px; expected at most 400000000 pixels"),
    clouds("that is no archive", bytes_of(b"<html></html>"), "is no .npz file"),
    clouds("truncated", truncated(arrays(img=npy((4, 4, 3), data=bytes(192)), msk=SOUND), 0.8), "cannot be read as .npz"),
    clouds("that unpacks to terabytes", arrays(img=npy((10**6, 10**6, 3)), msk=SOUND), "array 'img' has 12000000000000 bytes; expected at most"),
    clouds("that packs a gigabyte into a megabyte", arrays(img=npy((4, 4, 3), data=bytes(10**9)), msk=SOUND), "array 'img' says 192 bytes and unpacks to 1000000000"),
    clouds("with less than it says", arrays(img=npy((4, 4, 3), data=bytes(100)), msk=SOUND), "array 'img' says 192 bytes and unpacks to 100"),
    clouds("of objects", arrays(img=npy((4, 4, 3), "|O"), msk=SOUND), "array 'img' is of object; expected numbers"),
    clouds("with a header that is code", arrays(img=b"\x93NUMPY\x01\x00\x10\x00" + b"__import__('os')", msk=SOUND), "cannot be read as .npz"),
    clouds("without an array", arrays(img=npy((4, 4, 3), data=bytes(192))), "lacks array 'msk'; it has img"),
    sample_image("with a 40 gigapixel header", png(200_000, 200_000, 8, 2, b""), "is 200000 x 200000 px; expected edges of at most 8192|cannot be read"),
    sample_image("with a 100 megapixel header", png(10_000, 10_000, 8, 2, b""), "is 10000 x 10000 px; expected edges of at most 8192"),
    sample_image("HTML", b"<html></html>", "cannot be read as PNG, JPEG, WEBP"),
    sample_image("GIF", GIF, "cannot be read as PNG, JPEG, WEBP"),
    sample_image("with 200 MB of text", png(256, 256, 8, 2, bytes(256 * 769), (b"zTXt", HUGE_TEXT)), "cannot be read as PNG, JPEG, WEBP"),
]  # fmt: skip

SAMPLES.append(
    Case(
        "sample image outside its folder", "labels.csv", text_of("image,coverage_type,origin\n../../a.png,Cloudy,real\n"),
        lambda path: check_sample_images(path.parent), r"labels\.csv row 2: image '\.\./\.\./a\.png' lies outside",
    )
)  # fmt: skip

CASES = [*TILES, *RASTERS, *BOUNDARIES, *TABLES, *STAC, *SAMPLES]


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(case: Case, tmp_path: Path) -> None:
    path = tmp_path / case.file
    case.write(path)
    with pytest.raises((ValueError, FileNotFoundError), match=case.sentence) as caught:
        case.read(path)
    sentence = str(caught.value)
    assert path.name in sentence, sentence
    assert "\n" not in sentence and len(sentence) < 600, sentence


def kind_of(image: Image.Image, **options: object) -> tuple[TileKind, np.ndarray, np.ndarray]:
    found = understand_tile(picture(image, "PNG", **options), 256, frozenset(), "tile")
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
    one, two = (understand_tile(d, 256, frozenset(), "tile").imagery for d in (plain, turned))
    assert one is not None and two is not None
    np.testing.assert_array_equal(one.rgb, two.rgb)


def test_a_tile_of_one_colour_and_a_transparent_one_are_no_imagery() -> None:
    for image in (Image.new("RGB", (256, 256), (200, 200, 200)), Image.new("RGBA", (256, 256), (9, 9, 9, 0))):
        assert understand_tile(picture(image, "PNG"), 256, frozenset(), "tile").kind is TileKind.BLANK


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


def test_a_changed_bit_of_an_uncompressed_raster_changes_the_fingerprint(tmp_path: Path) -> None:
    path = tmp_path / "scene.tif"
    raster()(path)
    before = RasterSource("a", (str(path),)).fingerprint()
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))
    assert RasterSource("a", (str(path),)).fingerprint() != before


def test_bright_pixels_do_not_wrap_around(tmp_path: Path) -> None:
    """The mean of 200 and 100 is 150 and not 22: bilinear resampling works in wider numbers."""
    pixels = np.where(np.arange(80) % 2, 200, 100).astype(np.uint8)[None, None].repeat(80, axis=1).repeat(3, axis=0)
    path = tmp_path / "scene.tif"
    raster(pixels=pixels)(path)
    rgb = RasterSource("a", (str(path),)).read(GRID.window(BLOCK), GRID).rgb
    assert rgb.min() >= 100 and rgb.max() <= 200


def test_tables_may_have_a_byte_order_mark_and_codes_keep_their_zeros(tmp_path: Path) -> None:
    path = tmp_path / "areas.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "010000,A,北京,1.5,x\n\n").encode())
    table = read_statistics(path)
    assert table.adcode[0] == "010000" and table.name_zh[0] == "北京" and table.cropland_kha[0] == 1.5


def test_names_of_a_shapefile_survive_and_numbers_are_codes(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    units(adcode=[110000.0, 120000.0]).to_file(path)
    assert list(read_boundaries(path).adcode) == ["110000", "120000"]
    shape = tmp_path / "units.shp"
    units().to_file(shape, encoding="utf-8")
    assert list(read_boundaries(shape).name_zh) == ["北京", "天津"]


def test_a_small_fault_of_a_polygon_is_mended(tmp_path: Path) -> None:
    spike = shapely.Polygon([(114, 34), (115, 34), (115, 35), (115, 35.5), (115, 35), (114, 35)])
    assert not spike.is_valid
    path = tmp_path / "units.gpkg"
    units(geometry=[spike, B]).to_file(path)
    assert read_boundaries(path).geometry[0].area == pytest.approx(1.0)


BETWEEN_OWN_PROCESSES = {"croplayer/tasks/block_process.py", "croplayer/tasks/isolated.py", "pipelines/execute.py"}
"""Where a run's own processes hand each other blocks and records; nothing from a file comes there."""


def test_nothing_that_can_run_code_is_read() -> None:
    """No pickle, no archive, no torch.load, no binary booster, no eval anywhere in the package."""
    forbidden = re.compile(r"^(pickle|cPickle|dill|joblib|tarfile|zipfile|shelve|marshal)$")
    found = []
    for room in ("croplayer", "stores", "pipelines"):
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                own = names == ["pickle"] and path.relative_to(REPOSITORY).as_posix() in BETWEEN_OWN_PROCESSES
                if any(forbidden.match(n.split(".")[0]) for n in names) and not own:
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
                if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                    "eval",
                    "exec",
                    "torch.load",
                    "np.fromfile",
                ):
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
                if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) == "True":
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not found


def test_pickled_weights_are_refused_unread(tmp_path: Path) -> None:
    """A bundle whose weights are a pickle that writes a file: refused, and the file is not there."""
    from croplayer.models.bundle import load
    from croplayer.models.catalogue import SHIPPED

    folder = tmp_path / "model"
    shutil.copytree(next(p.parent for p in sorted(SHIPPED.rglob("manifest.json"))), folder)
    mark = tmp_path / "ran"
    weights = b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR."
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match=r"model\.safetensors does not match its digest"):
        load(folder)
    assert not mark.exists()
