"""Put the pieces of neighbouring blocks together to whole fields.

A field is found from any of its blocks in the same way: from its pieces along the joined edges to those beyond. Its number
and its sums come from all of its pieces, in the order of their blocks, so they are the same from wherever one looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from croplayer.fields.pieces import BlockPieces, Edge
from croplayer.kernels.pieces import PIECE_SUMS, edge_sums
from stores.grid import LATTICE_COLS, BlockIndex

MOST_BLOCKS = 4
"""A field reaches over at most so many rows and columns of blocks, 0.2 degrees; what reaches further is not one field."""
CELL_BITS = 26
BLOCKS_KEPT = 64
"""Blocks whose tables are kept in memory."""


class Piece(NamedTuple):
    """One piece of a field."""

    block: BlockIndex
    number: int


class Fields(NamedTuple):
    """Whole fields that have a piece in one block, in the order of their first piece there."""

    number: np.ndarray
    """(n,) int64, see `field_id`"""
    sums: np.ndarray
    """(n, 11) int64, `kernels.pieces.PIECE_SUMS`"""
    measures: np.ndarray
    """(n, 2) float64, `kernels.pieces.PIECE_MEASURES`"""
    boxes: np.ndarray
    """(n, 4) int32, rows and columns of the lattice"""


@dataclass(frozen=True)
class BlockView:
    """What one block knows of its fields."""

    numbers: np.ndarray
    """(pieces + 1,) int64 number of the field of each piece; 0 for no piece and for a piece of what is too large"""
    fields: Fields
    too_large_m2: float
    """area of the pieces of this block that belong to no field because they reach too far"""


class WholeFields:
    """The fields of a map, block by block."""

    def __init__(self, pieces_of: Callable[[BlockIndex], BlockPieces | None]) -> None:
        """``pieces_of`` gives the pieces of a block, None where the map has none; it is asked for a block again and again."""
        self.pieces_of = lru_cache(BLOCKS_KEPT)(pieces_of)
        self.view_of = lru_cache(BLOCKS_KEPT)(self._view_of)
        self._links = lru_cache(BLOCKS_KEPT)(self._links_of)
        self._sums = lru_cache(BLOCKS_KEPT)(self._sums_of)

    def _view_of(self, block: BlockIndex) -> BlockView:
        """Fields of the pieces of a block that is mapped."""
        pieces = self._pieces(block)
        sums, measures = self._sums(block)
        base = (block.row * LATTICE_COLS + block.col) << CELL_BITS
        numbers = base + pieces.cells
        numbers[0] = 0
        sums, measures, boxes = sums.copy(), measures.copy(), pieces.boxes.copy()
        too_large = np.zeros(len(numbers), bool)
        taken: set[int] = set()
        first = np.ones(len(numbers), bool)
        first[0] = False
        for piece in sorted(self._links(block)):
            if piece in taken:
                first[piece] = False
                continue
            members = self._members(Piece(block, piece))
            own = [member.number for member in members or () if member.block == block] or [piece]
            taken.update(own)
            if members is None:
                too_large[own] = True
                continue
            numbers[own] = self._number(members)
            parts = [(*self._sums(m.block), self._pieces(m.block).boxes, m.number) for m in members]
            sums[piece] = sum(part[0][part[3]] for part in parts)
            measures[piece] = sum(part[1][part[3]] for part in parts)
            found = np.array([part[2][part[3]] for part in parts])
            boxes[piece] = [*found[:, :2].min(axis=0), *found[:, 2:].max(axis=0)]
        numbers[too_large] = 0
        keep = first & ~too_large
        fields = Fields(numbers[keep], sums[keep], measures[keep], boxes[keep])
        return BlockView(numbers, fields, float(pieces.measures[too_large, 0].sum()))

    def _number(self, members: list[Piece]) -> int:
        """Number of a field: that of the cell of lowest rank among its pieces'."""
        block, piece = min(members, key=lambda m: (self._pieces(m.block).ranks[m.number], m))
        return ((block.row * LATTICE_COLS + block.col) << CELL_BITS) + int(self._pieces(block).cells[piece])

    def _members(self, start: Piece) -> list[Piece] | None:
        """All pieces of the field of one, sorted; None when they reach over too many blocks."""
        found, waiting = {start}, [start]
        while waiting:
            piece = waiting.pop()
            for other in self._links(piece.block).get(piece.number, ()):
                if other not in found:
                    found.add(other)
                    waiting.append(other)
            rows, cols = {p.block.row for p in found}, {p.block.col for p in found}
            if max(max(rows) - min(rows), max(cols) - min(cols)) >= MOST_BLOCKS:
                return None
        return sorted(found)

    def _links_of(self, block: BlockIndex) -> dict[int, list[Piece]]:
        """The pieces of other blocks that each piece of a block is joined with, for those that are."""
        links: dict[int, set[Piece]] = {}
        here = self._pieces(block)
        north, west, east, south = block.beside
        for beyond, own, others, is_told_here in (
            (east, "east", "west", True), (south, "south", "north", True),
            (west, "west", "east", False), (north, "north", "south", False),
        ):  # fmt: skip
            there = self.pieces_of(beyond)
            if there is None:
                continue
            mine, theirs = getattr(here, own), getattr(there, others)
            told: Edge = mine if is_told_here else theirs
            both = told.is_joined & (mine.piece > 0) & (theirs.piece > 0)
            for a, b in set(zip(mine.piece[both].tolist(), theirs.piece[both].tolist(), strict=True)):
                links.setdefault(a, set()).add(Piece(beyond, b))
        return {piece: sorted(others) for piece, others in links.items()}

    def _sums_of(self, block: BlockIndex) -> tuple[np.ndarray, np.ndarray]:
        """Sums and measures of a block's pieces, with the sides along its edges."""
        here = self._pieces(block)
        sums, measures = here.sums.copy(), here.measures.copy()
        north, west, east, south = block.beside
        for beyond, own, others, is_told_here in (
            (east, "east", "west", True), (south, "south", "north", True),
            (west, "west", "east", False), (north, "north", "south", False),
        ):  # fmt: skip
            there = self.pieces_of(beyond)
            mine: Edge = getattr(here, own)
            theirs = nothing_beyond(len(mine.piece)) if there is None else getattr(there, others)
            is_joined = (mine if is_told_here else theirs).is_joined & (mine.piece > 0) & (theirs.piece > 0)
            edge_sums(
                mine.piece, theirs.piece, is_joined, mine.cropland, theirs.cropland, mine.boundary, theirs.boundary,
                theirs.gap, there is not None, mine.length_m, sums, measures,
            )  # fmt: skip
        return sums, measures

    def _pieces(self, block: BlockIndex) -> BlockPieces:
        pieces = self.pieces_of(block)
        if pieces is None:
            raise KeyError(f"block {block.name} has no fields; it is not mapped")
        return pieces


