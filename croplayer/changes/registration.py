"""How far the imagery of one edition lies from that of the other."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from croplayer.changes.rules import pixel_m
from stores.grid import BlockGrid, PixelWindow

WINDOW_PX = 512
WINDOWS_ALONG = 3
"""Windows along each side of a block in which the displacement is measured."""
STEPS = 10
"""Measured steps of a pixel."""
AGREE_PX = 1.0
"""Windows whose displacement is this near to the median in both directions agree with it."""
LEAST_WINDOWS, LEAST_AGREEMENT = 3, 0.5
"""A displacement counts as measured if this many windows, and this share of them, agree."""
_SMALLEST_PX = 32


class Displacement(NamedTuple):
    """Where the later imagery of a block lies, relative to the earlier one."""

    rows: float
    """Pixels southwards; the ground of pixel (y, x) of the earlier imagery is at (y + rows, x + cols) of the later one."""
    cols: float
    """Pixels eastwards."""
    agreement: float
    """Share of the windows that agree, 0 to 1; 1 where both are the same imagery."""
    windows: int
    """Windows of imagery in which it was measured."""

    @property
    def is_measured(self) -> bool:
        """Whether enough windows agree; else nothing is known, and the displacement is not to be used."""
        return self.windows >= LEAST_WINDOWS and self.agreement >= LEAST_AGREEMENT

    @property
    def whole_px(self) -> tuple[int, int]:
        """The nearest displacement by whole pixels; none where it was not measured."""
        return (round(self.rows), round(self.cols)) if self.is_measured else (0, 0)

    def metres(self, window: PixelWindow, grid: BlockGrid) -> float:
        """Its length on the ground of a window; 0 where it was not measured."""
        width, height = pixel_m(window.row + window.height // 2, 1, grid)
        return math.hypot(self.rows * height, self.cols * width[0]) if self.is_measured else 0.0


NO_DISPLACEMENT = Displacement(0.0, 0.0, 1.0, WINDOWS_ALONG**2)
"""Of imagery that is the same."""
NOT_MEASURED = Displacement(0.0, 0.0, 0.0, 0)


def displacement(
    before: np.ndarray, before_valid: np.ndarray, after: np.ndarray, after_valid: np.ndarray
) -> Displacement:
    """Displacement of the imagery of a block between two editions, in tenths of a pixel.

    The median over nine windows of 512 px, of which those with gaps are left out. In each, the phase correlation
    (skimage.registration.phase_cross_correlation) of the steepness of the grey values: the edges of fields stay where
    they are, while their colours change with the season.

    Parameters
    ----------
    before, after : (n, n, 3) uint8
    before_valid, after_valid : (n, n) bool, where there is imagery
    """
    if np.array_equal(before, after) and np.array_equal(before_valid, after_valid):
        return NO_DISPLACEMENT if before_valid.any() else NOT_MEASURED
    from skimage.registration import phase_cross_correlation

    valid = before_valid & after_valid
    found = []
    for area in _windows(len(valid)):
        if not valid[area].all():
            continue
        edges = [_edges(rgb[area]) for rgb in (before, after)]
        if all(e.any() for e in edges):
            shift, _, _ = phase_cross_correlation(edges[0], edges[1], upsample_factor=STEPS)
            found.append(-shift)
    if not found:
        return NOT_MEASURED
    shifts = np.array(found)
    middle = np.median(shifts, axis=0)
    agree = (np.abs(shifts - middle) <= AGREE_PX).all(axis=1)
    if agree.any():
        middle = np.median(shifts[agree], axis=0)
    rows, cols = (round(float(v), 2) + 0.0 for v in middle)
    return Displacement(rows, cols, float(agree.mean()), len(found))


def _windows(n: int) -> list[tuple[slice, slice]]:
    """Windows spread evenly over a block."""
    side = min(WINDOW_PX, max(n // WINDOWS_ALONG, _SMALLEST_PX))
    starts = [round(i * (n - side) / (WINDOWS_ALONG - 1)) for i in range(WINDOWS_ALONG)] if n > side else [0]
    return [(slice(y, y + side), slice(x, x + side)) for y in starts for x in starts]


def _edges(rgb: np.ndarray) -> np.ndarray:
    """Steepness (h, w) float32 of the grey values, without its mean and faded out towards the sides of the window."""
    grey = rgb.mean(axis=2, dtype=np.float32)
    down, across = np.gradient(grey)
    steep = np.hypot(down, across)
    fade = np.hanning(len(steep))[:, None] * np.hanning(steep.shape[1])[None]
    return ((steep - steep.mean()) * fade).astype(np.float32)
