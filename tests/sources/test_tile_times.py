"""From when tiles of a server are: what its headers state, never more, and the same from the cache."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from shared.tile_server import GRID, blocks_of, source_of, tiles_of

from croplayer.cube.whole_blocks import Cube
from croplayer.files.file_cache import forget_files
from croplayer.landscape.server import serve
from croplayer.landscape.tiles import TileIndex
from croplayer.sources.dates import imagery_times
from croplayer.sources.tile_cache import TileCache
from croplayer.sources.tile_times import CAPTURED, CHANGED, times_of, together, told_in
from croplayer.sources.tiles import FolderTiles
from croplayer.sources.time_spans import NOT_TOLD, ImageryTimes, TimeSpan, parse_span
from croplayer.tasks.mosaic import MosaicTask
from stores.cube import CUBE
from stores.grid import BlockIndex, BlockRange
from stores.places import open_store

pytestmark = pytest.mark.usefixtures("short_waits")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "times"),
    [
        ({CHANGED: "Tue, 02 Jun 2020 10:00:00 GMT"}, ImageryTimes(None, datetime(2020, 6, 2, 10, tzinfo=UTC))),
        ({CAPTURED: "6/1/2020-8/31/2020"}, ImageryTimes(parse_span("2020-06/2020-08"))),
        ({CAPTURED: "6/1/2020-6/1/2020"}, ImageryTimes(parse_span("2020-06-01"))),
        ({CHANGED: "Thu, 01 Jan 1970 00:00:00 GMT"}, NOT_TOLD),
        ({CHANGED: "Tue, 02 Jun 2026 10:00:00 GMT"}, NOT_TOLD),
        ({CHANGED: "yesterday"}, NOT_TOLD),
        ({CHANGED: "Tue, 99 Jun 2020 10:00:00 GMT"}, NOT_TOLD),
        ({CAPTURED: "8/31/2020-6/1/2020"}, NOT_TOLD),
        ({CAPTURED: "2020"}, NOT_TOLD),
        ({CAPTURED: "13/1/2020-14/1/2020"}, NOT_TOLD),
        ({}, NOT_TOLD),
    ],
)  # fmt: skip
def test_only_times_that_can_be_count(headers: Mapping[str, str], times: ImageryTimes) -> None:
    assert times_of(headers, NOW) == times
    assert told_in({name: f"{text}" for name, text in headers.items()} | {"server": "x"}).keys() <= headers.keys()


def test_a_tile_that_does_not_tell_makes_its_block_unknown() -> None:
    early, late = (
        ImageryTimes(parse_span(text), datetime(year, 5, 1, tzinfo=UTC))
        for text, year in (("2018", 2019), ("2020", 2021))
    )
    assert together([early, late]) == ImageryTimes(
        TimeSpan(parse_span("2018").start, parse_span("2020").end), late.renewed
    )
    assert together([early, NOT_TOLD]) == NOT_TOLD == together([])
    assert together([early, late._replace(taken=None)]) == ImageryTimes(None, late.renewed)


def test_blocks_keep_what_the_server_says_and_so_does_the_cache(tile_country: Path, tmp_path: Path) -> None:
    blocks = blocks_of(tile_country)
    places = [_places_under(tile_country, block) for block in blocks]
    silent = places[3] - places[0]

    def headers(tile: TileIndex) -> dict[str, str]:
        changed = {"Last-Modified": f"Tue, 02 Jun 2020 10:{tile.x % 60:02d}:00 GMT"}
        return (
            changed
            if (tile.x, tile.y) in silent
            else changed | {"X-VE-TILEMETA-CaptureDatesRange": "5/1/2019-5/3/2019"}
        )

    with serve(tile_country / "tiles", headers=headers) as server:
        tiles = tiles_of(server, cache=str(tmp_path / "cache"))
        first = source_of(tiles).read(GRID.window(blocks[0]), GRID)
        asked = sum(server.requests.values())
        forget_files()
        again = source_of(tiles).read(GRID.window(blocks[0]), GRID)
        assert sum(server.requests.values()) == asked and again.times == first.times
        assert first.times.renewed is not None and f"{first.times.renewed:%Y-%m-%d}" == "2020-06-02"
        cube = Cube(str(tmp_path / "cube.zarr"), "1", GRID, BlockRange.around(blocks), ("aster",))
        CUBE.create(open_store(tmp_path / "cube.zarr", read_only=False), "1", GRID, cube.blocks, cube.sources, ())
        records = MosaicTask(cube, (source_of(tiles),))(blocks)
    assert all(record.status.is_finished for record in records), records
    told = pd.DataFrame([record.values for record in records], index=[block.name for block in blocks])
    times = imagery_times((source_of(tiles),), {}, blocks, GRID, told)
    assert list(times.taken_from_aster.notna()) == [not under & silent for under in places] != [False] * 4
    assert times.taken_to_aster.dropna().iloc[0] == pd.Timestamp("2019-05-03T23:59:59.999Z")
    assert times.renewed_aster.notna().all()
    stated = imagery_times((source_of(tiles),), {"aster": parse_span("2017")}, blocks, GRID, told)
    assert stated.taken_from_aster.dt.year.eq(2017).all() and stated.renewed_aster.notna().all()


def _places_under(country: Path, block: BlockIndex) -> set[tuple[int, ...]]:
    """Column and row of the tiles that lie under a block and that the server has."""
    folder = FolderTiles(f"{country}/tiles/aster/{{z}}/{{x}}/{{y}}.jpg")
    paths = [Path(path) for path in source_of(folder).files_of(block, GRID)]
    return {tuple(map(int, path.with_suffix("").parts[-2:])) for path in paths if path.is_file()}


def test_an_entry_with_damaged_headers_counts_as_missing(tmp_path: Path) -> None:
    cache = TileCache(str(tmp_path))
    cache.put(1, 2, 3, b"pixels", {CHANGED: "Tue, 02 Jun 2020 10:00:00 GMT"})
    found = cache.find(1, 2, 3)
    assert found is not None and found.data == b"pixels" == cache.get(1, 2, 3) and CHANGED in found.told
    path = next(tmp_path.rglob("*.tile"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    assert cache.find(1, 2, 3) is None
    cache.put(1, 2, 4, b"")
    empty = cache.find(1, 2, 4)
    assert empty is not None and not empty.data and not empty.told
