"""Cropland maps from two imagery sources, block by block, with the proof that they are right."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from stores import __version__

if TYPE_CHECKING:
    from croplayer import models
    from croplayer.changes.lazy import change
    from croplayer.changes.rules import ChangeRules
    from croplayer.cube.lazy import region_properties, segment
    from croplayer.cube.opening import open_cube
    from croplayer.evaluation.spatial_blocks import open_blocks, sums_over
    from stores.edition import SchemaError
    from stores.finished import MissingBlocksError
    from stores.grid import BlockGrid, BlockIndex, Bounds

__all__ = [
    "BlockGrid",
    "BlockIndex",
    "Bounds",
    "ChangeRules",
    "MissingBlocksError",
    "SchemaError",
    "__version__",
    "change",
    "models",
    "open_blocks",
    "open_cube",
    "region_properties",
    "segment",
    "sums_over",
]

_MODULES = {
    "BlockGrid": "stores.grid",
    "BlockIndex": "stores.grid",
    "Bounds": "stores.grid",
    "ChangeRules": "croplayer.changes.rules",
    "MissingBlocksError": "stores.finished",
    "SchemaError": "stores.edition",
    "change": "croplayer.changes.lazy",
    "open_blocks": "croplayer.evaluation.spatial_blocks",
    "open_cube": "croplayer.cube.opening",
    "region_properties": "croplayer.cube.lazy",
    "segment": "croplayer.cube.lazy",
    "sums_over": "croplayer.evaluation.spatial_blocks",
}


def __getattr__(name: str) -> Any:
    # Imported when first used, so that `import croplayer` stays fast.
    if name == "models":
        return import_module("croplayer.models")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'croplayer' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
