"""Single requests: they end in time, stay at their host and leave nothing behind."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest
from shared.source_files import BLOCK, write_items
from shared.tile_server import GRID, ZOOM, a_place

from croplayer.landscape.server import TileServer
from croplayer.products.stac_codes import StacCodes
from croplayer.sources import guarded_http, remote_raster
from croplayer.sources.access import Access
from croplayer.sources.guarded_http import FetchError, Limits, fetch
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.stac import StacSource
from croplayer.sources.tile_image import MISSING
from croplayer.sources.tiles import TilePlace

pytestmark = pytest.mark.usefixtures("short_waits")


def raw_server(answer: bytes, pause_s: float = 0.0) -> tuple[socket.socket, int]:
    """A server that says ``answer`` byte by byte to everyone."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection:
            try:
                connection.recv(65536)
                if not pause_s:
                    connection.sendall(answer)
                    return
                for i in range(len(answer)):
                    connection.sendall(answer[i : i + 1])
                    time.sleep(pause_s)
            except OSError:
                pass

    def listen() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    return listening, listening.getsockname()[1]


LIMITS = Limits(1.0, 10_000, frozenset({"127.0.0.1"}), True)


@pytest.mark.parametrize(
    ("answer", "pause_s", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 500, 0.05, "did not arrive within 1 s"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"a" * 500, 0.02, "did not arrive within 1 s"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"a" * 500, 0.02, "did not arrive within 1 s"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 20_000, 0, "is larger than 10000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\naaa", 0, "could not be fetched"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\naaa", 0, "came compressed"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/x\r\nContent-Length: 0\r\n\r\n",
            0,
            "169.254.169.254",
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", 0, "not one of its hosts"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /again\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            0,
            "redirected more than 3 times",
        ),
        (b"no http at all\r\n\r\n", 0, "could not be fetched"),
        (b"", 0, "could not be fetched"),
    ],
)
def test_a_request_ends_in_time_and_stays_where_it_belongs(answer: bytes, pause_s: float, message: str) -> None:
    listening, port = raw_server(answer, pause_s)
    start = time.monotonic()
    with listening, pytest.raises(FetchError, match=message) as caught:
        fetch(f"http://127.0.0.1:{port}/?key=canary-7f3a", LIMITS)
    assert time.monotonic() - start < 4
    assert "canary" not in str(caught.value) and caught.value.__context__ is None


def test_a_name_must_not_lead_into_a_private_network(monkeypatch: pytest.MonkeyPatch) -> None:
    listening, port = raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: real("127.0.0.1", *rest, **more))
    address = f"http://tiles.example:{port}/"
    with listening:
        with pytest.raises(FetchError, match=r"private network.*private_network = true"):
            fetch(address, Limits(2.0, 100, frozenset({"tiles.example"}), False))
        assert fetch(address, Limits(2.0, 100, frozenset({"tiles.example"}), True)).body == b"a"


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Internal Server Error"])
def test_an_asset_that_its_server_does_not_have_is_no_missing_imagery(
    tmp_path: Path, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_raster, "FIRST_WAIT_S", 0.01)
    listening, port = raw_server(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    href = f"http://127.0.0.1:{port}/{status[:3].decode()}/scene.tif?sig=canary-7f3a"
    items = write_items(tmp_path / "items.json", href)
    window = GRID.window(BLOCK)
    access = Access(True, ("127.0.0.1",), private_network=True)
    expected = r"raster http://127.*/scene\.tif (does not exist: its server|was answered with status 500; run the same)"
    with listening:
        with pytest.raises(ConnectionError, match=expected) as imagery:
            StacSource("a", items, ("visual",), access=access).read(window, GRID)
        with pytest.raises(ConnectionError, match=expected) as codes:
            list(StacCodes(items, "visual", access=access).parts(window, GRID))
    for caught in (imagery, codes):
        assert "canary" not in str(caught.value) and caught.value.__cause__ is None


def test_a_refusal_is_not_tried_again() -> None:
    listening, port = raw_server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    tiles = HttpTiles(f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}", True)
    with listening, pytest.raises(PermissionError, match=r"refuses with status 403; check the token"):
        tiles.read_tile(TilePlace(1, 2, 3), lambda data: MISSING)


def test_nothing_lives_longer_than_its_request(server: TileServer, tile_country: Path) -> None:
    """Deadlines of requests that are over must not cut the connection that the next ones of the thread use."""
    place = a_place(tile_country)
    url = server.url("aster").format(z=ZOOM, x=place.x, y=place.y)
    limits = LIMITS._replace(deadline_s=2.0, largest_bytes=1_000_000)
    wanted = (tile_country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        assert fetch(url, limits).body == wanted
        assert getattr(guarded_http._current, "call", None) is None
        time.sleep(0.03)
