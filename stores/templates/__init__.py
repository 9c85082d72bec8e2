"""Checked-in metadata of the stores, so that a change of their layout is a change that is reviewed.

``python -m stores.templates`` writes them again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import MemoryStore

from stores.cube import CUBE
from stores.grid import BlockGrid, BlockRange


def template_path(name: str) -> Path:
    """Where the template of a store lies."""
    return Path(__file__).parent / f"{name}.json"


def cube_template() -> str:
    """Metadata of a cube of two blocks and two sources with all arrays that a cube may have, as text."""
    store, names = MemoryStore(), {spec.name for spec in CUBE.arrays}
    CUBE.create(store, "edition", BlockGrid(2560), BlockRange(1100, 5880, 1, 2), ("a", "b"), names)
    root = zarr.open_group(store, mode="r")
    group = root["edition"]
    assert isinstance(group, zarr.Group)
    arrays = {name: _plain(array.metadata.to_dict()) for name, array in sorted(group.arrays())}
    facts = {"store": dict(root.attrs), "attributes": dict(group.attrs), "arrays": arrays}
    return json.dumps(facts, indent=1, ensure_ascii=False) + "\n"


def _plain(metadata: Any) -> Any:
    return json.loads(
        json.dumps(metadata, default=lambda value: value.to_dict() if hasattr(value, "to_dict") else str(value))
    )
