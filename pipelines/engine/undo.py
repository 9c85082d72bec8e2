"""Lines that a ledger gets before blocks are worked on: which records no longer hold, and which hold again.

A reader of the cube takes a block as finished when the last line of each step says so. So before a block is rewritten,
the records of all that it is part of are voided. A voided record is restored when its step is done again and finds that
it was made of the same, and that its files have the same bytes.
"""

from __future__ import annotations

from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from stores.block_list import BlockList
from stores.ledger import Ledger
from stores.levels import squares_of
from stores.places import digest_of
from stores.records import BlockRecord, Status
from stores.results import read_results
from stores.run_folder import RunFolder
from stores.step_memory import OVERVIEWS, SQUARES, WRITERS_OF_CUBE, steps_of_cube_after


def changed_files(ledgers: StepLedgers, step: BlockStep) -> list[BlockRecord]:
    """Failed records of the blocks whose files have other bytes than the step wrote.

    A stopped run with other settings leaves files that none of its records name, and they can have the size of those
    of this step.
    """
    return [
        BlockRecord(record.block, Status.FAILED, reason="its files were changed under other settings")
        for record in ledgers.results(step).records()
        if not _has_its_files(ledgers.folder, record)
    ]


def restored(ledgers: StepLedgers, step: BlockStep) -> list[BlockRecord]:
    """Voided records that hold again: nothing that they follow or saw changed, and their files have the same bytes."""

    def holds(record: BlockRecord) -> bool:
        is_same = step.reading is None or step.is_read_beside(
            record.block, record.read, step.reading.under(record.block)
        )
        return is_same and _has_its_files(ledgers.folder, record)

    return [record for record in ledgers.results(step).voided_records() if holds(record)]


def void_what_follows(ledgers: StepLedgers, step: BlockStep, redo: BlockList) -> None:
    """Void the records of blocks that a step of the cube is about to rewrite, and of what later steps made of them.

    A later step sees the blocks around one, too, and that of the squares those that are in one with a block. Nothing is
    written for blocks that were never finished.
    """
    if step.name not in (*WRITERS_OF_CUBE, OVERVIEWS, SQUARES):
        return
    results = ledgers.results(step)
    stale = BlockList.of([*redo.both(results.blocks), *redo.both(results.outdated)])
    if not stale:
        return
    memory = ledgers.folder.memory
    entries = memory.entries()
    later = [name for name in steps_of_cube_after(step.name)[::-1] if name in entries and not entries[name].is_void]
    memory.forget(later)
    for name in later:
        seen = squares_of(stale) if name == SQUARES else stale.grown()
        _void(ledgers.folder, name, entries[name].fingerprint, seen)
    _void(ledgers.folder, step.name, step.fingerprint, stale)


def _void(folder: RunFolder, name: str, fingerprint: str, blocks: BlockList) -> None:
    ledger = Ledger(folder.ledger(name))
    ledger.cut_torn_tail()
    finished = read_results(ledger.path, fingerprint, blocks, folder.cube).blocks
    if finished:
        reason = "what it was made of is about to be rewritten"
        ledger.append(fingerprint, [BlockRecord(block, Status.VOID, reason=reason) for block in finished])


def _has_its_files(folder: RunFolder, record: BlockRecord) -> bool:
    return all(digest_of(folder.cube, key) == digest for key, digest in record.files.items())
