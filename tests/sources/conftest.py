"""A small country of tiles and the server that fails on request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import morecantile
import numpy as np
import pytest
from PIL import Image
from shared.tile_server import ZOOM

from croplayer.landscape.server import TileServer, serve
from croplayer.sources import http_tiles, throttle


@pytest.fixture(scope="module")
def tile_country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiles of noise around four blocks; every seventh is not there."""
    root = tmp_path_factory.mktemp("fire")
    rng = np.random.default_rng(3)
    for i, tile in enumerate(morecantile.tms.get("WebMercatorQuad").tiles(113.98, 33.98, 114.12, 34.12, zooms=[ZOOM])):
        path = root / f"tiles/aster/{ZOOM}/{tile.x}/{tile.y}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i % 7 != 6:
            Image.fromarray(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8)).save(path, quality=50)
    return root


@pytest.fixture
def server(tile_country: Path) -> Iterator[TileServer]:
    with serve(tile_country / "tiles", retry_after_s=1, hang_s=3.0, drip_s=0.02) as running:
        yield running


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries that are short enough for a test."""
    monkeypatch.setattr(http_tiles, "SHORTEST_WAIT_S", 0.01)
    monkeypatch.setattr(throttle, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(throttle, "_POLL_S", 0.02)
