"""Labelled samples of the country outside a region: training scenes with parcels, thumbnails with coverage types."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import rasterio
from affine import Affine
from PIL import Image

from croplayer.landscape import draws
from croplayer.landscape.classes import IS_CROPLAND
from croplayer.landscape.country import Country
from croplayer.landscape.outlines import parcel_polygons
from croplayer.landscape.sources import CLOUD, SNOW, SOURCES
from croplayer.landscape.terrain import METRES_PER_LAT, METRES_PER_LON
from croplayer.landscape.tiles import ground_sample_distance_m
from croplayer.landscape.truth import SAMPLES, block_truth
from stores.columns import COVERAGE_TYPE
from stores.grid import CRS, BlockGrid, BlockIndex, Bounds, block_rectangle
from stores.legends import CoverageType

HOME = Bounds(113.0, 33.0, 116.0, 36.0)
"""Region that the country is designed for; samples come from it."""

SCENE_PX = 512
NEGATIVE_EVERY = 5
THUMBNAIL_PX = 128
KEEP_AWAY_DEG = 0.05
"""Samples keep this distance from the region they are outside of."""


def write_training_scenes(country: Country, folder: Path, bounds: Bounds, zoom: int, count: int) -> list[Path]:
    """Write ``images/*.tif`` and ``parcels.gpkg`` of scenes outside ``bounds``.

    Scenes are 512 x 512 px with square pixels of the ground sample distance of tiles at ``zoom``. They alternate
    between the two sources and are clear of cloud, snow and missing imagery. They hold at least 5 % cropland, except
    that every NEGATIVE_EVERY-th holds less than 10 %, possibly none.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    gsd = ground_sample_distance_m(zoom, 0.5 * (HOME.south + HOME.north))
    step_lon, step_lat = gsd / METRES_PER_LON, gsd / METRES_PER_LAT
    names = list(SOURCES)
    places = _places(country.seed, draws.TRAINING_PLACES, bounds, step_lon * SCENE_PX, step_lat * SCENE_PX)
    chosen: list[tuple[str, Bounds]] = []
    while len(chosen) < count:
        box = next(places)
        name = names[len(chosen) % len(names)]
        share = _clear_cropland_share(country, name, box)
        negative = len(chosen) % NEGATIVE_EVERY == NEGATIVE_EVERY - 1
        if share is not None and (share < 0.1 if negative else share >= 0.05):
            chosen.append((name, box))

    def make(sample: tuple[str, Bounds]) -> tuple[Path, gpd.GeoDataFrame]:
        name, box = sample
        stem = f"{name}_n{box.north:.4f}_e{box.west:.4f}"
        lon = box.west + (np.arange(SCENE_PX) + 0.5) * step_lon
        lat = box.north - (np.arange(SCENE_PX) + 0.5) * step_lat
        transform = Affine(step_lon, 0.0, box.west, 0.0, -step_lat, box.north)
        nodes = country.nodes(lon, lat)
        rgb, _ = country.render(name, lon, lat, nodes=nodes)
        survey = country.survey(lon, lat)
        parcels = np.where(IS_CROPLAND[survey.cover] == 1, survey.parcel, 0)
        path = images / f"{stem}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", width=SCENE_PX, height=SCENE_PX, count=3, dtype="uint8", crs=CRS,
            transform=transform, photometric="RGB", compress="deflate", tiled=True, blockxsize=256, blockysize=256,
        ) as sink:  # fmt: skip
            sink.write(rgb.transpose(2, 0, 1))
            sink.update_tags(ground_sample_distance_m=f"{gsd:.3f}")
        geometry = [polygon for polygon, _ in parcel_polygons(parcels, transform)]
        return path, gpd.GeoDataFrame({"image": [stem] * len(geometry)}, geometry=geometry, crs=CRS)

    with ThreadPoolExecutor(max_workers=2) as pool:
        made = list(pool.map(make, chosen))
    frame = gpd.GeoDataFrame(
        {"image": np.concatenate([f["image"].to_numpy() for _, f in made])},
        geometry=np.concatenate([f.geometry.to_numpy() for _, f in made]),
        crs=CRS,
    )
    write_gpkg(frame, folder / "parcels.gpkg", "parcels")
    return [path for path, _ in made] + [folder / "parcels.gpkg"]


def write_gpkg(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write a GeoPackage whose bytes depend on the content alone (its time stamp is fixed)."""
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2020-01-01T00:00:00.000Z"})
    try:
        frame.to_file(path, layer=layer, driver="GPKG", engine="pyogrio")
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_coverage_samples(country: Country, folder: Path, bounds: Bounds, count: int) -> list[Path]:
    """Write ``images/*.png`` (128 px thumbnails of blocks outside ``bounds``) and ``labels.csv``.

    Each of the five coverage types has the same number of samples. Labels come from the truth; column ``origin`` is
    "synthetic".
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    wanted = {kind: count // len(CoverageType) for kind in CoverageType}
    chosen: list[tuple[str, BlockIndex, CoverageType]] = []
    for name, block in _blocks(country.seed, bounds):
        kind = block_truth(country, name, block, per_degree=360).coverage_type
        if wanted[kind] > 0:
            wanted[kind] -= 1
            chosen.append((name, block, kind))
        if not any(wanted.values()):
            break

    def make(sample: tuple[str, BlockIndex, CoverageType]) -> Path:
        name, block, _ = sample
        path = images / f"{name}_{block.name}.png"
        Image.fromarray(thumbnail(country, name, block)).save(path)
        return path

    with ThreadPoolExecutor(max_workers=2) as pool:
        paths = list(pool.map(make, chosen))
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["image", COVERAGE_TYPE, "origin"])
        writer.writerows([p.name, kind.label, "synthetic"] for p, (_, _, kind) in zip(paths, chosen, strict=True))
    return [*paths, table]


def thumbnail(country: Country, source: str, block: BlockIndex, *, px: int = THUMBNAIL_PX) -> np.ndarray:
    """Area average of a block's picture: (px, px, 3) uint8, each pixel the mean of 2 x 2 samples."""
    grid = BlockGrid(2 * px)
    window = grid.window(block)
    lon, lat = grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height)
    rgb, _ = country.render(source, lon, lat, nodes=country.nodes(lon, lat, per_degree=720))
    return np.asarray(np.rint(rgb.reshape(px, 2, px, 2, 3).mean(axis=(1, 3))), dtype=np.uint8)


def _clear_cropland_share(country: Country, source: str, box: Bounds) -> float | None:
    """Share of cropland in a scene; None where cloud, snow or missing imagery spoil it."""
    lon = np.linspace(box.west, box.east, 48)
    lat = np.linspace(box.north, box.south, 48)
    if not country.has_imagery(source, lon, lat).all():
        return None
    nodes = country.nodes(lon, lat, per_degree=900)
    weather = country.weather(source, nodes)
    if (weather[:, CLOUD] > 0.3).mean() > 0.01 or (weather[:, SNOW] > 0.3).mean() > 0.01:
        return None
    return float(IS_CROPLAND[country.survey(lon, lat, nodes=nodes).cover].mean())


def _outside(bounds: Bounds, box: Bounds) -> bool:
    return (
        box.east < bounds.west - KEEP_AWAY_DEG
        or box.west > bounds.east + KEEP_AWAY_DEG
        or box.north < bounds.south - KEEP_AWAY_DEG
        or box.south > bounds.north + KEEP_AWAY_DEG
    )


def _places(seed: int, salt: int, bounds: Bounds, width: float, height: float) -> Iterator[Bounds]:
    """Boxes at random places at home, outside ``bounds``, none of which overlap."""
    random = np.random.Generator(np.random.PCG64([seed, salt]))
    taken: set[tuple[int, int]] = set()
    while True:
        i = int(random.integers(0, int((HOME.east - HOME.west) / width)))
        j = int(random.integers(0, int((HOME.north - HOME.south) / height)))
        west, north = round(HOME.west + i * width, 9), round(HOME.north - j * height, 9)
        box = Bounds(west, north - height, west + width, north)
        if (i, j) not in taken and _outside(bounds, box):
            taken.add((i, j))
            yield box


def _blocks(seed: int, bounds: Bounds) -> Iterator[tuple[str, BlockIndex]]:
    """Blocks at home outside ``bounds`` in random order, each with both sources in turn."""
    rows, cols = block_rectangle(HOME)
    random = np.random.Generator(np.random.PCG64([seed, draws.COVERAGE_BLOCKS]))
    for k in random.permutation(len(rows) * len(cols)):
        block = BlockIndex(rows[int(k) // len(cols)], cols[int(k) % len(cols)])
        if _outside(bounds, BlockGrid(SAMPLES).bounds(block)):
            for name in SOURCES:
                yield name, block
