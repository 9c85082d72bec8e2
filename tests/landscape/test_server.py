"""Every fault of the tile server arrives at a client as announced."""

from __future__ import annotations

import gzip
import http.client
import io
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from croplayer.landscape.country import Country
from croplayer.landscape.server import Fault, FaultRule, TileServer, placeholder_tile, serve
from croplayer.landscape.tiles import TileIndex, render_tile

TILE = TileIndex(14, 13400, 6500)
PICTURE = Image.fromarray(np.random.default_rng(3).integers(0, 255, (256, 256, 3), dtype=np.uint8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for x in range(13400, 13420):
        path = tmp_path / "aster" / "14" / str(x) / "6500.jpg"
        path.parent.mkdir(parents=True)
        PICTURE.save(path, format="JPEG")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[TileServer]:
    with serve(folder, hang_s=20.0, drip_s=0.05, retry_after_s=7) as running:
        yield running


def _url(server: TileServer, source: str = "aster", x: int = TILE.x) -> str:
    return server.url(source).format(z=TILE.zoom, x=x, y=TILE.y)


def _get(url: str, timeout: float = 5.0, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), dict(error.headers)


def test_a_folder_is_served_byte_for_byte_and_what_is_missing_is_404(server: TileServer, folder: Path) -> None:
    status, body, headers = _get(_url(server))
    assert status == 200
    assert body == (folder / "aster/14/13400/6500.jpg").read_bytes()
    assert _get(_url(server), **{"If-None-Match": headers["ETag"]})[0] == 304
    assert _get(_url(server, source="borealis"))[0] == 404
    assert _get(server.address + "/aster/14/../../etc/passwd")[0] == 404
    assert _get(server.address + "/aster/3/9/1.jpg")[0] == 404


def test_a_country_is_served_as_its_tiles_are_written() -> None:
    country = Country(1)
    with serve(country) as server:
        for source, data in render_tile(country, TILE, ["aster", "borealis"]).items():
            assert _get(_url(server, source=source))[1] == data


@pytest.mark.parametrize(("fault", "status"), [("404", 404), ("429", 429), ("500", 500)])
def test_status_faults(server: TileServer, fault: str, status: int) -> None:
    server.switch(FaultRule.parse(fault))
    got, _, headers = _get(_url(server))
    assert got == status
    assert headers.get("Retry-After") == ("7" if status == 429 else None)


def test_a_fault_that_happens_twice_is_gone_the_third_time(server: TileServer) -> None:
    server.switch(FaultRule.parse("500:1:2"))
    assert [_get(_url(server))[0] for _ in range(3)] == [500, 500, 200]


def test_a_share_of_tiles_fails_and_always_the_same_ones(server: TileServer) -> None:
    server.switch(FaultRule(Fault.SERVER_ERROR, share=0.4))
    first, second = ([_get(_url(server, x=x))[0] for x in range(13400, 13420)] for _ in range(2))
    assert first == second
    assert 2 <= first.count(500) <= 14


def test_a_hanging_tile_says_nothing(server: TileServer) -> None:
    server.switch(FaultRule(Fault.HANG))
    with pytest.raises(TimeoutError):
        _get(_url(server), timeout=0.3)


def test_a_dripping_tile_never_idles_long_and_never_ends(server: TileServer) -> None:
    server.switch(FaultRule(Fault.DRIP))
    begin = time.monotonic()
    with urllib.request.urlopen(_url(server), timeout=1.0) as answer:
        received = answer.read(8)
        length = int(answer.headers["Content-Length"])
    assert len(received) == 8 < length
    assert time.monotonic() - begin > 0.3


def test_a_truncated_body_is_shorter_than_announced(server: TileServer) -> None:
    server.switch(FaultRule(Fault.TRUNCATED))
    with pytest.raises(http.client.IncompleteRead):
        _get(_url(server))


def test_bodies_that_are_no_tile(server: TileServer) -> None:
    server.switch(FaultRule(Fault.HTML))
    status, body, headers = _get(_url(server))
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert body.startswith(b"<!DOCTYPE html>")
    server.switch(FaultRule(Fault.PLACEHOLDER))
    assert _get(_url(server))[1] == placeholder_tile()
    server.switch(FaultRule(Fault.WRONG_IMAGE))
    assert Image.open(io.BytesIO(_get(_url(server))[1])).size == (300, 200)


def test_the_gzip_bomb_is_small_on_the_wire_and_huge_unpacked(server: TileServer) -> None:
    server.switch(FaultRule(Fault.GZIP_BOMB))
    _, body, headers = _get(_url(server), timeout=20.0)
    assert headers["Content-Encoding"] == "gzip"
    assert len(body) < 500_000
    with gzip.open(io.BytesIO(body)) as stream:
        total = 0
        while piece := stream.read(1 << 24):
            total += len(piece)
    assert total == 200_000_000


def test_the_rate_limit_answers_429_above_it_and_recovers(folder: Path) -> None:
    with serve(folder, rate_limit_per_s=5) as server:
        statuses = [_get(_url(server))[0] for _ in range(12)]
        assert statuses[:5] == [200] * 5
        assert statuses.count(429) >= 5
        time.sleep(1.1)
        assert _get(_url(server))[0] == 200


@pytest.mark.parametrize("text", ["418", "500:two", "500:0.5:x", "500:1:2:3", "500:2", "500:1:0"])
def test_unknown_faults_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        FaultRule.parse(text)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist"), serve(tmp_path / "nothing"):
        pass
