"""Steps of a stage: work over blocks, or files made from the results of steps before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from croplayer.durable import FileDigest, digest_file, digest_text, write_durable
from croplayer.finished import encode_steps, read_steps, steps_of_cube_after, steps_text
from croplayer.grid import BlockIndex
from croplayer.records import BlockRecord, BlockTask

CUBE_FILES = "cube"
"""Name under which a run remembers the files that describe its cube, as it does those of outputs."""
HEAD = "head"
"""Name under which it remembers its recipe and provenance."""
AT_ITS_END = "end"
"""Name under which it remembers that all it was asked for is finished; the fingerprint is the digest of all the rest."""
OF_OTHERS = "of others"
"""Fingerprint of a step whose blocks were made of what an earlier step has begun to write anew."""


@dataclass(frozen=True)
class BlockStep:
    """The same task over many blocks; every finished block has a line in the step's ledger."""

    name: str
    fingerprint: str
    blocks: Sequence[BlockIndex]
    task_for: Callable[[Sequence[BlockIndex]], BlockTask]
    """The task for a group of blocks, as light to send as it can be."""
    blocks_per_task: int
    runs_network: bool = False
    """Whether the task runs a network that a GPU makes faster."""


@dataclass(frozen=True)
class OutputStep:
    """Files that the client makes from what earlier steps found."""

    name: str
    fingerprint: str
    make: Callable[[], Sequence[Path]]
    """Writes the files durably and returns their paths; the same inputs give the same bytes."""


Step = BlockStep | OutputStep


@dataclass(frozen=True)
class StepResult:
    """What running a step did."""

    name: str
    total: int
    worked: int
    """Blocks or files made now; 0 when everything was there."""
    failed: Sequence[BlockRecord] = field(default_factory=tuple)
    seconds: float = 0.0


@dataclass(frozen=True)
class Entry:
    """What a run remembers of a step."""

    fingerprint: str
    is_open: bool = False
    """Whether the step's work was begun, or marked to be done again, and has not come to its end."""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    """Digest of each file of an output, by its name in the run's folder."""
    blocks: int = 0
    """Blocks that the step works on; 0 for an output."""
    ledger: FileDigest | None = None
    """Digest of the ledger of a step over blocks that is finished."""

    @property
    def is_of_blocks(self) -> bool:
        """Whether the step has a ledger of its own."""
        return bool(self.blocks or self.ledger)

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON, without those that say nothing."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name))}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        files = {name: FileDigest(*digest) for name, digest in data.get("files", {}).items()}
        ledger = FileDigest(*data["ledger"]) if "ledger" in data else None
        return cls(**{**data, "files": files, "ledger": ledger})


