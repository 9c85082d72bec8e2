"""Gaps in the imagery of a block: ground without imagery that lies between imagery.

The paper counts every pixel without imagery (section 2.2.2): its blocks lie inside of a country that the imagery
covers. At the edge of the imagery, or of the region, a block is covered in part, and its rest is no fault of the
imagery. So only gaps are counted here.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.gaps import between


def gaps(along: np.ndarray, across: np.ndarray, row: int, col: int) -> np.ndarray:
    """Pixels of a block without imagery that have imagery on both sides, in their row or in their column.

    Ground beyond a straight edge of the imagery, whatever its direction, has imagery on one side only, so it is no gap.

    Parameters
    ----------
    along : (n, w) bool, where the block and the blocks west and east of it have imagery
    across : (h, n) bool, where the block and the blocks north and south of it have imagery
    row : first row of the block in ``across``
    col : first column of the block in ``along``

    Returns
    -------
    (n, n) bool
    """
    return between(along, across, row, col)


def gap_share(valid: np.ndarray, gap: np.ndarray, inside: np.ndarray | None = None) -> float:
    """Share of the ground of a block that should have imagery and has none, 0..1; 1 where nothing has any.

    Parameters
    ----------
    valid : (n, n) bool, where there is imagery
    gap : (n, n) bool, as `gaps` gives it
    inside : (n, n) bool, the pixels that count, such as those of the region; None is all of them
    """
    seen = np.count_nonzero(valid if inside is None else valid & inside)
    missing = np.count_nonzero(gap if inside is None else gap & inside)
    return missing / (seen + missing) if seen else 1.0
