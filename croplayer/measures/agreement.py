"""How two masks agree, as counts of pixels: count each block, add with ``+``, form the ratio at the end."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """Pixels by class in the map and the reference; pixels without data in either are left out."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def __add__(self, other: Agreement) -> Agreement:  # type: ignore[override]
        return Agreement(*(mine + its for mine, its in zip(self, other, strict=True)))

    @property
    def pixels(self) -> int:
        """Pixels that were compared."""
        return sum(self)

    @property
    def iou(self) -> float:
        """Intersection over union of cropland; NaN when neither has any."""
        return _ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN when neither has cropland."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """Share of mapped cropland that is cropland; NaN without mapped cropland."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """Share of cropland that is mapped; NaN without cropland."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def overall_accuracy(self) -> float:
        """Share of pixels that agree; NaN without pixels."""
        return _ratio(self.tp + self.tn, self.pixels)


class BoundaryAgreement(NamedTuple):
    """Pixels in the bands inside the outlines of two masks."""

    both: int = 0
    """Pixels in the bands of both masks."""
    any: int = 0
    """Pixels in the band of either mask."""

    def __add__(self, other: BoundaryAgreement) -> BoundaryAgreement:  # type: ignore[override]
        return BoundaryAgreement(self.both + other.both, self.any + other.any)

    @property
    def iou(self) -> float:
        """Boundary IoU (Cheng et al. 2021, CVPR, with a width in pixels); NaN when neither mask has an outline."""
        return _ratio(self.both, self.any)


class MaskScore(NamedTuple):
    """How well a predicted mask agrees with labels, inside and along the outlines."""

    area: Agreement = Agreement()
    boundary: BoundaryAgreement = BoundaryAgreement()

    def __add__(self, other: MaskScore) -> MaskScore:  # type: ignore[override]
        return MaskScore(self.area + other.area, self.boundary + other.boundary)

    def figures(self) -> dict[str, float | None]:
        """The ratios by name, rounded to five digits; None where there is nothing to compare."""
        values = {
            "iou": self.area.iou,
            "boundary_iou": self.boundary.iou,
            "f1": self.area.f1,
            "accuracy": self.area.overall_accuracy,
        }
        return {name: None if math.isnan(v) else round(v, 5) for name, v in values.items()}


def mask_agreement(mask: np.ndarray, truth: np.ndarray, known: np.ndarray | None = None) -> Agreement:
    """Counts of two (h, w) bool masks over the pixels where (h, w) bool ``known`` is true; over all without it.

    Raises ValueError for masks of different shapes.
    """
    if mask.shape != truth.shape or (known is not None and known.shape != truth.shape):
        shapes = ", ".join(str(m.shape) for m in (mask, truth, known) if m is not None)
        raise ValueError(f"masks have shapes {shapes}; expected equal ones")
    if known is not None:
        mask, truth = mask & known, truth & known
    pixels = truth.size if known is None else int(np.count_nonzero(known))
    tp = int(np.count_nonzero(mask & truth))
    fp, fn = int(np.count_nonzero(mask)) - tp, int(np.count_nonzero(truth)) - tp
    return Agreement(tp, fp, fn, pixels - tp - fp - fn)


def ious(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> np.ndarray:
    """Intersection over union of each of many masks, from their counts of pixels as in `Agreement`.

    Parameters
    ----------
    tp, fp, fn : (n,) float64; NaN where there are no counts

    Returns
    -------
    (n,) float64; NaN where neither mask has cropland or there are no counts
    """
    union = tp + fp + fn
    return np.divide(tp, union, out=np.full(union.shape, np.nan), where=union > 0)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
