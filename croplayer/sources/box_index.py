"""Which of many boxes share ground with another, found with one comparison of arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from stores.grid import Bounds


@dataclass(frozen=True, eq=False)
class BoxIndex:
    """Boxes in degrees of many things, each of which may have several."""

    boxes: np.ndarray
    """(m, 4) float64: west, south, east, north."""
    owner: np.ndarray
    """(m,) int64: the thing that each box belongs to."""

    @classmethod
    def of(cls, things: Iterable[Sequence[Bounds]]) -> Self:
        """An index of the boxes of things in order."""
        pairs = [(box, number) for number, boxes in enumerate(things) for box in boxes]
        return cls(np.array([box for box, _ in pairs]).reshape(-1, 4), np.array([n for _, n in pairs], np.int64))

    def near(self, box: Bounds, pad: float = 0.0) -> list[int]:
        """Numbers, ascending, of the things of which a box, widened by ``pad`` degrees, shares ground with a box."""
        west, south, east, north = self.boxes.T
        meets = (
            (west - pad < box.east) & (box.west < east + pad) & (south - pad < box.north) & (box.south < north + pad)
        )
        return np.unique(self.owner[meets]).tolist()
