"""Serves the map of a run: to those who have its address with the token, and to nobody else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, HTTPError, RequestHandler, url

from croplayer.pages.private import LOCAL, Refused, address_of, has_token, listening, new_token
from croplayer.viewer.leaflet import LIBRARY_FILES, library
from croplayer.viewer.mercator import Tile
from croplayer.viewer.run_view import RunView, etag_of

THREADS = 4
"""Tiles that are drawn at the same time; decoding and warping give up Python's lock."""
POLICY = (
    "default-src 'none'; img-src 'self' data:; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'"
)
"""What the page may load: files of this server alone, and no script that is written into it."""
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
OWN_FILES = ("page.html", "page.js", "panel.js", "layers.js", "live.js", "page.css")


class _Answer(RequestHandler):
    """An answer with the headers that all have."""

    def initialize(self, view: RunView, threads: ThreadPoolExecutor, policy: str) -> None:
        self.view, self.threads = view, threads
        self.set_header("Content-Security-Policy", policy)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        # The address holds the token, so no shared cache may keep an answer; the browser asks whether it still holds.
        self.set_header("Cache-Control", "private, no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        self.finish((error.log_message if isinstance(error, HTTPError) else None) or "the server could not answer")

    def compute_etag(self) -> str | None:
        return etag_of(b"".join(self._write_buffer))

    def send_json(self, answer: Any) -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(answer, ensure_ascii=False, allow_nan=False))


class Tiles(_Answer):
    """A tile of a layer."""

    async def get(self, key: str, zoom: str, x: str, y: str) -> None:
        """PNG; 404 for a layer or a tile that is not there."""
        tile = Tile(int(zoom), int(x), int(y))
        if key not in self.view.layers or not tile.is_there:
            raise HTTPError(404, "there is no such tile")
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(self.threads, self.view.tile, key, tile)
        self.set_header("Content-Type", "image/png")
        self.finish(bytes(picture))


class About(_Answer):
    """What the page needs to know first."""

    def get(self) -> None:
        """Title, box, zooms and layers."""
        self.send_json(self.view.about())


class Listed(_Answer):
    """Every unit with its names and box."""

    def get(self) -> None:
        """A list of units; empty where the run has none."""
        self.send_json(self.view.units.listed())


class Outlines(_Answer):
    """The outlines of a level of units."""

    async def get(self, level: str) -> None:
        """GeoJSON; without units for a level that is not there."""
        found = await asyncio.get_running_loop().run_in_executor(self.threads, self.view.outlines, int(level))
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(bytes(found))


class Unit(_Answer):
    """A unit with its areas and outline."""

    def get(self, level: str, code: str) -> None:
        """The unit; 404 where the run has none."""
        try:
            found = self.view.units.about(int(level), code)
        except KeyError:
            raise HTTPError(404, "the run has no such unit") from None
        self.send_json(found)


class At(_Answer):
    """What lies at a place."""

    def get(self) -> None:
        """Units and block at the longitude and latitude of the query; 400 for no point on Earth."""
        try:
            lon, lat = (float(self.get_query_argument(name)) for name in ("lon", "lat"))
            found = self.view.at(lon, lat)
        except ValueError:
            raise HTTPError(400, "expected lon from -180 to 180 and lat from -90 to 90") from None
        self.send_json(found)


class Files(_Answer):
    """The page itself, its script and the library that draws the map."""

    def get(self, name: str = "page.html") -> None:
        """One of a fixed list of files."""
        if name in OWN_FILES:
            content = (files("croplayer.viewer") / name).read_bytes()
        elif name in LIBRARY_FILES:
            content = (library() / name).read_bytes()
        else:
            raise HTTPError(404, "there is no such file")
        self.set_header("Content-Type", TYPES[Path(name).suffix])
        self.finish(content)


class _Guarded(Application):
    """A web application behind a token in the address, which every request must have."""

    def __init__(self, token: str, given: dict[str, Any]) -> None:
        self._token = token
        routes: list[tuple[str, type[RequestHandler]]] = [
            (r"", Files),
            (r"tiles/([a-z0-9-]+)/(\d{1,2})/(\d{1,8})/(\d{1,8})\.png", Tiles),
            (r"about\.json", About),
            (r"units\.json", Listed),
            (r"outlines/(\d{1,2})\.json", Outlines),
            (r"units/(\d{1,2})/([^/]{1,80})\.json", Unit),
            (r"at\.json", At),
            (r"([a-z]+\.(?:js|css))", Files),
        ]
        rules: list[Any] = [url(f"/{token}/{path}", handler, given) for path, handler in routes]
        # Addresses hold the token, so no request is logged.
        super().__init__(rules, log_function=lambda handler: None)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        if not has_token(request, self._token):
            return self.get_handler_delegate(request, Refused)
        return super().find_handler(request, **kwargs)


def serve(
    view: RunView, host: str = LOCAL, port: int = 0, say: Callable[[str], None] = print, frames: bool = False
) -> None:
    """Serve the map until the process is stopped.

    Parameters
    ----------
    host : address to listen at; the usual one is reached from this machine alone
    port : 0 takes one that is free
    say : is given the address of the page, with its token, once it can be opened
    frames : whether other pages, such as a notebook, may show the page within them

    Raises
    ------
    OSError
        if the port is in use
    """
    library()
    asyncio.run(_serve(view, host, port, say, frames))


async def _serve(view: RunView, host: str, port: int, say: Callable[[str], None], frames: bool) -> None:
    # A request that fails is logged with its address, which holds the token.
    logging.getLogger("tornado.application").setLevel(logging.CRITICAL)
    logging.getLogger("tornado.general").setLevel(logging.CRITICAL)
    token, listener = new_token(), listening(host, port)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="tiles") as threads:
        policy = POLICY if frames else f"{POLICY}; frame-ancestors 'none'"
        server = HTTPServer(_Guarded(token, {"view": view, "threads": threads, "policy": policy}))
        server.add_socket(listener)
        threads.submit(view.prepare)
        say(address_of(host, listener, token))
        try:
            await asyncio.Event().wait()
        finally:
            server.stop()
