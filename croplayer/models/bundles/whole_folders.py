"""Folders that appear and are replaced in one step, and the repair of what a killed process left beside them.

A folder is written whole beside its place and then exchanged with the old one by one call of the kernel
(``renameat2`` with RENAME_EXCHANGE), so its name leads to the old or to the new folder at any moment. Where the file system
has no such call, two renames do it; if the process is killed between them, `repair` puts the old folder back.

The process that writes holds a lock on its temporary folder, which ends with the process. Temporary folders without one are
leftovers. Loads no torch.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from stores.durable import PARTIAL, sync_folder

OLD = ".old"
"""Ending of the name of a folder that is being replaced by two renames."""
_LEFT_OVER = re.compile(r"\.[0-9a-f]{32}(\.partial|\.old)$")
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


def write_whole_folder(folder: Path, contents: Mapping[str, bytes], marker: str) -> None:
    """Write files durably as a folder that is there whole or not at all; an existing one is replaced.

    Processes that write the same folder at the same time each write it whole; the last one stays.

    Parameters
    ----------
    folder : its place; a link to a folder stays a link
    contents : bytes of each file by its plain name
    marker : file that every folder of this kind has

    Raises
    ------
    FileExistsError if the place is taken by something without the marker.
    """
    folder = folder.resolve() if folder.is_symlink() else folder
    check_place(folder, marker)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(folder, PARTIAL)
    temporary.mkdir()
    with _locked(temporary):
        try:
            for name, data in contents.items():
                with (temporary / name).open("wb") as f:
                    f.write(data)
                    f.flush()
                    os.fsync(f.fileno())
            sync_folder(temporary)
            _put(temporary, folder)
        finally:
            # After an exchange this is the old folder.
            shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(folder.parent)


def check_place(folder: Path, marker: str) -> None:
    """Raise FileExistsError if a folder would be replaced that has files and no marker, such as somebody's documents."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).is_file():
        raise FileExistsError(f"{folder} has files and no {marker}; give a new folder, or one to replace that has it")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; give a new folder")


def repair(folder: Path, marker: str) -> None:
    """Put a folder back that a killed process moved away, and remove what killed processes left beside it.

    Temporary folders of running processes stay. A place that may not be written is left as it is.
    """
    for path in sorted(folder.parent.glob(f".{glob.escape(folder.name)}.*")):
        kind = _LEFT_OVER.fullmatch(path.name.removeprefix(f".{folder.name}"))
        if kind is None or not path.is_dir() or path.is_symlink():
            continue
        try:
            with _locked(path) as is_ours:
                if not is_ours:
                    continue
                if kind[1] == OLD and not folder.exists() and (path / marker).is_file():
                    path.rename(folder)
                else:
                    shutil.rmtree(path)
        except OSError:
            continue


def repair_all(parent: Path, marker: str) -> None:
    """`repair` of every folder in ``parent`` that a killed process left something beside."""
    names = {_LEFT_OVER.sub("", path.name) for path in parent.glob(".*") if _LEFT_OVER.search(path.name)}
    for name in sorted(names):
        repair(parent / name.removeprefix("."), marker)


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; it ends with the process and is removed.

    Raises BlockingIOError if another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise BlockingIOError(
                f"another process works on {what} (it holds {path}); wait for it, then run the same command again"
            ) from None
        if _is_still(path, descriptor):
            break
        os.close(descriptor)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether an open file is that of the path; another process may have removed it before it was locked."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _beside(folder: Path, ending: str) -> Path:
    return folder.parent / f".{folder.name}.{uuid.uuid4().hex}{ending}"


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder, or yield False if another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _put(temporary: Path, folder: Path) -> None:
    """Give a whole folder its name. What had the name before has that of the temporary folder, or is gone."""
    while True:
        if not folder.exists():
            try:
                temporary.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                continue
            return
        if _exchanged(temporary, folder):
            return
        old = _beside(folder, OLD)
        with _locked(folder):
            folder.rename(old)
            temporary.rename(folder)
            shutil.rmtree(old)
        return


def _exchanged(a: Path, b: Path) -> bool:
    """Exchange two folders in one step; False where the system or the file system cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    done = renameat2(_AT_FDCWD, os.fsencode(a), _AT_FDCWD, os.fsencode(b), ctypes.c_uint(_RENAME_EXCHANGE))
    if done == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(b))
