"""Coverage of blocks that the imagery fills in part, from a cube on disk."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from croplayer.cube.whole_blocks import Cube
from croplayer.models.bundles.catalogue import shipped_folder
from croplayer.models.networks.manifest import bundle_digest
from croplayer.tasks.assess import AssessTask
from croplayer.vector.read import digest_vector
from croplayer.vector.region import Region, parts_of_region
from stores.block_list import BlockList
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange, Bounds

GRID = BlockGrid(64)
WEST, EAST = BlockIndex(1100, 5880), BlockIndex(1100, 5881)
GAP = slice(24, 64)
"""Columns of the western block that have no imagery."""


@pytest.fixture
def cube(tmp_path: Path) -> Cube:
    """Two blocks: the western is covered in its western part, the eastern but for a strip in its west."""
    CUBE.create(DurableStore(tmp_path), "2020", GRID, BlockRange(1100, 5880, 1, 2), ("aster",))
    cube = Cube.open(tmp_path)
    rng = np.random.default_rng(2)
    for block, missing in ((WEST, GAP), (EAST, slice(0, 4))):
        valid = np.ones((64, 64), bool)
        valid[:, missing] = False
        rgb = rng.integers(60, 200, (64, 64, 3)).astype(np.uint8) * valid[..., None]
        cube.write_block("rgb", block, rgb, "aster")
        cube.write_block("imagery_valid", block, valid, "aster")
    return cube


def task(cube: Cube, region: Region | None = None) -> AssessTask:
    folder = shipped_folder("landscape_coverage")
    return AssessTask(cube, None, str(folder), bundle_digest(folder), 0.1, region)


def coverage(task: AssessTask, block: BlockIndex) -> object:
    return task.one(block).values["coverage_type_aster"]


def test_a_block_at_the_edge_of_the_imagery_is_mapped_and_one_with_a_gap_is_not(cube: Cube) -> None:
    alone = task(cube).narrowed([WEST], BlockList.of([WEST]))
    beside = task(cube).narrowed([WEST, EAST], BlockList.of([WEST, EAST]))
    assert coverage(alone, WEST) != "Nodata" and coverage(beside, WEST) == "Nodata"
    # Four columns of 64 are less than a tenth.
    assert coverage(beside, EAST) != "Nodata"
    for group in ([WEST], [WEST, EAST]):
        assert beside.narrowed(group, BlockList.of([WEST, EAST])).one(WEST) == beside.one(WEST)


@pytest.mark.parametrize("kind", ["box", "polygon"])
def test_a_gap_outside_of_the_region_does_not_count(cube: Cube, tmp_path: Path, kind: str) -> None:
    box = GRID.bounds(WEST)._replace(east=GRID.bounds(WEST).west + 20 * GRID.px_deg)
    region = Region(box)
    if kind == "polygon":
        path = tmp_path / "region.gpkg"
        gpd.GeoDataFrame(geometry=[shapely.box(*box)], crs="EPSG:4326").to_file(path)
        region = Region(None, str(path), digest_vector(path))
    assert coverage(task(cube, region).narrowed([WEST], BlockList.of([WEST, EAST])), WEST) != "Nodata"
    whole = Region(Bounds(*GRID.bounds(WEST)[:2], GRID.bounds(EAST).east, GRID.bounds(EAST).north))
    assert coverage(task(cube, whole).narrowed([WEST], BlockList.of([WEST, EAST])), WEST) == "Nodata"
    assert next(parts_of_region(region, [WEST, EAST])) != ""
    assert not any(parts_of_region(whole, [WEST, EAST]))


def test_a_block_without_imagery_of_a_source_is_nodata(cube: Cube) -> None:
    cube.write_block("imagery_valid", WEST, np.zeros((64, 64), bool), "aster")
    assert coverage(task(cube), WEST) == "Nodata"


def test_one_pixel_of_imagery_is_enough_for_a_type(cube: Cube) -> None:
    valid = np.zeros((64, 64), bool)
    valid[40, 30] = True
    cube.write_block("imagery_valid", WEST, valid, "aster")
    assert coverage(task(cube), WEST) is not None
