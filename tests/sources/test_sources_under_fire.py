"""Tile providers that fail in every way: the same pixels as from a healthy one, or an error; never a blank map."""

from __future__ import annotations

import hashlib
import io
import logging
import pickle
import re
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import morecantile
import numpy as np
import pytest
import rasterio
from PIL import Image
from shared.faults import EVERY_FAULT, PLACEHOLDER
from shared.source_files import BLOCK, write_items

from croplayer.cube.whole_blocks import Cube
from croplayer.landscape.server import Fault, FaultRule, TileServer, placeholder_tile, serve
from croplayer.products.stac_codes import StacCodes
from croplayer.sources import guarded_http, http_tiles, throttle
from croplayer.sources.guarded_http import FetchError, Limits, fetch
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.redaction import Secret
from croplayer.sources.stac import StacSource
from croplayer.sources.throttle import ProviderOutError
from croplayer.sources.tile_image import MISSING, BadTileError, TileKind, decode_tile
from croplayer.sources.tiles import FolderTiles, TilePlace
from croplayer.sources.xyz import XyzSource
from croplayer.tasks.mosaic import MosaicTask
from croplayer.workers import isolated
from croplayer.workers.isolated import Limits as WorkLimits
from croplayer.workers.isolated import Work, run_isolated
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow
from stores.ledger import Ledger
from stores.records import Status

GRID = BlockGrid(128)
ZOOM = 13
WORK_LIMITS = WorkLimits(300.0, 4 * 2**30)


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
def server(country: Path) -> Iterator[TileServer]:
    with serve(country / "tiles", retry_after_s=1, hang_s=3.0, drip_s=0.02) as running:
        yield running


def tiles_of(server: TileServer, **settings: object) -> HttpTiles:
    """A patient reader of the server whose waits are short."""
    usual: dict[str, object] = {"deadline_s": 1.0, "patience_s": 60.0, "requests_per_s": 2000.0}
    return HttpTiles(server.url("aster"), True, **{**usual, **settings})  # type: ignore[arg-type]


def source_of(tiles: HttpTiles | FolderTiles) -> XyzSource:
    return XyzSource("aster", tiles, ZOOM, placeholders=(PLACEHOLDER,))


def blocks_of(country: Path) -> list[BlockIndex]:
    first = GRID.block_at(114.01, 34.09)
    return [BlockIndex(first.row + i, first.col + j) for i in (0, 1) for j in (0, 1)]


def a_place(country: Path) -> TilePlace:
    """A tile that the country has."""
    tile = morecantile.tms.get("WebMercatorQuad").tile(114.05, 34.05, ZOOM)
    return TilePlace(tile.x, tile.y, ZOOM)


def decode(data: bytes) -> object:
    return decode_tile(data, 256, frozenset({PLACEHOLDER}), "tile")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_tiles, "SHORTEST_WAIT_S", 0.01)
    monkeypatch.setattr(throttle, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(throttle, "_POLL_S", 0.02)


def test_a_failing_server_gives_the_pixels_of_a_healthy_one(server: TileServer, country: Path) -> None:
    healthy = source_of(FolderTiles(f"{country}/tiles/aster/{{z}}/{{x}}/{{y}}.jpg"))
    expected = [healthy.read(GRID.window(b), GRID) for b in blocks_of(country)]
    server.switch(*EVERY_FAULT)
    under_fire = source_of(tiles_of(server))
    tracemalloc.start()
    found = [under_fire.read(GRID.window(b), GRID) for b in blocks_of(country)]
    extra = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(got.rgb, wanted.rgb)
        np.testing.assert_array_equal(got.valid, wanted.valid)
        assert got.notes == wanted.notes
    assert sum(e.valid.sum() for e in expected) > 0
    assert extra < 300e6


@pytest.mark.parametrize("fault", list(Fault))
def test_every_fault_is_survived_once(server: TileServer, country: Path, fault: Fault) -> None:
    place = a_place(country)
    wanted = (country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()
    server.switch(FaultRule(fault, 1.0, 1))
    start = time.monotonic()
    tile = tiles_of(server).read_tile(place, decode)
    assert time.monotonic() - start < 10
    assert tile.imagery is not None
    np.testing.assert_array_equal(tile.imagery.rgb, decode(wanted).imagery.rgb)


@pytest.mark.parametrize("fault", [f for f in Fault if f not in (Fault.NOT_FOUND, Fault.PLACEHOLDER)])
def test_a_fault_that_stays_is_an_error_and_never_no_imagery(server: TileServer, country: Path, fault: Fault) -> None:
    server.switch(FaultRule(fault))
    tiles = tiles_of(server, patience_s=1.5, deadline_s=0.5, tries=2)
    with pytest.raises((ConnectionError, BadTileError)) as caught:
        tiles.read_tile(a_place(country), decode)
    assert str(caught.value).count("\n") == 0
    assert caught.value.__context__ is None


@pytest.mark.parametrize("fault", [Fault.NOT_FOUND, Fault.PLACEHOLDER])
def test_a_provider_that_suddenly_has_nothing_is_out_and_not_empty(
    server: TileServer, country: Path, fault: Fault
) -> None:
    source = source_of(tiles_of(server))
    here, there, *_ = blocks_of(country)
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
    server: TileServer, country: Path, tmp_path: Path, fault: Fault, is_checked: bool, reason: str
) -> None:
    """The client checks the source; the process for the blocks never sees a tile served, and keeps none."""
    blocks = blocks_of(country)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, BlockRange.around(blocks), ("aster",))
    source = source_of(tiles_of(server, edition=f"{fault} {is_checked}"))
    if is_checked:
        source.check(GRID.bounds(blocks[0]))
    server.switch(FaultRule(fault))
    work = Work(pickle.dumps(MosaicTask(Cube.open(tmp_path / "cube.zarr"), (source,))), "once")
    try:
        outcome = run_isolated(work, [tuple(block) for block in blocks], WORK_LIMITS)
    finally:
        isolated._end_process()
    records = [record for batch in outcome.records for record in pickle.loads(batch)]
    assert [record.status for record in records] == [Status.FAILED] * len(blocks)
    assert all(re.search(reason, record.reason) for record in records), records


