"""Write the synthetic country as the kinds of files that a user has of a real one."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
from affine import Affine
from rasterio import features

from croplayer.landscape.administration import Administration, make_administration
from croplayer.landscape.classes import (
    CROPLAND_CLASSES,
    IS_CROPLAND,
    LandCover,
    class_table,
)
from croplayer.landscape.country import Country
from croplayer.landscape.products import write_products
from croplayer.landscape.samples import (
    write_coverage_samples,
    write_gpkg,
    write_training_scenes,
)
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.tiles import write_tiles
from croplayer.landscape.truth import block_truth, truth_classes
from stores.columns import AREA_FRACTION, COVERAGE_TYPE
from stores.grid import CRS, BlockGrid, BlockRange, Bounds, PixelWindow

DEMO_SEED = 1
DEMO_BOUNDS = Bounds(115.1, 34.95, 115.5, 35.25)
"""8 x 6 blocks with plains, paddies, hills, mountains and every kind of defect: the ground of the demo."""
SMALL_BOUNDS = Bounds(115.1, 34.95, 115.4, 35.15)
"""6 x 4 blocks: the ground of training scenes, in countries of other seeds, and of benchmarks."""

MARGIN_DEG = 0.02
"""Tiles and elevation reach this far beyond the bounds."""

DRAFTS = 60
"""Number of ways to cut the bounds into provinces that are tried."""

SKETCH_STEP = 16
"""Drafts are compared on every 16th truth pixel of every 16th row."""

DEM_NODATA = -9999.0
COARSE_PX_DEG = 0.000269494585
"""Pixel of the 30 m product, degrees."""

IS_CROPLAND_WITH_ORCHARDS = class_table(*CROPLAND_CLASSES, LandCover.ORCHARD)


@dataclass(frozen=True)
class CountryFiles:
    """Paths of a country on disk; each is a file unless it is called a folder."""

    folder: Path
    """Folder that holds all the others."""

    tiles: Path
    """Folder with ``{source}/{zoom}/{x}/{y}.jpg``."""

    dem: Path
    """GeoTIFF, float32 metres."""

    provinces: Path
    """GeoPackage."""

    counties: Path
    """GeoPackage."""

    statistics: Path
    """CSV, cropland by province."""

    products: Path
    """Folder with the other maps and their legends."""

    truth: Path
    """GeoTIFF of `LandCover` codes on the block lattice."""

    truth_blocks: Path
    """CSV, coverage type and shares by block and source."""

    training: Path
    """Folder with ``images/*.tif`` and ``parcels.gpkg``."""

    coverage: Path
    """Folder with ``images/*.png`` and ``labels.csv``."""

    manifest: Path
    """JSON with the arguments and the SHA-256 of every other file."""

    @property
    def own(self) -> list[Path]:
        """Its files and folders, there or not; what else lies in ``folder``, such as labels, is not the country's."""
        return [path for field in fields(self) if (path := getattr(self, field.name)) != self.folder]

    @classmethod
    def inside(cls, folder: Path) -> CountryFiles:
        """The files of a country written to a folder."""
        return cls(
            folder=folder,
            tiles=folder / "tiles",
            dem=folder / "dem.tif",
            provinces=folder / "provinces.gpkg",
            counties=folder / "counties.gpkg",
            statistics=folder / "statistics.csv",
            products=folder / "products",
            truth=folder / "truth.tif",
            truth_blocks=folder / "truth_blocks.csv",
            training=folder / "training",
            coverage=folder / "coverage",
            manifest=folder / "country.json",
        )


def make_country(
    out: Path,
    *,
    seed: int,
    bounds: Bounds,
    zoom: int = 14,
    training_scenes: int = 16,
    coverage_samples: int = 200,
    provinces: int = 12,
    truth_block_px: int = 640,
) -> CountryFiles:
    """Write the country inside ``bounds`` and samples from outside it; the same arguments give the same bytes.

    Parameters
    ----------
    out : folder, emptied of an earlier country first; another non-empty folder is refused
    seed : of the country
    bounds : degrees, on block edges
    zoom : of the tiles, 8 to 18
    training_scenes : number of labelled scenes outside the bounds; 0 writes no such folder
    coverage_samples : number of labelled thumbnails outside the bounds, a multiple of 5; 0 writes no such folder
    provinces : number of provinces the bounds are cut into
    truth_block_px : pixels along a block edge of ``truth.tif``, from which statistics are counted
    """
    country = Country(seed)
    if not 8 <= zoom <= 18:
        raise ValueError(f"zoom is {zoom}; expected 8 to 18")
    files = CountryFiles.inside(Path(out))
    _empty(files)
    grid = BlockGrid(truth_block_px)
    blocks = BlockRange.around(grid.blocks_in(bounds))
    if grid.window_bounds(blocks.window(grid)) != bounds:
        raise ValueError(f"bounds {tuple(bounds)} do not lie on block edges; expected multiples of 0.05 degree")
    outer = Bounds(
        bounds.west - MARGIN_DEG, bounds.south - MARGIN_DEG, bounds.east + MARGIN_DEG, bounds.north + MARGIN_DEG
    )
    write_tiles(country, files.tiles, outer, zoom, SOURCES)
    _write_dem(country, files.dem, outer)
    window = blocks.window(grid)
    classes = truth_classes(country, window, grid)
    administration = _farmed_administration(seed, bounds, provinces, classes)
    write_gpkg(administration.provinces, files.provinces, "provinces")
    write_gpkg(administration.counties, files.counties, "counties")
    _write_truth(files.truth, classes, grid, window)
    _write_statistics(files.statistics, administration, classes, grid, window)
    _write_truth_blocks(country, files.truth_blocks, classes, grid, blocks)
    _write_coarse_product(country, files.products, bounds)
    write_products(country, files.products, bounds, administration.provinces)
    if training_scenes:
        write_training_scenes(country, files.training, bounds, zoom, training_scenes)
    if coverage_samples:
        write_coverage_samples(country, files.coverage, bounds, coverage_samples)
    _write_manifest(files, seed, bounds, zoom)
    return files


def _farmed_administration(seed: int, bounds: Bounds, provinces: int, classes: np.ndarray) -> Administration:
    """Of many ways to cut the bounds the one whose least farmed province has the most cropland.

    A province without cropland has no relative error, so comparing it with statistics says nothing.
    """
    crop = IS_CROPLAND[classes[::SKETCH_STEP, ::SKETCH_STEP]]
    height, width = crop.shape
    step_lon, step_lat = (bounds.east - bounds.west) / width, (bounds.north - bounds.south) / height
    transform = Affine(step_lon, 0.0, bounds.west, 0.0, -step_lat, bounds.north)

    def least_farmed(administration: Administration) -> float:
        numbers = _numbered(administration.provinces, crop.shape, transform)
        return float((np.bincount(numbers[crop == 1], minlength=provinces + 1)[1:] / crop.size).min())

    drafts = (make_administration(seed * DRAFTS + k, bounds, provinces=provinces) for k in range(DRAFTS))
    return max(drafts, key=least_farmed)


def _numbered(provinces: gpd.GeoDataFrame, shape: tuple[int, ...], transform: Affine) -> np.ndarray:
    """Number of the province of every pixel centre, from 1: (h, w) uint8, 0 outside."""
    return np.asarray(
        features.rasterize(
            zip(provinces.geometry, range(1, len(provinces) + 1), strict=True),
            out_shape=shape,
            transform=transform,
            dtype="uint8",
        )
    )


def province_areas_kha(
    provinces: gpd.GeoDataFrame, classes: np.ndarray, table: np.ndarray, grid: BlockGrid, window: PixelWindow
) -> np.ndarray:
    """Area of the classes marked in a (256,) table per province, by pixel centre: (n,) float64, 1000 ha."""
    numbers = _numbered(provinces, classes.shape, grid.transform(window))
    area = np.broadcast_to(grid.pixel_area_m2(window.row, window.height)[:, None], classes.shape)
    inside = table[classes] == 1
    sums = np.bincount(numbers[inside], weights=area[inside], minlength=len(provinces) + 1)
    return sums[1 : len(provinces) + 1] / 1e7


def _empty(files: CountryFiles) -> None:
    if files.folder.exists() and any(files.folder.iterdir()):
        if not files.manifest.exists() and not files.tiles.exists():
            raise ValueError(f"folder {files.folder} is not empty and holds no country; give an empty or new folder")
        for path in files.own:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    files.products.mkdir(parents=True)


def _write_dem(country: Country, path: Path, bounds: Bounds) -> None:
    """1 arc-second GeoTIFF, float32 metres to the decimetre, nodata -9999."""
    west, north = round(bounds.west * 3600), round(bounds.north * 3600)
    width, height = round(bounds.east * 3600) - west, north - round(bounds.south * 3600)
    lon = (west + np.arange(width) + 0.5) / 3600
    lat = (north - np.arange(height) - 0.5) / 3600
    elevation = np.round(country.elevation_m(lon, lat), 1)
    transform = Affine(1 / 3600, 0.0, west / 3600, 0.0, -1 / 3600, north / 3600)
    _write_raster(path, elevation, transform, DEM_NODATA)


def _write_raster(path: Path, values: np.ndarray, transform: Affine, nodata: float) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[1], height=values.shape[0], count=1, dtype=values.dtype,
        crs=CRS, transform=transform, nodata=nodata, compress="deflate", tiled=True, blockxsize=512, blockysize=512,
    ) as sink:  # fmt: skip
        sink.write(values, 1)


def _write_truth(path: Path, classes: np.ndarray, grid: BlockGrid, window: PixelWindow) -> None:
    _write_raster(path, classes, grid.transform(window), int(LandCover.UNKNOWN))


def _write_statistics(
    path: Path, administration: Administration, classes: np.ndarray, grid: BlockGrid, window: PixelWindow
) -> None:
    """Cropland of each province in the columns of the national survey; the last province counts orchards too."""
    provinces = administration.provinces
    strict = province_areas_kha(provinces, classes, IS_CROPLAND, grid, window)
    loose = province_areas_kha(provinces, classes, IS_CROPLAND_WITH_ORCHARDS, grid, window)
    with path.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["adcode", "iso", "name_en", "name_zh", "cropland_kha", "source", "note"])
        for k, province in enumerate(provinces.itertuples()):
            other = k == len(provinces) - 1
            writer.writerow(
                [
                    province.adcode,
                    province.iso,
                    province.name_en,
                    province.name_zh,
                    f"{(loose if other else strict)[k]:.4f}",
                    "synthetic country: counted from its truth",
                    "definition != TNLS: orchards included" if other else "synthetic",
                ]
            )


def _write_truth_blocks(country: Country, path: Path, classes: np.ndarray, grid: BlockGrid, blocks: BlockRange) -> None:
    with path.open("w", newline="", encoding="utf-8") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(
            [
                "block",
                "row",
                "col",
                "source",
                COVERAGE_TYPE,
                "cloud_fraction",
                "snow_fraction",
                "nodata_fraction",
                AREA_FRACTION,
            ]
        )
        for block in grid.blocks_in(grid.window_bounds(blocks.window(grid))):
            share = float(IS_CROPLAND[classes[blocks.slices(grid, block)]].mean())
            for source in SOURCES:
                truth = block_truth(country, source, block, area_fraction=share)
                writer.writerow(
                    [block.name, block.row, block.col, source, truth.coverage_type.label]
                    + [f"{value:.4f}" for value in truth[1:]]
                )


def _write_coarse_product(country: Country, folder: Path, bounds: Bounds) -> None:
    """A 30 m map that takes the majority of 3 x 3 samples, counts orchards as crop and misses small parcels."""
    step = COARSE_PX_DEG
    west, north = np.floor(bounds.west / step) * step, np.ceil(bounds.north / step) * step
    width = int(np.ceil((bounds.east - west) / step))
    height = int(np.ceil((north - bounds.south) / step))
    lon = west + (np.arange(3 * width) + 0.5) * step / 3
    lat = north - (np.arange(3 * height) + 0.5) * step / 3
    crop = IS_CROPLAND_WITH_ORCHARDS[country.land_cover(lon, lat)]
    votes = crop.reshape(height, 3, width, 3).sum(axis=(1, 3))
    codes = np.where(votes >= 5, 10, 20).astype(np.uint8)
    _write_raster(folder / "coarse.tif", codes, Affine(step, 0.0, west, 0.0, -step, north), 0)
    (folder / "coarse_legend.csv").write_text(
        "code,name,is_cropland\n0,No data,0\n10,Crop,1\n20,Other,0\n", encoding="utf-8"
    )


def _write_manifest(files: CountryFiles, seed: int, bounds: Bounds, zoom: int) -> None:
    paths = sorted(p for own in files.own for p in (own, *own.rglob("*")) if p.is_file())
    digests = {p.relative_to(files.folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    content = {
        "seed": seed,
        "bounds": list(bounds),
        "zoom": zoom,
        "sources": list(SOURCES),
        "synthetic": "everything: land, imagery, elevation, borders, names, statistics and products are invented",
        "sha256": digests,
    }
    files.manifest.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
