"""Hold every byte of a run against its ledger."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr

from croplayer.cube import Cube
from croplayer.durable import FileDigest
from croplayer.grid import BlockIndex
from croplayer.ledger import Ledger
from croplayer.places import digest_of, has_key, is_remote, keys_of, open_store
from croplayer.records import BlockRecord, Status
from pipelines.steps import CUBE_FILES, OutputLedger
from stores.cube import CUBE, is_metadata
from stores.run_folder import RunFolder

KEYS_AT_ONCE = 65_536


class Problem(NamedTuple):
    """A file that is not what the ledger says."""

    sentence: str
    step: str
    block: BlockIndex | None
    """The block to do again; None for a table, figure or foreign file."""


def find_problems(folder: RunFolder) -> list[Problem]:
    """Every damaged, missing, truncated, unfinished or foreign file of a run.

    Raises FileNotFoundError when the folder holds no run, ValueError when a ledger is damaged.
    """
    if not folder.recipe.exists() and not folder.outputs.exists():
        raise FileNotFoundError(f"{folder.root} holds no run: it has no {folder.recipe.name}")
    problems: list[Problem] = []
    known = array("q")
    for path in sorted(folder.root.glob("ledger/*.jsonl")):
        problems += _ledger_problems(folder, path, known)
    problems += _output_problems(folder)
    if has_key(folder.cube, "zarr.json"):
        problems += _foreign_problems(folder, np.unique(np.frombuffer(known, np.int64)))
    return problems


def _ledger_problems(folder: RunFolder, path: Path, known: array[int]) -> Iterator[Problem]:
    """Problems of a ledger and its files; the hashes of the files' keys are added to ``known``."""
    try:
        records = last_records(Ledger(path))
    except ValueError as error:
        yield Problem(str(error), "", None)
        return
    for record in records.values():
        yield from _record_problems(folder, path.stem, record)
        known.extend(hash(key) for key in record.files)


def last_records(ledger: Ledger) -> dict[BlockIndex, BlockRecord]:
    """The latest record of every block."""
    return {record.block: record for _, record in ledger.lines()}


def repair(folder: RunFolder, problems: list[Problem]) -> None:
    """Mark what is damaged as not done, so that the next run does exactly that again."""
    outputs = OutputLedger(folder.outputs, folder.root)
    for problem in problems:
        if problem.block is not None:
            ledger = Ledger(folder.ledger(problem.step))
            fingerprint = {record.block: f for f, record in ledger.lines()}[problem.block]
            ledger.append(fingerprint, [BlockRecord(problem.block, Status.FAILED, reason=problem.sentence)])
        elif problem.step:
            outputs.forget(problem.step)


def _record_problems(folder: RunFolder, step: str, record: BlockRecord) -> Iterator[Problem]:
    if not record.status.is_finished:
        yield Problem(f"{step} {record.block.name}: failed: {record.reason}", step, record.block)
    for key, digest in record.files.items():
        fault = _fault(folder.cube, key, digest)
        if fault:
            yield Problem(f"{step} {record.block.name}: {folder.cube}/{key} {fault}", step, record.block)


def _fault(place: str | Path, key: str, digest: FileDigest) -> str:
    found = digest_of(place, key)
    if found is None:
        return "is missing"
    if found.size != digest.size:
        return f"has {found.size} bytes, the ledger says {digest.size}"
    return "" if found == digest else "has other bytes than the ledger says"


def _output_problems(folder: RunFolder) -> Iterator[Problem]:
    try:
        files = list(OutputLedger(folder.outputs, folder.root).digests())
    except ValueError as error:
        yield Problem(str(error), "", None)
        return
    for step, name, digest in files:
        fault = _fault(folder.root, name, digest)
        if fault and step == CUBE_FILES:
            yield Problem(f"cube: {folder.root / name} {fault}; bring it back from a copy of the run", "", None)
        elif fault:
            yield Problem(f"{step}: {folder.root / name} {fault}", step, None)


def _foreign_problems(folder: RunFolder, known: np.ndarray) -> Iterator[Problem]:
    """Files of the cube that no ledger names."""
    if is_remote(folder.cube):
        _check_layout(str(folder.cube))
    keys = keys_of(folder.cube)
    while batch := list(itertools.islice(keys, KEYS_AT_ONCE)):
        hashes = np.array([hash(key) for key in batch], np.int64)
        for key in (batch[i] for i in np.flatnonzero(~np.isin(hashes, known))):
            if not is_metadata(key):
                yield Problem(f"{folder.cube}/{key} is in no ledger; remove it", "", None)


def _check_layout(place: str) -> None:
    """Raise SchemaError unless the metadata in a bucket, whose digests no ledger holds, are those of a cube."""
    root = zarr.open_group(open_store(place, read_only=True), mode="r")
    for edition in sorted(root.group_keys()):
        cube = Cube.open(place, edition)
        CUBE.check(root[edition], cube.grid, cube.blocks, cube.sources)