class OutputLedger:
    """Which steps of a run are finished, under which fingerprint, with which bytes.

    A step is opened before its work begins and closed when all of it is durable, so that what a closed step says
    holds at every moment, and an open one only says that it is not finished.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root

    def entries(self) -> dict[str, Entry]:
        """What is remembered, by the name of the step; raises ValueError when a byte of it is not what was written."""
        try:
            found = self.path.stat()
            return dict(_entries(self.path, found.st_ino, found.st_mtime_ns, found.st_size))
        except FileNotFoundError:
            return {}

    def _write(self, entries: dict[str, Entry]) -> None:
        """Remember ``entries``, and that the run has not come to its end with them."""
        write_durable(self.path, encode_steps(_as_json({n: e for n, e in entries.items() if n != AT_ITS_END})))

    def is_done(self, step: OutputStep) -> bool:
        """Whether a step's files are there, of the recorded size, under the same fingerprint."""
        entry = self.entries().get(step.name)
        if entry is None or entry.is_open or entry.fingerprint != step.fingerprint:
            return False
        return all(_has_size(self.root / name, digest.size) for name, digest in entry.files.items())

    def is_known(self, step: BlockStep) -> bool:
        """Whether a step was the last to be begun under its name."""
        entry = self.entries().get(step.name)
        return entry is not None and entry.fingerprint == step.fingerprint

    def is_closed(self, name: str, fingerprint: str) -> bool:
        """Whether a step was closed under a fingerprint."""
        entry = self.entries().get(name)
        return entry is not None and not entry.is_open and entry.fingerprint == fingerprint

    def begin(self, name: str, fingerprint: str) -> None:
        """Open an output before its files are written."""
        entries = self.entries()
        files = entries.get(name, Entry("")).files
        self._write(entries | {name: Entry(fingerprint, is_open=True, files=files)})

    def close(self, name: str, fingerprint: str, paths: Sequence[Path]) -> None:
        """Remember that the files of an output are complete."""
        self._close(self.entries(), name, fingerprint, paths)

    def _close(self, entries: dict[str, Entry], name: str, fingerprint: str, paths: Sequence[Path]) -> None:
        files = {p.relative_to(self.root).as_posix(): digest_file(p) for p in paths}
        self._write(entries | {name: Entry(fingerprint, files=files)})

    def record(self, step: OutputStep, paths: Sequence[Path]) -> None:
        """Remember that a step's files are complete; those that it made before and no longer makes are removed."""
        entries = self.entries()
        made = {p.relative_to(self.root).as_posix() for p in paths}
        others = {name for other, entry in entries.items() if other != step.name for name in entry.files}
        for name in entries.get(step.name, Entry("")).files.keys() - made - others:
            (self.root / name).unlink(missing_ok=True)
        self._close(entries, step.name, step.fingerprint, paths)

    def begin_blocks(self, step: BlockStep) -> None:
        """Open a step over blocks before the first of them is worked on.

        Under other settings than before, the same write opens the later steps of the cube: what they wrote there is
        not made of what this step writes now.
        """
        entries = self.entries()
        later = () if self.is_known(step) else steps_of_cube_after(step.name)
        opened = {
            name: replace(entries[name], fingerprint=OF_OTHERS, is_open=True) for name in later if name in entries
        }
        begun = {step.name: Entry(step.fingerprint, is_open=True, blocks=len(step.blocks))}
        self._write(entries | opened | begun)

    def are_closed(self, step: BlockStep, ledger: Path) -> bool:
        """Whether a step was closed with as many blocks as it has and a ledger of this size."""
        entry = self.entries().get(step.name)
        if entry is None or entry.is_open or (entry.fingerprint, entry.blocks) != (step.fingerprint, len(step.blocks)):
            return False
        return _has_size(ledger, entry.ledger.size) if entry.ledger else not ledger.exists()

    def close_blocks(self, step: BlockStep, ledger: Path) -> None:
        """Remember the bytes of a step's ledger when nothing is under way any more; it need not be there."""
        digest = digest_file(ledger) if ledger.exists() else None
        self._write(self.entries() | {step.name: Entry(step.fingerprint, blocks=len(step.blocks), ledger=digest)})

    def forget(self, names: Iterable[str]) -> None:
        """Mark steps as not finished."""
        entries = self.entries()
        opened = {name: replace(entries[name], is_open=True) for name in names if name in entries}
        self._write(entries | opened)

    def end(self) -> None:
        """Remember that everything the run was asked for is finished, until work begins again; not with a step open."""
        entries = self.entries()
        if AT_ITS_END not in entries and not any(entry.is_open for entry in entries.values()):
            end = Entry(digest_text(steps_text(_as_json(entries))))
            write_durable(self.path, encode_steps(_as_json(entries | {AT_ITS_END: end})))

    def drop_open(self) -> None:
        """Drop the steps that were begun and that the recipe does not have any more, after all that it has."""
        entries = self.entries()
        closed = {name: entry for name, entry in entries.items() if not entry.is_open}
        if len(closed) < len(entries):
            self._write(closed)

    def keep_only(self, steps: Collection[str], unseen: tuple[str, ...] = ()) -> None:
        """Remove the files of outputs that the recipe does not make any more, before anything reads them.

        Parameters
        ----------
        steps : names of the steps that it has
        unseen : starts of the names of outputs that it may still make
        """
        entries = self.entries()
        gone = {
            name: entry
            for name, entry in entries.items()
            if entry.files and name not in {*steps, CUBE_FILES, HEAD} and not name.startswith(unseen)
        }
        kept = {file for name, entry in entries.items() if name not in gone for file in entry.files}
        for file in {file for entry in gone.values() for file in entry.files} - kept:
            (self.root / file).unlink(missing_ok=True)
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


@lru_cache(maxsize=4)
def _entries(path: Path, inode: int, time_ns: int, size: int) -> Mapping[str, Entry]:
    """What a file says; asked for again and again, with thousands of exports, and read when it has changed."""
    return {name: Entry.from_json(entry) for name, entry in read_steps(path).items()}


def _as_json(entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    return {name: entry.to_json() for name, entry in entries.items()}


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
