"""How two editions are compared: block by block, durably, and on from where a comparison was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import zarr
from tqdm import tqdm

from croplayer.changes.blocks import Comparison
from croplayer.changes.conversions import conversion_table, conversions
from croplayer.changes.editions import Edition, common_blocks, models_differ
from croplayer.changes.of_fields import NONE, change_of_fields
from croplayer.changes.rules import ChangeRules
from croplayer.changes.steps import CompareTask, RemapTask, SieveTask
from croplayer.changes.tables import block_table, unit_table
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.field_sets import FieldFiles
from croplayer.fields.matching import GONE, NEW, match_sets
from croplayer.files.tables import write_csv, write_parquet
from croplayer.products.product import Product
from croplayer.report.change_page import ChangePage, change_report, thinned_change
from croplayer.vector.files import write_geotiff
from pipelines.engine.code import code_digest
from stores.block_list import BlockList
from stores.change import CHANGE, CHANGE_CUBE, REMAPPED, REMAPPED_PROBABILITY, SIEVE, ChangeFolder
from stores.durable import DurableStore, digest_bytes, digest_file, digest_text, partial_folder, write_durable
from stores.grid import BlockIndex, BlockRange, PixelWindow
from stores.ledger import Ledger
from stores.legends import Change
from stores.places import size_finder
from stores.records import BlockRecord, BlockTask
from stores.step_memory import BlocksDone

OVERVIEW_PX = 1400
GROUP = 4
"""Blocks that are sent to a process at once."""
RULE_WORDS = {
    "margin": "least difference of the probabilities",
    "reach_m": "reach of weaker differences, m",
    "tolerance_m": "tolerance of margins, m",
    "min_area_ha": "least area, ha",
    "max_shift_m": "largest shift of the imagery, m",
    "buffer_m": "buffer around changes, m",
}
CONVERSIONS_FILE = "change_conversions.csv"
FIELDS_FILE = "change_fields.parquet"
TITLE = "change between two editions of a map of cropland by croplayer"


@dataclass(frozen=True)
class Remap:
    """How the earlier imagery is mapped again."""

    model: str
    digest: str
    threshold: float
    cell_px: int
    blend_px: int


@dataclass(frozen=True)
class NamedProduct:
    """A product that tells what is there now."""

    product: Product
    year: int | None
    classes: dict[int, str]


@dataclass(frozen=True)
class Compare:
    """A comparison of two editions, and where it is written."""

    before: Edition
    after: Edition
    rules: ChangeRules
    folder: ChangeFolder
    boundaries: Path | None
    """Admin units to measure by."""
    remap: Remap | None
    workers: int
    fields: tuple[FieldFiles, FieldFiles] | None = None
    """The fields of both editions, where both have some."""

    def run(self) -> list[BlockRecord]:
        """Compare every block that is finished in both; returns the records of the blocks that failed.

        Blocks that an earlier call finished with the same maps, rules and code are left as they are.
        """
        blocks = common_blocks(self.before, self.after)
        cube = self._created(blocks)
        units = self._units()
        failed: list[BlockRecord] = []
        # The blocks belong to it, because those around a block decide on its changes, too.
        made_of = repr((
            self.before.state, self.after.state, digest_bytes(blocks.codes.data).sha256, self.remap,
            units and digest_file(Path(units)).sha256,
        ))  # fmt: skip
        sieve = SieveTask(cube, self.rules, units)
        last = _fingerprint(sieve, made_of + repr(self.rules))
        self._begin(last, len(blocks))
        if self.remap:
            part = self.remap
            remap = RemapTask(self.before, cube, part.model, part.threshold, part.cell_px, part.blend_px)
            failed += self._step("remap", blocks, remap, _fingerprint(remap, made_of))
        comparison = Comparison(self.before, self.after, self.rules)
        compare = CompareTask(comparison, cube, units, is_remapped=self.remap is not None)
        limits = repr((self.rules.margin, self.rules.max_shift_m))
        failed += self._step("compare", blocks, compare, _fingerprint(compare, made_of + limits))
        if not failed:
            failed += self._step(SIEVE, blocks, sieve, last)
        if not failed:
            self.folder.memory.finish(SIEVE, last, BlocksDone(len(blocks), self.folder.ledger(SIEVE)))
        return failed

    def _begin(self, fingerprint: str, blocks: int) -> None:
        """Open the last step before any block is rewritten, and remove what earlier calls made of the changes."""
        self.folder.memory.begin(SIEVE, fingerprint, blocks=blocks)
        for path in (
            self.folder.report,
            self.folder.geotiff,
            self.folder.table(CONVERSIONS_FILE),
            self.folder.table(FIELDS_FILE),
        ):
            path.unlink(missing_ok=True)

    def records(self, step: str) -> list[BlockRecord]:
        """The last record of each block of a step, of those that are finished in both editions now."""
        blocks = common_blocks(self.before, self.after)
        return [record for _, record in Ledger(self.folder.ledger(step)).newest() if record.block in blocks]

    def write_tables(self, product: NamedProduct | None) -> ChangePage:
        """Write the tables of a finished comparison, and return what its page shows."""
        units = gpd.read_parquet(self.folder.boundaries) if self.boundaries else None
        by_unit = unit_table(self.records("compare"), self.records(SIEVE), units, self.remap is not None)
        blocks = block_table(self.records("compare"), self.before, self.after)
        for name, table in (("change", by_unit), ("change_blocks", blocks)):
            write_csv(self.folder.table(f"{name}.csv"), table)
            write_parquet(self.folder.table(f"{name}.parquet"), table)
        there_now = None
        if product is not None:
            cube = self._cube()
            found = (
                conversions(
                    cube.read_block(CHANGE, record.block), product.product, cube.grid.window(record.block), cube.grid
                )
                for record in self.records(SIEVE)
            )
            there_now = conversion_table(product.product.name, product.year, product.classes, found)
            write_csv(self.folder.table(CONVERSIONS_FILE), there_now)
        return self._page(by_unit, blocks, there_now, self._write_fields())

    def _write_fields(self) -> pd.DataFrame | None:
        """Write what the changes say of each field; None where an edition has none."""
        if self.fields is None:
            return None
        earlier, later = self.fields
        table = change_of_fields(
            earlier.parts(), later.parts(), match_sets(earlier, later), self._changes, self.after.cube.grid
        )
        write_parquet(self.folder.table(FIELDS_FILE), table)
        return table

    def _changes(self, window: PixelWindow) -> np.ndarray:
        """Changes of a window that may reach beyond the cube."""
        cube = self._cube()
        out = np.full((window.height, window.width), Change.NEVER_COMPARED, np.uint8)
        part = window.common(cube.blocks.window(cube.grid))
        if not part.is_empty:
            out[part.slices_in(window)] = cube.read_window(CHANGE, part)
        return out

    def write_geotiff(self) -> Path:
        """Write the map of change as one GeoTIFF."""
        cube = self._cube()
        window = cube.blocks.window(cube.grid)
        return write_geotiff(
            self.folder.geotiff, cube.read_window(CHANGE, window), window, cube.grid,
            ", ".join(f"{int(kind)} {kind.label}" for kind in Change),
        )  # fmt: skip

    def write_page(self, page: ChangePage) -> Path:
        """Write the page."""
        write_durable(self.folder.report, change_report(page).to_html().encode())
        return self.folder.report

    def _page(
        self,
        units: pd.DataFrame,
        blocks: pd.DataFrame,
        there_now: pd.DataFrame | None,
        fields: pd.DataFrame | None,
    ) -> ChangePage:
        cube = self._cube()
        window = cube.blocks.window(cube.grid)
        step = max(1, max(window.height, window.width) // OVERVIEW_PX)
        facts = [
            ("earlier map", self.before.name),
            ("later map", self.after.name),
            ("blocks compared", f"{int(blocks.compared.sum())} of {len(blocks)}"),
            *([] if fields is None else [("fields gone and new", field_words(fields))]),
            *((RULE_WORDS[name], f"{value:g}") for name, value in asdict(self.rules).items()),
        ]
        return ChangePage(
            f"Change of cropland, {self.before.cube.edition} to {self.after.cube.edition}", facts,
            _overview(cube, step), cube.grid.window_bounds(window), units, blocks, there_now,
            models_differ(self.before, self.after) and self.remap is None,
        )  # fmt: skip

    def _created(self, blocks: BlockList) -> Cube:
        """The cube of the change, created where it is not there yet."""
        shutil.rmtree(partial_folder(self.folder.cube), ignore_errors=True)
        store = DurableStore(self.folder.cube)
        root = zarr.open_group(store, mode="a")
        if not root.attrs:
            root.update_attributes({"title": TITLE})
        optional = (REMAPPED, REMAPPED_PROBABILITY) if self.remap else ()
        grid, rectangle = self.before.cube.grid, BlockRange.around(blocks)
        CHANGE_CUBE.create(store, CHANGE, grid, rectangle, self.after.cube.sources, optional)
        return self._cube()

    def _cube(self) -> Cube:
        return Cube.open(self.folder.cube, CHANGE)

    def _units(self) -> str:
        """The file of admin units, a copy of that of the later edition's run; empty where it has none."""
        if self.boundaries is None:
            return ""
        write_durable(self.folder.boundaries, self.boundaries.read_bytes())
        return str(self.folder.boundaries)

    def _step(self, name: str, blocks: BlockList, task: BlockTask, fingerprint: str) -> list[BlockRecord]:
        """Do what is left of a step; returns the records of the blocks that failed."""
        ledger = Ledger(self.folder.ledger(name))
        ledger.cut_torn_tail()
        size = size_finder(self.folder.cube)
        done = [
            record.block
            for found, record in ledger.newest()
            if found == fingerprint
            and record.status.is_finished
            and all(size(key) == digest.size for key, digest in record.files.items())
        ]
        left = blocks.without(BlockList.of(done))
        failed = []
        with tqdm(total=len(left), desc=name, unit="block", disable=None, leave=False) as bar:
            for records in _worked(task, [left[i : i + GROUP] for i in range(0, len(left), GROUP)], self.workers):
                ledger.append(fingerprint, records)
                failed += [record for record in records if not record.status.is_finished]
                bar.update(len(records))
        return failed


