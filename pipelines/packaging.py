"""Packages of a finished run, province by province; what is there already and made of the same is left as it is."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import geopandas as gpd
import numpy as np
import pandas as pd
from pyarrow import parquet
from shapely.geometry.base import BaseGeometry

from croplayer.changes.editions import Edition, edition_of
from croplayer.cube.field_query import field_files
from croplayer.cube.whole_blocks import Cube
from croplayer.files.tables import write_csv
from croplayer.packages.archive import SUMS, write_archive, write_sums
from croplayer.packages.counties import CountyFiles
from croplayer.packages.layers import block_layer, unit_areas, unit_layer, write_package_layers
from croplayer.packages.places import Place, Province, provinces_of
from croplayer.packages.rasters import SIDECAR, tiles_of, write_map
from croplayer.packages.readme import readme
from croplayer.packages.styles import map_style, package_project
from pipelines.engine.code import code_digest
from pipelines.engine.run_log import messages
from pipelines.facts import facts_of
from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.durable import PARTIAL, digest_bytes, digest_file, write_durable
from stores.fingerprints import fingerprint_of
from stores.map_facts import MapFacts
from stores.results import read_results
from stores.run_folder import RunFolder, cube_place
from stores.step_memory import FIELD_FILES, StepMemory

STEPS = ".steps"
"""Folder of a folder of packages that remembers which of them are finished."""
COUNTY = "county_"
"""Prefix of the steps that write the files of a county."""
INDEX = "index.csv"
"""Table of all units and where their files lie."""
README = "README.md"
ARCHIVE = ".tar.gz"
CODE = (
    "croplayer.packages.counties",
    "croplayer.packages.rasters",
    "croplayer.packages.layers",
    "croplayer.packages.readme",
)
"""Modules whose code packages are made of; what they import counts, too."""


class PackagePlan(NamedTuple):
    """What a package will hold, known before anything is written."""

    province: Province
    counties: int
    pixels: int
    """Of its map."""
    tiles: int
    """Files that its map is written to."""
    fields: int
    """Fields of the run's files that it takes from."""


