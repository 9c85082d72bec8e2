"""Files of what is published: created only where there is none, copied at any size, listed without holding all names.

Workers need none of this, so it lies apart from `stores.places`, of which every step over blocks is made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stores.durable import FileDigest, digest_file, partial_folder, sync_folder, write_durable
from stores.inner_paths import path_inside
from stores.places import bucket_of, has_key, is_remote, keys_of, read_key


def create_key(place: str | Path, key: str, data: bytes) -> bool:
    """Write the bytes of a key durably if the store does not hold it; returns whether it holds these bytes now.

    Of several that try at once with other bytes, one succeeds.
    """
    if is_remote(place):
        import obstore

        try:
            obstore.put(bucket_of(str(place)), key, data, mode="create")
        except Exception:
            # It is there already, or the request arrived and its answer did not.
            if not has_key(place, key):
                raise
        return read_key(place, key) == data
    path = path_inside(Path(place), key)
    # A link is created or not; a file that is opened anew would be empty after a kill.
    temporary = partial_folder(Path(place)) / uuid.uuid4().hex
    write_durable(temporary, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    return path.read_bytes() == data


def copy_file(path: Path, place: str | Path, key: str) -> None:
    """Copy a file of any size into a store, durably."""
    if is_remote(place):
        import obstore

        try:
            obstore.put(bucket_of(str(place)), key, path)
        except Exception:
            if digest_at(place, key) != digest_file(path):
                raise
        return
    target, partial = path_inside(Path(place), key), partial_folder(Path(place))
    for folder in (target.parent, partial):
        folder.mkdir(parents=True, exist_ok=True)
    temporary = partial / uuid.uuid4().hex
    shutil.copyfile(path, temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(target)
    sync_folder(target.parent)


def digest_at(place: str | Path, key: str) -> FileDigest | None:
    """Digest of the bytes of a key, read part by part; None if the store does not hold it."""
    try:
        return _digest_of_object(str(place), key) if is_remote(place) else digest_file(Path(place) / key)
    except FileNotFoundError:
        return None


def keys_below(place: str | Path, folder: str) -> Iterator[str]:
    """Every key below a folder of a store."""
    if is_remote(place):
        yield from _listed(str(place), folder)
        return
    yield from (f"{folder}/{key}" for key in keys_of(Path(place) / folder))


def first_key(place: str | Path) -> str | None:
    """Any key of a store; None where it holds nothing."""
    return next(_listed(str(place), None) if is_remote(place) else keys_of(place), None)


def _digest_of_object(place: str, key: str) -> FileDigest:
    import obstore

    sha256, size = hashlib.sha256(), 0
    for part in obstore.get(bucket_of(place), key).stream():
        data = bytes(part)
        sha256.update(data)
        size += len(data)
    return FileDigest(sha256.hexdigest(), size)


def _listed(place: str, prefix: str | None) -> Iterator[str]:
    import obstore

    for batch in obstore.list(bucket_of(place), prefix):
        yield from (str(entry["path"]) for entry in batch)
