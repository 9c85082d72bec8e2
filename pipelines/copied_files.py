"""What a snapshot on a disk was found to hold, so that one that was stopped goes on without reading it again.

A line for each file says its digest, and the digest of its inode, size and times. While these times hold, so does the line
(`croplayer.files.change_times`). The lines lie beside the unfinished snapshot with the files that are being written, and go
when it is finished. They are not durable: a file whose line is lost is read.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from croplayer.files.change_times import COARSE_NS, YOUNG_NS, signature_of
from stores.durable import partial_folder

JOURNAL = "copied.txt"
FLUSH_S = 1.0
"""How often lines are written: a kill costs the reading of what was copied since."""


class CopiedFiles:
    """The files of an unfinished snapshot in a folder whose digests are known; safe to use from several threads.

    Parameters
    ----------
    place : folder of the snapshot
    trusts_times : without it nothing counts as known, and all files are read
    """

    def __init__(self, place: Path, trusts_times: bool = True) -> None:
        self._place, self._path = place, partial_folder(place) / JOURNAL
        self._known: dict[str, tuple[str, str]] = {}
        self._young: list[tuple[str, str, os.stat_result]] = []
        self._lock = threading.Lock()
        self._flushed = time.monotonic()
        if trusts_times and self._path.is_file():
            for line in self._path.read_text(encoding="utf-8", errors="replace").splitlines():
                digest, _, rest = line.partition(" ")
                signature, _, key = rest.partition(" ")
                self._known[key] = digest, signature

    def holds(self, key: str, digest: str) -> bool:
        """Whether a file is known to have a digest, by its times."""
        known = self._known.get(key)
        return known is not None and known[0] == digest and known[1] == signature_of([str(self._place / key)]) != ""

    def add(self, key: str, digest: str) -> None:
        """Note a file that was just written, or read, with a digest."""
        found = (self._place / key).stat()
        with self._lock:
            self._young.append((key, digest, found))
            if time.monotonic() - self._flushed < FLUSH_S:
                return
            self._flushed = time.monotonic()
            young, self._young = self._young, []
            self._write(young)

    def _write(self, young: list[tuple[str, str, os.stat_result]]) -> None:
        """Write a line for each file that is old enough for its times to prove something, and keep the others."""
        lines, now = [], time.time_ns()
        for key, digest, before in young:
            if before.st_ctime_ns > now - (YOUNG_NS if before.st_ctime_ns % 1_000_000_000 else COARSE_NS):
                self._young.append((key, digest, before))
                continue
            path = self._place / key
            signature = signature_of([str(path)])
            if signature and _is_same(path.stat(), before):
                lines.append(f"{digest} {signature} {key}\n")
        if lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.writelines(lines)


def _is_same(now: os.stat_result, before: os.stat_result) -> bool:
    return (now.st_ino, now.st_size, now.st_ctime_ns) == (before.st_ino, before.st_size, before.st_ctime_ns)
