"""Overviews of blocks and squares in a cube on disk equal those of the whole map, however the blocks are grouped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shared.small_cubes import RANGE, SOURCES, make_cube

from croplayer.cube.overviews import level_cubes
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.overviews import coarser_overview, first_overview
from croplayer.tasks.overviews import OverviewsTask, SquaresTask
from stores.block_list import BlockList
from stores.durable import DurableStore, digest_file
from stores.grid import BlockIndex, PixelWindow
from stores.levels import squares_of
from stores.overviews import create_overviews
from stores.records import Status

BLOCKS = BlockList.rectangle(RANGE.row, RANGE.col, RANGE.rows, RANGE.cols)


def filled(path: Path, block_px: int) -> tuple[Cube, np.ndarray, np.ndarray]:
    """A cube with speckle, its masks (layer, y, x) and its imagery (source, y, x, band)."""
    cube, rng = make_cube(path, block_px), np.random.default_rng(block_px)
    create_overviews(DurableStore(path), "2020", cube.grid, cube.blocks, SOURCES)
    height, width = RANGE.rows * block_px, RANGE.cols * block_px
    masks = rng.choice(np.array([0, 1, 254], np.uint8), (3, height, width), p=(0.5, 0.3, 0.2))
    masks[:, :block_px, :block_px] = 254
    rgb = rng.integers(0, 256, (2, height, width, 3), np.uint8)
    for block in BLOCKS:
        at = cube.grid.window(block).slices_in(cube.blocks.window(cube.grid))
        cube.write_block("croplayer", block, masks[0][at])
        for i, source in enumerate(SOURCES):
            cube.write_block("cropland", block, masks[1 + i][at], source)
            cube.write_block("rgb", block, rgb[i][at], source)
    return cube, masks, rgb


def made(cube: Cube, groups: list[list[BlockIndex]]) -> dict[str, tuple[str, int]]:
    """Makes all overviews, a task for each group; returns the digests that the records tell, by key."""
    records = [record for group in groups for record in OverviewsTask(cube)(group)]
    squares = squares_of(BLOCKS)
    records += SquaresTask(cube, BLOCKS).narrowed(squares)(squares)
    assert {record.status for record in records} == {Status.DONE}, records
    return {key: digest for record in records for key, digest in record.files.items()}


@pytest.mark.parametrize(("block_px", "factors"), [(64, (4, 16, 64)), (32, (4, 16, 32)), (20, (4, 20))])
def test_levels_of_a_cube_are_those_of_its_whole_map(tmp_path: Path, block_px: int, factors: tuple[int, ...]) -> None:
    cube, masks, rgb = filled(tmp_path / "cube.zarr", block_px)
    files = made(cube, [list(BLOCKS)])
    for key, digest in files.items():
        assert digest_file(tmp_path / "cube.zarr" / key) == digest
    first = first_overview(masks, rgb)
    levels = level_cubes(cube)
    assert tuple(each.level.factor for each in levels) == factors
    for each in levels:
        factor = each.level.factor
        expected = first if factor == 4 else coarser_overview(first, factor // 4)
        window = cube.blocks.window(each.cube.grid)
        for name, pixels in zip(("area_fraction", "known_fraction", "rgb"), expected, strict=True):
            np.testing.assert_array_equal(each.read(name, window), pixels)
    whole = levels[-1].cube.blocks
    beyond = PixelWindow(whole.row, whole.col, 1, 1)
    assert not cube.holds(BlockIndex(whole.row, whole.col))
    assert (levels[-1].read("area_fraction", beyond) == 255).all()


def test_bytes_do_not_depend_on_how_blocks_are_grouped(tmp_path: Path) -> None:
    one, _, _ = filled(tmp_path / "one.zarr", 32)
    other, _, _ = filled(tmp_path / "other.zarr", 32)
    together = made(one, [list(BLOCKS)])
    assert made(other, [[block] for block in reversed(BLOCKS)]) == together
    # A block has three files in each of two levels, a square in the coarsest.
    assert len(together) == 6 * len(BLOCKS) + 3


def test_a_block_that_is_not_finished_is_never_processed_in_its_square(tmp_path: Path) -> None:
    cube, _, _ = filled(tmp_path / "cube.zarr", 64)
    done = BLOCKS.without(BlockList.of([BLOCKS[4]]))
    OverviewsTask(cube)(BLOCKS)
    (square,) = squares_of(done)
    (record,) = SquaresTask(cube, done)([square])
    assert record.status is Status.DONE
    coarsest = level_cubes(cube)[-1]
    found = coarsest.read("area_fraction", cube.blocks.window(coarsest.cube.grid))
    assert ((found == 255) == (np.arange(6).reshape(2, 3) == 4)).all()
    assert (found[:, 0, 0] == 254).all()


def test_a_block_whose_overviews_cannot_be_read_fails_its_square_alone(tmp_path: Path) -> None:
    cube, _, _ = filled(tmp_path / "cube.zarr", 64)
    OverviewsTask(cube)(BLOCKS)
    level = level_cubes(cube)[0].cube
    chunk = tmp_path / "cube.zarr" / level.edition / "area_fraction/c/0/0/0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data))
    (record,) = SquaresTask(cube, BLOCKS)(squares_of(BLOCKS))
    assert record.status is Status.FAILED
