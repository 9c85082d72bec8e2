"""A run: its recipe, its folder, and what its stages share."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import metadata
from pathlib import Path

import filelock
import geopandas as gpd
import pandas as pd
from shapely.geometry.base import BaseGeometry

import croplayer
from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.statistics import land_of, left_over, match_statistics, read_statistics, translated
from croplayer.files.file_cache import forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.open import open_product, product_files
from croplayer.products.product import Product
from croplayer.sources.elevation import ElevationRaster
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.imagery import ImagerySource
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.xyz import XyzSource
from croplayer.vector.boundaries import BoundaryColumns, check_overlap, read_boundaries
from croplayer.vector.polygons import read_polygons
from pipelines.engine.execute import StepLedgers
from pipelines.engine.fingerprint import code_digest
from pipelines.engine.models import Models
from pipelines.engine.steps import BlockStep
from pipelines.recipe import FolderSource, HttpSource, RasterImagery, Recipe, Source
from pipelines.recipe import Product as ProductPart
from stores.block_list import BlockList
from stores.cube import CUBE, metadata_files
from stores.durable import PARTIAL, digest_bytes, digest_text, partial_folder, write_durable
from stores.grid import BlockGrid, BlockRange, Bounds
from stores.places import open_store
from stores.results import Results
from stores.run_folder import RunFolder
from stores.step_memory import CUBE_FILES, HEAD

LIBRARIES = (
    "numpy",
    "torch",
    "transformers",
    "xgboost-cpu",
    "numba",
    "rasterio",
    "zarr",
    "xarray",
    "dask",
    "geopandas",
)


@dataclass(frozen=True)
class Run:
    """Everything the stages of a run share; nothing is read before it is asked for."""

    recipe: Recipe
    folder: RunFolder
    models: Models

    @cached_property
    def grid(self) -> BlockGrid:
        return BlockGrid(self.recipe.grid.block_px)

    @cached_property
    def region(self) -> Bounds | BaseGeometry:
        """The region as a box or a polygon in EPSG:4326; raises ValueError when the recipe names none."""
        region = self.recipe.region
        if region is None:
            raise ValueError(f"recipe '{self.recipe.name}' has no [region], so there is nothing to map")
        if region.bounds is not None:
            return Bounds(*region.bounds)
        path = Path(str(region.boundaries))
        return read_polygons(path, "region.boundaries").union_all()

    @property
    def bounds(self) -> Bounds:
        """Box around the region."""
        return self.region if isinstance(self.region, Bounds) else Bounds(*self.region.bounds)

    @cached_property
    def blocks(self) -> BlockList:
        """Blocks of the region in raster order."""
        return BlockList.of(self.grid.blocks_in(self.region))

    @cached_property
    def sources(self) -> tuple[ImagerySource, ...]:
        return tuple(_imagery_source(s) for s in self.recipe.sources)

    @cached_property
    def elevation(self) -> ElevationRaster | None:
        terrain = self.recipe.terrain
        return ElevationRaster(terrain.path, terrain.assume_crs) if terrain else None

    @cached_property
    def elevation_fingerprint(self) -> str | None:
        return self.elevation.fingerprint() if self.elevation else None

    @cached_property
    def products(self) -> tuple[Product, ...]:
        return tuple(_product(p) for p in self.recipe.products)

    @cached_property
    def reference(self) -> Product | None:
        return _product(self.recipe.reference) if self.recipe.reference else None

    @cached_property
    def units(self) -> gpd.GeoDataFrame:
        """Admin units of all levels; raises when a file is not what the recipe says."""
        frames = [
            read_boundaries(Path(a.path), BoundaryColumns(a.adcode, a.name_en, a.name_zh), a.level)
            for a in self.recipe.admin
        ]
        return gpd.GeoDataFrame(pd.concat(frames, ignore_index=True), crs=frames[0].crs)

    def level_units(self, level: int) -> gpd.GeoDataFrame:
        """Admin units of one level."""
        return self.units[self.units.level == level].reset_index(drop=True)

    @cached_property
    def statistics(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Statistics of the units of level 1, their codes translated as the recipe says, and the rows of no unit."""
        part = self.recipe.statistics
        assert part is not None
        path, units = Path(part.path), land_of(self.level_units(1))
        if part.adcode_pattern:
            units["adcode"] = [translated(code, part.adcode_pattern) for code in units.adcode]
        table = read_statistics(path)
        return match_statistics(units, table, path, part.without, part.sum_km2), left_over(units, table)

    @cached_property
    def cube(self) -> Cube | None:
        """The run's cube, created when it is not there; None for a recipe without sources."""
        if not self.sources:
            return None
        around = BlockRange.around(self.blocks)
        store = open_store(self.folder.cube, read_only=False)
        CUBE.create(store, self.recipe.edition, self.grid, around, self.recipe.source_names)
        if isinstance(self.folder.cube, Path):
            memory = self.folder.memory
            if not memory.is_finished(CUBE_FILES, self.recipe.edition):
                memory.finish(CUBE_FILES, self.recipe.edition, metadata_files(self.folder.cube, self.recipe.edition))
        return Cube(str(self.folder.cube), self.recipe.edition, self.grid, around, self.recipe.source_names)

    @cached_property
    def source_fingerprints(self) -> dict[str, str]:
        return {s.name: s.fingerprint() for s in self.sources}

    @cached_property
    def product_fingerprints(self) -> dict[str, str]:
        products = [*self.products, *([self.reference] if self.reference else [])]
        return {p.name: p.fingerprint() for p in products}

    @cached_property
    def ledgers(self) -> StepLedgers:
        """What the ledgers of the steps say."""
        return StepLedgers(self.folder)

    def results(self, step: BlockStep) -> Results:
        """What a step found in its finished blocks."""
        return self.ledgers.results(step)

    def check_inputs(self) -> None:
        """Raise on the first input that cannot serve the run, before any work starts."""
        forget_files()
        if self.sources:
            self._check_edition()
        for source in self.sources:
            source.check(self.bounds)
        if self.elevation:
            self.elevation.check(self.bounds)
        for product in [*self.products, *([self.reference] if self.reference else [])]:
            product.check(self.bounds)
        if self.recipe.admin:
            for admin in self.recipe.admin:
                check_overlap(self.level_units(admin.level), self.bounds, Path(admin.path))
        if self.recipe.statistics:
            _ = self.statistics
        if self.recipe.evaluation.parcels:
            read_polygons(Path(self.recipe.evaluation.parcels), "parcels")

    def _check_edition(self) -> None:
        """Raise ValueError when the folder is of another edition: its ledgers, tables and report are of one."""
        held, wanted = self.folder.edition, self.recipe.edition
        if held not in (None, wanted):
            raise ValueError(
                f"{self.folder.root} is the run of edition '{held}', and the recipe makes edition '{wanted}'; give it a "
                "folder of its own with --out"
            )

    def lease(self) -> AbstractContextManager[None]:
        """Hold the folder for this process; raises BlockingIOError when another run holds it."""
        return lease(self.folder)

    def write_head(self) -> None:
        """Store the resolved recipe and the versions beside the output, where they are not yet."""
        versions = {name: metadata.version(name) for name in LIBRARIES}
        provenance = {
            "croplayer": croplayer.__version__,
            "code": code_digest(),
            "python": ".".join(str(v) for v in sys.version_info[:3]),
            "libraries": versions,
            "sources": self.source_fingerprints,
            "products": self.product_fingerprints,
            "models": self.models.digests(self.recipe),
        }
        files = {
            self.folder.recipe: self.recipe.to_toml().encode(),
            self.folder.provenance: (json.dumps(provenance, indent=1, sort_keys=True) + "\n").encode(),
        }
        memory = self.folder.memory
        written = digest_text(repr([digest_bytes(d) for d in files.values()]))
        is_new = not memory.is_finished(HEAD, written)
        if is_new:
            memory.begin(HEAD, written)
        for path, data in files.items():
            _write_if_changed(path, data)
        if is_new:
            memory.finish(HEAD, written, list(files))


