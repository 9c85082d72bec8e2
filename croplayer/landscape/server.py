"""Serve map tiles of the country over HTTP, with faults that can be switched on and off.

The server listens on the loopback address only: it tests tile readers and is no tile service.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from croplayer.landscape.country import Country
from croplayer.landscape.sources import SOURCES
from croplayer.landscape.tiles import TILE_PX, TileIndex, render_tile

_TILE_PATH = re.compile(r"/([a-z]+)/(\d{1,2})/(\d{1,9})/(\d{1,9})\.jpg")

BOMB_BYTES = 200_000_000
"""What the gzip bomb unpacks to."""


class Fault(StrEnum):
    """What can go wrong with a tile request; the value is the word on the command line."""

    NOT_FOUND = "404"
    TOO_MANY = "429"
    SERVER_ERROR = "500"
    HANG = "hang"
    DRIP = "drip"
    TRUNCATED = "truncated"
    HTML = "html"
    PLACEHOLDER = "placeholder"
    WRONG_IMAGE = "wrong-image"
    GZIP_BOMB = "gzip-bomb"


@dataclass(frozen=True)
class FaultRule:
    """One fault for a share of the tiles, always the same ones."""

    fault: Fault
    """What goes wrong."""

    share: float = 1.0
    """Share of the tiles that fail, 0-1."""

    times: int | None = None
    """How many requests of such a tile fail before it is served; None for all."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.share <= 1.0:
            raise ValueError(f"fault '{self.fault}' has share {self.share}; expected 0 to 1")
        if self.times is not None and self.times < 1:
            raise ValueError(f"fault '{self.fault}' has times {self.times}; expected at least 1")

    @classmethod
    def parse(cls, text: str) -> FaultRule:
        """A rule written ``fault[:share[:times]]``, for example ``429:0.1:2``."""
        parts = text.split(":")
        if parts[0] not in set(Fault) or len(parts) > 3:
            raise ValueError(
                f"fault '{text}' is not known; expected fault[:share[:times]] with one of {', '.join(Fault)}"
            )
        try:
            share = float(parts[1]) if len(parts) > 1 else 1.0
            times = int(parts[2]) if len(parts) > 2 else None
        except ValueError as error:
            raise ValueError(f"fault '{text}' has no number where share or times is expected") from error
        return cls(Fault(parts[0]), share, times)

    def hits(self, path: str, request: int) -> bool:
        """Whether the ``request``-th request (from 1) of a path fails by this rule."""
        if self.times is not None and request > self.times:
            return False
        digest = hashlib.sha256(f"{self.fault} {path}".encode()).digest()
        return int.from_bytes(digest[:4], "big") < self.share * 2**32


class TileServer:
    """A running server; `serve` makes one."""

    def __init__(
        self,
        tiles: Country | Path,
        *,
        port: int,
        rate_limit_per_s: float | None,
        retry_after_s: int,
        hang_s: float,
        drip_s: float,
        headers: Callable[[TileIndex], Mapping[str, str]] | None = None,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.retry_after_s = retry_after_s
        self.hang_s = hang_s
        self.drip_s = drip_s
        self.headers = headers
        self.stopped = threading.Event()
        self._tiles = tiles
        self._rules: tuple[FaultRule, ...] = ()
        self._rate_limit_per_s = rate_limit_per_s
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()
        self._rendered = lru_cache(maxsize=4096)(self._render)
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler_of(self))
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def address(self) -> str:
        """``http://127.0.0.1:port``."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def url(self, source: str) -> str:
        """URL template of a source with {z}, {x} and {y}."""
        if source not in SOURCES:
            raise ValueError(f"imagery source '{source}' does not exist; expected one of {', '.join(SOURCES)}")
        return f"{self.address}/{source}/{{z}}/{{x}}/{{y}}.jpg"

    def switch(self, *rules: FaultRule) -> None:
        """Replace the faults in force from the next request on; none switches all off."""
        with self._lock:
            self._rules = rules

    def fault_of(self, path: str) -> Fault | None:
        """Count a request and say how it fails, if it does: the rate limit first, then the first rule that hits."""
        with self._lock:
            self.requests[path] += 1
            if self._rate_limit_per_s is not None:
                now = time.monotonic()
                while self._recent and self._recent[0] < now - 1.0:
                    self._recent.popleft()
                if len(self._recent) >= self._rate_limit_per_s:
                    return Fault.TOO_MANY
                self._recent.append(now)
            return next((rule.fault for rule in self._rules if rule.hits(path, self.requests[path])), None)

    def tile(self, source: str, tile: TileIndex) -> bytes | None:
        """JPEG bytes of a tile, None where the source has no imagery."""
        if isinstance(self._tiles, Path):
            path = self._tiles / source / str(tile.zoom) / str(tile.x) / f"{tile.y}.jpg"
            return path.read_bytes() if path.is_file() else None
        return self._rendered(tile).get(source)

    def _render(self, tile: TileIndex) -> dict[str, bytes]:
        assert isinstance(self._tiles, Country)
        return render_tile(self._tiles, tile, SOURCES)

    def start(self) -> None:
        """Start to answer requests."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering requests and end those that hang."""
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait(self) -> None:
        """Block until the server stops."""
        self._thread.join()


