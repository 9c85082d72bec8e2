"""Which blocks of a run's cube are finished, according to the ledgers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from stores.block_list import BlockList
from stores.columns import (
    BOUNDARY_PROBABILITY,
    CORRECTION,
    CROPLAND_MASK,
    CROPLAND_PROBABILITY,
    FIELD,
    FIELD_JOIN,
    IMAGERY_VALID,
    RGB,
)
from stores.grid import LATTICE_COLS
from stores.ledger import TEXT, Ledger, block_code
from stores.legends import INTEGRATED
from stores.levels import squares_of
from stores.records import BlockRecord
from stores.results import FEW_BLOCKS, Results, read_results
from stores.run_folder import RunFolder
from stores.step_memory import END_OF_RUN, FIELDS, SQUARES, STEPS_OF_CUBE, BlocksDone, StepEntry

NAMES_SHOWN = 3
STEP_OF_ARRAY = {
    RGB: "mosaic",
    IMAGERY_VALID: "mosaic",
    CROPLAND_PROBABILITY: "segment",
    BOUNDARY_PROBABILITY: "segment",
    CROPLAND_MASK: "segment",
    INTEGRATED: "integrate",
    CORRECTION: "integrate",
    FIELD: FIELDS,
    FIELD_JOIN: FIELDS,
}
"""Step that writes each array of the cube."""


class MissingBlocksError(LookupError):
    """Blocks that were asked for are not finished."""


class UnfinishedBlocksWarning(UserWarning):
    """Blocks that were asked for are not finished, or lie outside the cube; they read as never processed."""


def check_finished(
    folder: RunFolder, cube: str | Path, edition: str, blocks: BlockList, steps: Sequence[str] | None = None
) -> None:
    """Raise MissingBlocksError unless every block is finished in some steps, by default in all that write an edition.

    A block counts as finished when its last record under the latest settings of the step says so and its files have
    the recorded size. Safe while a run writes.
    """
    for step in folder.steps_of_cube if steps is None else steps:
        left = blocks.without(finished_blocks(folder, cube, edition, step, blocks, each=True))
        if left:
            raise MissingBlocksError(
                f"{_left_words(left, len(blocks), edition, cube, step)}; finish the run, ask for a region that is "
                "finished, or open the cube without strict"
            )


def finished_blocks(
    folder: RunFolder, cube: str | Path, edition: str, step: str, blocks: BlockList, each: bool = False
) -> BlockList:
    """Those of some blocks that are in a run's region and finished in a step, under the settings it was begun with last.

    Of more than FEW_BLOCKS blocks of a finished run, not each record is read, nor each file looked up, unless ``each`` is
    given: a lost file of a nation reads as never processed without being named, and verify finds it.
    Raises ValueError when a ledger is damaged.
    """
    entry = folder.memory.entries().get(step)
    if entry is None:
        return BlockList.of(())
    listed = None if each or len(blocks) <= FEW_BLOCKS else _listed(folder)
    done = BlocksDone(entry.blocks, folder.ledger(step))
    if listed is not None and folder.memory.is_finished(step, entry.fingerprint, done):
        first = next(Ledger(done.ledger).lines(), None)
        return blocks.both(listed) if first is None or _names_edition(first[1], edition) else BlockList.of(())
    found = read_results(folder.ledger(step), entry.fingerprint, blocks, cube)
    return found.blocks.both(_region(folder, step, entry, blocks)) if _is_of(edition, found) else BlockList.of(())


def finished_squares(folder: RunFolder, cube: str | Path, edition: str, squares: BlockList) -> BlockList:
    """Those of some squares whose coarse overviews are finished; their blocks that are not read as never processed there.

    Raises ValueError when the ledger is damaged.
    """
    entry = folder.memory.entries().get(SQUARES)
    if entry is None:
        return BlockList.of(())
    found = read_results(folder.ledger(SQUARES), entry.fingerprint, squares, cube)
    if not _is_of(edition, found):
        return BlockList.of(())
    listed = _listed(folder)
    return found.blocks if listed is None else found.blocks.both(squares_of(listed))


def unfinished_words(
    folder: RunFolder,
    cube: str | Path,
    edition: str,
    blocks: BlockList,
    finished: Mapping[str, BlockList],
    all_of: bool,
) -> str:
    """One sentence that names the blocks that are not finished; empty when there are none.

    Parameters
    ----------
    blocks : blocks that were asked for
    finished : those that are finished, by step
    all_of : whether blocks count that a run has no record of; a cube's rectangle holds some that are not of its region
    """
    for step in folder.steps_of_cube:
        left = blocks.without(finished[step])
        left = left if all_of or not left else left.both(_recorded(folder))
        if left:
            return _left_words(left, len(blocks), edition, cube, step)
    return ""


def _left_words(left: BlockList, asked: int, edition: str, cube: str | Path, step: str) -> str:
    return f"{len(left)} of {asked} blocks of edition '{edition}' of {cube} have no finished '{step}': {names_of(left)}"


def names_of(blocks: BlockList) -> str:
    """Names of the first blocks of a list."""
    return ", ".join(b.name for b in blocks[:NAMES_SHOWN]) + (", ..." if len(blocks) > NAMES_SHOWN else "")


def _recorded(folder: RunFolder) -> BlockList:
    """Blocks of which a step of the cube has any record."""
    codes = [block_code(line) for step in STEPS_OF_CUBE for _, line in Ledger(folder.ledger(step)).texts()]
    return BlockList(np.unique(np.array(codes, np.int32)))


def _region(folder: RunFolder, step: str, entry: StepEntry, blocks: BlockList) -> BlockList:
    """Those of some blocks that are in the region of a run; records of blocks that left it stay in the ledgers.

    The block table of a finished run lists the region. Before, there are at most as many blocks with records of these
    settings as the step has blocks, unless some of them left the region; which ones is then not known.
    """
    listed = _listed(folder)
    if listed is not None:
        return listed
    start = f'{{"fingerprint":"{entry.fingerprint}",'.encode()
    codes = (block_code(line) for _, line in Ledger(folder.ledger(step)).texts() if line.startswith(start, TEXT))
    return blocks if len(set(codes)) <= entry.blocks else BlockList.of(())


def _listed(folder: RunFolder) -> BlockList | None:
    """The region of a finished run, as its block table lists it; None before."""
    if END_OF_RUN not in folder.memory.entries() or not folder.blocks.is_file():
        return None
    found = folder.blocks.stat()
    return _blocks_in(folder.blocks, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=4)
def _blocks_in(table: Path, _inode: int, _changed_ns: int, _size: int) -> BlockList:
    """The blocks of a block table as it was written at a time; each step of a nation asks for them."""
    rows = pd.read_parquet(table, columns=["row", "col"])
    codes = np.sort((rows.row * LATTICE_COLS + rows.col).to_numpy(np.int32))
    return BlockList(codes[np.append(True, codes[1:] != codes[:-1])] if len(codes) else codes)


def _is_of(edition: str, found: Results) -> bool:
    """Whether the files of a step are those of an edition; all its records are of one."""
    first = next(found.records(), None)
    return first is None or _names_edition(first, edition)


def _names_edition(record: BlockRecord, edition: str) -> bool:
    return all(key.startswith(f"{edition}/") for key in record.files)
