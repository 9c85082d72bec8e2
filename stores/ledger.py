"""The ledger of a step: one durable line per block, written only by the client, after the block's files.

A line is the CRC-32 of its text as eight hexadecimal digits, a space, and a JSON object with the step's
fingerprint and the block's record. A last line that a crash truncated is dropped before the ledger is written
again.
"""

from __future__ import annotations

import json
import os
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic_core import from_json

from stores.durable import sync_folder
from stores.grid import LATTICE_COLS
from stores.records import BlockRecord

CRC_DIGITS = 8
TEXT = CRC_DIGITS + 1
"""Index of the first byte of a line's text."""
TAIL_BYTES = 1 << 20
"""Number of bytes at the end of a ledger that are searched for the last line; a line is far shorter."""
READ_BYTES = 8 << 20
"""Bytes of a ledger that are looked through at a time."""
NEWLINE, ZERO = b"\n0"
_BLOCK = b',"block":"'
_NAME = b"r0000c0000"


def encode_line(fingerprint: str, record: BlockRecord) -> bytes:
    """The ledger line of a record, with its newline; raises ValueError for a value that is not finite."""
    text = json.dumps({"fingerprint": fingerprint, **record.to_json()}, separators=(",", ":"), allow_nan=False)
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def decode_line(line: bytes) -> tuple[str, BlockRecord]:
    """Fingerprint and record of a ledger line; raises ValueError if the line is damaged or incomplete."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != f"{zlib.crc32(text):08x}".encode():
        raise ValueError("checksum does not match")
    data = from_json(text)
    return data["fingerprint"], BlockRecord.from_json(data)


@dataclass(frozen=True)
class Ledger:
    """The ledger of one step of a run."""

    path: Path

    def texts(self) -> Iterator[tuple[int, bytes]]:
        """Offset in bytes and text of every complete line; an incomplete one at the end is left out.

        No line if there is no file. Raises ValueError if a line is damaged.
        """
        if not self.path.exists():
            return
        place = 0
        with self.path.open("rb") as f:
            for number, line in enumerate(f, start=1):
                if line[-1:] != b"\n":
                    return  # truncated by a crash, or still being written
                self._check(line, number)
                yield place, line
                place += len(line)

    def texts_of(self, codes: np.ndarray) -> Iterator[tuple[int, bytes]]:
        """Offset and text of the complete lines of some blocks, as `texts` gives them.

        In a ledger of more than READ_BYTES, such as a nation's, a line of another block is not checked, unless its block
        cannot be read: a region is then opened in a tenth of the time. A line that damage makes another block's is missed.
        Raises ValueError if a line that is checked is damaged.

        Parameters
        ----------
        codes : of blocks, as in BlockList
        """
        if not self.path.exists():
            return
        place, number = 0, 1
        is_small = self.path.stat().st_size <= READ_BYTES
        with self.path.open("rb") as f:
            while lines := f.read(READ_BYTES) + f.readline():
                ends = np.flatnonzero(np.frombuffer(lines, np.uint8) == NEWLINE)
                starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
                found = block_codes(lines, starts, ends)
                is_asked = np.isin(found, codes)
                for i in np.flatnonzero(is_asked | (found < 0) | is_small).tolist():
                    start, line = int(starts[i]), lines[starts[i] : ends[i] + 1]
                    self._check(line, number + i)
                    if is_asked[i] or (found[i] < 0 and np.isin(block_code(line), codes)):
                        yield place + start, line
                place += len(lines)
                number += len(ends)

    def _check(self, line: bytes, number: int) -> None:
        """Raise ValueError if a complete line is damaged."""
        if line[:CRC_DIGITS] != b"%08x" % zlib.crc32(line[TEXT:-1]):
            raise ValueError(
                f"ledger {self.path} line {number} is damaged (checksum does not match); "
                "remove the file to do this step again from the start"
            )

    def lines(self) -> Iterator[tuple[str, BlockRecord]]:
        """Fingerprint and record of every complete line; raises ValueError if one is damaged."""
        return (decode_line(line) for _, line in self.texts())

    def newest(self) -> Iterator[tuple[str, BlockRecord]]:
        """Fingerprint and record of the last line of each block, in the order of the ledger.

        Lines of any fingerprint count. Raises ValueError if one is damaged.
        """
        blocks, places = array("i"), array("q")
        for place, line in self.texts():
            blocks.append(block_code(line))
            places.append(place)
        newest = np.unique(np.array(blocks)[::-1], return_index=True)[1]
        for line in lines_at(self.path, np.sort(np.array(places)[::-1][newest])):
            yield decode_line(line)

    def backwards(self) -> Iterator[tuple[str, BlockRecord]]:
        """Fingerprint and record of every complete line, the last one first; raises ValueError if one is damaged."""
        places = np.fromiter((place for place, _ in self.texts()), np.int64)
        return map(decode_line, lines_at(self.path, places[::-1]))

    def append(self, fingerprint: str, records: Iterable[BlockRecord]) -> None:
        """Append records; they are durable when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        with self.path.open("ab") as f:
            f.writelines(encode_line(fingerprint, record) for record in records)
            f.flush()
            os.fsync(f.fileno())
        if is_new:
            sync_folder(self.path.parent)

    def is_cut_short(self) -> bool:
        """Whether the last line is incomplete, because of a crash or because it is still being written."""
        with self.path.open("rb") as f:
            size = f.seek(0, os.SEEK_END)
            f.seek(max(0, size - 1))
            return f.read() not in (b"", b"\n")

    def cut_torn_tail(self) -> None:
        """Drop a last line that a crash left incomplete."""
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


def lines_at(path: Path, places: np.ndarray) -> Iterator[bytes]:
    """Lines of a ledger by their offsets in bytes, in this order; the file is not opened if there are none."""
    if not len(places):
        return
    with path.open("rb") as f:
        for place in places:
            f.seek(int(place))
            yield f.readline()


def block_code(line: bytes) -> int:
    """Code of a line's block, as in BlockList, without decoding the rest."""
    name = line.index(_BLOCK) + len(_BLOCK)
    return int(line[name + 1 : name + 5]) * LATTICE_COLS + int(line[name + 6 : name + 10])


def block_codes(lines: bytes, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Code (n,) int32 of the block of each line; -1 where its name is not at the place of the first line's.

    Parameters
    ----------
    lines : whole lines of a ledger
    starts, ends : (n,) where each line begins, and where its newline is
    """
    at = lines.find(_BLOCK, 0, int(ends[0]) if len(ends) else 0)
    codes = np.full(len(starts), -1, np.int32)
    if at < 0:
        return codes
    text = np.frombuffer(lines, np.uint8)
    told = _BLOCK + _NAME
    is_long = np.flatnonzero(starts + at + len(told) < ends)
    found = text[(starts[is_long] + at)[:, None] + np.arange(len(told))]
    is_digit = np.zeros(len(told), bool)
    is_digit[len(_BLOCK) + 1 : len(_BLOCK) + 5] = is_digit[len(_BLOCK) + 6 :] = True
    same = (found[:, ~is_digit] == np.frombuffer(told, np.uint8)[~is_digit]).all(axis=1)
    digits = found[:, is_digit].astype(np.int32) - ZERO
    is_name = same & (digits >= 0).all(axis=1) & (digits <= 9).all(axis=1)
    value = np.array([1000, 100, 10, 1], np.int32)
    codes[is_long[is_name]] = (digits[:, :4] @ value * LATTICE_COLS + digits[:, 4:] @ value)[is_name]
    return codes