def test_an_outage_is_waited_for(server: TileServer, country: Path) -> None:
    source = source_of(tiles_of(server, tries=2))
    window = GRID.window(blocks_of(country)[0])
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


def test_while_a_provider_is_out_it_is_hardly_asked() -> None:
    gate = throttle.Throttle("tiles.example", 1e6, patience_s=0.6, burst=8)
    for _ in range(throttle.FAILURES_TO_PAUSE):
        assert gate.enter() is False
        gate.failed()
    asked = 0
    with pytest.raises(ProviderOutError, match=r"tiles\.example has not answered for \d+ s"):
        while True:
            assert gate.enter() is True
            asked += 1
            gate.failed()
    assert 1 <= asked <= 5
    time.sleep(1.0)
    assert gate.enter() is True
    gate.answered()
    assert [gate.enter() for _ in range(5)] == [False] * 5


def test_the_rate_is_kept_by_all_threads_together() -> None:
    gate = throttle.Throttle("tiles.example", 100.0, patience_s=10, burst=1)
    times: list[float] = []

    def ask() -> None:
        for _ in range(10):
            gate.enter()
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 40 and max(times) - start >= 38 / 100


def test_retry_after_is_honoured_and_a_very_long_one_is_an_error(server: TileServer, country: Path) -> None:
    server.switch(FaultRule(Fault.TOO_MANY, 1.0, 1))
    start = time.monotonic()
    tiles_of(server).read_tile(a_place(country), decode)
    assert time.monotonic() - start >= 1.0
    server.retry_after_s = 3600
    server.requests.clear()
    with pytest.raises(ProviderOutError, match="asks for a wait of 3600 s"):
        tiles_of(server, edition="again").read_tile(a_place(country), decode)


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
def test_an_asset_that_its_server_does_not_have_is_no_missing_imagery(tmp_path: Path, status: bytes) -> None:
    listening, port = raw_server(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    href = f"http://127.0.0.1:{port}/{status[:3].decode()}/scene.tif?sig=canary-7f3a"
    items = write_items(tmp_path / "items.json", href)
    window = GRID.window(BLOCK)
    expected = rf"asset of STAC items at block {BLOCK.name} cannot be read: .*scene\.tif.*run the same command again"
    with listening:
        with pytest.raises(ConnectionError, match=expected) as imagery:
            StacSource("a", items, ("visual",)).read(window, GRID)
        with pytest.raises(ConnectionError, match=expected) as codes:
            list(StacCodes(items, "visual").parts(window, GRID))
    for caught in (imagery, codes):
        assert "canary" not in str(caught.value) and caught.value.__cause__ is None


def test_tiles_are_kept_with_their_digests_and_damage_is_fetched_again(
    server: TileServer, country: Path, tmp_path: Path
) -> None:
    source = source_of(tiles_of(server, cache=str(tmp_path)))
    window = GRID.window(blocks_of(country)[0])
    expected = source.read(window, GRID)
    asked = sum(server.requests.values())
    server.switch(FaultRule(Fault.SERVER_ERROR))
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
    mended = source.read(window, GRID)
    np.testing.assert_array_equal(mended.rgb, expected.rgb)
    assert sum(server.requests.values()) == asked + 3
    assert not list(tmp_path.rglob("*.partial"))


def test_a_picture_taken_for_a_placeholder_by_mistake_is_kept_as_it_came(
    server: TileServer, country: Path, tmp_path: Path
) -> None:
    """The recipe calls a real tile a placeholder, then no more: its imagery is back, from the cache."""
    place = a_place(country)
    wrong = hashlib.sha256((country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()).hexdigest()
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
    server: TileServer, country: Path, tmp_path: Path
) -> None:
    tiles_of(server, cache=str(tmp_path)).read_tile(a_place(country), decode)
    http_tiles._provider.cache_clear()
    server.switch(FaultRule(Fault.NOT_FOUND))
    with pytest.raises(ProviderOutError):
        source_of(tiles_of(server, cache=str(tmp_path))).read(GRID.window(blocks_of(country)[0]), GRID)


def test_a_folder_that_has_gone_is_no_missing_imagery(country: Path, tmp_path: Path) -> None:
    source = source_of(FolderTiles(f"{tmp_path}/tiles/{{z}}/{{x}}/{{y}}.jpg"))
    with pytest.raises(FileNotFoundError, match=r"tile folder .* does not exist"):
        source.read(GRID.window(blocks_of(country)[0]), GRID)


def test_what_the_tiles_were_is_counted(country: Path, tmp_path: Path) -> None:
    source = source_of(FolderTiles(f"{tmp_path}/{{z}}/{{x}}/{{y}}.png"))
    window = PixelWindow(*GRID.window(blocks_of(country)[0]))
    rng = np.random.default_rng(0)
    wide = morecantile.tms.get("WebMercatorQuad").tiles(*GRID.window_bounds(window), zooms=[ZOOM])
    kinds = []
    for i, tile in enumerate(wide):
        path = tmp_path / f"{ZOOM}/{tile.x}/{tile.y}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(rng.integers(0, 256, (256, 256, 3)).astype(np.uint8))
        if i == 0:
            path.write_bytes(placeholder_tile())
        elif i == 1:
            Image.new("RGB", (256, 256), (9, 9, 9)).save(path)
        elif i == 2:
            image.resize((128, 128)).resize((256, 256)).save(path)
        else:
            image.save(path)
        kinds.append(i)
    notes = source.read(window, GRID).notes
    assert notes["tiles_placeholder"] == 1 and notes["tiles_blank"] == 1 and notes["tiles_overzoomed"] == 1
    assert notes["tiles"] == len(kinds) + notes["tiles_missing"]


def test_real_imagery_is_told_from_imagery_blown_up(data: Path) -> None:
    """Native aerial imagery and the same at twice the size, both after JPEG."""
    wrong = {"native": 0, "blown up": 0}
    count = 0
    rng = np.random.default_rng(0)
    for path in sorted((data / "naip_dates").glob("*.tif")):
        with rasterio.open(path) as file:
            for _ in range(8):
                row, col = rng.integers(0, file.height - 255), rng.integers(0, file.width - 255)
                pixels = file.read([1, 2, 3], window=((row, row + 256), (col, col + 256))).transpose(1, 2, 0)
                if (pixels == 0).all(axis=2).mean() > 0.01:
                    continue
                count += 1
                native = Image.fromarray(np.ascontiguousarray(pixels))
                for name, image in (
                    ("native", native),
                    ("blown up", native.resize((128, 128), Image.Resampling.BOX).resize((256, 256))),
                ):
                    buffer = io.BytesIO()
                    image.save(buffer, "JPEG", quality=85)
                    kind = decode_tile(buffer.getvalue(), 256, frozenset(), "tile").kind
                    wrong[name] += kind is not (TileKind.IMAGE if name == "native" else TileKind.OVERZOOMED)
    assert count > 10
    assert wrong["native"] <= 0.05 * count and wrong["blown up"] <= 0.05 * count, (wrong, count)


def test_the_token_is_shown_nowhere(
    server: TileServer, country: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TILE_TOKEN", "canary-7f3a/+ x")
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    tiles = replace(
        tiles_of(server, tries=1, deadline_s=0.5, patience_s=1.0),
        template=f"{server.url('aster')}?key={{token}}",
        token_env="TILE_TOKEN",
    )
    told = [repr(tiles), str(Secret("canary-7f3a")), repr(Secret("canary-7f3a"))]
    for fault in Fault:
        server.switch(FaultRule(fault))
        try:
            told.append(repr(tiles.read_tile(a_place(country), decode)))
        except (ConnectionError, BadTileError, PermissionError) as error:
            told += [str(error), repr(error), str(pickle.dumps(error)), repr(error.__context__)]
    unreachable = replace(tiles, template="http://127.0.0.1:9/{z}/{x}/{y}?key={token}")
    with pytest.raises(ConnectionError) as caught:
        unreachable.read_tile(a_place(country), decode)
    told += [str(caught.value), repr(caught.value.__context__), str(pickle.dumps(tiles)), caplog.text]
    assert "GET" in caplog.text
    assert not [text for text in told if "canary" in text]
    with pytest.raises(TypeError, match="environment variable"):
        pickle.dumps(Secret("canary-7f3a"))


@pytest.mark.parametrize(
    ("template", "settings", "message"),
    [
        ("https://t.example/{z}/{x}/{y}?access_token=pk.123", {}, r"holds a secret \(access_token\)"),
        ("https://me:pw@t.example/{z}/{x}/{y}", {}, r"holds a secret \(user name or password\)"),
        ("http://t.example/{z}/{x}/{y}?k={token}", {"token_env": "T"}, "would travel unencrypted"),
        ("https://{x}.example/{z}/{x}/{y}", {}, "fixed host"),
        ("file:///etc/{z}/{x}/{y}", {}, "not an http or https address"),
        ("https://t.example/{z}/{x}/{y}", {"requests_per_s": 0.0}, "requests_per_s is 0.0"),
        ("https://t.example/{z}/{x", {}, "cannot be read"),
    ],
)
def test_bad_addresses_are_refused_without_telling_secrets(
    template: str, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        HttpTiles(template, True, **settings)  # type: ignore[arg-type]
    assert "pk.123" not in str(caught.value) and "pw" not in str(caught.value).replace("password", "")


def test_a_refusal_is_not_tried_again() -> None:
    listening, port = raw_server(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    tiles = HttpTiles(f"http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}", True)
    with listening, pytest.raises(PermissionError, match=r"refuses with status 403; check the token"):
        tiles.read_tile(TilePlace(1, 2, 3), lambda data: MISSING)


def test_nothing_lives_longer_than_its_request(server: TileServer, country: Path) -> None:
    """Deadlines of requests that are over must not cut the connection that the next ones of the thread use."""
    place = a_place(country)
    url = server.url("aster").format(z=ZOOM, x=place.x, y=place.y)
    limits = LIMITS._replace(deadline_s=2.0, largest_bytes=1_000_000)
    wanted = (country / f"tiles/aster/{ZOOM}/{place.x}/{place.y}.jpg").read_bytes()
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        assert fetch(url, limits).body == wanted
        assert getattr(guarded_http._current, "call", None) is None
        time.sleep(0.03)


def test_the_token_is_in_nothing_that_a_run_leaves(
    server: TileServer, country: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Requests fail in several ways, then succeed; cube, ledger, cache and task are searched byte by byte."""
    monkeypatch.setenv("TILE_TOKEN", "canary-7f3a")
    settings = {"tries": 1, "deadline_s": 0.5, "patience_s": 1.0, "cache": str(tmp_path / "tiles")}
    tiles = replace(
        tiles_of(server, **settings), template=f"{server.url('aster')}?key={{token}}", token_env="TILE_TOKEN"
    )
    blocks = blocks_of(country)
    around = BlockRange.around(blocks)
    CUBE.create(DurableStore(tmp_path / "cube.zarr"), "1", GRID, around, ("aster",))
    task = MosaicTask(Cube.open(tmp_path / "cube.zarr"), (source_of(tiles),))
    ledger = Ledger(tmp_path / "ledger.jsonl")
    statuses = set()
    for fault in (Fault.SERVER_ERROR, Fault.HTML, Fault.TRUNCATED, Fault.GZIP_BOMB, None):
        server.switch(*([FaultRule(fault)] if fault else []))
        http_tiles._provider.cache_clear()
        records = task(blocks[:1] if fault else blocks)
        statuses |= {r.status for r in records}
        ledger.append("fingerprint", records)
    (tmp_path / "task").write_bytes(pickle.dumps(task) + repr(task).encode())
    assert Status.FAILED in statuses and Status.DONE in statuses
    left = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(left) > 20
    assert not [p for p in left if b"canary" in p.read_bytes()]
