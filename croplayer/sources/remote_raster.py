"""Rasters on a server, read in parts through the guard that holds for every request."""

from __future__ import annotations

import io
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from rasterio.abc import FileContainer

from croplayer.sources.access import Access
from croplayer.sources.addresses import host_of, shown
from croplayer.sources.guarded_http import Answer, FetchError, fetch

PART_BYTES = 256 * 1024
"""Bytes that are requested at once; GDAL reads a header or a tile in several small pieces."""
PARTS_KEPT = 64
LARGEST_WHOLE_BYTES = 256 * 1024**2
"""Largest file of a server that sends no parts."""
BESIDE = (".msk", ".aux.xml")
"""Endings of the files that are read with a raster on a server; others are not looked for."""
TRIES = 4
FIRST_WAIT_S = 0.5
ABSENT_STATUS = (404, 410)
REFUSED_STATUS = (401, 403)
BUSY_STATUS = (429, 500, 502, 503, 504)


class _AbsentError(Exception):
    """The server has no such file, or does not say so to this user."""


class RemoteRaster(FileContainer):  # type: ignore[misc]
    """A raster on a server with the files beside it, as rasterio opens it.

    GDAL drops the errors of a reader, so the first is kept in ``problem`` for whoever called GDAL.
    """

    def __init__(self, address: str, access: Access) -> None:
        self.address = address
        self.problem: Exception | None = None
        self._access = access
        head, mark, query = address.partition("?")
        self._addresses = {head + ending: head + ending + mark + query for ending in ("", *BESIDE)}
        self.path = head
        self._files: dict[str, _RemoteFile | None] = {}

    def open(self, path: str, mode: str = "r", **options: Any) -> io.RawIOBase:
        """A file for reading; raises FileNotFoundError if the server does not have it."""
        found = self._file(path)
        if found is None:
            raise FileNotFoundError(shown(path))
        found.seek(0)
        return found

    def isfile(self, path: str) -> bool:
        """Whether the server has a file."""
        return self._file(path) is not None

    def isdir(self, path: str) -> bool:
        """False: there are no folders."""
        return False

    def ls(self, path: str) -> list[str]:
        """Nothing: a server lists no folder."""
        return []

    def mtime(self, path: str) -> int:
        """0: not known."""
        return 0

    def rm(self, path: str) -> None:
        """Raise PermissionError: nothing is removed."""
        raise PermissionError(shown(path))

    def size(self, path: str) -> int:
        """Size of a file in bytes; 0 if there is none."""
        found = self._file(path)
        return found.size if found else 0

    def _file(self, path: str) -> _RemoteFile | None:
        if path not in self._addresses or self.problem is not None:
            return None
        if path not in self._files:
            self._files[path] = self._found(self._addresses[path])
        return self._files[path]

    def _found(self, address: str) -> _RemoteFile | None:
        try:
            return _RemoteFile(address, self._access, self._failed)
        except _AbsentError as absent:
            if address == self.address:
                self._failed(ConnectionError(f"raster {shown(address)} {absent}"))
        except Exception as error:  # GDAL would drop it
            self._failed(error)
        return None

    def _failed(self, error: Exception) -> None:
        self.problem = self.problem or error


class _RemoteFile(io.RawIOBase):
    """A file on a server, fetched in parts when they are read."""

    def __init__(self, address: str, access: Access, failed: Callable[[Exception], None]) -> None:
        self._address, self._access, self._failed = address, access, failed
        self._place = 0
        self._parts: OrderedDict[int, bytes] = OrderedDict()
        self._whole: bytes | None = None
        first = self._ask(0)
        self.size = len(first) if self._whole is not None else self._size
        self._parts[0] = first

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        self._place = offset + {0: 0, 1: self._place, 2: self.size}[whence]
        return self._place

    def close(self) -> None:
        """Nothing: GDAL opens and closes a file many times."""

    def read(self, size: int = -1) -> bytes:
        """Bytes from the current place; none if they cannot be fetched, and the container is told why."""
        stop = self.size if size < 0 else min(self._place + size, self.size)
        try:
            data = self._between(self._place, stop)
        except Exception as error:  # GDAL would drop it
            self._failed(error)
            return b""
        self._place += len(data)
        return data

    def _between(self, start: int, stop: int) -> bytes:
        if self._whole is not None or start >= stop:
            return (self._whole or b"")[start:stop]
        first, last = start // PART_BYTES, (stop - 1) // PART_BYTES
        data = b"".join(self._part(number) for number in range(first, last + 1))
        return data[start - first * PART_BYTES : stop - first * PART_BYTES]

    def _part(self, number: int) -> bytes:
        if number in self._parts:
            self._parts.move_to_end(number)
            return self._parts[number]
        data = self._ask(number)
        expected = min(PART_BYTES, self.size - number * PART_BYTES)
        if len(data) != expected:
            raise ConnectionError(
                f"raster {shown(self._address)} was cut short; run the same command again once it is whole"
            )
        self._parts[number] = data
        if len(self._parts) > PARTS_KEPT:
            self._parts.popitem(last=False)
        return data

    def _ask(self, number: int) -> bytes:
        """A part of the file, requested again while the server is busy or out of order."""
        start = number * PART_BYTES
        limits = self._access.limits(LARGEST_WHOLE_BYTES if number == 0 else PART_BYTES)
        problem = ""
        for failures in range(TRIES):
            if failures:
                time.sleep(FIRST_WAIT_S * 2 ** (failures - 1))
            try:
                answer = fetch(self._access.filled(self._address), limits, (start, start + PART_BYTES - 1))
            except FetchError as error:
                problem = str(error)
                continue
            if answer.status not in BUSY_STATUS:
                return self._checked(answer)
            problem = f"was answered with status {answer.status}"
        raise ConnectionError(
            f"raster {shown(self._address)} {problem}; run the same command again once it can be read"
        )

    def _checked(self, answer: Answer) -> bytes:
        if answer.status in ABSENT_STATUS:
            raise _AbsentError("does not exist: its server says so; correct its address")
        if answer.status in REFUSED_STATUS:
            host = host_of(self._address)
            raise _AbsentError(f"is refused with status {answer.status} by {host}; check the token and your rights")
        if answer.status == 206 and answer.whole_bytes is not None:
            self._size = answer.whole_bytes
        elif answer.status == 200:
            self._whole = answer.body
        else:
            raise ConnectionError(
                f"raster {shown(self._address)} was answered with status {answer.status}; expected 206"
            )
        return answer.body
