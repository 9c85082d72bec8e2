"""Atomic, durable writes of files, and digests of their bytes."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from pathlib import Path
from typing import NamedTuple

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from stores.inner_paths import path_inside

PARTIAL = ".partial"
"""Ending of the name of a file that is being written."""


class FileDigest(NamedTuple):
    """Digest of a file's bytes."""

    sha256: str
    """64 hexadecimal digits."""
    size: int
    """Number of bytes."""


def digest_bytes(data: bytes | memoryview) -> FileDigest:
    """Digest of bytes in memory."""
    view = memoryview(data)
    return FileDigest(hashlib.sha256(view).hexdigest(), view.nbytes)


def digest_file(path: Path) -> FileDigest:
    """Digest of a file's bytes, read once; raises FileNotFoundError if there is no file."""
    with path.open("rb") as f:
        sha256 = hashlib.file_digest(f, "sha256").hexdigest()
        return FileDigest(sha256, f.tell())


def digest_text(text: str) -> str:
    """sha256 of a text as hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def write_durable(path: Path, data: bytes | memoryview, partial: Path | None = None) -> FileDigest:
    """Write a file with a temporary file, fsync, rename and fsync of its folder. Returns the digest of its bytes.

    A reader sees either the old bytes or the new ones, even after a power cut, never a part of them.

    Parameters
    ----------
    path : the file; missing folders are created
    data : its new bytes
    partial : folder on the same disk for the temporary file, which a killed process leaves there;
        None for the file's own folder
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = (partial or path.parent) / f".{path.name}.{uuid.uuid4().hex}{PARTIAL}"
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
    return digest_bytes(data)


def sync_folder(folder: Path) -> None:
    """Make the file names in a folder durable, so that they survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def partial_folder(store: Path) -> Path:
    """Folder beside a store for files that are being written to it."""
    return store.with_name(f".{store.name}{PARTIAL}")


class DurableStore(LocalStore):
    """A Zarr store on the local file system whose writes are durable and recorded.

    ``written`` maps each key written through this object to the digest of its bytes. Files that are
    being written lie in one folder beside the store, so that those left by a killed process are easy to find.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self.written: dict[str, FileDigest] = {}
        self._partial = partial_folder(Path(root))

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write the value of a key durably and record its digest; raises ValueError if a link leads out of the store."""
        self._ensure_open_sync()
        self._check_writable()
        self.written[key] = write_durable(path_inside(self.root, key), value.as_numpy_array().data, self._partial)

    async def _set(self, key: str, value: Buffer, exclusive: bool = False) -> None:
        if exclusive and (self.root / key).exists():
            return
        await asyncio.to_thread(self.set_sync, key, value)
