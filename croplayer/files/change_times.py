"""Sizes and change times of files, where the file system gives change times that programs cannot set.

A file that is written, renamed or replaced gets a change time from the clock of the kernel, and no call sets it to
another time. So a file of the same inode, size and change time holds the same bytes, whatever its modification time
says. This holds on the file systems in ``TRUSTED``. On others (network shares, FAT, mounts of other machines) the
times of a file prove nothing, and its bytes must be read again.
"""

from __future__ import annotations

import hashlib
import os
import struct
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

TRUSTED = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "apfs", "hfs"})
"""File systems whose change times are set by the kernel of this machine alone."""

YOUNG_NS = 100_000_000
"""A file that changed this shortly before may change again within the same tick of the clock."""
COARSE_NS = 2_000_000_000
"""The same for a change time of whole seconds, as ext2, ext3, HFS+ and ext4 with small inodes keep them."""


def signature_of(paths: Iterable[str], until_ns: int | None = None) -> str:
    """Digest of inode, size, modification and change time of files, in their order; links are followed.

    Parameters
    ----------
    paths : paths of local files; one that does not exist counts as absent. An http or https address counts as its text:
        what lies there is not asked for
    until_ns : a file that changed later, in nanoseconds since 1970, proves nothing; None for now

    Returns
    -------
    32 hexadecimal digits; empty if the times of one of the files prove nothing
    """
    digest = hashlib.blake2b(digest_size=16)
    now = time.time_ns()
    last = now if until_ns is None else min(until_ns, now)
    for path in paths:
        if path.startswith(("http://", "https://")):
            digest.update(hashlib.blake2b(path.encode(), digest_size=16).digest())
            continue
        try:
            found = os.stat(path)  # noqa: PTH116 - of millions of tiles, where a Path costs as much as the call
        except (FileNotFoundError, NotADirectoryError):
            digest.update(b"absent")
            continue
        except OSError:  # whoever reads it says what is wrong
            return ""
        tick = YOUNG_NS if found.st_ctime_ns % 1_000_000_000 else COARSE_NS
        if found.st_ctime_ns > last - tick or not _is_trusted(found.st_dev, path):
            return ""
        digest.update(struct.pack("<QQqq", found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return digest.hexdigest()


_by_device: dict[int, bool] = {}


def _is_trusted(device: int, path: str) -> bool:
    """Whether the file system of a device, to which a path leads, is trusted."""
    if device not in _by_device:
        _by_device[device] = _file_system(os.path.realpath(path)) in TRUSTED
    return _by_device[device]


def _file_system(path: str) -> str:
    """Name of the file system on which a path lies, in lower case; empty if it is not known."""
    # Of mounts at the same place the last one hides the others.
    holding = [mount for mount in reversed(_mounts()) if Path(path).is_relative_to(mount[0])]
    return max(holding, key=lambda mount: len(mount[0]), default=("", ""))[1]


@lru_cache(maxsize=1)
def _mounts() -> tuple[tuple[str, str], ...]:
    # Of the extra that runs need; commands that only look at runs do without.
    import psutil

    return tuple((mount.mountpoint, mount.fstype.lower()) for mount in psutil.disk_partitions(all=True))
