"""Which blocks are kept from training, from the first day of a label project on.

A block is held out as a whole, so no window of it, and none that shares its fields, teaches the model that is measured there.
Whether it is depends on the project's seed and the block's place on the lattice alone, so a region that grows, other
tasks or another machine change nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable

from croplayer.active.tasks import window_of_task
from stores.grid import BlockGrid, BlockIndex, PixelWindow

HELD_OUT = 0.25
"""Share of the blocks that is held out where a project says no other."""
_DIGEST_BYTES = 8


def check_share(share: float) -> None:
    """Raise ValueError unless a share of blocks can be held out."""
    if not 0 <= share < 1:
        raise ValueError(f"the share of blocks that is held out is {share}; expected 0 to 1, below 1")


def is_held_out(block: BlockIndex, seed: int, share: float) -> bool:
    """Whether a block is held out: for a share of all blocks, as good as at random.

    Parameters
    ----------
    seed : of the project
    share : 0 <= share < 1. A larger one holds out the same blocks and more.
    """
    digest = hashlib.sha256(f"held out {seed} {block.name}".encode()).digest()
    return int.from_bytes(digest[:_DIGEST_BYTES]) < share * 2 ** (8 * _DIGEST_BYTES)


def block_of(window: PixelWindow, grid: BlockGrid) -> BlockIndex:
    """The block that holds a task's window."""
    return BlockIndex(window.row // grid.block_px, window.col // grid.block_px)


def taught_blocks(scenes: Iterable[str], grid: BlockGrid) -> set[BlockIndex]:
    """Blocks of the tasks among the scenes that a model has learned from.

    A model of another label project has learned in blocks that this project may hold out.

    Parameters
    ----------
    scenes : names of a manifest, TASK.SOURCE for a task; others name no task and are passed over
    grid : lattice of the project; tasks of a lattice with other blocks are not known
    """
    found = set()
    for name in scenes:
        with contextlib.suppress(ValueError):
            found.add(block_of(window_of_task(name.partition(".")[0], grid), grid))
    return found


def held_out_blocks(blocks: Iterable[BlockIndex], seed: int, share: float) -> set[BlockIndex]:
    """Those of some blocks that are held out."""
    return {block for block in blocks if is_held_out(block, seed, share)}
