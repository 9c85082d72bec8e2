"""Results of a step, read from its ledger into arrays, so that a country's blocks need no object each."""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic_core import from_json

from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.grid import LATTICE_COLS, BlockIndex
from stores.ledger import TEXT, Ledger, block_code, decode_line, lines_at
from stores.places import size_finder
from stores.records import DIGEST_BYTES, BlockRecord, Status, Value

STATUSES = tuple(status.value for status in Status)
DIGESTS_AT_A_TIME = 1 << 14
FEW_BLOCKS = 10_000
"""Of at most so many blocks the lines of other blocks are passed over."""
_STATUS, _FILES, _VALUES, _SECONDS = b',"status":"', b',"files":', b',"values":', b',"seconds":'
_IN_EDITION = re.compile(rb'"[^"/]+/([^"]*?)(?:/c/[^"]*)?"')
"""Name of a file: its edition, its array or table, and the place of a chunk."""
_FOLLOWS, _READ = b',"follows":"', b',"read":'
# JSON escapes every quote within a text, so these bytes cannot occur in a reason or a value.


@dataclass(frozen=True)
class Results:
    """The last record of each finished block of a step, by the offset of its line in the ledger."""

    path: Path
    """The ledger."""
    blocks: BlockList
    """The n finished blocks."""
    status: np.ndarray
    """(n,) uint8, index into STATUSES."""
    offset: np.ndarray
    """(n,) int64, offset of the block's line in bytes."""
    digest: str
    """sha256 over the records in the order of the blocks, without the time that they took, what they were read from and the
    name of the edition, so editions with the same blocks have the same."""
    found: BlockDigests
    """Digest of what each record says it wrote and measured, for steps that follow this one."""
    voided: BlockList
    """Blocks whose record no longer holds because what it was made of was about to be rewritten, and was not since."""
    voided_offset: np.ndarray
    """(v,) int64, offsets of these records in bytes."""
    outdated: BlockList
    """Blocks whose last record was made from other results of earlier steps than there are now."""

    def records(self) -> Iterator[BlockRecord]:
        """The record of each block, in the order of the blocks."""
        return (decode_line(line)[1] for line in lines_at(self.path, self.offset))

    def voided_records(self) -> Iterator[BlockRecord]:
        """The records of the voided blocks, in their order."""
        return (decode_line(line)[1] for line in lines_at(self.path, self.voided_offset))

    def read(self) -> Iterator[tuple[BlockIndex, dict[str, str], dict[str, str]]]:
        """Each block with the digests of what it was read from and of the times of its files, in the order of the blocks."""
        for block, line in zip(self.blocks, lines_at(self.path, self.offset), strict=True):
            at = line.find(_READ, line.rindex(_SECONDS))
            origins = from_json(b"{" + line[at + 1 :]) if at >= 0 else {}
            yield block, origins.get("read", {}), origins.get("seen", {})

    def contents(self) -> BlockDigests:
        """Content of the files under each block that a step read; of a step that reads those of the block itself."""
        joined = b"".join(bytes.fromhex(read[block.name]) for block, read, _ in self.read())
        return BlockDigests(self.blocks, np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES))

    def values(self) -> Iterator[dict[str, Value]]:
        """The values of each block, in the order of the blocks."""
        return map(_values, lines_at(self.path, self.offset))

    def table(self) -> pd.DataFrame:
        """One row per block, in the order of the blocks: its name, row and col, then its values.

        A column of values is int64 if every block has a whole number, float64 for other numbers (NaN where
        missing), else object (None where missing).
        """
        columns: dict[str, _Column] = {}
        for row, values in enumerate(self.values()):
            for name, value in values.items():
                column = columns.get(name)
                if column is None:
                    column = columns[name] = _Column(len(self.blocks))
                column.put(row, value)
        rows, cols = np.divmod(self.blocks.codes.astype(np.int64), LATTICE_COLS)
        names = [block.name for block in self.blocks]
        table = {"block": names, "row": rows, "col": cols}
        return pd.DataFrame(table | {name: column.finished() for name, column in columns.items()}, copy=False)

    def status_names(self) -> pd.Series:
        """Status of each block, with the block's name as index."""
        return pd.Series(
            np.array(STATUSES, dtype=object)[self.status], index=[b.name for b in self.blocks], dtype=object
        )


