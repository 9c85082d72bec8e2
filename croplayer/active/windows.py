"""Windows that tasks are made of: equal squares of a block, which share no pixel."""

from __future__ import annotations

import numpy as np

from stores.grid import BlockGrid, BlockIndex, PixelWindow

USUAL_PX = 512
"""Edge of a window in pixels, about 1 km at 2 m."""


def window_edge(block_px: int, wanted: int | None = None) -> int:
    """Edge of the windows of blocks in pixels; by default the largest divisor of ``block_px`` up to `USUAL_PX`.

    Raises ValueError for an edge that does not divide the block.
    """
    if wanted is None:
        return max(edge for edge in range(1, min(USUAL_PX, block_px) + 1) if block_px % edge == 0)
    if wanted < 1 or block_px % wanted:
        raise ValueError(
            f"windows of {wanted} px do not fill a block of {block_px} px; expected a divisor, such as {window_edge(block_px)}"
        )
    return wanted


def windows_of(block: BlockIndex, grid: BlockGrid, edge: int) -> list[PixelWindow]:
    """The windows of a block in raster order."""
    k, top = grid.block_px // edge, grid.window(block)
    return [
        PixelWindow(top.row + i * edge, top.col + j * edge, edge, edge) for i in range(k) for j in range(k)
    ]  # fmt: skip


def pixel_m(window: PixelWindow, grid: BlockGrid) -> float:
    """Edge of the pixels in the middle of a window, metres, as of a square of the same area."""
    return float(np.sqrt(grid.pixel_area_m2(window.row + window.height // 2, 1)[0]))


def places(windows: list[PixelWindow]) -> np.ndarray:
    """Row and column of windows of one size in the lattice of such windows: (n, 2) int64."""
    return np.array([(w.row // w.height, w.col // w.width) for w in windows], np.int64).reshape(-1, 2)


def beside_any(place: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Whether each place (n, 2) is one of the taken ones (m, 2) or one of their eight neighbours: (n,) bool."""
    steps = np.array([(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    near = (taken[:, None] + steps[None]).reshape(-1, 2)
    return np.asarray(np.isin(_codes(place), _codes(near)))


def _codes(place: np.ndarray) -> np.ndarray:
    """One number for each row and column."""
    return np.asarray((place[:, 0] << 32) + place[:, 1])
