"""Cropland maps from two imagery sources, block by block, with the proof that they are right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stores import __version__

if TYPE_CHECKING:
    from croplayer.cube.opening import open_cube


__all__ = ["__version__", "open_cube"]


def __getattr__(name: str) -> Any:
    # Imported when first used, so that `import croplayer` stays fast.
    if name == "open_cube":
        from croplayer.cube.opening import open_cube

        return open_cube
    raise AttributeError(f"module 'croplayer' has no attribute '{name}'")
