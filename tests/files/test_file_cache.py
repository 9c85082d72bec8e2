"""Files that are replaced under their names: what is read is what a digest or a step that began later saw."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared.block_processes import new_block_process
from shared.source_files import BLOCK, GRID, write_items, write_raster

from croplayer.cube.whole_blocks import Cube
from croplayer.files.file_cache import cached_file_reads, forget_files
from croplayer.products.codes import RasterCodes
from croplayer.products.product import Product
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.workers.isolated import BlockLimits, Work, run_isolated
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockIndex, BlockRange
from stores.records import BlockRecord

LIMITS = BlockLimits(300.0, 4 * 2**30)


def scene(folder: Path, value: int, bands: int = 3) -> str:
    return str(write_raster(folder / "scene.tif", np.full((bands, 300, 300), value, np.uint8)))


def imagery(source: Any) -> int:
    return int(source.read(GRID.window(BLOCK), GRID).rgb.max())


def codes(source: Any) -> int:
    return int(Product("p", source).read(GRID.window(BLOCK), GRID).on_pixels()[64, 64])


SOURCES: dict[str, tuple[Callable[[str, str], Any], Callable[[Any], int], int]] = {
    "raster": (lambda path, items: RasterSource("a", (path,)), imagery, 3),
    "codes": (lambda path, items: RasterCodes((path,)), codes, 1),
    "stac": (lambda path, items: StacSource("a", items, ("visual",)), imagery, 3),
    "stac codes": (lambda path, items: StacCodes(items, "visual"), codes, 1),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_read_is_what_the_digest_saw(tmp_path: Path, kind: str) -> None:
    make, read, bands = SOURCES[kind]
    source = make(scene(tmp_path, 7, bands), write_items(tmp_path / "items.json", str(tmp_path / "scene.tif")))
    before = source.content_of(BLOCK, GRID)
    assert read(source) == 7
    scene(tmp_path, 9, bands)
    forget_files()  # as a run does when it begins
    assert source.content_of(BLOCK, GRID) != before
    assert read(source) == 9


@pytest.mark.parametrize("kind", SOURCES)
def test_a_digest_is_of_what_is_read_until_a_run_begins(tmp_path: Path, kind: str) -> None:
    make, read, bands = SOURCES[kind]
    (tmp_path / "later").mkdir()
    early, late = scene(tmp_path, 7, bands), scene(tmp_path / "later", 9, bands)
    items, reads = write_items(tmp_path / "items.json", early), []

    @cached_file_reads(1)
    def other() -> int:
        reads.append(1)
        return len(reads)

    source = make(early, items)
    assert other() == 1 and read(source) == 7
    before = source.content_of(BLOCK, GRID)
    if "stac" in kind:
        write_items(tmp_path / "items.json", late)
    else:
        shutil.copy(late, early)
    assert other() == 1
    forget_files()
    assert source.content_of(BLOCK, GRID) != before and read(source) == 9 and other() == 2


def test_items_that_are_replaced_are_read_anew(tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    early, late = scene(tmp_path, 7), scene(tmp_path / "later", 9)
    source = StacSource("a", write_items(tmp_path / "items.json", early), ("visual",))
    assert imagery(source) == 7
    write_items(tmp_path / "items.json", late)
    forget_files()  # as a run does when it begins
    assert imagery(source) == 9


@dataclass(frozen=True)
class ReadTask:
    """Read imagery and a cube; the record says which process did."""

    source: RasterSource
    cube: Cube

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        values = {"process": os.getpid(), "imagery": imagery(self.source)}
        return [
            BlockRecord(block, values=values | {"cube": int(self.cube.read_block("croplayer", block).max())})
            for block in blocks
        ]


def cube_of(path: Path, around: BlockRange, value: int) -> Cube:
    shutil.rmtree(path, ignore_errors=True)
    CUBE.create(DurableStore(path), "1", GRID, around, ("a",))
    cube = Cube.open(path)
    cube.write_block("croplayer", BLOCK, np.full((GRID.block_px, GRID.block_px), value, np.uint8))
    return cube


def test_a_process_that_outlives_a_step_reads_what_the_next_one_finds(tmp_path: Path) -> None:
    """The cube is made again for another region under the same name, as in a folder that was removed."""

    def values(epoch: str, task: ReadTask) -> dict[str, Any]:
        outcome = run_isolated(Work(pickle.dumps(task), epoch), [tuple(BLOCK)], LIMITS)
        (record,) = pickle.loads(outcome.records[0])
        return dict(record.values)

    source = RasterSource("a", (scene(tmp_path, 7),))
    place = tmp_path / "cube.zarr"
    with new_block_process():
        small = ReadTask(source, cube_of(place, BlockRange(BLOCK.row, BLOCK.col, 1, 1), 0))
        first = values("one step", small)
        scene(tmp_path, 9)
        same = values("one step", small)
        large = ReadTask(source, cube_of(place, BlockRange(BLOCK.row - 1, BLOCK.col - 1, 2, 3), 1))
        then = values("the next", large)
    assert first == same == {"process": first["process"], "imagery": 7, "cube": 0}
    assert then == {"process": first["process"], "imagery": 9, "cube": 1}
