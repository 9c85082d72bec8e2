"""A snapshot: a finished edition in a folder or bucket of its own, which is never changed.

=======================  =======================================================================================
cube.zarr/               the edition as plain Zarr, with the names that it has in the run's folder
tables/, fields/, ...    the run's files, likewise
manifest/STEP-0000.txt   SHA-256 and path of every file, as ``sha256sum --check`` reads them
snapshot.begun.json      written first; while it lies there alone, the snapshot is not finished
snapshot.json            the same bytes, written last: what the snapshot is of, and the digest of each part of the manifest
=======================  =======================================================================================

So the digest of ``snapshot.json`` is that of everything, and which files a snapshot holds is known before the first is written.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stores.durable import digest_bytes
from stores.inner_paths import check_name
from stores.places import has_key, is_remote, read_key

FINISHED = "snapshot.json"
BEGUN = "snapshot.begun.json"
CUBE_FOLDER = "cube.zarr"
"""Where the edition lies in a snapshot, as in the folder of a run."""
MANIFEST = "manifest"
FORMAT = 1
LINES_OF_PART = 65_536


@dataclass(frozen=True)
class Snapshot:
    """What the marker of a snapshot says."""

    facts: Mapping[str, Any]
    """What it is of: name, title, edition, licence, inputs and so on."""
    parts: Mapping[str, str]
    """SHA-256 of each part of the manifest by its path."""
    files: int
    """Files that the manifest names."""

    @classmethod
    def read(cls, place: str | Path, marker: str = FINISHED) -> Snapshot:
        """The snapshot of a place.

        Raises FileNotFoundError where no marker lies, ValueError for one that is damaged.
        """
        try:
            data = json.loads(read_key(place, marker))
            if data["format"] != FORMAT:
                raise ValueError
            for path in data["manifest"]:
                check_name(path)
            return cls(data["of"], dict(data["manifest"]), int(data["files"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{key_in(place, marker)} is damaged, or of a later version of croplayer") from None

    def to_bytes(self) -> bytes:
        """The bytes of the marker; the same snapshot gives the same bytes."""
        data = {"format": FORMAT, "of": self.facts, "files": self.files, "manifest": self.parts}
        return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()

    @property
    def digest(self) -> str:
        """SHA-256 of the marker, and so of everything."""
        return digest_bytes(self.to_bytes()).sha256

    @property
    def named(self) -> str:
        """What it is of, in words."""
        return f"edition '{self.facts.get('edition')}' of '{self.facts.get('name')}'"

    def digests(self, place: str | Path) -> Iterator[tuple[str, str]]:
        """Path and SHA-256 of every file that the manifest names.

        Raises ValueError for a part of the manifest that is missing or damaged, or a path that leads out of the snapshot.
        """
        for path, digest in self.parts.items():
            try:
                data = read_key(place, path)
            except FileNotFoundError:
                raise ValueError(
                    f"{key_in(place, path)} is missing, so the files that it names cannot be checked"
                ) from None
            if digest_bytes(data).sha256 != digest:
                raise ValueError(f"{key_in(place, path)} is damaged, so the files that it names cannot be checked")
            yield from part_lines(data)


def manifest_part(files: Iterable[tuple[str, str]]) -> bytes:
    """A part of a manifest of some files by path and SHA-256; the inverse of `part_lines`."""
    return "".join(f"{digest}  {path}\n" for path, digest in files).encode()


def part_lines(data: bytes) -> Iterator[tuple[str, str]]:
    """Path and SHA-256 of the files of a part of a manifest; raises PathOutsideError for a path that leads elsewhere."""
    for line in data.decode().splitlines():
        digest, _, path = line.partition("  ")
        check_name(path)
        yield path, digest


def parts_of(files: Mapping[str, Iterable[tuple[str, str]]]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Path and files of each part of a manifest.

    Parameters
    ----------
    files : path and SHA-256 of files, sorted, by the step that wrote them
    """
    for step, each in files.items():
        left = iter(each)
        for number in itertools.count():
            part = list(itertools.islice(left, LINES_OF_PART))
            if not part:
                break
            yield f"{MANIFEST}/{step}-{number:04d}.txt", part


def is_snapshot(place: str | Path) -> bool:
    """Whether a place holds a snapshot, finished or not."""
    return has_key(place, FINISHED) or has_key(place, BEGUN)


def snapshot_cube(place: str | Path) -> str | Path | None:
    """Where the cube of a finished snapshot lies; None for a place that holds no snapshot.

    Raises ValueError for a snapshot that is not finished.
    """
    if has_key(place, FINISHED):
        return f"{str(place).rstrip('/')}/{CUBE_FOLDER}" if is_remote(place) else Path(place) / CUBE_FOLDER
    if has_key(place, BEGUN):
        raise ValueError(
            f"{place} is a snapshot that was not finished; run the same `croplayer snapshot` again to finish it"
        )
    return None


def key_in(place: str | Path, key: str) -> str:
    """A key of a place as people write it."""
    return f"{str(place).rstrip('/')}/{key}"
