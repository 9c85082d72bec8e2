"""What a step found, read from its ledger into columns: a country's blocks without an object for each."""

from __future__ import annotations

import hashlib
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic_core import from_json

from croplayer.block_list import BlockList
from croplayer.grid import LATTICE_COLS
from croplayer.ledger import CRC_DIGITS, damaged_line
from croplayer.places import size_finder
from croplayer.records import Status, Value

STATUSES = tuple(status.value for status in Status)
DIGESTS_AT_A_TIME = 1 << 14
RECORD_DIGEST_BYTES = 16
"""How much of the sha256 of a record is kept in memory; what all of them are digested to is a whole sha256."""
_FILES, _VALUES, _SECONDS = b',"files":', b',"values":', b',"seconds":'
# Inside a JSON text every quote has a backslash, so that these words cannot stand in a reason or a value.


@dataclass(frozen=True)
class Results:
    """The last record of each finished block of a step, and where its line lies in the ledger."""

    path: Path
    blocks: BlockList
    status: np.ndarray
    """(n,) uint8, place in STATUSES."""
    offset: np.ndarray
    """(n,) int64, first byte of the block's line."""
    digest: str
    """sha256 over what the records say, whatever their order and the time they took."""

    def values(self) -> Iterator[dict[str, Value]]:
        """The values of each block, in the order of the blocks."""
        if not len(self.blocks):
            return
        with self.path.open("rb") as file:
            for offset in self.offset:
                file.seek(int(offset))
                yield _values(file.readline())

    def table(self) -> pd.DataFrame:
        """One row per block: block, row, col, then its values; sorted by block."""
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
        """Status of each block by its name."""
        return pd.Series(
            np.array(STATUSES, dtype=object)[self.status], index=[b.name for b in self.blocks], dtype=object
        )


def read_results(
    path: Path, fingerprint: str, blocks: BlockList | None = None, root: str | Path | None = None
) -> Results:
    """Results of the blocks that need no more work: same fingerprint, finished, files of the recorded size.

    Parameters
    ----------
    path : the ledger; need not be there
    blocks : those that are looked for; None is every block of the ledger
    root : folder or address of the store of the files that the records name; None leaves files unseen

    Raises
    ------
    ValueError when a line is damaged; one that was cut short at the end is left out.
    """
    codes, offsets, status = array("i"), array("q"), array("B")
    digests = bytearray()
    start = f'{{"fingerprint":"{fingerprint}","block":"'.encode()
    prefix = CRC_DIGITS + 1
    offset = 0
    if path.exists():
        size_of = None if root is None else size_finder(root)
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line[-1:] != b"\n":
                    break  # cut short by a crash, or being written just now
                if line[:CRC_DIGITS] != b"%08x" % zlib.crc32(line[prefix:-1]):
                    raise ValueError(damaged_line(path, number))
                if line.startswith(start, prefix):
                    at = prefix + len(start)
                    codes.append(int(line[at + 1 : at + 5]) * LATTICE_COLS + int(line[at + 6 : at + 10]))
                    offsets.append(offset)
                    status.append(_status(line, at, size_of))
                    digests += hashlib.sha256(line[at : line.rindex(_SECONDS)]).digest()[:RECORD_DIGEST_BYTES]
                offset += len(line)
    columns = (np.frombuffer(codes, np.int32), np.frombuffer(offsets, np.int64), np.frombuffer(status, np.uint8))
    return _last(path, blocks, *columns, np.frombuffer(digests, np.uint8))


def _status(line: bytes, at: int, size_of: Callable[[str], int | None] | None) -> int:
    """Place of a line's status in STATUSES, or that of FAILED when a file is not there with its size."""
    name = line[line.index(b'"status":"', at) + 10 :].split(b'"', 1)[0].decode()
    place = STATUSES.index(name)
    if not Status(name).is_finished:
        return place
    if size_of and any(size_of(key) != size for key, (_, size) in _files(line).items()):
        return STATUSES.index(Status.FAILED)
    return place


def _last(
    path: Path,
    blocks: BlockList | None,
    codes: np.ndarray,
    offsets: np.ndarray,
    status: np.ndarray,
    digests: np.ndarray,
) -> Results:
    """The last line of each of ``blocks``, or of all, where it is finished."""
    order = np.argsort(codes, kind="stable").astype(np.int32)
    found = codes[order]
    is_last = np.ones(len(codes), bool)
    is_last[:-1] = found[1:] != found[:-1]
    found, place = found[is_last], order[is_last]
    finished = np.array([Status(name).is_finished for name in STATUSES])[status[place]]
    keep = finished if blocks is None else finished & np.isin(found, blocks.codes)
    place = place[keep]
    each = digests.reshape(-1, RECORD_DIGEST_BYTES)
    digest = hashlib.sha256()
    for begin in range(0, len(place), DIGESTS_AT_A_TIME):
        digest.update(each[place[begin : begin + DIGESTS_AT_A_TIME]].data)
    return Results(path, BlockList(found[keep]), status[place], offsets[place], digest.hexdigest())


def _files(line: bytes) -> Any:
    """The files of a line with their digests and sizes."""
    begin = line.index(_FILES) + len(_FILES)
    return from_json(line[begin : line.index(_VALUES, begin)])


def _values(line: bytes) -> Any:
    """The values of a line; words that come often are kept once."""
    begin = line.index(_VALUES, line.index(_FILES)) + len(_VALUES)
    return from_json(line[begin : line.rindex(_SECONDS)], cache_strings="all")


class _Column:
    """Values of one name, as numbers while they are numbers; a row that is not put has none."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._numbers = array("d", [float("nan")]) * rows
        self._words: np.ndarray | None = None
        self._n_whole, self._is_known = 0, False

    def put(self, row: int, value: Value) -> None:
        """The value of a row."""
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
        """The column: int64 when every row has a whole number, float64 for numbers, objects for the rest."""
        if self._words is not None:
            return self._words
        if not self._is_known:
            return np.full(self._rows, None, dtype=object)
        numbers = np.frombuffer(self._numbers, np.float64)
        return numbers.astype(np.int64) if self._n_whole == self._rows else numbers
