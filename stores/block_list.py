"""A compact list of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from stores.grid import LATTICE_COLS, LATTICE_ROWS, BlockIndex, PixelWindow


class BlockList(Sequence[BlockIndex]):
    """Blocks in raster order without duplicates, in four bytes each: a country's blocks fit in 2 MB."""

    def __init__(self, codes: np.ndarray) -> None:
        """``codes`` is (n,) int32, row * 7200 + col, strictly ascending."""
        self.codes = codes

    @classmethod
    def of(cls, blocks: Iterable[tuple[int, int]]) -> BlockList:
        """A list of blocks (row, col) in any order; duplicates count once."""
        if isinstance(blocks, BlockList):
            return blocks
        return cls(np.unique(np.fromiter((row * LATTICE_COLS + col for row, col in blocks), np.int32)))

    @classmethod
    def rectangle(cls, row: int, col: int, rows: int, cols: int) -> BlockList:
        """The blocks of a rectangle, such as a `BlockRange`."""
        codes = np.arange(row, row + rows, dtype=np.int32)[:, None] * LATTICE_COLS + np.arange(
            col, col + cols, dtype=np.int32
        )
        return cls(codes.ravel().astype(np.int32))

    @classmethod
    def under(cls, window: PixelWindow, block_px: int) -> BlockList:
        """Blocks that share pixels with a window of the lattice."""
        if window.is_empty:
            return cls(np.empty(0, np.int32))
        row, col = window.row // block_px, window.col // block_px
        return cls.rectangle(
            row, col, (window.row_stop - 1) // block_px + 1 - row, (window.col_stop - 1) // block_px + 1 - col
        )

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[BlockIndex]:
        return (BlockIndex(*divmod(int(code), LATTICE_COLS)) for code in self.codes)

    @overload
    def __getitem__(self, place: int) -> BlockIndex: ...
    @overload
    def __getitem__(self, place: slice) -> BlockList: ...
    def __getitem__(self, place: int | slice) -> BlockIndex | BlockList:
        if isinstance(place, slice):
            return BlockList(self.codes[place])
        return BlockIndex(*divmod(int(self.codes[place]), LATTICE_COLS))

    def __contains__(self, block: object) -> bool:
        return isinstance(block, BlockIndex) and self.place_of(block) is not None

    def place_of(self, block: BlockIndex) -> int | None:
        """Place of a block in the list, None if it is not in it."""
        # A plain integer would have numpy copy all codes into 64 bits, for each block that is asked for.
        code = np.int32(block.row * LATTICE_COLS + block.col)
        place = int(self.codes.searchsorted(code))
        return place if place < len(self.codes) and self.codes[place] == code else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BlockList) and np.array_equal(self.codes, other.codes)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"BlockList of {len(self)} blocks" + (f" from {self[0].name} to {self[-1].name}" if len(self) else "")

    def positions(self, codes: np.ndarray) -> np.ndarray:
        """Place in the list of each of some of its blocks, by their codes: (n,) int64."""
        return np.searchsorted(self.codes, codes)

    def neighbourhoods(self, size: int) -> Iterator[BlockList]:
        """The blocks in groups of ``size``, the last may be smaller, that lie close together.

        They follow a curve that fills squares within squares (Morton 1966), so that groups which follow each other lie
        close together, too.
        """
        rows, cols = np.divmod(self.codes.astype(np.int64), LATTICE_COLS)
        order = np.argsort(_spread_bits(rows) << 1 | _spread_bits(cols), kind="stable")
        return (BlockList(np.sort(self.codes[order[i : i + size]])) for i in range(0, len(order), size))

    def grown(self, steps: int = 1) -> BlockList:
        """The blocks and those at most so many rows and columns away, those beyond the lattice's rows left out."""
        rows, cols = np.divmod(self.codes.astype(np.int64), LATTICE_COLS)
        far = range(-steps, steps + 1)
        near = [(rows + i, (cols + j) % LATTICE_COLS) for i in far for j in far]
        all_rows, all_cols = (np.concatenate(part) for part in zip(*near, strict=True))
        inside = (all_rows >= 0) & (all_rows < LATTICE_ROWS)
        return BlockList(np.unique((all_rows * LATTICE_COLS + all_cols)[inside]).astype(np.int32))

    def both(self, other: BlockList) -> BlockList:
        """Blocks that are in both lists."""
        return BlockList(np.intersect1d(self.codes, other.codes, assume_unique=True))

    def without(self, other: BlockList) -> BlockList:
        """Blocks that are not in the other list."""
        return BlockList(np.setdiff1d(self.codes, other.codes, assume_unique=True))


def _spread_bits(numbers: np.ndarray) -> np.ndarray:
    """Numbers below 2**16 with a zero before each of their bits: (n,) int64."""
    for shift, kept in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
        numbers = (numbers | numbers << shift) & kept
    return numbers
