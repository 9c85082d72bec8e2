"""Tile providers that fail in every way: the same pixels as from a healthy one, or an error; never a blank map."""

from __future__ import annotations

import pickle
import re
import threading
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from shared.block_processes import new_block_process
from shared.tile_server import EVERY_FAULT, GRID, ZOOM, a_place, blocks_of, decode, source_of, tiles_of

from croplayer.cube.whole_blocks import Cube
from croplayer.landscape.server import Fault, FaultRule, TileServer
from croplayer.sources.throttle import ProviderOutError
from croplayer.sources.tile_image import BadTileError
from croplayer.sources.tiles import FolderTiles
from croplayer.tasks.mosaic import MosaicTask
from croplayer.workers.isolated import BlockLimits, Work, run_isolated
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockRange
from stores.records import Status

pytestmark = pytest.mark.usefixtures("short_waits")

WORK_LIMITS = BlockLimits(300.0, 4 * 2**30)


def test_a_failing_server_gives_the_pixels_of_a_healthy_one(server: TileServer, tile_country: Path) -> None:
    healthy = source_of(FolderTiles(f"{tile_country}/tiles/aster/{{z}}/{{x}}/{{y}}.jpg"))
    expected = [healthy.read(GRID.window(b), GRID) for b in blocks_of(tile_country)]
    server.switch(*EVERY_FAULT)
    under_fire = source_of(tiles_of(server))
    tracemalloc.start()
    found = [under_fire.read(GRID.window(b), GRID) for b in blocks_of(tile_country)]
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got.rgb, wanted.rgb)
        np.testing.assert_array_equal(got.valid, wanted.valid)
        assert got.notes == wanted.notes
    assert sum(e.valid.sum() for e in expected) > 0
    assert extra < 300e6


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_survived_once(server: TileServer, tile_country: Path, fault: Fault) -> None:
    place = a_place(tile_country)
    wanted = (tile_country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()
    server.switch(FaultRule(fault, 1.0, 1))
    start = time.monotonic()
    tile = tiles_of(server).read_tile(place, decode)
    assert time.monotonic() - start < 10
    assert tile.imagery is not None
    np.testing.assert_array_equal(tile.imagery.rgb, decode(wanted).imagery.rgb)


@pytest.mark.parametrize("fault", [f for f in Fault if f not in (Fault.NOT_FOUND, Fault.PLACEHOLDER)])
def test_a_fault_that_stays_is_an_error_and_never_no_imagery(
    server: TileServer, tile_country: Path, fault: Fault
) -> None:
    server.switch(FaultRule(fault))
    tiles = tiles_of(server, patience_s=1.5, deadline_s=0.5, tries=2)
    with pytest.raises((ConnectionError, BadTileError)) as caught:
        tiles.read_tile(a_place(tile_country), decode)
    assert str(caught.value).count("\n") == 0
    assert caught.value.__context__ is None


@pytest.mark.parametrize("fault", [Fault.NOT_FOUND, Fault.PLACEHOLDER])
def test_a_provider_that_suddenly_has_nothing_is_out_and_not_empty(
    server: TileServer, tile_country: Path, fault: Fault
) -> None:
    source = source_of(tiles_of(server))
    here, there, *_ = blocks_of(tile_country)
    assert source.read(GRID.window(here), GRID).valid.any()
    server.switch(FaultRule(fault))
    with pytest.raises(ProviderOutError, match="does not serve tile"):
        source.read(GRID.window(there), GRID)


@pytest.mark.parametrize("fault", [Fault.NOT_FOUND, Fault.PLACEHOLDER])
@pytest.mark.parametrize(
    ("is_checked", "reason"),
    [
        (True, r"says that \d+ tiles are absent, .* does not serve tile .* either"),
        (False, "no tile that it has is known; name one"),
    ],
    ids=["checked", "not checked"],
)
def test_a_fresh_process_knows_what_the_provider_has_or_takes_nothing_for_absent(
    server: TileServer, tile_country: Path, tmp_path: Path, fault: Fault, is_checked: bool, reason: str
) -> None:
    """The client checks the source; the process for the blocks never sees a tile served, and keeps none."""
    blocks = blocks_of(tile_country)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, BlockRange.around(blocks), ("aster",))
    source = source_of(tiles_of(server, edition=f"{fault} {is_checked}"))
    if is_checked:
        source.check(GRID.bounds(blocks[0]))
    server.switch(FaultRule(fault))
    work = Work(pickle.dumps(MosaicTask(Cube.open(tmp_path / "cube.zarr"), (source,))), "once")
    with new_block_process():
        outcome = run_isolated(work, [tuple(block) for block in blocks], WORK_LIMITS)
    records = [record for batch in outcome.records for record in pickle.loads(batch)]
    assert [record.status for record in records] == [Status.FAILED] * len(blocks)
    assert all(re.search(reason, record.reason) for record in records), records


def test_an_outage_is_waited_for(server: TileServer, tile_country: Path) -> None:
    source = source_of(tiles_of(server, tries=2))
    window = GRID.window(blocks_of(tile_country)[0])
    expected = source.read(window, GRID)
    server.switch(FaultRule(Fault.SERVER_ERROR))
    threading.Timer(1.5, server.switch).start()
    start = time.monotonic()
    while True:
        try:
            found = source.read(window, GRID)
            break
        except ConnectionError:
            assert time.monotonic() - start < 20
    np.testing.assert_array_equal(found.rgb, expected.rgb)
    np.testing.assert_array_equal(found.valid, expected.valid)


def test_a_folder_that_has_gone_is_no_missing_imagery(tile_country: Path, tmp_path: Path) -> None:
    source = source_of(FolderTiles(f"{tmp_path}/tiles/{{z}}/{{x}}/{{y}}.jpg"))
    with pytest.raises(FileNotFoundError, match=r"tile folder .* does not exist"):
        source.read(GRID.window(blocks_of(tile_country)[0]), GRID)
