"""Publish a finished edition as a snapshot, and check one.

The records of a run hold the digest of every file, so the manifest is known before a file is copied, and every file that is
copied is compared with it. A snapshot that was stopped, or damaged, is finished or mended by publishing the same edition again.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from croplayer.cube.whole_blocks import Cube
from pipelines import stopping
from pipelines.copied_files import CopiedFiles
from pipelines.engine.lease import lease
from stores.block_list import BlockList
from stores.columns import RGB
from stores.cube import CUBE
from stores.durable import digest_bytes, partial_folder
from stores.finished import finished_blocks, finished_squares
from stores.inner_paths import path_inside
from stores.ledger import Ledger
from stores.levels import squares_of
from stores.map_facts import MapFacts
from stores.overviews import GROUP, LEVEL, MAP, levels_of
from stores.places import has_key, is_remote, keys_of, read_key, remove_key, write_key
from stores.published_files import copy_file, create_key, digest_at, first_key, keys_below
from stores.run_folder import RunFolder
from stores.schema import COORDINATES, StoreSchema
from stores.snapshot import (
    BEGUN,
    CUBE_FOLDER,
    FINISHED,
    LINES_OF_PART,
    MANIFEST,
    Snapshot,
    key_in,
    manifest_part,
    parts_of,
)
from stores.step_memory import CUBE_FILES, END_OF_RUN, SQUARES

if TYPE_CHECKING:
    from pipelines.publishing import Published  # needs pystac, which checking a snapshot or a run does not

AT_ONCE = 8
"""Files of blocks that are copied at the same time: a bucket answers late and serves many."""
OUTPUTS = "outputs"
"""Name of the parts of the manifest with the files beside the cube."""
METADATA = "cube"
"""Name of that with the metadata of the cube, which are written last: without them no reader finds a cube."""
READ_ONLY = 0o444
T = TypeVar("T")
Files = Iterator[tuple[str, str]]
"""Path in the snapshot and SHA-256 of files."""


@dataclass(frozen=True)
class Copied:
    """What publishing a snapshot did."""

    snapshot: Snapshot
    written: int
    """Files that were written."""
    held: int
    """Files that were there already, with the same digest."""


@dataclass(frozen=True)
class SnapshotSource:
    """A finished edition that is to be copied."""

    published: Published

    @property
    def _folder(self) -> RunFolder:
        return self.published.folder

    @property
    def _cube(self) -> Cube:
        return self.published.edition.cube

    def snapshot(self) -> Snapshot:
        """The snapshot that the edition makes, from its records alone."""
        parts, count = {}, 0
        for path, files in parts_of(self._files()):
            parts[path] = digest_bytes(manifest_part(files)).sha256
            count += len(files)
        return Snapshot(_facts(self.published.facts, self.published.with_imagery), parts, count)

    def parts(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Path and files of each part of the manifest, in the order in which they are written."""
        return parts_of(self._files())

    def copy(self, path: str, digest: str, place: str | Path) -> None:
        """Copy a file into a snapshot; raises ValueError where the run holds other bytes than its records say."""
        beside, name = path.partition("/")[::2]
        if beside != CUBE_FOLDER:
            file = path_inside(self._folder.root, path)
            self._check(path, digest, digest_at(self._folder.root, path))
            copy_file(file, place, path)
        else:
            try:
                data = read_key(self._cube.path, name)
            except FileNotFoundError:
                self._check(path, digest, None)
                raise
            self._check(path, digest, digest_bytes(data))
            write_key(place, path, data)
        if not is_remote(place):
            (Path(place) / path).chmod(READ_ONLY)

    def _check(self, path: str, digest: str, found: Any) -> None:
        if found is None or found.sha256 != digest:
            what = "is missing" if found is None else "has other bytes than its record says"
            raise ValueError(
                f"{path} of {self._folder.root} {what}, so it is not published; run `croplayer verify {self._folder.root} "
                "--repair` and the recipe again"
            )

    def _files(self) -> dict[str, Iterable[tuple[str, str]]]:
        entries = self._folder.memory.entries()
        steps = sorted(name for name, entry in entries.items() if entry.is_of_blocks)
        of_blocks = {f"step-{step}": self._of_step(step) for step in steps}
        return {**of_blocks, OUTPUTS: self._outputs(), METADATA: self._metadata()}

    def _of_step(self, step: str) -> Files:
        """Files of the finished blocks of the region."""
        folder, cube = self._folder, self._cube
        entry = folder.memory.entries()[step]
        blocks = BlockList.under(cube.blocks.window(cube.grid), cube.grid.block_px)
        if step == SQUARES:
            held = finished_squares(folder, cube.path, cube.edition, squares_of(blocks))
        else:
            held = finished_blocks(folder, cube.path, cube.edition, step, blocks)
        named = [
            (f"{CUBE_FOLDER}/{key}", digest.sha256)
            for fingerprint, record in Ledger(folder.ledger(step)).newest()
            if fingerprint == entry.fingerprint and record.block in held
            for key, digest in record.files.items()
            if self._is_shown(key)
        ]
        yield from sorted(named)

    def _outputs(self) -> Files:
        """Tables, fields, exports and so on; the recipe, which names places of the run's owner, stays with the run."""
        folder = self._folder
        pictures = (folder.report.name, f"{folder.figure('').name}/")
        named = {
            (file, digest.sha256)
            for step, file, digest in folder.memory.digests()
            if step not in (CUBE_FILES, END_OF_RUN) and file != folder.recipe.name
            if self.published.with_imagery or not file.startswith(pictures)
        }
        yield from sorted(named)

    def _metadata(self) -> Files:
        """Metadata and coordinates of the cube, the outermost last."""
        cube = self._cube
        noted = self._folder.memory.entries().get(CUBE_FILES)
        if is_remote(cube.path):
            found = {f"{CUBE_FOLDER}/{key}": digest_at(cube.path, key) for key in _metadata_keys(cube)}
        else:
            found = dict(noted.files) if noted else {}
        named = {path: each.sha256 for path, each in found.items() if each is not None}
        shown = (path for path in named if self._is_shown(path.removeprefix(f"{CUBE_FOLDER}/")))
        yield from ((path, named[path]) for path in sorted(shown, key=lambda path: (-path.count("/"), path)))

    def _is_shown(self, key: str) -> bool:
        """Whether a file of the cube is part of the snapshot."""
        if self.published.with_imagery:
            return True
        parts = key.split("/")
        return parts[1:2] != [RGB] and not (parts[1:2] == [GROUP] and parts[3:4] == [RGB])


