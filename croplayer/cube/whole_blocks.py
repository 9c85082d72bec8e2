"""One edition of a cube, read and written block by block."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from croplayer.files.file_cache import cached_file_reads
from stores.columns import FIELD
from stores.durable import FileDigest
from stores.edition import ATTRIBUTES, WRITE_CONFIG
from stores.foreign_cube import check_arrays, read_layout
from stores.grid import BlockGrid, BlockIndex, BlockRange, PixelWindow
from stores.places import has_key, open_store, read_key, remove_key, write_key


@dataclass(frozen=True)
class Cube:
    """One edition of a cube, for reading and writing whole blocks."""

    path: str
    edition: str
    grid: BlockGrid
    blocks: BlockRange
    sources: tuple[str, ...]

    @classmethod
    def open(cls, path: str | Path, edition: str | None = None) -> Cube:
        """The edition of a cube; with one edition in the store its name may be left out.

        Metadata are checked against limits and the lattice first, because a cube may come from anywhere.

        Raises FileNotFoundError when there is no cube, ValueError when the edition is not in it, SchemaError
        when it is not laid out as one.
        """
        if not has_key(path, "zarr.json"):
            raise FileNotFoundError(f"{path} is not a cube; expected a Zarr v3 group written by a run")
        # Consolidated metadata may differ from those of the arrays.
        root = zarr.open_group(open_store(path, read_only=True), mode="r", use_consolidated=False)
        editions = sorted(name for name, _ in root.groups())
        if edition is None:
            if len(editions) != 1:
                raise ValueError(f"{path} holds editions {', '.join(editions) or 'none'}; say which one with edition=")
            edition = editions[0]
        if edition not in editions:
            raise ValueError(f"{path} has no edition '{edition}'; it holds {', '.join(editions) or 'none'}")
        place = f"edition '{edition}' of {path}"
        layout = read_layout(root[edition].attrs.get(ATTRIBUTES), place)
        check_arrays(root[edition], layout, place)
        return cls(str(path), edition, *layout)

    def holds(self, block: BlockIndex) -> bool:
        """Whether a block lies in the cube's rectangle."""
        return self.blocks.holds(block)

    def read_window(self, name: str, window: PixelWindow, source: str | None = None) -> np.ndarray:
        """Pixels of an array inside a window of the lattice; raises ValueError when it does not lie in the cube."""
        area = window.slices_in(self.blocks.window(self.grid))
        return read_area(self, name, area if source is None else (self.sources.index(source), *area))

    def read_block(self, name: str, block: BlockIndex, source: str | None = None) -> np.ndarray:
        """Pixels of an array in one block: (h, w) or (h, w, 3)."""
        return self.read_window(name, self.grid.window(block), source)

    def write_block(
        self, name: str, block: BlockIndex, pixels: np.ndarray, source: str | None = None
    ) -> dict[str, FileDigest]:
        """Write one whole block of one array durably; returns the digest of the file by its key in the store."""
        area: tuple[Any, ...] = self.blocks.slices(self.grid, block)
        n = self.grid.block_px
        if pixels.shape[:2] != (n, n):
            raise ValueError(
                f"block of '{name}' is {pixels.shape}; expected {n} x {n} pixels: blocks are written whole"
            )
        array, written = writable_array(self, name, threading.get_ident())
        if pixels.dtype != array.dtype:
            raise TypeError(f"block of '{name}' is {pixels.dtype}, expected {array.dtype}")
        if source is not None:
            index = self.sources.index(source)
            area = (slice(index, index + 1), *area)
            pixels = pixels[None]
        written.clear()
        array[area] = pixels
        return dict(written)

    def write_table(self, name: str, block: BlockIndex, data: bytes) -> dict[str, FileDigest]:
        """Write a table of one block durably beside the chunks of the array `FIELD`; returns its digest by its key."""
        key = self._table_key(name, block)
        return {key: write_key(self.path, key, data)}

    def read_table(self, name: str, block: BlockIndex) -> bytes:
        """The bytes of a table of one block; raises FileNotFoundError if it was not written."""
        return read_key(self.path, self._table_key(name, block))

    def _table_key(self, name: str, block: BlockIndex) -> str:
        # Zarr lists what lies in groups, and would warn of files that are no arrays; it lists nothing in arrays.
        return f"{self.edition}/{FIELD}/{name}/{block.row}/{block.col}.arrow"

    def block_key(self, name: str, block: BlockIndex, source: str | None = None) -> str:
        """Key in the store of one block of an array (y, x), or of one source in an array (source, y, x)."""
        row, col = block.row - self.blocks.row, block.col - self.blocks.col
        of_source = "" if source is None else f"{self.sources.index(source)}/"
        return f"{self.edition}/{name}/c/{of_source}{row}/{col}"

    def has_array(self, name: str) -> bool:
        """Whether the edition has an array."""
        return _has_array(self, name)

    def remove_block(self, name: str, block: BlockIndex, source: str | None = None) -> None:
        """Remove one block of an array, which then reads as the fill value; it need not be there."""
        remove_key(self.path, self.block_key(name, block, source))


@cached_file_reads(64)
def open_array(cube: Cube, name: str) -> Any:
    """An array of an edition for reading."""
    return zarr.open_array(open_store(cube.path, read_only=True), path=f"{cube.edition}/{name}", mode="r")


def read_area(cube: Cube, name: str, area: tuple[slice | int, ...]) -> np.ndarray:
    """Pixels of an array of an edition; raises RuntimeError with the name of the file for a damaged one."""
    array = open_array(cube, name)
    try:
        return np.asarray(array[area])
    except RuntimeError as error:  # of codecs, which know no file
        file = f"{cube.path}/{cube.edition}/{name}/{_damaged_file(array, area)}"
        raise RuntimeError(
            f"{file} is damaged: {error}; `croplayer verify --repair` marks it, and the next run makes it again"
        ) from error


def _damaged_file(array: Any, area: tuple[slice | int, ...]) -> str:
    """The key of the first file under an area that cannot be decoded; a star if each can."""
    edges = array.shards or array.chunks
    ends = [
        (part, part + 1) if isinstance(part, int) else part.indices(n)[:2]
        for part, n in zip(area, array.shape, strict=False)
    ]
    ends += [(0, n) for n in array.shape[len(ends) :]]
    for place in itertools.product(
        *(range(a // edge, -(-b // edge)) for (a, b), edge in zip(ends, edges, strict=True))
    ):
        try:
            array[tuple(slice(at * edge, (at + 1) * edge) for at, edge in zip(place, edges, strict=True))]
        except RuntimeError:
            return str(array.metadata.encode_chunk_key(place))
    return "*"


@cached_file_reads(64)
def _has_array(cube: Cube, name: str) -> bool:
    return has_key(cube.path, f"{cube.edition}/{name}/zarr.json")


@cached_file_reads(64)
def writable_array(cube: Cube, name: str, thread: int) -> tuple[Any, dict[str, FileDigest]]:
    """An array, opened once per thread, and the digests of what was written through it."""
    # Opening an array takes no configuration; without it a block of the fill value would have no file.
    opened = zarr.open_array(open_store(cube.path, read_only=False), path=f"{cube.edition}/{name}", mode="r+")
    array = opened.with_config(WRITE_CONFIG)
    store: Any = array.store_path.store
    return array, store.written
