"""Lock the folder of a run for one process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import filelock

from stores.durable import PARTIAL, partial_folder
from stores.run_folder import FOLDERS, RunFolder


@dataclass(frozen=True)
class Lease:
    """The hold of a process on the folder of a run."""

    lock: Path
    inode: int

    def check(self) -> None:
        """Raise RuntimeError if the lock was removed, so that another run may hold the folder, too."""
        try:
            found = self.lock.stat().st_ino
        except FileNotFoundError:
            found = 0
        if found != self.inode:
            raise RuntimeError(
                f"{self.lock} was removed or replaced while this run held it, so another run may write the same folder; "
                "make sure that only one runs, and run the same command again"
            )


@contextmanager
def lease(folder: RunFolder) -> Iterator[Lease]:
    """Hold the folder of a run for this process.

    Raises BlockingIOError when another run holds it, ValueError when a link in it leads elsewhere.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    check_links(folder)
    lock = filelock.FileLock(folder.lock, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"another run holds {folder.root}; wait for it or write elsewhere") from None
    try:
        held = Lease(folder.lock, folder.lock.stat().st_ino)
        clear_partial(folder)
        yield held
    finally:
        # Unfinished files may be those of another run once the lock was removed.
        with suppress(RuntimeError):
            held.check()
            clear_partial(folder)
        lock.release()


def check_links(folder: RunFolder) -> None:
    """Raise ValueError if a link leads out of the folder, so that nothing outside is written, removed or read as its own.

    Folders of inputs may be links.
    """
    root = folder.root.resolve()
    inputs = folder.inputs - {*FOLDERS, folder.own_cube.name}
    for place in (folder.root, *(folder.root / name for name in FOLDERS)):
        for path in place.iterdir() if place.is_dir() else ():
            is_input = place == folder.root and path.name in inputs and path.is_dir()
            if path.is_symlink() and not is_input and not path.resolve().is_relative_to(root):
                raise ValueError(
                    f"{path} is a link out of the run's folder; replace it by what it leads to, or place the whole "
                    "folder there"
                )


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
