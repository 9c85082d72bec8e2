"""Steps of a stage: work over blocks, or files made from the results of steps before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from croplayer.durable import FileDigest, digest_file, digest_text, write_durable
from croplayer.grid import BlockIndex
from croplayer.records import BlockRecord, BlockTask

CUBE_FILES = "cube"
"""Name under which a run remembers the files that describe its cube, as it does those of outputs."""


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


class OutputLedger:
    """Which output steps are done, under which fingerprint, with which bytes."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root

    def _read(self) -> dict[str, dict[str, object]]:
        if not self.path.exists():
            return {}
        data = self.path.read_bytes()
        try:
            done = dict(json.loads(data)["steps"])
            is_whole = data == _encoded(done)
        except (ValueError, KeyError, TypeError):
            is_whole = False
        if not is_whole:
            raise ValueError(f"{self.path} is damaged; remove it to make the outputs again")
        return done

    def _write(self, done: dict[str, dict[str, object]]) -> None:
        write_durable(self.path, _encoded(done))

    def is_done(self, step: OutputStep) -> bool:
        """Whether a step's files are there, of the recorded size, under the same fingerprint."""
        entry = self._read().get(step.name)
        if entry is None or entry["fingerprint"] != step.fingerprint:
            return False
        return all(_has_size(self.root / name, digest.size) for name, digest in _files(entry))

    def record(self, step: OutputStep, paths: Sequence[Path]) -> None:
        """Remember that a step's files are complete."""
        self._record(step.name, step.fingerprint, paths)

    def record_new(self, name: str, fingerprint: str, paths: Sequence[Path]) -> None:
        """Remember files that no step made, once for each fingerprint."""
        if self._read().get(name, {}).get("fingerprint") != fingerprint:
            self._record(name, fingerprint, paths)

    def _record(self, name: str, fingerprint: str, paths: Sequence[Path]) -> None:
        files = {p.relative_to(self.root).as_posix(): list(digest_file(p)) for p in paths}
        self._write(self._read() | {name: {"fingerprint": fingerprint, "files": files}})

    def forget(self, name: str) -> None:
        """Mark a step's files as not made."""
        self._write({step: entry for step, entry in self._read().items() if step != name})

    def digests(self) -> Iterator[tuple[str, str, FileDigest]]:
        """Step, file and digest of every recorded output."""
        for name, entry in sorted(self._read().items()):
            for file, digest in _files(entry):
                yield name, file, digest


def _encoded(done: dict[str, dict[str, object]]) -> bytes:
    """The file's bytes: what is done, and a digest of it, so that any changed byte is noticed."""
    digest = digest_text(json.dumps(done, sort_keys=True))
    return json.dumps({"digest": digest, "steps": done}, indent=1, sort_keys=True).encode()


def _files(entry: dict[str, object]) -> list[tuple[str, FileDigest]]:
    files = entry["files"]
    assert isinstance(files, dict)
    return [(name, FileDigest(*digest)) for name, digest in files.items()]


def _has_size(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False