def read_results(
    path: Path, fingerprint: str, blocks: BlockList, root: str | Path, follows: BlockDigests | None = None
) -> Results:
    """Results of the blocks that are finished: with this fingerprint, and with files of the recorded sizes.

    A block is no longer finished if a later record with another fingerprint reports different bytes for one of
    its files, or if its record was voided.

    Parameters
    ----------
    path : the ledger; no block is finished if it does not exist
    fingerprint : fingerprint of the step
    blocks : the blocks of the step
    root : folder or address of the store of the files that the records name
    follows : what earlier steps found for each block; a record made from other results does not count. None: not
        compared

    Raises
    ------
    ValueError
        if a line is damaged; an incomplete one at the end is left out
    """
    mine, voids, others = _Lines(), _Lines(), _Lines()
    status, digests, origins = array("B"), bytearray(), bytearray()
    start = f'{{"fingerprint":"{fingerprint}",'.encode()
    size_of = size_finder(root) if path.exists() else None
    ledger = Ledger(path)
    for place, line in ledger.texts_of(blocks.codes) if len(blocks) <= FEW_BLOCKS else ledger.texts():
        if not line.startswith(start, TEXT):
            others.add(line, place)
            continue
        found = _status(line, size_of)
        if STATUSES[found] == Status.VOID:
            voids.add(line, place)
            continue
        mine.add(line, place)
        status.append(found)
        end = line.rindex(_SECONDS)
        digests += hashlib.sha256(_of_any_edition(line[TEXT + len(start) : end])).digest()[:DIGEST_BYTES]
        if follows is not None:
            origins += _followed(line, end)
    found_codes, last = mine.last()
    state = np.frombuffer(status, np.uint8)[last]
    keep = np.array([Status(name).is_finished for name in STATUSES])[state]
    if not np.array_equal(found_codes, blocks.codes):
        keep &= np.isin(found_codes, blocks.codes)
    if len(others):
        keep &= ~_is_overwritten(path, found_codes, mine.places(last), others)
    is_outdated = np.zeros(len(keep), bool)
    if follows is not None:
        made_from = np.frombuffer(origins, np.uint8).reshape(-1, DIGEST_BYTES)[last]
        is_outdated[keep] = (made_from[keep] != follows.under(BlockList(found_codes[keep]))).any(axis=1)
    is_void = _is_voided(found_codes, mine.places(last), voids) & keep & ~is_outdated
    good = keep & ~is_outdated & ~is_void
    kept = last[good]
    written = np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES)
    finished = BlockList(found_codes[good])
    return Results(
        path,
        finished,
        state[good],
        mine.places(kept),
        _digest(written, kept),
        BlockDigests(finished, written[kept]),
        BlockList(found_codes[is_void]),
        mine.places(last[is_void]),
        BlockList(found_codes[is_outdated]),
    )


def _of_any_edition(text: bytes) -> bytes:
    """A record whose files are named by their array alone: editions may cover other ground, and the record names its block."""
    begin = text.index(_FILES) + len(_FILES)
    end = text.index(_VALUES, begin)
    return text[:begin] + _IN_EDITION.sub(rb'"\1"', text[begin:end]) + text[end:]


class _Lines:
    """Blocks and offsets of lines of a ledger."""

    def __init__(self) -> None:
        self._codes, self._places = array("i"), array("q")

    def __len__(self) -> int:
        return len(self._codes)

    def add(self, line: bytes, place: int) -> None:
        """Add a line at an offset in bytes."""
        self._codes.append(block_code(line))
        self._places.append(place)

    def last(self) -> tuple[np.ndarray, np.ndarray]:
        """Codes (n,) int32 of the blocks in raster order, and the index (n,) int32 of the last line of each."""
        codes = np.frombuffer(self._codes, np.int32)
        order = np.argsort(codes, kind="stable").astype(np.int32)
        found = codes[order]
        is_last = np.ones(len(codes), bool)
        is_last[:-1] = found[1:] != found[:-1]
        return found[is_last], order[is_last]

    def places(self, which: np.ndarray) -> np.ndarray:
        """Offsets (n,) int64 of these lines in bytes."""
        return np.frombuffer(self._places, np.int64)[which]


