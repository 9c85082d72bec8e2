"""Check the metadata of a cube of any origin before an array of it is allocated or decoded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from zarr.codecs import BytesCodec, Crc32cCodec, ShardingCodec, VLenUTF8Codec, ZstdCodec

from stores.edition import SchemaError
from stores.grid import LARGEST_BLOCK_PX, LATTICE_COLS, LATTICE_ROWS, BlockGrid, BlockRange

MOST_SOURCES = 16
LARGEST_PART_BYTES = 512 * 1024**2
"""Largest size of one decoded chunk or shard."""
CODECS = (BytesCodec, Crc32cCodec, ShardingCodec, VLenUTF8Codec, ZstdCodec)
NUMBERS = "biuf"
LABELS = ("source", "layer")
"""Names of the only arrays of texts."""


class Layout(NamedTuple):
    """The place of an edition on the lattice, and the names of its imagery sources."""

    grid: BlockGrid
    blocks: BlockRange
    sources: tuple[str, ...]

    @property
    def sizes(self) -> dict[str, int]:
        """Length of each dimension that an array may have."""
        window = self.blocks.window(self.grid)
        sources = len(self.sources)
        return {"source": sources, "layer": 1 + sources, "y": window.height, "x": window.width, "band": 3}


def read_layout(facts: object, place: str) -> Layout:
    """Layout that an edition's attributes describe.

    Parameters
    ----------
    facts : the attribute ``croplayer`` of the edition
    place : store and name of the edition, for messages

    Raises
    ------
    SchemaError
        if it is not a layout, or does not lie on the lattice
    """
    if not isinstance(facts, Mapping):
        raise SchemaError(f"{place} was not finished or is not a croplayer edition")
    limits = {
        "block_px": (1, LARGEST_BLOCK_PX),
        "row": (0, LATTICE_ROWS - 1),
        "col": (0, LATTICE_COLS - 1),
        "rows": (1, LATTICE_ROWS),
        "cols": (1, LATTICE_COLS),
    }
    for name, (low, high) in limits.items():
        value = facts.get(name)
        if type(value) is not int or not low <= value <= high:
            raise SchemaError(f"{place}: {name} is {str(value)[:40]}; expected a whole number from {low} to {high}")
    blocks = BlockRange(*(facts[name] for name in ("row", "col", "rows", "cols")))
    if blocks.row + blocks.rows > LATTICE_ROWS or blocks.col + blocks.cols > LATTICE_COLS:
        raise SchemaError(f"{place}: {blocks} reaches beyond the lattice of {LATTICE_ROWS} x {LATTICE_COLS} blocks")
    sources = facts.get("sources")
    if not isinstance(sources, list) or not 1 <= len(sources) <= MOST_SOURCES or {*map(type, sources)} != {str}:
        raise SchemaError(f"{place}: sources are {str(sources)[:40]}; expected 1 to {MOST_SOURCES} names")
    return Layout(BlockGrid(facts["block_px"]), blocks, tuple(sources))


def check_arrays(group: Any, layout: Layout, place: str) -> None:
    """Raise SchemaError for the first array that does not fit its edition, or is too large to decode.

    Parameters
    ----------
    group : the Zarr group of the edition, opened without consolidated metadata
    layout : the layout of the edition
    place : store and name of the edition, for messages
    """
    try:
        arrays = sorted(group.arrays())
    except Exception as error:  # readers raise errors of any class on damaged metadata
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SchemaError(f"{place} has metadata that cannot be read: {first}") from error
    for name, array in arrays:
        _check_array(array, name, layout, f"{place}: array '{str(name)[:40]}'")


def _check_array(array: Any, name: str, layout: Layout, what: str) -> None:
    dims = array.metadata.dimension_names or ()
    strange = [d for d in dims if d not in layout.sizes]
    if strange or len(dims) != len(array.shape):
        raise SchemaError(
            f"{what} has the dimensions {dims} of {array.shape}; expected some of {', '.join(layout.sizes)}"
        )
    expected = tuple(layout.sizes[d] for d in dims)
    if array.shape != expected:
        raise SchemaError(f"{what} has the shape {array.shape}; its edition expects {expected}")
    dtype = np.dtype(array.dtype)
    if dtype.kind not in NUMBERS and not (name in LABELS and dims == (name,) and dtype.kind == "T"):
        raise SchemaError(f"{what} is of {dtype}; expected numbers")
    part = array.shards or array.chunks
    size = math.prod(part) * dtype.itemsize
    if size > LARGEST_PART_BYTES:
        raise SchemaError(
            f"{what} is stored in parts of {part}, {size} bytes each; expected at most {LARGEST_PART_BYTES}"
        )
    for codec in _codecs(array.metadata.codecs):
        if not isinstance(codec, CODECS):
            raise SchemaError(f"{what} is encoded with {type(codec).__name__}; expected bytes and zstd")


def _codecs(codecs: Any) -> list[Any]:
    """Codecs, with those inside of shards."""
    inner = [c for codec in codecs if isinstance(codec, ShardingCodec) for c in (*codec.codecs, *codec.index_codecs)]
    return [*codecs, *inner]
