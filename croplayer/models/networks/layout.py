"""Where the cells of a block lie, and what each gives to the pixels of the block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.models.networks.cells import STRIDE_PX

Place = tuple[int, int]
"""First row and column of a cell without its context, counted from the block's first pixel."""


class CellLayout(NamedTuple):
    """Where cells lie; positions count from the block's first pixel."""

    tops: range
    lefts: range
    cell_px: int
    halo_px: int
    """Around the block."""
    context_px: int
    """Around each cell."""
    blend_px: int

    @property
    def window_px(self) -> int:
        """Edge of a cell with its context."""
        return self.cell_px + 2 * self.context_px

    @property
    def side_px(self) -> int:
        """Edge of what the network sees: a window, filled up to a multiple of the networks' stride."""
        return -(-self.window_px // STRIDE_PX) * STRIDE_PX

    def window(self, place: Place) -> tuple[slice, slice]:
        """Rows and columns of a cell with its context in the block with its halo."""
        y, x = (start + self.halo_px - self.context_px for start in place)
        return slice(y, y + self.window_px), slice(x, x + self.window_px)

    def ramp(self) -> np.ndarray:
        """(side,) float32 along a cell with its context: 1 inside, falling to 0 across each border."""
        side = self.window_px
        to_border = np.minimum(np.arange(side) + 0.5, side - 0.5 - np.arange(side)) - self.context_px
        if self.blend_px == 0:
            return np.asarray(to_border > 0, dtype=np.float32)
        return np.asarray(np.clip(0.5 + to_border / (2 * self.blend_px), 0, 1), dtype=np.float32)

    def shares(self, starts: range, length: int) -> dict[int, tuple[slice, slice, np.ndarray]]:
        """What each cell gives to the pixels of an axis of the block; the shares of a pixel sum to 1.

        Parameters
        ----------
        starts : ``tops`` or ``lefts``
        length : pixels of the block along the axis

        Returns
        -------
        by start: place in the block, place in the cell with its context, (n,) float32 shares
        """
        ramp, side = self.ramp(), self.window_px
        places = {}
        total = np.zeros(length, dtype=np.float32)
        for start in starts:
            first = start - self.context_px
            low = max(start - self.blend_px, 0)
            high = min(start + self.cell_px + self.blend_px, length, first + side)
            places[start] = (slice(low, high), slice(low - first, high - first))
            total[low:high] += ramp[low - first : high - first]
        return {start: (block, cell, ramp[cell] / total[block]) for start, (block, cell) in places.items()}

    def places(self, inner: np.ndarray) -> list[Place]:
        """Cells that give to a pixel with imagery; ``inner`` is (h, w) bool, where the block has imagery."""
        h, w = inner.shape
        rows, cols = self.shares(self.tops, h), self.shares(self.lefts, w)
        return [(y, x) for y in self.tops for x in self.lefts if inner[rows[y][0], cols[x][0]].any()]
