"""Which blocks of a run's cube are finished, according to the ledgers beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from stores.block_list import BlockList
from stores.columns import CROPLAND_MASK, CROPLAND_PROBABILITY, IMAGERY_VALID, RGB
from stores.grid import BlockIndex, BlockRange
from stores.ledger import Ledger, block_code
from stores.legends import INTEGRATED
from stores.results import Results, read_results
from stores.run_folder import RunFolder
from stores.step_memory import END_OF_RUN, STEPS_OF_CUBE

NAMES_SHOWN = 3
STEP_OF_ARRAY = {
    RGB: "mosaic",
    IMAGERY_VALID: "mosaic",
    CROPLAND_PROBABILITY: "segment",
    CROPLAND_MASK: "segment",
    INTEGRATED: "integrate",
}
"""Step that writes each array of the cube."""


class MissingBlocksError(LookupError):
    """Blocks that were asked for are not finished."""


class UnfinishedBlocksWarning(UserWarning):
    """Blocks that were asked for are not finished, or lie outside the cube; they read as never processed."""


def check_finished(folder: RunFolder, cube: str | Path, edition: str, whole: BlockRange, blocks: BlockList) -> None:
    """Raise MissingBlocksError unless every block is finished in every step that writes an edition.

    A block counts as finished when its last record under the latest settings of the step says so and its files have
    the recorded size. Safe while a run writes.

    Parameters
    ----------
    whole : the cube's rectangle of blocks
    blocks : blocks that are asked for
    """
    for step, finished in finished_steps(folder, cube, edition, whole).items():
        left = blocks.without(finished)
        if left:
            raise MissingBlocksError(
                f"{_left_words(left, len(blocks), edition, cube, step)}; finish the run, ask for a region that is "
                "finished, or open the cube without strict"
            )


def finished_steps(folder: RunFolder, cube: str | Path, edition: str, whole: BlockRange) -> dict[str, BlockList]:
    """Blocks of a run's region that are finished in each step, under the settings with which it was begun last.

    Raises ValueError when a ledger is damaged.
    """
    entries = folder.memory.entries()
    blocks = BlockList.rectangle(whole.row, whole.col, whole.rows, whole.cols)
    finished = {}
    for step in STEPS_OF_CUBE:
        entry = entries.get(step)
        found = read_results(folder.ledger(step), entry.fingerprint if entry else "", blocks, cube)
        finished[step] = found.blocks if _is_of(edition, found) else BlockList.of(())
        if entry and len(finished[step]) > entry.blocks:
            # The region became smaller. Records of the blocks that left it are still in the ledger.
            finished[step] = finished[step].both(_blocks_of_table(folder))
    return finished


def unfinished_words(
    folder: RunFolder, cube: str | Path, edition: str, blocks: BlockList, finished: Mapping[str, BlockList]
) -> str:
    """One sentence that names the blocks that a run began and did not finish; empty when there are none.

    Parameters
    ----------
    blocks : blocks that were asked for; those without any record are not of the run's region and are not named
    finished : those that are finished, by step
    """
    for step in STEPS_OF_CUBE:
        left = blocks.without(finished[step])
        left = left.both(_recorded(folder)) if left else left
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


def _blocks_of_table(folder: RunFolder) -> BlockList:
    """Blocks of a finished run's region, which its block table lists; none while a run is not finished."""
    if END_OF_RUN not in folder.memory.entries() or not folder.blocks.is_file():
        return BlockList.of(())
    names = pd.read_parquet(folder.blocks, columns=["block"]).block
    return BlockList.of(BlockIndex.parse(name) for name in names)


def _is_of(edition: str, found: Results) -> bool:
    """Whether the files of a step are those of an edition; all its records are of one."""
    first = next(found.records(), None)
    return first is None or all(key.startswith(f"{edition}/") for key in first.files)