@contextmanager
def serve(
    tiles: Country | Path,
    *,
    port: int = 0,
    faults: Sequence[FaultRule] = (),
    rate_limit_per_s: float | None = None,
    retry_after_s: int = 1,
    hang_s: float = 120.0,
    drip_s: float = 0.5,
    headers: Callable[[TileIndex], Mapping[str, str]] | None = None,
) -> Iterator[TileServer]:
    """Serve tiles on 127.0.0.1 while the context lasts.

    Parameters
    ----------
    tiles : a country, whose tiles are rendered when asked for, or a folder ``{source}/{z}/{x}/{y}.jpg``
    port : 0 picks a free one
    faults : in force from the start; `TileServer.switch` changes them
    rate_limit_per_s : requests a second, of all clients together, above which the answer is 429
    retry_after_s : value of the Retry-After header of a 429
    hang_s : how long a hanging request is silent before the connection closes
    drip_s : pause between two bytes of a dripping answer
    headers : more headers of the answer with a tile, such as Last-Modified; None for none
    """
    if isinstance(tiles, Path) and not tiles.is_dir():
        raise FileNotFoundError(f"tile folder {tiles} does not exist")
    server = TileServer(
        tiles,
        port=port,
        rate_limit_per_s=rate_limit_per_s,
        retry_after_s=retry_after_s,
        hang_s=hang_s,
        drip_s=drip_s,
        headers=headers,
    )
    server.switch(*faults)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _handler_of(server: TileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_TileHandler):
        tile_server = server

    return Handler


class _TileHandler(BaseHTTPRequestHandler):
    tile_server: TileServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a tile request, or fail as the fault in force says."""
        path = self.path.split("?")[0]
        match = _TILE_PATH.fullmatch(path)
        if match is None or match[1] not in SOURCES:
            self._answer(404, b"no such tile", "text/plain")
            return
        fault = self.tile_server.fault_of(path)
        tile = TileIndex(int(match[2]), int(match[3]), int(match[4]))
        if max(tile.x, tile.y) >= 2**tile.zoom or tile.zoom > 20:
            self._answer(404, b"no such tile", "text/plain")
            return
        if fault in (None, Fault.DRIP, Fault.TRUNCATED):
            data = self.tile_server.tile(match[1], tile)
            if data is None:
                self._answer(404, b"no imagery", "text/plain")
            elif fault is Fault.DRIP:
                self._drip(data)
            elif fault is Fault.TRUNCATED:
                self._truncate(data)
            else:
                self._answer_tile(data, self.tile_server.headers(tile) if self.tile_server.headers else {})
            return
        self._fail(fault)

    def _fail(self, fault: Fault | None) -> None:
        if fault is Fault.NOT_FOUND:
            self._answer(404, b"not found", "text/plain")
        elif fault is Fault.TOO_MANY:
            self._answer(429, b"too many requests", "text/plain", {"Retry-After": str(self.tile_server.retry_after_s)})
        elif fault is Fault.SERVER_ERROR:
            self._answer(500, b"internal server error", "text/plain")
        elif fault is Fault.HANG:
            self.tile_server.stopped.wait(self.tile_server.hang_s)
            self.close_connection = True
        elif fault is Fault.HTML:
            self._answer(200, b"<!DOCTYPE html><html><body>Please sign in</body></html>", "text/html")
        elif fault is Fault.PLACEHOLDER:
            self._answer(200, placeholder_tile(), "image/jpeg")
        elif fault is Fault.WRONG_IMAGE:
            self._answer(200, _wrong_image(), "image/png")
        else:
            self._answer(200, _gzip_bomb(), "image/jpeg", {"Content-Encoding": "gzip"})

    def _answer(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(body)

    def _answer_tile(self, data: bytes, more: Mapping[str, str]) -> None:
        tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        headers = {"ETag": tag, "Cache-Control": "max-age=3600", **more}
        if self.headers.get("If-None-Match") == tag:
            self._answer(304, b"", "image/jpeg", headers)
        else:
            self._answer(200, data, "image/jpeg", headers)

    def _truncate(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _drip(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for k in range(len(data)):
            self.wfile.write(data[k : k + 1])
            self.wfile.flush()
            if self.tile_server.stopped.wait(self.tile_server.drip_s):
                break
        self.close_connection = True

    def handle(self) -> None:
        """Answer requests; a client that hangs up, as tests of time-outs do, is no error."""
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def finish(self) -> None:
        """Flush and close, whether or not the client is still there."""
        try:
            super().finish()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write no log."""


@lru_cache(maxsize=1)
def placeholder_tile() -> bytes:
    """The JPEG a provider sends instead of "no imagery here": grey with a lighter cross, of the right size."""
    grey = np.full((TILE_PX, TILE_PX, 3), 204, dtype=np.uint8)
    diagonal = np.arange(TILE_PX)
    for shift in range(-1, 2):
        grey[diagonal, np.clip(diagonal + shift, 0, TILE_PX - 1)] = 228
        grey[diagonal, np.clip(TILE_PX - 1 - diagonal + shift, 0, TILE_PX - 1)] = 228
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, format="JPEG", quality=80)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _wrong_image() -> bytes:
    """A sound picture that is no tile: 300 x 200 px PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((200, 300, 3), 90, dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _gzip_bomb() -> bytes:
    """BOMB_BYTES zeros as gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    piece = bytes(1_000_000)
    parts = [packer.compress(piece) for _ in range(BOMB_BYTES // len(piece))]
    return b"".join([*parts, packer.flush()])
