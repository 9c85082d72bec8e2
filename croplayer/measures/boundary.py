"""How well the outlines of two masks agree: pixels of the bands inside them."""

from __future__ import annotations

import numpy as np

from croplayer.measures.agreement import BoundaryAgreement, MaskScore, mask_agreement
from stores.grid import BlockGrid

BOUNDARY_M = 10.0
"""Width of the band inside a map's outline that is compared (Cheng et al. 2021 take a share of the image instead)."""
BOUNDARY_PX = 5
"""Width of the band by which a model is scored on labels, in pixels."""
METRES_PER_DEGREE = 111_320.0


def boundary_width_px(grid: BlockGrid) -> int:
    """Width of the band in pixels, at least one."""
    return max(1, round(BOUNDARY_M / (METRES_PER_DEGREE * grid.px_deg)))


def boundary_band(mask: np.ndarray, width_px: int = BOUNDARY_PX) -> np.ndarray:
    """Pixels of a (h, w) bool mask within ``width_px`` of its outline; the image's edge is not an outline."""
    from scipy import ndimage

    inner: np.ndarray = ndimage.binary_erosion(mask, np.ones((3, 3), dtype=bool), iterations=width_px, border_value=1)
    band: np.ndarray = mask & ~inner
    return band


def boundary_agreement(mask: np.ndarray, truth: np.ndarray, known: np.ndarray, width_px: int) -> BoundaryAgreement:
    """Pixels in the bands inside the outlines of two masks (Cheng et al. 2021, CVPR, doi 10.1109/CVPR46437.2021.01508).

    Parameters
    ----------
    mask, truth, known : (h, w) bool; the edge of the array and of what is known is not an outline

    Bands near the array's edge lack the neighbour's outline, so sums over blocks depend slightly on the size of the blocks.
    """
    return _common_bands(*(boundary_band(m | ~known, width_px) & known & m for m in (mask, truth)))


def score_mask(predicted: np.ndarray, truth: np.ndarray, valid: np.ndarray, width_px: int = BOUNDARY_PX) -> MaskScore:
    """Agreement of two (h, w) bool masks where (h, w) bool ``valid`` is true.

    Unlike in `boundary_agreement`, the edge of what is valid is an outline: the figures of published
    models were computed in this way. Raises ValueError for masks of different shapes.
    """
    area = mask_agreement(predicted, truth, valid)
    return MaskScore(area, _common_bands(*(boundary_band(m & valid, width_px) for m in (predicted, truth))))


def _common_bands(first: np.ndarray, second: np.ndarray) -> BoundaryAgreement:
    return BoundaryAgreement(int(np.count_nonzero(first & second)), int(np.count_nonzero(first | second)))