def publish_snapshot(published: Published, place: str | Path, trusts_times: bool = True) -> Copied:
    """Copy a finished edition into a folder or bucket of its own; what is there already with the same digest stays.

    Parameters
    ----------
    trusts_times : whether a file of an unfinished snapshot on a disk counts as the one that was copied while its size and
        times are the same; without it all files that are there are read. Those of a bucket always are.

    Raises
    ------
    ValueError
        for an edition that is not finished or is damaged, and for a place that holds anything else
    BlockingIOError
        while a run works on the edition
    """
    folder = published.folder
    folder.check_outside(place)
    with lease(folder):
        if END_OF_RUN not in folder.memory.entries():
            raise ValueError(f"{folder.root} is not finished, so it is not published; run its recipe again")
        source = SnapshotSource(published)
        snapshot = source.snapshot()
        is_fresh = _begin(snapshot, place)
        counts = {True: 0, False: 0}
        known = None if is_remote(place) else CopiedFiles(Path(place), trusts_times and has_key(place, BEGUN))
        copy = partial(_copied, source, place, is_fresh, known)
        for path, files in source.parts():
            _write_part(path, files, place, is_fresh)
            is_of_blocks = not path.startswith((f"{MANIFEST}/{OUTPUTS}-", f"{MANIFEST}/{METADATA}-"))
            for was_written in _together(copy, files) if is_of_blocks else map(copy, files):
                counts[was_written] += 1
        if not is_fresh:
            _check_alone(snapshot, place)
        create_key(place, FINISHED, snapshot.to_bytes())
        remove_key(place, BEGUN)
        if not is_remote(place):
            (Path(place) / FINISHED).chmod(READ_ONLY)
            shutil.rmtree(partial_folder(Path(place)), ignore_errors=True)
    return Copied(snapshot, counts[True], counts[False])


def _begin(snapshot: Snapshot, place: str | Path) -> bool:
    """Make a place that of a snapshot; returns whether nothing of it is there yet. Raises ValueError for a place with anything else."""
    wanted = snapshot.to_bytes()
    for marker in (FINISHED, BEGUN):
        if has_key(place, marker):
            if read_key(place, marker) != wanted:
                raise ValueError(_other(place, marker))
            return False
    there = first_key(place)
    if there is not None:
        raise ValueError(
            f"{place} holds {there}, which is no part of a snapshot; give a folder or prefix that holds nothing"
        )
    if not create_key(place, BEGUN, wanted):
        raise ValueError(_other(place, BEGUN))
    return True


