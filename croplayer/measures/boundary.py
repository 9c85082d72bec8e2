"""Boundary IoU: how well the outlines of two masks agree."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.measures.scoring import boundary_band
from stores.grid import BlockGrid

BOUNDARY_M = 10.0
"""Width of the band inside a mask's outline that is compared (Cheng et al. 2021 take a share of the image instead)."""
METRES_PER_DEGREE = 111_320.0


class BoundaryAgreement(NamedTuple):
    """Pixels in the bands; those of blocks add up."""

    both: int = 0
    any: int = 0

    @property
    def iou(self) -> float:
        """Boundary IoU; NaN when neither mask has an outline."""
        return self.both / self.any if self.any else np.nan


def boundary_width_px(grid: BlockGrid) -> int:
    """Width of the band in pixels, at least one."""
    return max(1, round(BOUNDARY_M / (METRES_PER_DEGREE * grid.px_deg)))


def boundary_agreement(mask: np.ndarray, truth: np.ndarray, known: np.ndarray, width_px: int) -> BoundaryAgreement:
    """Pixels in the bands inside the outlines of two masks (Cheng et al. 2021, CVPR, doi 10.1109/CVPR46437.2021.01508).

    Parameters
    ----------
    mask, truth, known : (h, w) bool; the edge of the array and of what is known is no outline

    Bands near the array's edge lack the neighbour's outline, so sums over blocks depend a little on the blocks.
    """
    bands = [boundary_band(m | ~known, width_px) & known & m for m in (mask, truth)]
    return BoundaryAgreement(int((bands[0] & bands[1]).sum()), int((bands[0] | bands[1]).sum()))
