"""The ledger: one durable line per finished block, written by the client alone, always last.

A line is the CRC-32 of its text as eight hexadecimal digits, a space, and a JSON object with the
step's fingerprint and the block's record. A line that was cut short by a crash is dropped when the
ledger is opened for writing.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from croplayer.durable import sync_folder
from croplayer.records import BlockRecord

CRC_DIGITS = 8
TAIL_BYTES = 1 << 20
"""How much of a ledger's end is read when its last line is looked for; a line is far shorter."""


def encode_line(fingerprint: str, record: BlockRecord) -> bytes:
    """One ledger line, newline included."""
    text = json.dumps({"fingerprint": fingerprint, **record.to_json()}, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def decode_line(line: bytes) -> tuple[str, BlockRecord]:
    """Fingerprint and record of a ledger line; raises ValueError when the line is damaged."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != f"{zlib.crc32(text):08x}".encode():
        raise ValueError("checksum does not match")
    data = json.loads(text)
    return data["fingerprint"], BlockRecord.from_json(data)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one step of a run."""

    path: Path

    def lines(self) -> Iterator[tuple[str, BlockRecord]]:
        """Every whole line; a last line that was cut short is left out, damage raises ValueError."""
        if not self.path.exists():
            return
        with self.path.open("rb") as f:
            for number, line in enumerate(f, start=1):
                if not line.endswith(b"\n"):
                    return  # cut short by a crash, or being written just now
                try:
                    yield decode_line(line)
                except ValueError as error:
                    raise ValueError(damaged_line(self.path, number, str(error))) from error

    def last_fingerprint(self) -> str | None:
        """The fingerprint of the newest whole line; None when there is none."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as f:
            f.seek(max(0, f.seek(0, os.SEEK_END) - TAIL_BYTES))
            whole = f.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
        return decode_line(whole + b"\n")[0] if whole else None

    def append(self, fingerprint: str, records: Iterable[BlockRecord]) -> None:
        """Append records and make them durable before returning."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self.path.open("ab") as f:
            f.writelines(encode_line(fingerprint, record) for record in records)
            f.flush()
            os.fsync(f.fileno())
        if is_new:
            sync_folder(self.path.parent)

    def is_cut_short(self) -> bool:
        """Whether the last line has no end, as a crash or a write that is under way leaves it."""
        with self.path.open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(0, size - 1))
            return f.read() not in (b"", b"\n")

    def cut_torn_tail(self) -> None:
        """Drop an unfinished last line that a crash left."""
        if not self.path.exists():
            return
        with self.path.open("r+b") as f:
            size = f.seek(0, os.SEEK_END)
            before = f.seek(max(0, size - TAIL_BYTES))
            data = f.read()
            start = data.rfind(b"\n", 0, len(data) - 1) + 1
            try:
                if data[start:]:
                    decode_line(data[start:])
            except ValueError:
                f.truncate(before + start)
                os.fsync(f.fileno())


def damaged_line(path: Path, number: int, why: str = "checksum does not match") -> str:
    """The sentence for a line that is not what was written."""
    return f"ledger {path} line {number} is damaged ({why}); remove the file to do this step again from the start"
