"""How well a predicted cropland mask agrees with the labels: IoU, F1 and boundary IoU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

BOUNDARY_PX = 5
"""Width of the band inside a mask's outline that boundary IoU compares, in pixels."""


class MaskScore(NamedTuple):
    """Counts of pixels that add up over scenes; ratios are formed at the end."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    boundary_both: int = 0
    """Pixels in the boundary band of both masks."""
    boundary_any: int = 0
    """Pixels in the boundary band of either mask."""

    def plus(self, other: MaskScore) -> MaskScore:
        """Counts of both parts together."""
        return MaskScore(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def iou(self) -> float:
        """tp / (tp + fp + fn); NaN when neither mask has a pixel."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn); NaN when neither mask has a pixel."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def accuracy(self) -> float:
        """Share of pixels that agree."""
        return _ratio(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn)

    @property
    def boundary_iou(self) -> float:
        """IoU of the two boundary bands (Cheng et al. 2021, CVPR, with a width in pixels)."""
        return _ratio(self.boundary_both, self.boundary_any)

    def figures(self) -> dict[str, float | None]:
        """The ratios by name, rounded to five digits; None where there is nothing to compare."""
        values = {"iou": self.iou, "boundary_iou": self.boundary_iou, "f1": self.f1, "accuracy": self.accuracy}
        return {name: None if np.isnan(v) else round(v, 5) for name, v in values.items()}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def boundary_band(mask: np.ndarray, width_px: int = BOUNDARY_PX) -> np.ndarray:
    """Pixels of a (h, w) bool mask within ``width_px`` of its outline; the image's edge is no outline."""
    inner: np.ndarray = ndimage.binary_erosion(mask, np.ones((3, 3), dtype=bool), iterations=width_px, border_value=1)
    band: np.ndarray = mask & ~inner
    return band


def score_mask(predicted: np.ndarray, truth: np.ndarray, valid: np.ndarray, width_px: int = BOUNDARY_PX) -> MaskScore:
    """Agreement of two (h, w) bool masks where (h, w) bool ``valid`` is true."""
    if not predicted.shape == truth.shape == valid.shape:
        raise ValueError(f"masks have shapes {predicted.shape}, {truth.shape} and {valid.shape}; expected equal ones")
    p, t = predicted & valid, truth & valid
    bands = boundary_band(p, width_px) & valid, boundary_band(t, width_px) & valid
    tp = int((p & t).sum())
    fp, fn = int(p.sum()) - tp, int(t.sum()) - tp
    return MaskScore(
        tp, fp, fn, int(valid.sum()) - tp - fp - fn, int((bands[0] & bands[1]).sum()), int((bands[0] | bands[1]).sum())
    )