def field_words(fields: pd.DataFrame) -> str:
    """How many fields are gone and new, and how many only look so, in words."""
    counts = fields.verdict.value_counts()
    alone = fields[fields.kind.isin((GONE, NEW))]
    return (
        f"{counts.get(GONE, 0):,} gone, {counts.get(NEW, 0):,} new; of {int((alone.verdict == NONE).sum()):,} others without a "
        "counterpart only the outlines differ"
    )


def _fingerprint(task: BlockTask, made_of: str) -> str:
    """Digest of what a step is made of, with its code."""
    return digest_text(made_of + code_digest((type(task).__module__,)))


def _worked(task: BlockTask, groups: Sequence[Sequence[BlockIndex]], workers: int) -> Iterator[list[BlockRecord]]:
    """Records of groups of blocks, in this process or in some of their own."""
    if workers == 1:
        yield from map(task, groups)
        return
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        yield from pool.map(task, groups)


def _overview(cube: Cube, step: int) -> np.ndarray:
    """The map of change, thinned block by block."""
    n = cube.grid.block_px
    side = n // step or 1
    out = np.full((cube.blocks.rows * side, cube.blocks.cols * side), Change.NEVER_COMPARED, np.uint8)
    for block in cube.grid.blocks_under(cube.blocks.window(cube.grid)):
        y, x = (block.row - cube.blocks.row) * side, (block.col - cube.blocks.col) * side
        out[y : y + side, x : x + side] = thinned_change(cube.read_block(CHANGE, block), min(step, n))
    return out


