"""Lock the folder of a run for one process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from stores.durable import PARTIAL, partial_folder
from stores.run_folder import RunFolder


@contextmanager
def lease(folder: RunFolder) -> Iterator[None]:
    """Hold the folder of a run for this process; raises BlockingIOError when another run holds it."""
    folder.root.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.lock, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"another run holds {folder.root}; wait for it or write elsewhere") from None
    try:
        clear_partial(folder)
        yield
    finally:
        clear_partial(folder)
        lock.release()


def is_leased(folder: RunFolder) -> bool:
    """Whether a process holds the folder now; may be asked of a run of another user, whose lock is only read."""
    try:
        descriptor = os.open(folder.lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def clear_partial(folder: RunFolder) -> None:
    """Remove the unfinished files that killed processes left; only for the process that holds the folder."""
    if isinstance(folder.cube, Path):
        shutil.rmtree(partial_folder(folder.cube), ignore_errors=True)
    for place in (folder.root, *(p for p in folder.root.iterdir() if p.is_dir() and p != folder.cube)):
        for path in place.glob(f".*{PARTIAL}"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
