"""Sizes of the cells that a block is predicted in; without PyTorch, for those who only plan the work."""

from __future__ import annotations

STRIDE_PX = 32
"""Cells with their halo are filled up to a multiple of this, the coarsest stride of the networks."""

CUDA_BATCH_CELLS = 36
"""Cells that a network on CUDA sees at once where nothing else is said: a block of 5 x 5 cells, blended."""


def blended_halo_px(cell_px: int, blend_px: int) -> int:
    """Context that a blended block needs around it: half a cell and the fade."""
    return cell_px // 2 + blend_px


def cells_at_once(device: str, on_cpu: int = 1) -> int:
    """Cells that a network sees at once on a kind of device where nothing else is said; part of the result on CUDA."""
    return CUDA_BATCH_CELLS if device == "cuda" else on_cpu
