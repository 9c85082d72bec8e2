"""A proxy before an S3-compatible server that fails as buckets fail: errors, delays, lost answers."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

ERROR_EVERY, SLOW_EVERY, LOST_EVERY = 7, 5, 4
"""Every so many requests fail, are late, or (of those that write) have their answer lost."""
SLOW_S = 0.2
HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "keep-alive"}


@contextmanager
def faulty(server: str) -> Iterator[tuple[str, Counter[str]]]:
    """Address of a proxy before a server, and what it has done so far: "requests", "errors", "late", "lost"."""
    done: Counter[str] = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self) -> None:
            size = int(self.headers.get("content-length", 0))
            body = self.rfile.read(size)
            with lock:
                done["requests"] += 1
                done[self.command] += 1
                number, writes = done["requests"], done["PUT"]
            if number % ERROR_EVERY == 0:
                done["errors"] += 1
                self.send_response(500)
                self.send_header("content-length", "0")
                self.end_headers()
                return
            if number % SLOW_EVERY == 0:
                done["late"] += 1
                time.sleep(SLOW_S)
            # The host is part of what the request is signed for.
            answer = requests.request(
                self.command, server + self.path, data=body, headers=dict(self.headers), timeout=30, stream=True
            )
            if self.command == "PUT" and writes % LOST_EVERY == 0:
                done["lost"] += 1
                self.close_connection = True
                return
            content = answer.raw.read(decode_content=False)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in HOP:
                    self.send_header(name, value)
            length = answer.headers.get("content-length") if self.command == "HEAD" else str(len(content))
            self.send_header("content-length", length or "0")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  (names of http.server)

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", done
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
