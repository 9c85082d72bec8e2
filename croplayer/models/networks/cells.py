"""Sizes of the cells that a block is predicted in; without PyTorch, for those who only plan the work."""

from __future__ import annotations


def blended_halo_px(cell_px: int, blend_px: int) -> int:
    """Context that a blended block needs around it: half a cell and the fade."""
    return cell_px // 2 + blend_px
