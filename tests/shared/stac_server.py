"""A real STAC API on this machine: the server of rustac, in a process of its own."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

RUSTAC = shutil.which("rustac") or shutil.which("rustac", path=str(Path(sys.executable).parent))
PATIENCE_S = 30.0


@contextmanager
def stac_server(folder: Path, collections: Sequence[dict[str, Any]], items: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Serve collections with their items; gives the address of the API."""
    assert RUSTAC is not None
    files = []
    for i, each in enumerate((*collections, *items)):
        files.append(folder / f"stac_{i}.json")
        files[-1].write_text(json.dumps(each))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [RUSTAC, "serve", "--addr", f"127.0.0.1:{port}", *map(str, files)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None and time.monotonic() < end, "the STAC server does not start"
            try:
                if requests.get(f"{address}/", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)