def nothing_beyond(count: int) -> Edge:
    """What lies beyond the edge of the mapped region."""
    none = np.zeros(count, np.uint8)
    return Edge(np.zeros(count, np.uint32), none, none, none > 0, none > 0, np.zeros(count))


def block_of_number(numbers: np.ndarray) -> np.ndarray:
    """Codes (row * 7200 + col) of the blocks whose cells name some fields: (n,) int64. Each field is written with this block."""
    return numbers >> CELL_BITS


def field_ids(numbers: np.ndarray) -> list[str]:
    """Ids of fields from their numbers: block, size of the cell and its row and column, such as ``r1100c5900-64-12-7``."""
    code, level = numbers >> CELL_BITS, numbers >> 24 & 3
    row, col = numbers >> 12 & 0xFFF, numbers & 0xFFF
    sizes = np.array([64, 16, 4, 1])[level]
    return [
        f"r{c // LATTICE_COLS:04d}c{c % LATTICE_COLS:04d}-{s}-{i}-{j}"
        for c, s, i, j in zip(code.tolist(), sizes.tolist(), row.tolist(), col.tolist(), strict=True)
    ]


def field_features(sums: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """What the confidence of fields is computed from: (n, 10) float64, `rules.CONFIDENCE_FEATURES`."""
    part = {name: sums[:, k].astype(np.float64) for k, name in enumerate(PIECE_SUMS)}
    area, perimeter = measures.T
    sides = np.maximum(part["sides"], 1)
    return np.stack(
        [
            np.log(area), 4 * np.pi * area / perimeter**2,
            part["cropland"] / part["pixels"] / 250, part["boundary"] / part["pixels"] / 250,
            part["sure"] / part["pixels"], part["bounded"] / part["pixels"],
            part["outside_cropland"] / sides / 250, part["outside_boundary"] / sides / 250,
            part["beside_field"] / sides, np.log(area / perimeter),
        ],
        axis=1,
    )  # fmt: skip
