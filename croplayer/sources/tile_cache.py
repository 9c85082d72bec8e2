"""A cache of tiles on disk, each stored with the digest of its bytes."""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

_MARK = b"tile1"
_MARK_WITH_TIMES = b"tile2"
_DIGEST_BYTES = 32
_LENGTH = struct.Struct(">H")


class ServedTile(NamedTuple):
    """A tile as a provider serves it."""

    data: bytes
    """Its bytes; empty for a tile that does not exist."""
    told: Mapping[str, str] = MappingProxyType({})
    """Headers that tell times, by their names in lower case."""


@dataclass(frozen=True)
class TileCache:
    """A folder of tiles; several processes may use it at once.

    An entry holds a mark, the sha256 of what follows, and the tile's bytes; zero bytes mean that the provider
    has no such tile. With another mark, the length of the headers that tell times and these headers as JSON come before the
    tile's bytes. Entries are renamed into place. A truncated or damaged entry counts as missing.
    """

    folder: str

    def get(self, x: int, y: int, zoom: int) -> bytes | None:
        """The bytes of a tile, empty for a tile that does not exist, None if the cache has no intact entry."""
        found = self.find(x, y, zoom)
        return None if found is None else found.data

    def find(self, x: int, y: int, zoom: int) -> ServedTile | None:
        """A tile as it was served, None if the cache has no intact entry."""
        try:
            entry = self._path(x, y, zoom).read_bytes()
        except FileNotFoundError:
            return None
        start = len(_MARK) + _DIGEST_BYTES
        digest, data = entry[len(_MARK) : start], entry[start:]
        if not entry.startswith((_MARK, _MARK_WITH_TIMES)) or hashlib.sha256(data).digest() != digest:
            return None
        return ServedTile(data) if entry.startswith(_MARK) else _with_times(data)

    def put(self, x: int, y: int, zoom: int, data: bytes, told: Mapping[str, str] = MappingProxyType({})) -> None:
        """Store the bytes of a tile, with headers that tell times; empty bytes mean that it does not exist."""
        mark = _MARK
        if told:
            said = json.dumps(dict(told), sort_keys=True).encode()
            mark, data = _MARK_WITH_TIMES, _LENGTH.pack(len(said)) + said + data
        # Not fsynced: after a power cut a truncated entry does not match its digest and is fetched again.
        self._write(self._path(x, y, zoom), mark + hashlib.sha256(data).digest() + data)

    def witness(self) -> tuple[int, int, int] | None:
        """Place (x, y, zoom) of a tile that the provider is known to have, None if none is known."""
        try:
            x, y, zoom = json.loads((Path(self.folder) / "witness.json").read_text())
            return int(x), int(y), int(zoom)
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def put_witness(self, place: tuple[int, int, int]) -> None:
        """Remember the place (x, y, zoom) of a tile that the provider has."""
        self._write(Path(self.folder) / "witness.json", json.dumps(place).encode())

    def _path(self, x: int, y: int, zoom: int) -> Path:
        return Path(self.folder) / str(zoom) / str(x) / f"{y}.tile"

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}.partial"
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def _with_times(entry: bytes) -> ServedTile | None:
    """The tile of an entry with headers; None where they cannot be read."""
    try:
        start = _LENGTH.size + _LENGTH.unpack_from(entry)[0]
        told = json.loads(entry[_LENGTH.size : start])
        return ServedTile(entry[start:], {str(name): str(text) for name, text in told.items()})
    except (struct.error, ValueError, AttributeError):
        return None
