"""Hold every byte of a run against its ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zarr

from croplayer.cube import Cube
from croplayer.durable import FileDigest, digest_file
from croplayer.grid import BlockIndex
from croplayer.ledger import Ledger
from croplayer.records import BlockRecord, Status
from pipelines.steps import OutputLedger
from stores.cube import CUBE
from stores.run_folder import RunFolder

COORDINATES = ("x", "y", "band", "source", "spatial_ref")


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
    if not folder.recipe.exists():
        raise FileNotFoundError(f"{folder.root} holds no run: it has no {folder.recipe.name}")
    problems: list[Problem] = []
    known: set[str] = set()
    for path in sorted(folder.root.glob("ledger/*.jsonl")):
        for record in last_records(Ledger(path)).values():
            problems += _record_problems(folder, path.stem, record)
            known |= set(record.files)
    problems += _output_problems(folder)
    if folder.cube.exists():
        problems += _foreign_problems(folder, known)
    return problems


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
        fault = _fault(folder.cube / key, digest)
        if fault:
            yield Problem(f"{step} {record.block.name}: {folder.cube / key} {fault}", step, record.block)


def _fault(path: Path, digest: FileDigest) -> str:
    if not path.exists():
        return "is missing"
    found = digest_file(path)
    if found.size != digest.size:
        return f"has {found.size} bytes, the ledger says {digest.size}"
    return "" if found == digest else "has other bytes than the ledger says"


def _output_problems(folder: RunFolder) -> Iterator[Problem]:
    for step, name, digest in OutputLedger(folder.outputs, folder.root).digests():
        fault = _fault(folder.root / name, digest)
        if fault:
            yield Problem(f"{step}: {folder.root / name} {fault}", step, None)


def _foreign_problems(folder: RunFolder, known: set[str]) -> Iterator[Problem]:
    editions = [p.name for p in folder.cube.iterdir() if p.is_dir()]
    for edition in editions:
        cube = Cube.open(folder.cube, edition)
        CUBE.check(zarr.open_group(str(folder.cube), mode="r")[edition], cube.grid, cube.blocks, cube.sources)
    for path in sorted(folder.cube.rglob("*")):
        key = path.relative_to(folder.cube).as_posix()
        parts = key.split("/")
        is_metadata = path.name == "zarr.json" or (len(parts) > 2 and parts[1] in COORDINATES)
        if path.is_file() and not is_metadata and key not in known:
            yield Problem(f"{path} is in no ledger; remove it", "", None)