def _other(place: str | Path, marker: str) -> str:
    try:
        of = Snapshot.read(place, marker).named
    except ValueError as error:
        return f"{error}; give another place"
    state = "another snapshot" if marker == FINISHED else "an unfinished snapshot that is another"
    return f"{place} holds {state}, of {of}, and a snapshot is never changed; give another place"


def _write_part(path: str, files: list[tuple[str, str]], place: str | Path, is_fresh: bool) -> None:
    data = manifest_part(files)
    if is_fresh or digest_at(place, path) != digest_bytes(data):
        write_key(place, path, data)


def _copied(
    source: SnapshotSource, place: str | Path, is_fresh: bool, known: CopiedFiles | None, file: tuple[str, str]
) -> bool:
    """Copy a file that is not there yet; returns whether it was written."""
    stopping.check()
    path, digest = file
    if known is not None and not is_fresh and known.holds(path, digest):
        return False
    found = None if is_fresh else digest_at(place, path)
    is_there = found is not None and found.sha256 == digest
    if not is_there:
        source.copy(path, digest, place)
    if known is not None:
        known.add(path, digest)
    return not is_there


def _together(do: Callable[[tuple[str, str]], T], files: list[tuple[str, str]]) -> Iterator[T]:
    """Results for some files, several of which are worked on at once; the first error ends it."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield from pool.map(do, files)
    finally:
        pool.shutdown(cancel_futures=True)


def _check_alone(snapshot: Snapshot, place: str | Path) -> None:
    foreign = next(_foreign(snapshot, place), None)
    if foreign is not None:
        raise ValueError(f"{key_in(place, foreign)} is no part of the snapshot; remove it")


def _foreign(snapshot: Snapshot, place: str | Path) -> Iterator[str]:
    """Keys of a place that a snapshot does not name."""
    known = array("q", (hash(path) for path, _ in snapshot.digests(place)))
    known.extend(hash(path) for path in (FINISHED, BEGUN, *snapshot.parts))
    ours = np.unique(np.frombuffer(known, np.int64))
    for key in keys_of(place):
        at = int(np.searchsorted(ours, hash(key)))
        if at == len(ours) or ours[at] != hash(key):
            yield key


def snapshot_problems(place: str | Path) -> Iterator[str]:
    """A sentence for every damaged, missing or foreign file of a snapshot; every byte of it is read."""
    if not has_key(place, FINISHED):
        yield f"the snapshot in {place} is not finished; run the same `croplayer snapshot` again to finish it"
        return
    try:
        snapshot = Snapshot.read(place)
        digests = snapshot.digests(place)
        while files := list(islice(digests, LINES_OF_PART)):
            yield from filter(None, _together(partial(_fault, place), files))
        foreign = list(_foreign(snapshot, place))
    except ValueError as error:
        yield str(error)
        return
    yield from (f"{key_in(place, key)} is no part of the snapshot; remove it" for key in foreign)


def _fault(place: str | Path, file: tuple[str, str]) -> str:
    stopping.check()
    path, digest = file
    found = digest_at(place, path)
    if found is None:
        return f"{key_in(place, path)} is missing"
    return "" if found.sha256 == digest else f"{key_in(place, path)} has other bytes than the manifest says"


def _metadata_keys(cube: Cube) -> Iterator[str]:
    """Keys of the metadata and coordinates of an edition in a bucket, whose records hold none of them."""
    yield "zarr.json"
    groups: list[tuple[str, StoreSchema, tuple[str, ...]]] = [(cube.edition, CUBE, COORDINATES)]
    if has_key(cube.path, f"{cube.edition}/{GROUP}/zarr.json"):
        yield f"{cube.edition}/{GROUP}/zarr.json"
        levels = levels_of(cube.grid, cube.blocks)
        groups += [(level.group(cube.edition), LEVEL, (*COORDINATES, MAP)) for level in levels]
    for group, schema, coordinates in groups:
        yield f"{group}/zarr.json"
        yield from (f"{group}/{spec.name}/zarr.json" for spec in schema.arrays)
        for name in coordinates:
            yield from keys_below(cube.path, f"{group}/{name}")


def _facts(facts: MapFacts, with_imagery: bool) -> dict[str, Any]:
    """What the marker says of the map."""
    return {
        "name": facts.name,
        "title": facts.title,
        "edition": facts.edition,
        "croplayer": facts.version,
        "block_px": facts.block_px,
        "sources": list(facts.sources),
        "imagery": with_imagery,
        "licence": facts.licence,
        "terms": facts.terms,
        "citation": facts.cited,
        "inputs": [each.to_json() for each in facts.inputs],
    }
