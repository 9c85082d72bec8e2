"""A cache of tiles on disk, each stored with the digest of its bytes."""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MARK = b"tile1"
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class TileCache:
    """A folder of tiles; several processes may use it at once.

    An entry holds a mark, the sha256 of the tile's bytes and these bytes; zero bytes mean that the provider
    has no such tile. Entries are renamed into place. A truncated or damaged entry counts as missing.
    """

    folder: str

    def get(self, x: int, y: int, zoom: int) -> bytes | None:
        """The bytes of a tile, empty for a tile that does not exist, None if the cache has no intact entry."""
        try:
            entry = self._path(x, y, zoom).read_bytes()
        except FileNotFoundError:
            return None
        start = len(_MARK) + _DIGEST_BYTES
        digest, data = entry[len(_MARK) : start], entry[start:]
        if not entry.startswith(_MARK) or hashlib.sha256(data).digest() != digest:
            return None
        return data

    def put(self, x: int, y: int, zoom: int, data: bytes) -> None:
        """Store the bytes of a tile; empty bytes mean that it does not exist."""
        # Not fsynced: after a power cut a truncated entry does not match its digest and is fetched again.
        self._write(self._path(x, y, zoom), _MARK + hashlib.sha256(data).digest() + data)

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
