"""Factors of the levels of overviews, the one that a picture needs, and the squares of blocks that share a file."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from stores.block_digests import BlockDigests
from stores.block_list import BlockList
from stores.grid import LATTICE_COLS, LATTICE_ROWS, BlockIndex

FIRST_FACTOR = 4
"""Factor of the level that the others are made from."""
LARGEST_FACTOR_OF_BLOCKS = 16
"""Levels up to this factor have files of their own for each block."""
SQUARE_BLOCKS = 32
"""Blocks along the edge of a square."""


def factors_of(block_px: int) -> tuple[int, ...]:
    """Factors of the levels of a lattice, ascending: the powers of 4 that divide a block, and the block itself.

    Raises ValueError for blocks that no level of factor 4 divides, or that are one pixel of it.
    """
    if block_px % FIRST_FACTOR or block_px == FIRST_FACTOR:
        raise ValueError(f"overviews need blocks of a multiple of {FIRST_FACTOR} px, at least {2 * FIRST_FACTOR}")
    powers = [FIRST_FACTOR]
    while block_px % (powers[-1] * 4) == 0:
        powers.append(powers[-1] * 4)
    return tuple(sorted({*powers, block_px}))


def factor_for(factors: Collection[int], edge_px: int, wanted_px: int) -> int:
    """The coarsest factor that still gives at least half of the wanted pixels along an edge; 1 where no level does.

    Half of them is enough to look at, and bounds what is read: at most ``wanted_px / 2`` times the step between two levels.

    Parameters
    ----------
    edge_px : pixels of the cube along the longer edge of what is drawn
    """
    return max((f for f in factors if 2 * edge_px >= wanted_px * f), default=1)


def squares_of(blocks: BlockList) -> BlockList:
    """The squares that hold some blocks."""
    return BlockList(np.unique(_squares(blocks)))


def blocks_of_square(square: BlockIndex) -> BlockList:
    """The blocks of a square, as far as the lattice reaches."""
    rows = min(SQUARE_BLOCKS, LATTICE_ROWS - square.row)
    return BlockList.rectangle(square.row, square.col, rows, min(SQUARE_BLOCKS, LATTICE_COLS - square.col))


def by_square(digests: BlockDigests) -> BlockDigests:
    """A digest for each square that holds some blocks; it changes with each of them, and when one comes or goes."""
    texts: dict[int, list[str]] = {}
    for block, square, digest in zip(digests.blocks, _squares(digests.blocks).tolist(), digests.digests, strict=True):
        texts.setdefault(square, []).append(f"{block.name} {digest.tobytes().hex()}")
    squares = BlockList(np.array(sorted(texts), np.int32))
    return BlockDigests.of_texts(squares, ("\n".join(texts[code]) for code in squares.codes.tolist()))


def _squares(blocks: BlockList) -> np.ndarray:
    """Code of the square of each block: (n,) int32."""
    rows, cols = np.divmod(blocks.codes, np.int32(LATTICE_COLS))
    return (rows - rows % SQUARE_BLOCKS) * np.int32(LATTICE_COLS) + cols - cols % SQUARE_BLOCKS
