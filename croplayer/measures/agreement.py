"""Mergeable counts of how two masks agree: chunk, then ``+``, then a ratio."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Agreement(NamedTuple):
    """Pixels by what the map and the reference say; pixels that either does not know are left out."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def merge(self, other: Agreement) -> Agreement:
        """Counts of both."""
        return Agreement(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def iou(self) -> float:
        """Intersection over union of cropland; NaN when neither has any."""
        union = self.tp + self.fp + self.fn
        return self.tp / union if union else np.nan

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall; NaN when neither has cropland."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else np.nan

    @property
    def precision(self) -> float:
        """Share of mapped cropland that is cropland; NaN without mapped cropland."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else np.nan

    @property
    def recall(self) -> float:
        """Share of cropland that is mapped; NaN without cropland."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else np.nan

    @property
    def overall_accuracy(self) -> float:
        """Share of pixels that agree; NaN without pixels."""
        return (self.tp + self.tn) / sum(self) if sum(self) else np.nan
