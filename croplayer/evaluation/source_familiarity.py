"""How familiar the imagery of sources is to a network, told from a sample of the blocks before they are mapped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from croplayer.models.bundles.familiarity_file import load_familiarity
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.sources.imagery import ImagerySource
from stores.block_list import BlockList
from stores.grid import BlockGrid, PixelWindow

BLOCKS_READ = 6
"""Blocks, spread over the region, in whose middle some imagery is read; all of a smaller region."""
WINDOWS_READ = 48
"""Windows that are read of each source at most, in a square in the middle of each of these blocks: of fewer blocks more each,
because a few windows of a small region say little of it."""


def familiarity_of_sources(
    model: Path, digest: str, sources: Sequence[ImagerySource], blocks_of_region: BlockList, grid: BlockGrid
) -> list[float | None]:
    """Median familiarity of each source in the middles of some blocks.

    Parameters
    ----------
    model, digest : the bundle of the segmentation
    blocks_of_region : blocks that the sample is taken from

    Returns
    -------
    0..1 for each source; None where the bundle describes no imagery, for a source on a server, which is not asked, and where no
    block of the sample has imagery in its middle that can be read
    """
    described = load_familiarity(model, digest)
    if described is None or all(source.is_remote for source in sources):
        return [None for _ in sources]
    network = load_segmenter(model, digest, device="cpu")
    step = max(1, len(blocks_of_region) // BLOCKS_READ)
    sample = blocks_of_region[step // 2 :: step]
    windows_along = max(1, math.isqrt(WINDOWS_READ // len(sample)))
    side = min(windows_along * described.window_px, grid.block_px)
    found: list[float | None] = []
    for source in sources:
        each = []
        for block in [] if source.is_remote else sample:
            row, col, height, width = grid.window(block)
            middle = PixelWindow(row + (height - side) // 2, col + (width - side) // 2, side, side)
            try:
                imagery = source.read(middle, grid)
            except (OSError, ValueError):
                continue  # the run itself says what is wrong with the file
            each.append(described.of_image(network, imagery.rgb, imagery.valid))
        known = [value for value in each if not np.isnan(value)]
        found.append(float(np.median(known)) if known else None)
    return found