def check_folder(folder: ChangeFolder) -> None:
    """Raise ValueError when a folder holds files and no comparison, before anything is written there."""
    if not folder.comparison.is_file() and folder.root.exists() and any(folder.root.iterdir()):
        raise ValueError(f"{folder.root} holds files that are no comparison; give another folder")


def write_comparison(folder: ChangeFolder, before: Edition, after: Edition, rules: ChangeRules) -> None:
    """Write what is compared and by which rules, while the folder's lease is held.

    Raises ValueError when the folder holds a comparison of other editions.
    """
    facts = {"before": _place(before), "after": _place(after)}
    if folder.comparison.is_file():
        found = json.loads(folder.comparison.read_text(encoding="utf-8"))
        if {name: found.get(name) for name in facts} != facts:
            raise ValueError(
                f"{folder.root} holds the comparison of {found.get('before')} and {found.get('after')}; give another folder"
            )
    text = json.dumps(facts | {"rules": asdict(rules)}, indent=1, ensure_ascii=False)
    write_durable(folder.comparison, f"{text}\n".encode())


def _place(edition: Edition) -> str:
    path = edition.cube.path
    return f"{path if '://' in path else Path(path).absolute()}@{edition.cube.edition}"


def failed_words(failed: Iterable[BlockRecord]) -> str:
    """A sentence about blocks that failed."""
    listed = list(failed)
    return f"{len(listed)} blocks failed, such as {listed[0].block.name}: {listed[0].reason}; run the command again to try them"
