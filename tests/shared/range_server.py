"""A server of the files of a folder that sends parts of them, as servers of cloud-optimised rasters do."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from croplayer.files.file_cache import forget_files


class FileServer(ThreadingHTTPServer):
    """What was asked for, as (path with query, first byte), and how to answer."""

    daemon_threads = True
    folder: Path
    asked: list[tuple[str, int]]
    sends_parts = True
    status: int | None = None
    """Answer everything with this status."""
    location = ""
    """Address for the status of a redirect."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        name, part = self.path.partition("?")[0], self.headers.get("range", "")
        start, _, last = part.removeprefix("bytes=").partition("-")
        self.server.asked.append((self.path, int(start or 0)))
        file = self.server.folder / name.lstrip("/")
        if self.server.status:
            return self._answer(self.server.status, b"", {"Location": self.server.location})
        if not file.is_file():
            return self._answer(404, b"", {})
        data = file.read_bytes()
        if not (part and self.server.sends_parts):
            return self._answer(200, data, {})
        some = data[int(start) : int(last) + 1]
        end = int(start) + len(some) - 1
        return self._answer(206, some, {"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serve_files(folder: Path) -> Iterator[FileServer]:
    """Serve a folder on a port of this machine."""
    server = FileServer(("127.0.0.1", 0), _Handler)
    server.folder, server.asked = folder, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        # Rasters that a caught error still holds are closed here and not by a collection in another thread, where
        # rasterio does not find what it noted when it opened them.
        forget_files()
        gc.collect()
