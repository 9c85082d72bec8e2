"""A labeller who knows the truth, makes mistakes and takes time: for trials of how tasks are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class SimulatedLabels(NamedTuple):
    """What a labeller says of a window."""

    fields: np.ndarray
    """(h, w) int64: number of the drawn field of each pixel, 0 outside of all."""
    minutes: float

    @property
    def cropland(self) -> np.ndarray:
        """(h, w) bool."""
        return self.fields > 0


@dataclass(frozen=True)
class Labeller:
    """How a labeller works; the defaults are assumptions, not measurements."""

    missed: float = 0.03
    """Share of the fields that are not drawn."""
    invented: float = 0.03
    """Polygons drawn on other land for each true field, of the size of the window's fields."""
    shift_px: int = 1
    """A drawn field lies off by up to so many pixels along rows and columns."""
    minutes_per_polygon: float = 0.1
    """Most polygons come from the map and need only a look."""
    minutes_per_window: float = 1.5
    """Time to open a window and look at its pictures."""

    def __post_init__(self) -> None:
        if not (0 <= self.missed <= 1 and 0 <= self.invented <= 1):
            raise ValueError(f"the rates of mistakes are {self.missed} and {self.invented}; expected 0 to 1")
        if min(self.shift_px, self.minutes_per_polygon, self.minutes_per_window) < 0:
            raise ValueError("a shift or a time is below 0")

    def label(self, fields: np.ndarray, rng: np.random.Generator) -> SimulatedLabels:
        """Label one window.

        Parameters
        ----------
        fields : (h, w) integers, number of the true field of each pixel; 0 is other land
        rng : decides the mistakes
        """
        numbers = np.unique(fields[fields > 0])
        drawn = np.zeros(fields.shape, np.int64)
        count = 0
        for number in numbers:
            missed = rng.random() < self.missed
            off = rng.integers(-self.shift_px, self.shift_px + 1, 2)
            if not missed:
                count += 1
                drawn[_shifted(fields == number, *off)] = count
        inventions = rng.poisson(self.invented * len(numbers))
        edge = round(np.sqrt(np.count_nonzero(fields) / max(len(numbers), 1)))
        other = np.argwhere(fields == 0)
        for _ in range(inventions if len(other) else 0):
            row, col = other[rng.integers(len(other))]
            count += 1
            drawn[max(row - edge // 2, 0) : row + edge // 2 + 1, max(col - edge // 2, 0) : col + edge // 2 + 1] = count
        return SimulatedLabels(drawn, self.minutes_per_window + count * self.minutes_per_polygon)


def _shifted(mask: np.ndarray, down: int, right: int) -> np.ndarray:
    """A mask moved by some pixels; what leaves the window is lost, as a drawing is at the edge of a task."""
    moved = np.zeros_like(mask)
    h, w = mask.shape
    moved[max(down, 0) : h + min(down, 0), max(right, 0) : w + min(right, 0)] = mask[
        max(-down, 0) : h + min(-down, 0), max(-right, 0) : w + min(-right, 0)
    ]
    return moved
