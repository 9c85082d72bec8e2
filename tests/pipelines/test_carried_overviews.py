"""Overviews in an edition that begins with those of the one before, in a cube that begins elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from croplayer.cube.overviews import level_cubes
from croplayer.cube.whole_blocks import Cube
from croplayer.tasks.overviews import OverviewsTask, SquaresTask
from pipelines.engine.carry import _Renamed
from stores.block_list import BlockList
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.levels import squares_of
from stores.links import Links
from stores.overviews import create_overviews

GRID, SOURCES = BlockGrid(32), ("one",)


def make(path: Path, edition: str, blocks: BlockRange) -> Cube:
    store = DurableStore(path)
    CUBE.create(store, edition, GRID, blocks, SOURCES)
    create_overviews(store, edition, GRID, blocks, SOURCES)
    return Cube(str(path), edition, GRID, blocks, SOURCES)


def test_files_of_blocks_and_squares_find_their_place_in_a_cube_that_begins_elsewhere(tmp_path: Path) -> None:
    """The later cube begins a row and 33 columns before, so a square before, and lacks the last column."""
    before = make(tmp_path / "before.zarr", "2020", BlockRange(1101, 5921, 2, 3))
    now = make(tmp_path / "now.zarr", "2021", BlockRange(1100, 5888, 3, 35))
    blocks = BlockList.rectangle(1101, 5921, 2, 3)
    for i, block in enumerate(blocks):
        mask = (np.arange(1024).reshape(32, 32) < 150 * i).astype(np.uint8)
        before.write_block("croplayer", block, mask)
        before.write_block("cropland", block, mask, "one")
        before.write_block("rgb", block, np.full((32, 32, 3), 10 * i, np.uint8), "one")
    records = OverviewsTask(before)(blocks) + SquaresTask(before, blocks)(squares_of(blocks))
    renamed, links, left_out = _Renamed(before, now), Links(before.path, now.path), []
    for record in records:
        files = renamed.files(record.files)
        if files is None:
            left_out.append(record.block)
            continue
        for key, (new, _) in files.items():
            links.link(key, new)
    assert left_out == [BlockIndex(1101, 5923), BlockIndex(1102, 5923)]
    for old, new in zip(level_cubes(before), level_cubes(now), strict=True):
        shared = BlockList.rectangle(1101, 5921, 2, 2)
        for block in shared:
            at = old.cube.grid.window(block)
            for name in ("area_fraction", "known_fraction", "rgb"):
                np.testing.assert_array_equal(new.read(name, at), old.read(name, at))
        west = new.cube.grid.window(BlockIndex(1101, 5920))
        assert (new.read("area_fraction", west) == 255).all()
    assert renamed.key("2020/overviews/4/new/c/0/0/0") is None
    assert renamed.key("2021/overviews/4/rgb/c/0/0/0/0") is None
