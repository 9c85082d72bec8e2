"""Tiles that are kept on disk: as they came, checked, and telling what the provider has."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from shared.tile_server import GRID, ZOOM, a_place, blocks_of, decode, source_of, tiles_of

from croplayer.files.file_cache import forget_files
from croplayer.landscape.server import Fault, FaultRule, TileServer
from croplayer.sources import http_tiles
from croplayer.sources.throttle import ProviderOutError
from croplayer.sources.xyz import XyzSource

pytestmark = pytest.mark.usefixtures("short_waits")


def test_tiles_are_kept_with_their_digests_and_damage_is_fetched_again(
    server: TileServer, tile_country: Path, tmp_path: Path
) -> None:
    source = source_of(tiles_of(server, cache=str(tmp_path)))
    window = GRID.window(blocks_of(tile_country)[0])
    expected = source.read(window, GRID)
    asked = sum(server.requests.values())
    server.switch(FaultRule(Fault.SERVER_ERROR))
    forget_files()  # as a step does when it begins
    again = source.read(window, GRID)
    assert sum(server.requests.values()) == asked
    np.testing.assert_array_equal(again.rgb, expected.rgb)
    server.switch()
    entries = sorted(p for p in tmp_path.rglob("*.tile") if p.stat().st_size > 100)
    data = bytearray(entries[0].read_bytes())
    data[len(data) // 2] ^= 1
    entries[0].write_bytes(bytes(data))
    entries[1].write_bytes(entries[1].read_bytes()[:50])
    entries[2].write_bytes(b"")
    forget_files()
    mended = source.read(window, GRID)
    np.testing.assert_array_equal(mended.rgb, expected.rgb)
    assert sum(server.requests.values()) == asked + 3
    assert not list(tmp_path.rglob("*.partial"))


def test_a_picture_taken_for_a_placeholder_by_mistake_is_kept_as_it_came(
    server: TileServer, tile_country: Path, tmp_path: Path
) -> None:
    """The recipe calls a real tile a placeholder, then no more: its imagery is back, from the cache."""
    place = a_place(tile_country)
    wrong = hashlib.sha256((tile_country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()).hexdigest()
    cached = tiles_of(server, cache=str(tmp_path))
    window = GRID.window(GRID.block_at(114.05 - 1e-6, 34.05))
    mistaken, right = (XyzSource("aster", cached, ZOOM, placeholders=p) for p in ((wrong,), ()))
    notes = [mistaken.read(window, GRID).notes for _ in range(2)]
    assert notes[0] == notes[1] and notes[0]["tiles_placeholder"] == 1 <= notes[0]["tiles_missing"]
    asked = sum(server.requests.values())
    found = right.read(window, GRID)
    assert sum(server.requests.values()) == asked
    expected = XyzSource("aster", tiles_of(server), ZOOM).read(window, GRID)
    assert found.notes == expected.notes and found.notes["tiles_placeholder"] == 0
    np.testing.assert_array_equal(found.rgb, expected.rgb)
    np.testing.assert_array_equal(found.valid, expected.valid)


def test_the_cache_tells_other_processes_what_the_provider_has(
    server: TileServer, tile_country: Path, tmp_path: Path
) -> None:
    tiles_of(server, cache=str(tmp_path)).read_tile(a_place(tile_country), decode)
    http_tiles._shared_state.cache_clear()
    server.switch(FaultRule(Fault.NOT_FOUND))
    with pytest.raises(ProviderOutError):
        source_of(tiles_of(server, cache=str(tmp_path))).read(GRID.window(blocks_of(tile_country)[0]), GRID)