@dataclass(frozen=True)
class Packages:
    """The packages of a run."""

    folder: RunFolder
    edition: Edition
    facts: MapFacts
    out: Path
    provinces: tuple[Province, ...]
    """Those that have finished blocks, each with the counties that have some."""
    county_level: int
    fields: tuple[Path, ...]
    """The run's files of single fields; none where it has no fields."""
    workers: int = 1
    chosen: frozenset[str] | None = None
    """Codes of the provinces to write now; None is all of them."""

    @classmethod
    def of(cls, place: str, out: Path, level: int = 1, names: str = "zh", workers: int = 1) -> Packages:
        """The packages of the run of a place (``FOLDER`` or ``FOLDER@EDITION``) for the units of a level.

        Raises
        ------
        FileNotFoundError
            for a folder that is no run's, or a run without admin units
        ValueError
            for a level without units, and a map without any finished block in them
        """
        found = cube_place(place)
        folder = found.folder
        if folder is None or not folder.boundaries.is_file():
            raise FileNotFoundError(
                f"{place} has no admin units; packages are made of a run's folder whose recipe has [[admin]]"
            )
        facts = facts_of(folder)
        edition = edition_of(Cube.open(found.cube, folder.edition), folder)
        units = gpd.read_parquet(folder.boundaries)
        found_provinces = provinces_of(units, level, names, lambda outline: bool(_blocks_in(outline, edition)))
        for each in found_provinces:
            if not each.places and _blocks_in(each.outline, edition):
                messages.warning("%s gets no package, because no unit of the finest level lies in it", each.name)
        provinces = [_with_blocks(each, edition) for each in found_provinces]
        mapped = tuple(each for each in provinces if each.places)
        if not mapped:
            raise ValueError(
                f"no finished block of {place} lies in a unit of level {level}, so there is nothing to hand out"
            )
        has_fields = any(name.startswith(FIELD_FILES) for name in folder.memory.entries())
        fields = tuple(field_files(folder)) if has_fields else ()
        return cls(folder, edition, facts, out, mapped, int(units.level.max()), fields, workers)

    def only(self, codes: Sequence[str]) -> Packages:
        """The packages of some provinces, by code or name; raises ValueError for one that is not among them or not unique."""
        chosen = set()
        for code in codes:
            of_code = {each.adcode for each in self.provinces if each.adcode == code}
            found = of_code or {each.adcode for each in self.provinces if each.name == code}
            if not found:
                raise ValueError(
                    f"'{code}' is no unit with a map at this level; there are {', '.join(p.name for p in self.provinces)}"
                )
            if len(found) > 1:
                raise ValueError(f"several units are called '{code}'; use one of the codes {', '.join(sorted(found))}")
            chosen |= found
        return replace(self, chosen=frozenset(chosen))

    @property
    def written(self) -> tuple[Province, ...]:
        """The provinces to write now."""
        return tuple(each for each in self.provinces if self.chosen is None or each.adcode in self.chosen)

    def plan(self) -> list[PackagePlan]:
        """What each package will hold."""
        cube, finished = self.edition.cube, self.edition.finished
        plans = []
        for each in self.written:
            tiles = tiles_of(cube, each.outline, finished)
            pixels = sum(tile.window.height * tile.window.width for tile in tiles)
            rows = sum(parquet.ParquetFile(path).metadata.num_rows for path in self._fields_of(each))
            plans.append(PackagePlan(each, len(each.places), pixels, len(tiles), rows))
        return plans

    def write(self, on_province: Callable[[Province, Path, int], None]) -> list[Path]:
        """Write all packages and their index; returns the archives.

        Parameters
        ----------
        on_province : called with each province, its archive, and how many of its steps were done now
        """
        archives = []
        with _pool(self.workers) as pool:
            for province in self.written:
                package = _Package(self, province)
                worked = package.write(pool)
                archives.append(package.archive)
                on_province(province, package.archive, worked)
        self._write_index()
        return archives

    def _write_index(self) -> None:
        """Write the index, page and check sums of all packages that are there, those of earlier calls among them."""
        there = [(each, self.out / f"{each.folder}{ARCHIVE}") for each in self.provinces]
        there = [(each, archive) for each, archive in there if archive.is_file()]
        tables = []
        for _, archive in there:
            with _index_beside(archive) as listed:
                own = pd.read_csv(listed, dtype=str, keep_default_na=False)
            own.insert(0, "archive", archive.name)
            tables.append(own)
        index, page = self.out / INDEX, self.out / README
        write_durable(index, pd.concat(tables).to_csv(index=False, lineterminator="\n").encode())
        files = {archive.name: f"{p.name} ({p.adcode}), {len(p.places)} units" for p, archive in there}
        files |= {f"{p.folder}/": "the same files, not packed" for p, _ in there if (self.out / p.folder).is_dir()}
        files[INDEX] = "all units, with their package and the names of their files"
        files[SUMS] = "check sums, for `sha256sum -c`"
        write_durable(page, readme(self.facts, "packages", files, self.layers).encode())
        write_sums(self.out, [*(archive for _, archive in there), index, page])

    @property
    def layers(self) -> list[str]:
        """Names of the layers that packages may have."""
        return ["cropland", *(["fields"] if self.fields else []), "units", "blocks"]

    @cached_property
    def found(self) -> BlockDigests:
        """Digest of the map of each finished block."""
        entry = self.folder.memory.entries()["integrate"]
        cube = self.edition.cube.path
        return read_results(self.folder.ledger("integrate"), entry.fingerprint, self.edition.finished, cube).found

    def _fields_of(self, province: Province) -> tuple[Path, ...]:
        """Files of fields whose boxes touch a province."""
        west, south, east, north = province.outline.bounds
        chosen = []
        for path in self.fields:
            box = _box_of(path)
            if box is None or (box[0] <= east and box[2] >= west and box[1] <= north and box[3] >= south):
                chosen.append(path)
        return tuple(chosen)