@contextmanager
def lease(folder: RunFolder) -> Iterator[None]:
    """Hold the folder of a run for this process; raises BlockingIOError when another run holds it."""
    folder.root.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.lock, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"another run holds {folder.root}; wait for it or write elsewhere") from None
    try:
        clear_partial(folder)
        yield
    finally:
        clear_partial(folder)
        lock.release()


def clear_partial(folder: RunFolder) -> None:
    """Remove the unfinished files that killed processes left; only for the process that holds the folder."""
    if isinstance(folder.cube, Path):
        shutil.rmtree(partial_folder(folder.cube), ignore_errors=True)
    for place in (folder.root, *(p for p in folder.root.iterdir() if p.is_dir() and p != folder.cube)):
        for path in place.glob(f".*{PARTIAL}"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _write_if_changed(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_durable(path, data)


def _imagery_source(source: Source) -> ImagerySource:
    if isinstance(source, FolderSource):
        return XyzSource(source.name, FolderTiles(source.template), source.zoom, source.tile_px, source.placeholders)
    if isinstance(source, HttpSource):
        tiles = HttpTiles(**{f.name: getattr(source, f.name) for f in fields(HttpTiles)})
        return XyzSource(source.name, tiles, source.zoom, source.tile_px, source.placeholders)
    if isinstance(source, RasterImagery):
        return RasterSource(source.name, source.paths, source.bands, source.assume_crs)
    return StacSource(source.name, source.items, source.assets)


def _product(part: ProductPart) -> Product:
    if part.legend:
        return open_product(
            part.legend,
            part.path,
            name=part.name,
            include=part.include,
            exclude=part.exclude,
            asset=part.asset,
            year=part.year,
            assume_crs=part.assume_crs,
        )
    codes = RasterCodes(product_files(part.path), part.assume_crs)
    return Product(part.name, codes, part.crop_codes, part.known_codes, part.nodata)
