"""Selection of the blocks to review: a systematic sample of the lattice."""

from __future__ import annotations

from collections.abc import Iterable

from stores.grid import BLOCKS_PER_DEGREE, BlockIndex

PAPER_SPACING_DEG = 0.5


def systematic_blocks(blocks: Iterable[BlockIndex], spacing_deg: float = PAPER_SPACING_DEG) -> list[BlockIndex]:
    """Every n-th row and column of the global lattice among ``blocks``, sorted.

    Rows and columns are counted from the corner of the lattice, not of the region, so that neighbouring regions and
    later years get the same blocks.

    Raises
    ------
    ValueError
        for a spacing that is no multiple of a block's 0.05 degree, or that leaves no block
    """
    step = round(spacing_deg * BLOCKS_PER_DEGREE)
    if step < 1 or abs(step - spacing_deg * BLOCKS_PER_DEGREE) > 1e-9:
        raise ValueError(f"spacing is {spacing_deg} degree; expected a multiple of {1 / BLOCKS_PER_DEGREE} degree")
    among = sorted(blocks)
    chosen = [b for b in among if b.row % step == step // 2 and b.col % step == step // 2]
    if not chosen:
        raise ValueError(f"a grid of {spacing_deg} degree meets none of the {len(among)} blocks; use a finer one")
    return chosen
