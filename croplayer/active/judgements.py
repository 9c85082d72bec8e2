"""What people judge at the page: an append-only journal for each person, durable at every key.

A line is one JSON object with a check field, the CRC-32 of the rest. A line that was cut short by a crash is never taken for a
judgement, and the next one is written in its place.
"""

from __future__ import annotations

import errno
import json
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import filelock

from stores.durable import sync_folder
from stores.file_names import file_name
from stores.legends import Integration

JOURNALS = "judgements"
"""Folder of the journals in a label project."""
TAIL_BYTES = 1 << 16
"""Number of bytes at the end of a journal that are searched for the beginning of the last line; a line is far shorter."""
LONGEST_NOTE = 2000
PATIENCE_S = 5.0
"""How long another process may hold a journal."""


class JudgementKind(StrEnum):
    """What is judged."""

    CORRECTNESS = "correctness"
    """The mask of one source in a block; the value is the label of one of the run's classes (TP, TN, FP, Noise, Artifacts)."""
    INTEGRATION = "integration"
    """Which source's mask the map takes in a block; the value is the label of an `Integration`."""
    POINT = "point"
    """The class of a point of a sample, judged without seeing the map: ``cropland`` or ``not cropland``."""


VALUES = {
    JudgementKind.INTEGRATION: tuple(choice.label for choice in Integration),
    JudgementKind.POINT: ("cropland", "not cropland"),
}
"""Values of the kinds that have the same in every run."""


class TornLineWarning(UserWarning):
    """The last line of a journal was cut short by a crash; the judgement was never shown as saved."""


@dataclass(frozen=True)
class Judgement:
    """What one person said of one thing."""

    kind: JudgementKind
    subject: str
    """Name of a block, or id of a point."""
    source: str
    """Source whose mask is judged, or name of the sample that a point belongs to; empty for the choice of sources."""
    value: str
    """Empty takes an earlier judgement back."""
    person: str
    time: datetime
    """When it was said, in UTC."""
    seconds: float = math.nan
    """How long the person looked; NaN if it is not known."""
    note: str = ""
    shown: str = ""
    """Masks that the person saw, by `ShownMasks.name`; empty for points, and where only the time says it."""

    def __post_init__(self) -> None:
        if not self.subject or not self.person.strip():
            raise ValueError("a judgement needs a subject and the name of a person")
        if bool(self.source) != (self.kind != JudgementKind.INTEGRATION):
            raise ValueError(f"a judgement of {self.kind} has the source '{self.source}'; only the choice has none")
        allowed = VALUES.get(self.kind, ())
        if self.value and allowed and self.value not in allowed:
            raise ValueError(f"the {self.kind} of {self.subject} is '{self.value}'; expected {', '.join(allowed)}")
        if len(self.note) > LONGEST_NOTE:
            raise ValueError(f"the note has {len(self.note)} characters; expected at most {LONGEST_NOTE}")
        if self.time.tzinfo is None:
            raise ValueError(f"the time {self.time} has no time zone")

    @property
    def key(self) -> tuple[str, str, str, str]:
        """A later judgement with the same kind, subject, source and person replaces an earlier one."""
        return (str(self.kind), self.subject, self.source, self.person)


def append(folder: Path, judgement: Judgement) -> Path:
    """Append a judgement to its person's journal; it is durable when this returns. Returns the path of the journal.

    A last line that a crash cut short is dropped first, with a `TornLineWarning`.

    Parameters
    ----------
    folder : the label project's folder

    Raises
    ------
    OSError
        if the journal cannot be written, as on a full disk: then nothing of the judgement is in it
    """
    path = folder / JOURNALS / file_name(judgement.person, ".jsonl")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f".{path.name}.lock"), timeout=PATIENCE_S):
            _append(path, _encoded(judgement))
    except filelock.Timeout:
        raise OSError(f"{path} is in use by another process, so nothing was saved; try again") from None
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror or error}), so nothing was saved; make room and try again"
        ) from None
    return path


def read_judgements(folder: Path) -> tuple[Judgement, ...]:
    """The judgements that stand, of all people, sorted by kind, subject, source and person.

    Parameters
    ----------
    folder : the label project's folder

    Raises
    ------
    ValueError
        naming file and line, if a line is damaged. A line that a crash cut short is left out with a `TornLineWarning`
    """
    last: dict[tuple[str, str, str, str], Judgement] = {}
    for path in sorted((folder / JOURNALS).glob("*.jsonl")):
        for judgement in read_journal(path):
            last[judgement.key] = judgement
    return tuple(last[key] for key in sorted(last) if last[key].value)


def read_journal(path: Path) -> Iterator[Judgement]:
    """Every judgement of a journal, also those replaced or taken back, in the order in which they were made.

    Raises ValueError and warns as `read_judgements`.
    """
    data = path.read_bytes()
    for number, line in enumerate(data.splitlines(keepends=True), start=1):
        if not line.endswith(b"\n"):
            _warn_torn(path, number)
            return
        try:
            yield _decoded(line)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} line {number} is damaged ({error}); take the file back from a copy") from None


def _append(path: Path, line: bytes) -> None:
    is_new = not path.exists()
    # Unbuffered: a buffer that could not be written is written again when the file is closed.
    with path.open("ab", buffering=0) as file:
        end = _whole_end(path, file.tell())
        if end < file.tell():
            _warn_torn(path)
            file.truncate(end)
        try:
            if file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except BaseException:
            os.truncate(path, end)
            raise
    if is_new:
        sync_folder(path.parent)


def _whole_end(path: Path, size: int) -> int:
    """Where the last whole line of a journal ends."""
    with path.open("rb") as file:
        start = file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
    return size if tail.endswith(b"\n") or not tail else start + tail.rfind(b"\n") + 1


def _warn_torn(path: Path, number: int | None = None) -> None:
    place = "the last line" if number is None else f"line {number}"
    warnings.warn(f"{place} of {path} was cut short by a crash and is left out", TornLineWarning, stacklevel=3)


def _encoded(judgement: Judgement) -> bytes:
    facts: dict[str, object] = {
        "kind": str(judgement.kind),
        "subject": judgement.subject,
        "source": judgement.source,
        "value": judgement.value,
        "person": judgement.person,
        "time": judgement.time.astimezone(UTC).isoformat(timespec="milliseconds"),
        "seconds": None if math.isnan(judgement.seconds) else round(judgement.seconds, 2),
        "note": judgement.note,
    }
    if judgement.shown:
        facts["shown"] = judgement.shown
    return (json.dumps(facts | {"check": _check(facts)}, ensure_ascii=False) + "\n").encode()


def _decoded(line: bytes) -> Judgement:
    """The judgement of a line; raises ValueError, KeyError or TypeError if it is damaged."""
    facts = json.loads(line)
    check = facts.pop("check")
    if check != _check(facts):
        raise ValueError("its check does not match")
    seconds = math.nan if facts["seconds"] is None else float(facts["seconds"])
    stored = {
        "kind": JudgementKind(facts["kind"]),
        "time": datetime.fromisoformat(facts["time"]),
        "seconds": seconds,
    }
    return Judgement(**(facts | stored))


def _check(facts: dict[str, object]) -> str:
    return f"{zlib.crc32(json.dumps(facts, ensure_ascii=False, sort_keys=True).encode()):08x}"
