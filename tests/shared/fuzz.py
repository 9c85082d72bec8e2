"""Damage files of every kind at random and read them; used by the tests and by the long runs."""

from __future__ import annotations

import io
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin

from croplayer.evaluation.statistics import read_statistics
from croplayer.models.bundles.bundle import read_checked
from croplayer.models.bundles.catalogue import SHIPPED
from croplayer.sources.raster import RasterSource
from croplayer.sources.tile_cache import TileCache
from croplayer.sources.tile_image import BadTileError, decode_tile
from croplayer.vector.boundaries import read_boundaries
from stores.grid import BlockGrid, BlockIndex

GRID = BlockGrid(64)
BLOCK = BlockIndex(1118, 5880)
BOUNDS = GRID.bounds(BLOCK)
EXPECTED = (ValueError, FileNotFoundError)


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes with some of them flipped, cut, doubled, zeroed, swapped for others or put in between."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, max(len(out), 1)))
        length = int(rng.integers(1, 64))
        match int(rng.integers(0, 7)):
            case 0 if out:
                out[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                del out[at:]
            case 2:
                out[at:at] = out[at : at + length]
            case 3:
                out[at : at + length] = bytes(min(length, len(out) - at))
            case 4:
                out[at : at + length] = rng.bytes(min(length, len(out) - at))
            case 5:
                out[at:at] = rng.bytes(length)
            case _:
                del out[at : at + length]
    return bytes(out)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeds_of_tiles() -> list[bytes]:
    noise = Image.effect_noise((256, 256), 70).convert("RGB")
    return [
        encoded(noise, "JPEG", quality=70),
        encoded(noise, "JPEG", quality=90, progressive=True),
        encoded(noise, "PNG"),
        encoded(noise.convert("P"), "PNG", transparency=3),
        encoded(noise.convert("RGBA"), "PNG"),
        encoded(noise, "WEBP", quality=60),
        encoded(noise.convert("L"), "JPEG"),
    ]


def fuzz_tiles(count: int, folder: Path) -> dict[str, int]:
    """Tiles as they come and tiles out of the cache; the second must be right or absent whatever was done to them."""
    rng = np.random.default_rng(count)
    seeds = seeds_of_tiles()
    cache = TileCache(str(folder))
    counts = {"refused": 0, "read": 0, "kept entries damaged": 0}
    for i in range(count):
        seed = seeds[i % len(seeds)]
        data = mutant(seed, rng)
        try:
            tile = decode_tile(data, 256, frozenset(), f"tile {i}")
            assert tile.kind.is_absent or tile.imagery is not None
            if tile.imagery is not None:
                assert tile.imagery.rgb.shape == (256, 256, 3) and tile.imagery.rgb.dtype == np.uint8
                assert tile.imagery.valid.shape == (256, 256) and not tile.imagery.rgb[~tile.imagery.valid].any()
            counts["read"] += 1
        except BadTileError as error:
            assert f"tile {i}" in str(error)
            counts["refused"] += 1
        if i % 4 == 0:
            cache.put(i, 0, 9, seed)
            path = folder / f"9/{i}/0.tile"
            path.write_bytes(mutant(path.read_bytes(), rng))
            assert cache.get(i, 0, 9) in (None, seed)
            counts["kept entries damaged"] += 1
            path.unlink()
    return counts


def fuzz_rasters(count: int, folder: Path) -> dict[str, int]:
    """GeoTIFFs as imagery: pixels of the right shape or one sentence that names the file."""
    rng = np.random.default_rng(count)
    pixels = rng.integers(1, 255, (3, 80, 80)).astype(np.uint8)
    place = {"crs": "EPSG:4326", "transform": from_origin(BOUNDS.west - 0.005, BOUNDS.north + 0.005, 75e-5, 75e-5)}
    seeds = []
    for options in (
        {},
        {"compress": "deflate", "tiled": True, "blockxsize": 32, "blockysize": 32},
        {"compress": "lzw"},
    ):
        path = folder / "seed.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=80, height=80, count=3, dtype="uint8", **place, **options
        ) as file:
            file.write(pixels)
        seeds.append(path.read_bytes())
    path.unlink()
    counts = {"refused": 0, "read": 0}
    for i in range(count):
        scene = folder / f"scene{i}.tif"
        scene.write_bytes(mutant(seeds[i % len(seeds)], rng))
        source = RasterSource("a", (str(scene),))

        def look(source: RasterSource = source) -> None:
            source.check(BOUNDS)
            found = source.read(GRID.window(BLOCK), GRID)
            assert found.rgb.shape == (64, 64, 3) and not found.rgb[~found.valid].any()

        counts[outcome(look, scene)] += 1
        scene.unlink()
    return counts