class _Package:
    """The package of one province."""

    def __init__(self, all_of: Packages, province: Province) -> None:
        self._all, self._province = all_of, province
        self.folder = all_of.out / province.folder
        self.archive = all_of.out / f"{province.folder}{ARCHIVE}"
        self._fields = all_of._fields_of(province)
        self._fields_found = [digest_file(path).sha256 for path in self._fields]
        self._memory = StepMemory(all_of.out / STEPS / f"{province.folder}.json", all_of.out)

    def write(self, pool: ProcessPoolExecutor | None) -> int:
        """Write what is missing or made of something else; returns the number of steps done."""
        for left in self.folder.glob(f"*/.*{PARTIAL}"):  # of a process that was killed
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        counties = {f"{COUNTY}{place.adcode}": place for place in self._province.places}
        prints = {name: self._fingerprint(place) for name, place in counties.items()}
        worked = self._write_counties(counties, prints, pool)
        edition = self._all.edition
        blocks = _blocks_in(self._province.outline, edition)
        of_map = fingerprint_of({"code": code_digest(CODE), "map": self._digest(blocks), "outline": self._outline()})
        stem = self._province.folder
        worked += self._do("map", of_map, lambda: self._write_map(self.folder / "map" / f"{stem}.tif"))
        of_rest = fingerprint_of({
            "counties": prints, "map": of_map, "facts": repr(self._all.facts), "name": self._province.name,
            "tables": [digest_file(path).sha256 for path in self._tables() if path.is_file()],
        })  # fmt: skip
        worked += self._do("package", of_rest, self._write_rest)
        self._memory.keep_only([*counties, "map", "package", "archive"])
        worked += self._do("archive", of_rest, lambda: [write_archive(self.archive, self.folder, self._files())])
        return worked

    def _write_counties(
        self, counties: dict[str, Place], prints: dict[str, str], pool: ProcessPoolExecutor | None
    ) -> int:
        left = [name for name in counties if not self._memory.is_finished(name, prints[name])]
        for name in left:
            self._memory.begin(name, prints[name])
        tasks = {name: self._task(counties[name]) for name in left}
        for name, paths in _done(tasks, pool):
            self._memory.finish(name, prints[name], paths)
        return len(left)

    def _task(self, place: Place) -> CountyFiles:
        edition = self._all.edition
        near = edition.narrowed(BlockList.of(edition.cube.grid.blocks_in(place.outline)))
        facts = self._all.facts
        return CountyFiles(near, place, self.folder, self._fields, f"{facts.name}/{facts.edition}")

    def _do(self, name: str, fingerprint: str, make: Callable[[], Sequence[Path]]) -> int:
        """Do a step unless it is finished; returns 1 if it was done."""
        if self._memory.is_finished(name, fingerprint):
            return 0
        self._memory.begin(name, fingerprint)
        self._memory.finish(name, fingerprint, make())
        return 1

    def _fingerprint(self, place: Place) -> str:
        edition = self._all.edition
        blocks = BlockList.of(edition.cube.grid.blocks_in(place.outline)).both(edition.finished)
        return fingerprint_of({
            "code": code_digest(CODE), "map": self._digest(blocks), "outline": digest_bytes(place.outline.wkb).sha256,
            "place": list(place[:-1]), "edition": edition.cube.edition, "name": self._all.facts.name,
            "taken": [edition.taken.choices.get(block.name) for block in blocks],
            "fields": self._fields_found,
        })  # fmt: skip

    def _digest(self, blocks: BlockList) -> str:
        return digest_bytes(
            blocks.codes.tobytes() + np.ascontiguousarray(self._all.found.under(blocks)).tobytes()
        ).sha256

    def _outline(self) -> str:
        return digest_bytes(self._province.outline.wkb).sha256

    def _tables(self) -> list[Path]:
        return [self._all.folder.blocks, self._all.folder.table(f"units_{self._all.county_level}.csv")]

    def _write_map(self, path: Path) -> list[Path]:
        written = write_map(self._all.edition.cube, self._province.outline, self._all.edition.finished, path)
        styles = [p.with_suffix(".qml") for p in written if p.suffix in (".tif", ".vrt")]
        for style in dict.fromkeys(styles):
            write_durable(style, map_style().encode())
        return [*written, *dict.fromkeys(styles)]

    def _write_rest(self) -> list[Path]:
        """The GeoPackage, the project, the index, the page and the check sums."""
        run, province, stem = self._all, self._province, self._province.folder
        units = unit_layer(province, unit_areas(run.folder, run.county_level))
        blocks = block_layer(run.folder, run.edition, province)
        geopackage = self.folder / f"{stem}.gpkg"
        layers = write_package_layers(geopackage, self.folder, province.places, units, blocks, bool(run.fields))
        rasters = sorted((self.folder / "map").glob("*.vrt")) or sorted((self.folder / "map").glob("*.tif"))
        raster = f"map/{rasters[0].name}" if rasters else None
        project = self.folder / f"{stem}.qgs"
        title = f"{run.facts.title}: {province.name}"
        write_durable(project, package_project(title, geopackage.name, layers, raster, province.outline.bounds))
        index = self.folder / INDEX
        write_csv(index, _index_of(province, units, self.folder))
        files = {
            "shapefile/": "a Shapefile of the cropland, and one of the fields, of each unit, in UTF-8, with a style for QGIS",
            "geoparquet/": "the same as GeoParquet",
            geopackage.name: "all layers of the province in one GeoPackage, with styles",
            "map/": f"the map as cloud-optimised GeoTIFF; `{SIDECAR}` files hold the names of its values",
            project.name: "a project for QGIS",
            INDEX: "the units with their areas and the names of their files",
            SUMS: "check sums of all files, for `sha256sum -c`",
        }
        page = self.folder / README
        write_durable(page, readme(run.facts, province.name, files, layers).encode())
        made = [geopackage, project, index, page]
        others = [path for path in self._files() if path not in {*made, self.folder / SUMS}]
        return [*made, write_sums(self.folder, [*made, *others])]

    def _files(self) -> list[Path]:
        """All files of the package that its steps wrote."""
        noted = {name for step, entry in self._memory.entries().items() if step != "archive" for name in entry.files}
        return [self._all.out / name for name in sorted(noted) if (self._all.out / name).is_file()]


