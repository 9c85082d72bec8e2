"""Check every byte of a run against its ledger."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import zarr

from croplayer.cube.whole_blocks import Cube
from stores.cube import CUBE
from stores.durable import PARTIAL, FileDigest, digest_file
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.overviews import check_overviews, is_overview_metadata
from stores.places import digest_of, has_key, is_remote, keys_of, open_store
from stores.records import BlockRecord, Status
from stores.run_folder import EDITIONS_FOLDER, FOLDERS, RunFolder
from stores.step_memory import CUBE_FILES, END_OF_RUN, StepEntry

KEYS_AT_ONCE = 65_536


class Problem(NamedTuple):
    """A file that differs from what the ledger says, or work that is not finished."""

    sentence: str
    step: str
    """The step to redo; empty where redoing a step does not help."""
    block: BlockIndex | None
    """The block to redo; None for a whole ledger, a table, a figure or a foreign file."""


def find_problems(folder: RunFolder) -> list[Problem]:
    """Every damaged, missing, truncated, unfinished or foreign file of a run; safe while the run writes.

    Foreign files are checked only in finished runs: in others, files that are being written are in no ledger yet.

    Raises FileNotFoundError when the folder holds no run.
    """
    ledgers = sorted(folder.root.glob("ledger/*.jsonl"))
    if not (folder.recipe.exists() or folder.outputs.exists() or ledgers):
        raise FileNotFoundError(f"{folder.root} holds no run: it has no {folder.recipe.name}")
    try:
        entries = folder.memory.entries()
        problems = list(_end_problems(folder, entries, has_ledgers=bool(ledgers)))
    except ValueError as error:
        entries, problems = {}, [Problem(str(error), "", None)]
    known, cube = array("q"), folder.cube
    steps = {path.stem for path in ledgers} | {name for name, entry in entries.items() if entry.is_of_blocks}
    faults = [p for step in sorted(steps) for p in _ledger_problems(folder, cube, step, entries.get(step), known)]
    problems += faults
    problems += _output_problems(folder, entries)
    if END_OF_RUN in entries:
        problems += _foreign_files(folder, entries)
        if has_key(cube, "zarr.json") and all(p.block for p in faults):
            problems += _foreign_keys(cube, folder.edition, np.unique(np.frombuffer(known, np.int64)))
    return problems


def _end_problems(folder: RunFolder, entries: Mapping[str, StepEntry], has_ledgers: bool) -> Iterator[Problem]:
    if has_ledgers and not folder.outputs.exists():
        yield Problem(
            f"{folder.outputs} is missing, so recipe, tables, figures and ledgers cannot be checked; "
            "run the recipe again to recreate it",
            "",
            None,
        )
    elif END_OF_RUN not in entries:
        yield Problem(
            f"the run in {folder.root} is incomplete: it was stopped, is still running, has failed blocks, or a single "
            "stage was run with other settings; run the recipe again. Foreign files are checked only in finished runs",
            "",
            None,
        )


def _ledger_problems(
    folder: RunFolder, cube: str | Path, step: str, entry: StepEntry | None, known: array[int]
) -> Iterator[Problem]:
    """Problems of a step's ledger and its files; the hashes of the files' keys are added to ``known``."""
    ledger = Ledger(folder.ledger(step))
    try:
        yield from _block_problems(ledger, cube, step, entry, known)
    except ValueError as error:
        yield Problem(str(error), "", None)
    else:
        if entry is not None and not entry.is_open:
            yield from _changed_ledger(ledger, step, entry)


def _block_problems(
    ledger: Ledger, cube: str | Path, step: str, entry: StepEntry | None, known: array[int]
) -> Iterator[Problem]:
    """Problems of the blocks of a ledger; raises ValueError when a line of it is damaged."""
    is_lost = isinstance(cube, Path) and not cube.exists()
    done = 0
    for fingerprint, record in ledger.newest():
        if is_lost and record.files:
            yield Problem(
                f"{cube} is missing, and ledger {ledger.path} names files in it; restore it from a copy of the "
                "run, or run the recipe again to recreate it",
                "",
                None,
            )
            return
        is_own = entry is not None and fingerprint == entry.fingerprint
        if is_own and record.status is Status.VOID:
            continue
        done += is_own
        # While a step is open, a block of an older fingerprint may have been rewritten.
        if entry is None or not entry.is_open or is_own:
            yield from _record_problems(cube, step, record)
        known.extend(hash(key) for key in record.files)
    if entry is not None and entry.is_open and done < entry.blocks:
        yield Problem(
            f"{step}: {entry.blocks - done} of {entry.blocks} blocks are not done; run the recipe again to do them",
            step,
            None,
        )


def _changed_ledger(ledger: Ledger, step: str, entry: StepEntry) -> Iterator[Problem]:
    """Problems of a ledger that was changed after its step was finished."""
    again = "run the recipe again"
    found = digest_file(ledger.path) if ledger.path.exists() else None
    if found == entry.ledger:
        return
    if found is None:
        sentence = f"is missing; {again} to redo the step"
    elif entry.ledger and found.size < entry.ledger.size:
        sentence = f"has {found.size} of its {entry.ledger.size} bytes; {again} to redo the lost blocks"
    elif ledger.is_cut_short():
        sentence = f"ends in an incomplete line; {again} to drop it"
    else:
        sentence = (
            "was changed after its step was finished; restore it from a copy of the run, or remove it to redo the step"
        )
    yield Problem(f"ledger {ledger.path} {sentence}", step, None)


def repair(folder: RunFolder, problems: list[Problem]) -> None:
    """Mark what is damaged as not done, so that the next run redoes only that; call it while holding the folder."""
    memory = folder.memory
    memory.remove_damaged()
    memory.forget({p.step for p in problems if p.step})
    for step in sorted({p.step for p in problems if p.block is not None}):
        ledger = Ledger(folder.ledger(step))
        ledger.cut_torn_tail()
        reasons = {p.block: p.sentence for p in problems if p.step == step and p.block is not None}
        for fingerprint, record in ledger.newest():
            if record.block in reasons and record.status.is_finished:
                ledger.append(fingerprint, [BlockRecord(record.block, Status.FAILED, reason=reasons[record.block])])


def _record_problems(cube: str | Path, step: str, record: BlockRecord) -> Iterator[Problem]:
    if not record.status.is_finished:
        yield Problem(f"{step} {record.block.name}: failed: {record.reason}", step, record.block)
    for key, digest in record.files.items():
        fault = _fault(cube, key, digest)
        if fault:
            yield Problem(f"{step} {record.block.name}: {cube}/{key} {fault}", step, record.block)


def _fault(place: str | Path, key: str, digest: FileDigest) -> str:
    found = digest_of(place, key)
    if found is None:
        return "is missing"
    if found.size != digest.size:
        return f"has {found.size} bytes, the ledger says {digest.size}"
    return "" if found == digest else "has other bytes than the ledger says"


def _output_problems(folder: RunFolder, entries: Mapping[str, StepEntry]) -> Iterator[Problem]:
    for step, entry in sorted(entries.items()):
        if entry.is_open and not entry.is_of_blocks:
            yield Problem(f"{step}: its files are incomplete; run the recipe again to make them", step, None)
            continue
        for name, digest in sorted(entry.files.items()):
            fault = _fault(folder.root, name, digest)
            if fault and step == CUBE_FILES:
                yield Problem(f"cube: {folder.root / name} {fault}; restore it from a copy of the run", "", None)
            elif fault:
                yield Problem(f"{step}: {folder.root / name} {fault}", step, None)


def _foreign_files(folder: RunFolder, entries: Mapping[str, StepEntry]) -> Iterator[Problem]:
    """Files beside the cube that no record names, and folders that do not belong to a run."""
    own = {name for entry in entries.values() for name in entry.files} | {
        folder.lock.name,
        folder.log.name,
        folder.identity.name,
    }
    own |= {folder.outputs.relative_to(folder.root).as_posix()}
    own |= {folder.ledger(n).relative_to(folder.root).as_posix() for n, e in entries.items() if e.is_of_blocks}
    others = folder.inputs | {folder.own_cube.name, EDITIONS_FOLDER}
    for path in sorted(p for p in folder.root.iterdir() if p.name not in others and not _is_partial(p.name)):
        if path.is_dir() and path.name not in FOLDERS:
            yield Problem(f"{path} is not a folder of a run; remove it", "", None)
            continue
        names = sorted(f"{path.name}/{key}" for key in keys_of(path)) if path.is_dir() else [path.name]
        for name in names:
            if name not in own and not any(map(_is_partial, name.split("/"))):
                yield Problem(f"{folder.root / name} is in no record of the run; remove it", "", None)


def _is_partial(name: str) -> bool:
    """Whether a name is that of a file that is being written, or was left by a killed process for the next run to clear."""
    return name.startswith(".") and name.endswith(PARTIAL)


def _foreign_keys(cube: str | Path, edition: str | None, known: np.ndarray) -> Iterator[Problem]:
    """Files of the cube that no ledger names, and editions of other runs, which only a bucket may hold."""
    if is_remote(cube) and edition is not None:
        _check_layout(str(cube), edition)
    is_other: dict[str, bool] = {}
    for key in _unnamed_keys(cube, known):
        name = key.partition("/")[0]
        if name not in is_other:
            is_other[name] = name != edition and has_key(cube, f"{name}/zarr.json")
            if is_other[name] and not is_remote(cube):
                yield Problem(
                    f"{cube}/{name} is an edition beside the run's own '{edition}', and no ledger records its files; "
                    "move it to a cube of its own",
                    "",
                    None,
                )
        if not is_other[name]:
            yield Problem(f"{cube}/{key} is in no ledger; remove it", "", None)


def _unnamed_keys(cube: str | Path, known: np.ndarray) -> Iterator[str]:
    """Keys of blocks whose hashes are not among the known ones."""
    keys = keys_of(cube)
    while batch := list(itertools.islice(keys, KEYS_AT_ONCE)):
        hashes = np.array([hash(key) for key in batch], np.int64)
        unknown = (batch[i] for i in np.flatnonzero(~np.isin(hashes, known)))
        yield from (key for key in unknown if not CUBE.is_metadata(key) and not is_overview_metadata(key))


def _check_layout(place: str, edition: str) -> None:
    """Raise SchemaError unless the metadata in a bucket, whose digests no ledger holds, are those of a cube."""
    root = zarr.open_group(open_store(place, read_only=True), mode="r")
    cube = Cube.open(place, edition)
    CUBE.check(root[edition], cube.grid, cube.blocks, cube.sources)
    check_overviews(open_store(place, read_only=True), edition, cube.grid, cube.blocks, cube.sources)
