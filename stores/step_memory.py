"""What a run remembers of its steps: what they were made of, which bytes they wrote, which are finished.

The file ``ledger/outputs.json`` holds one JSON object in two lines. The first holds the digest of the second, so any
changed byte is noticed.

================  =================================================================================================
a step is         when
================  =================================================================================================
open              its work has begun, or it was marked to be redone, and it is not finished
finished          everything it wrote is durable; its files, or its ledger, have the digests that are noted
void              an earlier step of the cube has begun to rewrite what this step was made of; it is open, and no
                  fingerprint equals that of its entry until it is begun again
finished run      every step that the recipe has is finished; noted last, dropped when any work begins
================  =================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from stores.durable import FileDigest, digest_file, digest_text, write_durable
from stores.inner_paths import PathOutsideError, check_name, path_inside

CUBE_FILES = "cube"
"""Name under which a run remembers the files that describe its cube, as it does those of outputs."""
HEAD = "head"
"""Name under which it remembers its recipe and provenance."""
END_OF_RUN = "end"
"""Name under which it remembers that it is finished; the fingerprint is the digest of all other entries."""
EXPORTS = "export_"
"""Prefix of the names of the steps that write the files of one admin unit, of which a nation has thousands."""
VOID = "void "
"""Prefix of the fingerprint of a step that was made of what an earlier step has begun to rewrite."""
STEPS_OF_CUBE = ("mosaic", "segment", "integrate")
"""Steps that write the map, each from what those before it wrote; a block is finished when all of them are."""
FIELDS = "fields"
"""The step that writes the fields of the map, in runs that ask for them."""
FIELD_OUTLINES = "outlines"
"""The step that writes a table of the fields that each block names, with their outlines."""
FIELD_FILES = f"{FIELDS}_"
"""Prefix of the names of the steps that write the fields of one admin unit."""
FILES_OF_UNITS = (EXPORTS, FIELD_FILES)
"""Prefixes of the steps of which a nation has as many as units."""
WRITERS_OF_CUBE = (*STEPS_OF_CUBE, FIELDS)
"""All steps that write arrays of the cube, each from what those before it wrote."""
OVERVIEWS = "overviews"
"""The step that writes the overviews of each block, in runs that ask for them."""
SQUARES = "overview_squares"
"""The step that writes those of each square of blocks, from the overviews of its blocks."""


@dataclass(frozen=True)
class StepEntry:
    """What a run remembers of a step."""

    fingerprint: str
    is_open: bool = False
    """Whether the step was begun, or marked to be redone, and is not finished."""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    """Digest of each file of an output, by its name in the run's folder."""
    blocks: int = 0
    """Blocks that the step works on; 0 for an output."""
    ledger: FileDigest | None = None
    """Digest of the ledger of a step over blocks that is finished."""
    made_of: Mapping[str, str] = field(default_factory=dict)
    """The parts of the fingerprint, by name, short enough to be read."""

    @property
    def is_of_blocks(self) -> bool:
        """Whether the step has a ledger of its own."""
        return bool(self.blocks or self.ledger)

    @property
    def is_void(self) -> bool:
        """Whether what the step was made of is being rewritten."""
        return self.fingerprint.startswith(VOID)

    @property
    def digest(self) -> str:
        """Digest of the files of an output."""
        return digest_text(json.dumps({name: each.sha256 for name, each in sorted(self.files.items())}))


class BlocksDone(NamedTuple):
    """What a step over blocks leaves when none of its blocks is in progress."""

    blocks: int
    ledger: Path
    """The step's ledger; it need not be there."""


