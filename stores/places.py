"""Places of a cube: a folder on this machine, or a bucket of an S3-compatible store.

The address of a bucket is ``s3://BUCKET/PREFIX``. Its endpoint, region and keys come from the usual
``AWS_*`` environment variables of every process that opens it (``AWS_ENDPOINT_URL``, ``AWS_REGION``,
``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``; ``AWS_ALLOW_HTTP`` for a server without TLS), and are never
stored. An object is written as a whole or not at all, and every later read sees it, so writes are as safe as in
a folder without needing renames; `croplayer doctor` tests whether a bucket behaves so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zarr.core.buffer import Buffer
from zarr.storage import LocalStore, ObjectStore

from stores.durable import (
    DurableStore,
    FileDigest,
    digest_bytes,
    digest_file,
    partial_folder,
    sync_folder,
    write_durable,
)
from stores.extras import how_to_install
from stores.inner_paths import path_inside

SCHEME = "s3://"


def is_remote(place: str | Path) -> bool:
    """Whether a place is an address of a bucket."""
    return str(place).startswith(SCHEME)


def check_place(place: str) -> None:
    """Raise ValueError unless a text is the address of a bucket, without secrets in it."""
    parts = urlsplit(place)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        raise ValueError(
            f"store '{parts.scheme}://{parts.hostname or ''}' is not the address of a bucket; expected s3://BUCKET/PREFIX"
        )
    if parts.username is not None or parts.query or parts.fragment or ".." in parts.path.split("/"):
        raise ValueError(
            f"store s3://{parts.hostname}: the address holds more than bucket and prefix; set keys in AWS_* environment "
            "variables"
        )


class RemoteStore(ObjectStore[Any]):
    """A Zarr store in a bucket that records what was written through it.

    ``written`` maps each key written through this object to the digest of its bytes. Only the address is
    pickled; other processes take the credentials of the bucket from their own environment.
    """

    def __init__(self, place: str, *, read_only: bool = False) -> None:
        super().__init__(bucket_of(place), read_only=read_only)
        self.place = place
        self.written: dict[str, FileDigest] = {}

    async def set(self, key: str, value: Buffer) -> None:
        """Write the value of a key and record its digest."""
        data = value.as_numpy_array().tobytes()
        try:
            await super().set(key, value)
        except Exception:
            if not _holds(self.store, key, data):
                raise
        self.written[key] = digest_bytes(data)

    def with_read_only(self, read_only: bool = False) -> RemoteStore:
        """The same store opened anew, with an empty record of what was written."""
        return RemoteStore(self.place, read_only=read_only)

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place, "read_only": self.read_only}

    def __setstate__(self, state: dict[str, Any]) -> None:
        RemoteStore.__init__(self, state["place"], read_only=state["read_only"])

    def __str__(self) -> str:
        return self.place


@lru_cache(maxsize=8)
def bucket_of(place: str) -> Any:
    """The obstore client of a bucket's address.

    Raises ValueError for an invalid address, RuntimeError if obstore is not installed.
    """
    check_place(place)
    return open_bucket(place)


def open_bucket(address: str) -> Any:
    """The obstore client of ``s3://BUCKET`` or ``s3://BUCKET/PREFIX``; raises RuntimeError if obstore is not installed."""
    try:
        from obstore.store import S3Store
    except ImportError:
        raise RuntimeError(f"{address} needs the package obstore; {how_to_install('s3')}") from None
    return S3Store.from_url(address)


def open_store(place: str | Path, *, read_only: bool) -> DurableStore | LocalStore | RemoteStore:
    """The Zarr store of a place; a writable one has the attribute ``written``."""
    if is_remote(place):
        return RemoteStore(str(place), read_only=read_only)
    return LocalStore(place, read_only=True) if read_only else DurableStore(place)


def has_key(place: str | Path, key: str) -> bool:
    """Whether a store holds a key."""
    if not is_remote(place):
        return (Path(place) / key).is_file()
    import obstore

    with suppress(FileNotFoundError):
        obstore.head(bucket_of(str(place)), key)
        return True
    return False


def write_key(place: str | Path, key: str, data: bytes) -> FileDigest:
    """Write the bytes of a key durably and return their digest; raises PathOutsideError if a link leads out of the store."""
    if is_remote(place):
        import obstore

        bucket = bucket_of(str(place))
        try:
            obstore.put(bucket, key, data)
        except Exception:
            if not _holds(bucket, key, data):
                raise
        return digest_bytes(data)
    return write_durable(path_inside(Path(place), key), data, partial_folder(Path(place)))


def _holds(bucket: Any, key: str, data: bytes) -> bool:
    """Whether a bucket holds the bytes of a key whose writing failed: the request may have arrived and its answer not."""
    import obstore

    with suppress(Exception):  # the first error tells more than one of asking
        is_as_long = obstore.head(bucket, key)["size"] == len(data)
        return bool(is_as_long and obstore.get(bucket, key).bytes().to_bytes() == data)
    return False


def read_key(place: str | Path, key: str) -> bytes:
    """The bytes of a key; raises FileNotFoundError if the store does not hold it."""
    if is_remote(place):
        import obstore

        return bytes(obstore.get(bucket_of(str(place)), key).bytes().to_bytes())
    return (Path(place) / key).read_bytes()


def remove_key(place: str | Path, key: str) -> None:
    """Remove a key from a store, durably; one that it does not hold is left so.

    Raises PathOutsideError if a link leads out of the store.
    """
    if is_remote(place):
        import obstore

        with suppress(FileNotFoundError):
            obstore.delete(bucket_of(str(place)), key)
        return
    path = path_inside(Path(place), key)
    with suppress(FileNotFoundError):
        path.unlink()
        sync_folder(path.parent)


def size_finder(place: str | Path, prefix: str = "") -> Callable[[str], int | None]:
    """A function that maps a key to its size in bytes, or to None if the store does not hold it.

    A bucket is listed once, with a thousand keys per request, instead of being asked about every key. This is
    done on the first call, as many ledgers name no files.
    """
    if is_remote(place):
        sizes = cache(lambda: dict(_listed(str(place), prefix)))
        return lambda key: sizes().get(key)
    root = f"{os.fspath(place)}{os.sep}"

    def size(key: str) -> int | None:
        try:
            return os.stat(root + key).st_size  # noqa: PTH116  (millions of files: a Path for each takes longer)
        except FileNotFoundError:
            return None

    return size


def keys_of(place: str | Path) -> Iterator[str]:
    """Every key of a store, sorted within each folder."""
    if is_remote(place):
        yield from sorted(key for key, _ in _listed(str(place), ""))
        return
    root = os.fspath(place)
    for folder, _, names in os.walk(root):
        below = os.path.relpath(folder, root).replace(os.sep, "/")
        yield from (name if below == "." else f"{below}/{name}" for name in sorted(names))


def digest_of(place: str | Path, key: str) -> FileDigest | None:
    """Digest of the current bytes of a key, None if the store does not hold it."""
    try:
        return digest_bytes(read_key(place, key)) if is_remote(place) else digest_file(Path(place) / key)
    except FileNotFoundError:
        return None


def _listed(place: str, prefix: str) -> Iterator[tuple[str, int]]:
    """Key and size in bytes of every object of a bucket below a prefix."""
    import obstore

    for batch in obstore.list(bucket_of(place), prefix or None):
        yield from ((entry["path"], entry["size"]) for entry in batch)
