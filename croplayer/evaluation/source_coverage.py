"""What the files of imagery sources cover of a region, from a sample of its blocks; no pixel is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from croplayer.measures.gaps import gap_share, gaps
from croplayer.sources.ground import ground_with_files
from croplayer.sources.imagery import ImagerySource
from croplayer.vector.region import Region, pixels_of_region
from stores.block_list import BlockList
from stores.grid import BlockGrid, BlockIndex

BLOCKS_LOOKED_AT = 64
"""Blocks, spread over the region, that are looked at; all of a smaller region."""
POINTS = 32
"""Points along the edge of a block at which files are looked for."""


class Coverage(NamedTuple):
    """What the files of the sources cover of the blocks that were looked at."""

    blocks: int
    shares: tuple[float | None, ...]
    """Share of the region that each source covers, 0..1; None where only its provider knows."""
    both: float | None
    """Share that two sources cover both."""
    nodata: tuple[int | None, ...]
    """Blocks of each source, of those with imagery, that would be Nodata because of gaps between its files."""
    with_imagery: tuple[int | None, ...]
    is_whole: bool
    """Whether all blocks of the region were looked at."""


def coverage_of(
    sources: Sequence[ImagerySource], blocks_of_region: BlockList, region: Region, nodata_above: float
) -> Coverage:
    """The coverage of sources in a sample of the blocks of a region, told from tile files and boxes of rasters.

    Parameters
    ----------
    region : the ground that counts
    nodata_above : share of gaps above which a block is Nodata
    """
    blocks = blocks_of_region[:: max(1, len(blocks_of_region) // BLOCKS_LOOKED_AT)]
    inside, names = [], range(len(sources))
    seen: list[list[np.ndarray | None]] = [[] for _ in names]
    nodata, covered = [0 for _ in names], [0 for _ in names]
    for block in blocks:
        counted = pixels_of_region(region, BlockGrid(POINTS).window(block), BlockGrid(POINTS))
        inside.append(counted)
        for i in names:
            around = _around(sources[i], blocks_of_region, block)
            valid = None if around is None else around[POINTS : 2 * POINTS, POINTS : 2 * POINTS]
            seen[i].append(valid)
            if around is not None and valid is not None and (valid & counted).any():
                covered[i] += 1
                if not valid[counted].all():  # without a hole nothing needs the kernel, whose start takes half a second
                    gap = gaps(around[POINTS : 2 * POINTS], around[:, POINTS : 2 * POINTS], POINTS, POINTS)
                    nodata[i] += gap_share(valid, gap, counted) > nodata_above
    known = [all(v is not None for v in each) for each in seen]
    total = sum(int(c.sum()) for c in inside)
    shares = [_share(seen[i], inside, total) if known[i] else None for i in names]
    both = None
    if len(known) == 2 and all(known):
        joint = [a & b for a, b in zip(*seen, strict=True) if a is not None and b is not None]
        both = _share(joint, inside, total)
    return Coverage(
        len(blocks), tuple(shares), both, tuple(nodata[i] if known[i] else None for i in names),
        tuple(covered[i] if known[i] else None for i in names), len(blocks) == len(blocks_of_region),
    )  # fmt: skip


def _around(source: ImagerySource, blocks: BlockList, block: BlockIndex) -> np.ndarray | None:
    """Where a block and those of the region around it have files of a source: (3 POINTS, 3 POINTS) bool."""
    grid = BlockGrid(POINTS)
    out = np.zeros((3 * POINTS, 3 * POINTS), bool)
    for i, near in enumerate((block, *block.beside)):
        if near not in blocks:
            continue
        found = ground_with_files(source, grid.window(near), grid)
        if found is None:
            return None
        row, col = ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1))[i]
        out[row * POINTS : (row + 1) * POINTS, col * POINTS : (col + 1) * POINTS] = found
    return out


def _share(seen: Sequence[np.ndarray | None], inside: Sequence[np.ndarray], total: int) -> float:
    count = sum(int((v & c).sum()) for v, c in zip(seen, inside, strict=True) if v is not None)
    return count / total if total else 0.0
