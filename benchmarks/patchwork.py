"""A source whose content does not matter, in a module that workers can import."""

from __future__ import annotations

import numpy as np

from croplayer.sources.imagery import Imagery
from stores.grid import BlockGrid, PixelWindow


class Patchwork:
    """A source of coloured squares; its cost is left out by mosaicking first."""

    name = "patchwork"

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Squares of 40 px."""
        rows, cols = (np.arange(a, a + n) // 40 for a, n in ((window.row, window.height), (window.col, window.width)))
        rgb = np.stack([(rows[:, None] * k + cols[None] * (k + 3)) % 256 for k in (7, 11, 29)], axis=-1).astype(
            np.uint8
        )
        return Imagery(rgb, np.ones(rgb.shape[:2], dtype=bool))