class StepMemory:
    """Which steps of a run are finished, made of what, with which bytes.

    A step is begun before its work and finished when all of it is durable, so what a finished step says holds at
    every moment, and an open one only says that it is not finished.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root

    def entries(self) -> dict[str, StepEntry]:
        """What is remembered, by the name of the step.

        Raises ValueError when the file is damaged, or names a file outside the run's folder.
        """
        try:
            found = self.path.stat()
            return dict(_entries(self.path, found.st_ino, found.st_mtime_ns, found.st_size))
        except FileNotFoundError:
            return {}

    def begin(self, name: str, fingerprint: str, made_of: Mapping[str, str] | None = None, blocks: int = 0) -> None:
        """Open a step before its first file is written or its first block is worked on.

        A step of the cube that begins with another fingerprint than before makes the later ones void in the same write:
        what they wrote is not made of what this step writes now.

        Parameters
        ----------
        blocks : number of blocks of a step over blocks; 0 for an output, whose files stay noted until it is finished
        """
        entries = self.entries()
        before = entries.get(name)
        is_same = before is not None and before.fingerprint == fingerprint
        for later in () if is_same else steps_of_cube_after(name):
            if later in entries:
                entries[later] = _void(entries[later])
        files = before.files if before is not None and not blocks else {}
        entries[name] = StepEntry(fingerprint, is_open=True, files=files, blocks=blocks, made_of=made_of or {})
        self._write(entries)

    def begin_with(self, steps: Mapping[str, StepEntry]) -> None:
        """Open several steps over blocks in one write, with the fingerprints and blocks that they had in another edition."""
        opened = {name: replace(entry, is_open=True, ledger=None) for name, entry in steps.items()}
        self._write(self.entries() | opened)

    def finish(
        self, name: str, fingerprint: str, what: Sequence[Path] | BlocksDone, made_of: Mapping[str, str] | None = None
    ) -> None:
        """Note that everything a step wrote is durable; files that an output made before and no longer makes are removed."""
        entries = self.entries()
        if isinstance(what, BlocksDone):
            digest = digest_file(what.ledger) if what.ledger.exists() else None
            entry = StepEntry(fingerprint, blocks=what.blocks, ledger=digest, made_of=made_of or {})
        else:
            files = {p.relative_to(self.root).as_posix(): digest_file(p) for p in what}
            entry = StepEntry(fingerprint, files=files, made_of=made_of or {})
            others = {file for other, each in entries.items() if other != name for file in each.files}
            for file in entries[name].files.keys() - files.keys() - others if name in entries else ():
                path_inside(self.root, file).unlink(missing_ok=True)
        self._write(entries | {name: entry})

    def note(self, name: str, fingerprint: str, paths: Sequence[Path]) -> None:
        """Note those files of an output that are not noted under its fingerprint yet.

        The others keep their digests, so one that was damaged since is still named by verify.
        """
        entries = self.entries()
        entry = entries.get(name)
        noted = entry.files if entry is not None and not entry.is_open and entry.fingerprint == fingerprint else {}
        by_name = {path.relative_to(self.root).as_posix(): path for path in paths}
        new = {file: digest_file(path) for file, path in by_name.items() if file not in noted}
        if new:
            self._write(entries | {name: StepEntry(fingerprint, files={**noted, **new})})

    def is_finished(self, name: str, fingerprint: str, blocks: BlocksDone | None = None) -> bool:
        """Whether a step was finished with this fingerprint and what it wrote has the recorded size.

        Parameters
        ----------
        blocks : number of blocks and ledger of a step over blocks; None for an output
        """
        entry = self.entries().get(name)
        if entry is None or entry.is_open or entry.fingerprint != fingerprint:
            return False
        if blocks is None:
            return all(_has_size(self.root / file, digest.size) for file, digest in entry.files.items())
        if entry.blocks != blocks.blocks:
            return False
        return _has_size(blocks.ledger, entry.ledger.size) if entry.ledger else not blocks.ledger.exists()

    def was_begun_last(self, name: str, fingerprint: str) -> bool:
        """Whether a step was the last to be begun under its name."""
        entry = self.entries().get(name)
        return entry is not None and entry.fingerprint == fingerprint

    def forget(self, names: Iterable[str]) -> None:
        """Mark steps as not finished."""
        entries = self.entries()
        opened = {name: replace(entries[name], is_open=True) for name in names if name in entries}
        self._write(entries | opened)

    def end(self) -> None:
        """Mark the run as finished until work begins again; does nothing while a step is open."""
        entries = self.entries()
        if END_OF_RUN not in entries and not any(entry.is_open for entry in entries.values()):
            end = StepEntry(digest_text(_steps_text(entries)))
            write_durable(self.path, _encode(entries | {END_OF_RUN: end}))

    def drop_open(self) -> None:
        """Drop the open steps that the recipe no longer has, with their ledgers; call it once all that it has are finished."""
        entries = self.entries()
        closed = {name: entry for name, entry in entries.items() if not entry.is_open}
        if len(closed) < len(entries):
            self._write(closed)
            for name in entries.keys() - closed.keys():
                (self.path.parent / f"{name}.jsonl").unlink(missing_ok=True)

    def keep_only(self, steps: Collection[str], unseen: tuple[str, ...] = ()) -> None:
        """Remove the files of outputs that the recipe no longer makes, before anything reads them.

        Parameters
        ----------
        steps : names of the steps that it has
        unseen : prefixes of the names of outputs that it may still make
        """
        entries = self.entries()
        gone = {
            name: entry
            for name, entry in entries.items()
            if entry.files and name not in {*steps, CUBE_FILES, HEAD} and not name.startswith(unseen)
        }
        kept = {file for name, entry in entries.items() if name not in gone for file in entry.files}
        for file in {file for entry in gone.values() for file in entry.files} - kept:
            path_inside(self.root, file).unlink(missing_ok=True)
        if gone:
            self._write({name: entry for name, entry in entries.items() if name not in gone})

    def remove_damaged(self) -> None:
        """Remove the file when it is damaged, so that the next run makes the outputs again."""
        try:
            self.entries()
        except ValueError:
            self.path.unlink()

    def digests(self) -> Iterator[tuple[str, str, FileDigest]]:
        """Step, file and digest of every output that is complete."""
        for name, entry in sorted(self.entries().items()):
            for file, digest in () if entry.is_open else sorted(entry.files.items()):
                yield name, file, digest

    def _write(self, entries: Mapping[str, StepEntry]) -> None:
        """Remember ``entries``, and that the run is not finished."""
        write_durable(self.path, _encode({n: e for n, e in entries.items() if n != END_OF_RUN}))


def steps_of_cube_after(step: str) -> tuple[str, ...]:
    """Steps that write the cube from what a step wrote; none after a step that does not write it."""
    if step in STEPS_OF_CUBE:
        return (*STEPS_OF_CUBE[STEPS_OF_CUBE.index(step) + 1 :], FIELDS, OVERVIEWS, SQUARES)
    return (SQUARES,) if step == OVERVIEWS else ()


def _void(entry: StepEntry) -> StepEntry:
    fingerprint = entry.fingerprint if entry.is_void else VOID + entry.fingerprint
    return replace(entry, fingerprint=fingerprint, is_open=True)


@lru_cache(maxsize=4)
def _entries(path: Path, inode: int, time_ns: int, size: int) -> Mapping[str, StepEntry]:
    """Entries of a file, which is read again only when it has changed; thousands of exports ask for them."""
    return _decode(path)


def _decode(path: Path) -> dict[str, StepEntry]:
    head, _, text = path.read_bytes().decode(errors="replace").partition("\n")
    try:
        if head != _head(text):
            raise ValueError
        data = json.loads("{" + text)
        parts = data.get("made_of", {})
        steps = {name: _entry(entry, parts.get(entry["fingerprint"], {})) for name, entry in data["steps"].items()}
        for name, entry in steps.items():
            if entry.is_of_blocks and "/" in name:  # the name is that of the step's ledger
                raise PathOutsideError(f"step {name!r}")
        return steps
    except PathOutsideError as error:
        raise ValueError(f"{path} names a file outside the run's folder ({error}); remove {path.name}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged; remove it to make the outputs again") from None


def _entry(data: Mapping[str, Any], made_of: Mapping[str, str]) -> StepEntry:
    files = {name: FileDigest(*digest) for name, digest in data.get("files", {}).items()}
    for name in files:
        check_name(name)
    ledger = FileDigest(*data["ledger"]) if "ledger" in data else None
    return StepEntry(**{**data, "files": files, "ledger": ledger, "made_of": made_of})


def _encode(entries: Mapping[str, StepEntry]) -> bytes:
    """The bytes of the file. Steps of one fingerprint, as thousands of exports are, share what they were made of."""
    made_of = {entry.fingerprint: dict(entry.made_of) for entry in entries.values() if entry.made_of}
    text = f'"made_of":{_json(made_of)},"steps":{_steps_text(entries)}}}\n'
    return f"{_head(text)}\n{text}".encode()


def _steps_text(entries: Mapping[str, StepEntry]) -> str:
    names = [f.name for f in fields(StepEntry) if f.name != "made_of"]
    return _json({step: {n: v for n in names if (v := getattr(entry, n))} for step, entry in entries.items()})


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _head(text: str) -> str:
    """The first line of a file, with the digest of the rest, so that any changed byte is noticed."""
    return f'{{"digest":"{digest_text(text)}",'


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
