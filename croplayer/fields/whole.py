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
from stores.grid import LATTICE_COLS, BlockGrid, BlockIndex

MOST_BLOCKS = 4
"""A field reaches over at most so many rows and columns of blocks, 0.2 degrees; what reaches further is not one field."""
CELL_BITS = 30
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
    """(n, 13) int64, `kernels.pieces.PIECE_SUMS`"""
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
    too_wide: Fields
    """The pieces of this block that belong to no field because they reach over too many blocks, each by its own cell"""


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
            inner, inner_m = self._inside(members)
            sums[piece] = sum(part[0][part[3]] for part in parts) - inner
            measures[piece] = sum(part[1][part[3]] for part in parts) - inner_m
            found = np.array([part[2][part[3]] for part in parts])
            boxes[piece] = [*found[:, :2].min(axis=0), *found[:, 2:].max(axis=0)]
        too_wide = Fields(numbers[too_large], sums[too_large], measures[too_large], boxes[too_large])
        numbers[too_large] = 0
        keep = first & ~too_large
        return BlockView(numbers, Fields(numbers[keep], sums[keep], measures[keep], boxes[keep]), too_wide)

    def _inside(self, members: list[Piece]) -> tuple[np.ndarray, np.ndarray]:
        """Sums (13,) and measures (2,) of the sides that the pieces of one field have towards each other.

        Such sides lie where a pair of pixels was not joined, but others made its two pieces one field.
        """
        sums, measures = np.zeros(len(PIECE_SUMS), np.int64), np.zeros(2)
        own: dict[BlockIndex, list[int]] = {}
        for member in members:
            own.setdefault(member.block, []).append(member.number)

        def take(told: np.ndarray, scores: np.ndarray, edges: np.ndarray, lengths_m: np.ndarray) -> None:
            n = len(lengths_m)
            sums[5:9] += 2 * n, int(scores.sum()), int((told * edges).sum()), 2 * n
            sums[12] += int(told.sum())
            measures[1] += 2 * float(lengths_m.sum())

        for block, numbers in own.items():
            here = self._pieces(block)
            inner = np.isin(here.between[:, 0], numbers) & np.isin(here.between[:, 1], numbers)
            told, scores, edges = here.between[inner, 2:].T
            take(told, scores, edges, here.between_m[inner])
            _, _, east, south = block.beside
            for beyond, mine, side in ((east, here.east, "west"), (south, here.south, "north")):
                if beyond not in own:
                    continue
                theirs: Edge = getattr(self._pieces(beyond), side)
                inner = np.isin(mine.piece, numbers) & np.isin(theirs.piece, own[beyond]) & ~mine.is_joined
                told, scores = np.zeros((2, int(inner.sum())), np.int64)
                for edge in (mine, theirs):
                    told += edge.told[inner]
                    scores += edge.cropland[inner] * edge.told[inner].astype(np.int64)
                edges = np.maximum(mine.boundary, theirs.boundary)[inner].astype(np.int64)
                take(told, scores, edges, mine.length_m[inner])
        return sums, measures

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
                theirs.gap, theirs.told, there is not None, mine.length_m, sums, measures,
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
    return Edge(np.zeros(count, np.uint32), none, none, none > 0, none > 0, none > 0, np.zeros(count))


def block_of_number(numbers: np.ndarray) -> np.ndarray:
    """Codes (row * 7200 + col) of the blocks whose cells name some fields: (n,) int64. Each field is written with this block."""
    return numbers >> CELL_BITS


def naming_points(numbers: np.ndarray, grid: BlockGrid) -> tuple[np.ndarray, np.ndarray]:
    """Longitudes and latitudes (n,) of the centres of the cells that name some fields."""
    code, level = numbers >> CELL_BITS, numbers >> 28 & 3
    size = np.array([64, 16, 4, 1])[level]
    row = code // LATTICE_COLS * grid.block_px + ((numbers >> 14 & 0x3FFF) + 0.5) * size
    col = code % LATTICE_COLS * grid.block_px + ((numbers & 0x3FFF) + 0.5) * size
    return -180 + col * grid.px_deg, 90 - row * grid.px_deg


def field_ids(numbers: np.ndarray) -> list[str]:
    """Ids of fields from their numbers: block, size of the cell and its row and column, such as ``r1100c5900-64-12-7``."""
    code, level = numbers >> CELL_BITS, numbers >> 28 & 3
    row, col = numbers >> 14 & 0x3FFF, numbers & 0x3FFF
    sizes = np.array([64, 16, 4, 1])[level]
    return [
        f"r{c // LATTICE_COLS:04d}c{c % LATTICE_COLS:04d}-{s}-{i}-{j}"
        for c, s, i, j in zip(code.tolist(), sizes.tolist(), row.tolist(), col.tolist(), strict=True)
    ]


def field_features(sums: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """What the confidence of fields is computed from: (n, 10) float64, `rules.CONFIDENCE_FEATURES`.

    Means are over the pixels, and the sides towards pixels, that are told (`kernels.pieces.PIECE_SUMS`); 0 where none is.
    """
    part = {name: sums[:, k].astype(np.float64) for k, name in enumerate(PIECE_SUMS)}
    area, perimeter = measures.T
    told, sides = (np.maximum(part[name], 1) for name in ("told", "told_sides"))
    return np.stack(
        [
            np.log(area), 4 * np.pi * area / perimeter**2,
            part["cropland"] / told / 250, part["boundary"] / told / 250,
            part["sure"] / told, part["bounded"] / told,
            part["outside_cropland"] / sides / 250, part["outside_boundary"] / sides / 250,
            part["beside_field"] / np.maximum(part["sides"], 1), np.log(area / perimeter),
        ],
        axis=1,
    )  # fmt: skip