def _is_voided(codes: np.ndarray, places: np.ndarray, voids: _Lines) -> np.ndarray:
    """Whether the last record of each block, at these places, was voided later: (n,) bool."""
    found, last = voids.last()
    _, mine, void = np.intersect1d(codes, found, assume_unique=True, return_indices=True)
    is_voided = np.zeros(len(codes), bool)
    is_voided[mine] = voids.places(last[void]) > places[mine]
    return is_voided


def _is_overwritten(path: Path, codes: np.ndarray, places: np.ndarray, others: _Lines) -> np.ndarray:
    """Whether a later line with another fingerprint reports different bytes for a file of each block: (n,) bool.

    The sizes do not tell: files of another recipe may be as long. A block that failed there may have written some
    of its files.
    """
    found, last = others.last()
    _, mine, other = np.intersect1d(codes, found, assume_unique=True, return_indices=True)
    later = others.places(last[other])
    is_later = later > places[mine]
    mine, later = mine[is_later], later[is_later]
    is_overwritten = np.zeros(len(codes), bool)
    for i, own, other_line in zip(mine, lines_at(path, places[mine]), lines_at(path, later), strict=True):
        files, written = _files(own), _files(other_line)
        has_failed = bool(files) and not Status(_status_name(other_line)).is_finished
        is_overwritten[i] = has_failed or any(written.get(key, digest) != digest for key, digest in files.items())
    return is_overwritten


def _status(line: bytes, size_of: Callable[[str], int | None] | None) -> int:
    """Index of a line's status in STATUSES; that of FAILED if a file is missing or has another size."""
    name = _status_name(line)
    place = STATUSES.index(name)
    if not Status(name).is_finished:
        return place
    if size_of and any(size_of(key) != size for key, (_, size) in _files(line).items()):
        return STATUSES.index(Status.FAILED)
    return place


def _status_name(line: bytes) -> str:
    return line[line.index(_STATUS) + len(_STATUS) :].split(b'"', 1)[0].decode()


def _followed(line: bytes, end: int) -> bytes:
    """Digest of the earlier results that a line was made from, after its values; zeros where it names none."""
    at = line.find(_FOLLOWS, end)
    if at < 0:
        return bytes(DIGEST_BYTES)
    at += len(_FOLLOWS)
    return bytes.fromhex(line[at : at + 2 * DIGEST_BYTES].decode())


def _digest(each: np.ndarray, which: np.ndarray) -> str:
    """sha256 over the digests of these records, in this order."""
    digest = hashlib.sha256()
    for begin in range(0, len(which), DIGESTS_AT_A_TIME):
        digest.update(each[which[begin : begin + DIGESTS_AT_A_TIME]].data)
    return digest.hexdigest()


def _files(line: bytes) -> Any:
    """The files of a line by their keys, each with its digest and size."""
    begin = line.index(_FILES) + len(_FILES)
    return from_json(line[begin : line.index(_VALUES, begin)])


def _values(line: bytes) -> Any:
    """The values of a line by their names; equal texts share one object."""
    begin = line.index(_VALUES, line.index(_FILES)) + len(_VALUES)
    return from_json(line[begin : line.rindex(_SECONDS)], cache_strings="all")


class _Column:
    """Values of one name, stored as numbers until a text comes; rows without a value are missing."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._numbers = array("d", [float("nan")]) * rows
        self._words: np.ndarray | None = None
        self._n_whole, self._is_known = 0, False

    def put(self, row: int, value: Value) -> None:
        """Set the value of a row."""
        if value is None:
            return
        if self._words is None and isinstance(value, str):
            self._words = np.array([None if v != v else v for v in self._numbers], dtype=object)
        if self._words is not None:
            self._words[row] = sys.intern(value) if isinstance(value, str) else value
            return
        assert not isinstance(value, str)
        self._numbers[row] = value
        self._is_known = True
        self._n_whole += type(value) is int

    def finished(self) -> np.ndarray:
        """The column: int64 if every row has a whole number, float64 for other numbers, else object."""
        if self._words is not None:
            return self._words
        if not self._is_known:
            return np.full(self._rows, None, dtype=object)
        numbers = np.frombuffer(self._numbers, np.float64)
        return numbers.astype(np.int64) if self._n_whole == self._rows else numbers
