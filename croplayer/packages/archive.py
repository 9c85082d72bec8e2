"""Archives and check sums of packages, the same bytes for the same files."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterable
from pathlib import Path

from croplayer.vector.files import whole_file
from stores.durable import digest_file, write_durable

SUMS = "SHA256SUMS"
"""Name of the file of check sums, as ``sha256sum`` writes and checks it."""
ARCHIVE_TIME = 946_684_800
"""Time of every file in an archive, seconds: 2000-01-01."""
LEVEL = 6
"""Level of the compression; a higher one takes three times as long for a hundredth of the bytes."""


def write_sums(folder: Path, files: Iterable[Path]) -> Path:
    """Write ``SHA256SUMS`` of some files below a folder, sorted by name. Returns its path."""
    lines = sorted(f"{digest_file(path).sha256}  {path.relative_to(folder).as_posix()}" for path in files)
    lines.sort(key=lambda line: line[66:])
    write_durable(folder / SUMS, ("\n".join(lines) + "\n").encode())
    return folder / SUMS


def write_archive(path: Path, folder: Path, files: Iterable[Path]) -> Path:
    """Write files below a folder as ``.tar.gz`` with the folder's name before theirs. Returns its path.

    Names are UTF-8 (pax). Times, owners and modes are fixed and the order is that of the names, so the same files give the same
    bytes wherever and whenever they are packed.
    """
    with (
        whole_file(path) as whole,
        whole.open("wb") as raw,
        gzip.GzipFile("", "wb", LEVEL, raw, mtime=ARCHIVE_TIME) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for file in sorted(files, key=lambda file: file.relative_to(folder).as_posix()):
            entry = tarfile.TarInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}")
            entry.size, entry.mtime, entry.mode = file.stat().st_size, ARCHIVE_TIME, 0o644
            with file.open("rb") as content:
                archive.addfile(entry, content)
    return path