def _done(tasks: dict[str, CountyFiles], pool: ProcessPoolExecutor | None) -> Iterator[tuple[str, list[Path]]]:
    """What each task wrote, as they end."""
    if pool is None:
        yield from ((name, task()) for name, task in tasks.items())
        return
    futures: dict[Future[list[Path]], str] = {pool.submit(task): name for name, task in tasks.items()}
    for future in as_completed(futures):
        yield futures[future], future.result()


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    if workers == 1:
        yield None
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield pool


def _with_blocks(province: Province, edition: Edition) -> Province:
    """A province with the counties alone that have finished blocks."""
    return province._replace(places=tuple(place for place in province.places if _blocks_in(place.outline, edition)))


def _blocks_in(outline: BaseGeometry, edition: Edition) -> BlockList:
    return BlockList.of(edition.cube.grid.blocks_in(outline)).both(edition.finished)


def _index_of(province: Province, units: gpd.GeoDataFrame, folder: Path) -> pd.DataFrame:
    """The units of a province with their areas and files."""
    table = pd.DataFrame(units.drop(columns="geometry"))
    table["file"] = [place.file for place in province.places]
    table["bytes"] = [sum(p.stat().st_size for p in folder.glob(f"*/{place.file}*")) for place in province.places]
    return table


@contextmanager
def _index_beside(archive: Path) -> Iterator[BinaryIO]:
    """The index of a package, from its folder or, where that is gone, from its archive."""
    folder = archive.with_name(archive.name.removesuffix(ARCHIVE))
    if (folder / INDEX).is_file():
        with (folder / INDEX).open("rb") as file:
            yield file
        return
    with tarfile.open(archive) as packed:
        inside = packed.extractfile(f"{folder.name}/{INDEX}")
        assert inside is not None, "every archive holds its index"
        yield cast("BinaryIO", inside)


def _box_of(path: Path) -> list[float] | None:
    """The box around all fields of a file, where it tells one."""
    metadata = parquet.ParquetFile(path).metadata.metadata or {}
    geo = json.loads(metadata.get(b"geo", b"{}"))
    box: list[float] | None = geo.get("columns", {}).get("geometry", {}).get("bbox")
    return box
