"""Selection of the blocks to review: a systematic sample of the lattice."""

from __future__ import annotations

from collections.abc import Iterable

from stores.grid import BLOCKS_PER_DEGREE, BlockIndex

PAPER_SPACING_DEG = 0.5
FINER_SPACINGS_DEG = (0.25, 0.1, 0.05)
FEWEST_BLOCKS = 100
"""Blocks that a sample of no stated spacing has at least, where there are as many; a choice of croplayer."""


def spacing_for(blocks: Iterable[BlockIndex]) -> float:
    """The paper's spacing if it meets at least `FEWEST_BLOCKS` of ``blocks``, else the widest finer one that does.

    Returns
    -------
    0.5, 0.25, 0.1 or 0.05 degree; 0.05, which takes every block, where no wider one meets enough
    """
    among = list(blocks)
    for spacing in (PAPER_SPACING_DEG, *FINER_SPACINGS_DEG[:-1]):
        if len(_chosen(among, round(spacing * BLOCKS_PER_DEGREE))) >= FEWEST_BLOCKS:
            return spacing
    return FINER_SPACINGS_DEG[-1]


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
    chosen = _chosen(among, step)
    if not chosen:
        raise ValueError(f"a grid of {spacing_deg} degree meets none of the {len(among)} blocks; use a finer one")
    return chosen


def _chosen(blocks: Iterable[BlockIndex], step: int) -> list[BlockIndex]:
    return [b for b in blocks if b.row % step == step // 2 and b.col % step == step // 2]