def fuzz_files(count: int, folder: Path) -> dict[str, int]:
    """Vector files, tables and model files."""
    rng = np.random.default_rng(count)
    units = gpd.GeoDataFrame(
        {"adcode": ["110000", "120000"], "name_en": ["A", "B"], "name_zh": ["北京", "天津"]},
        geometry=[shapely.box(114, 34, 115, 35), shapely.box(115, 34, 116, 35)], crs="EPSG:4326",
    )  # fmt: skip
    table = "adcode,name_en,name_zh,cropland_kha,note\n" + "".join(f"{c}0000,A,北京,{c}.5,\n" for c in range(11, 40))
    seeds: list[tuple[str, bytes, Callable[[Path], object]]] = []
    for name in ("units.gpkg", "units.geojson", "units.fgb"):
        units.to_file(folder / name)
        seeds.append((name, (folder / name).read_bytes(), read_boundaries))
        (folder / name).unlink()
    units.to_parquet(folder / "units.parquet")
    seeds.append(("units.parquet", (folder / "units.parquet").read_bytes(), read_boundaries))
    seeds.append(("areas.csv", table.encode(), read_statistics))
    shipped = next(p.parent for p in sorted(SHIPPED.rglob("manifest.json")))
    bundle = folder / "model"
    shutil.copytree(shipped, bundle)
    counts = {"refused": 0, "read": 0}
    for i in range(count):
        which = i % (len(seeds) + 1)
        if which == len(seeds):
            names = ("manifest.json", "manifest.sha256", "config.json", "model.safetensors")
            part = bundle / names[(i // (len(seeds) + 1)) % len(names)]
            sound = part.read_bytes()
            damaged = mutant(sound, rng)
            part.write_bytes(damaged)
            found = outcome(lambda: read_checked(bundle), bundle)
            # A model is read only when not one byte of it was changed.
            assert (found == "read") == (damaged == sound)
            part.write_bytes(sound)
        else:
            name, data, read = seeds[which]
            path = folder / f"{i}{name}"
            path.write_bytes(mutant(data, rng))
            found = outcome(lambda path=path, read=read: check_table(read(path)), path)  # type: ignore[misc]
            for left in folder.glob(f"{i}{path.stem}*"):
                left.unlink()
        counts[found] += 1
    return counts


def check_table(table: object) -> None:
    """What was read holds to what is promised of it."""
    assert isinstance(table, (gpd.GeoDataFrame, __import__("pandas").DataFrame))
    assert table.adcode.is_unique and (table.adcode != "").all()
    if isinstance(table, gpd.GeoDataFrame):
        assert table.geometry.is_valid.all() and table.crs == "EPSG:4326"
    else:
        assert (table.cropland_kha >= 0).all() and np.isfinite(table.cropland_kha).all()


def outcome(look: Callable[[], object], path: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            look()
        except EXPECTED as error:
            assert path.name in str(error) and "\n" not in str(error), repr(error)
            return "refused"
    return "read"


KINDS = {"tiles": (fuzz_tiles, 280, 10_000), "rasters": (fuzz_rasters, 120, 3_000), "files": (fuzz_files, 180, 2_000)}
