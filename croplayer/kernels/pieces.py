"""Sums over the pieces of fields that one block holds, and the cells that name them."""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

PIECE_SUMS = (
    "pixels", "cropland", "boundary", "sure", "bounded", "sides", "outside_cropland", "outside_boundary", "beside_field",
    "at_gap", "at_edge", "told", "told_sides",
)  # fmt: skip
"""Integers of a piece: pixels; sums of the cropland and boundary scores of those that are told; of these the ones whose cropland
score is above 200, whose boundary score is at least 125; sides of its outline; sums over those towards pixels that are told of
the cropland score there and of the larger boundary score; sides towards another field, towards ground without imagery, towards
the edge of what is mapped; pixels that are told; sides towards pixels that are told.

A pixel is told where a network scored it and no person said otherwise. What is not told is not known, which is no score of 0."""
PIECE_MEASURES = ("area_m2", "perimeter_m")
LEVELS_PX = (64, 16, 4, 1)
"""Edges of the cells that can name a field, in pixels of its block."""


@kernel
def add_side(
    sums: np.ndarray,
    measures: np.ndarray,
    length_m: float,
    p_out: int,
    edge: int,
    is_field: bool,
    is_gap: bool,
    is_edge: bool,
    is_told: bool,
) -> None:
    """Add one side of the outline to the sums (13,) and measures (2,) of a piece; ``is_told`` is of the pixel outside."""
    sums[5] += 1
    if is_told:
        sums[6] += p_out
        sums[7] += edge
        sums[12] += 1
    sums[8] += is_field
    sums[9] += is_gap
    sums[10] += is_edge
    measures[1] += length_m


@kernel
def piece_sums(
    field: np.ndarray,
    count: int,
    cropland: np.ndarray,
    boundary: np.ndarray,
    gap: np.ndarray,
    told: np.ndarray,
    row_m2: np.ndarray,
    row_m: np.ndarray,
    col_m: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums (count + 1, 13) int64, measures (count + 1, 2) float64 and boxes (count + 1, 4) int32 of the pieces of a block.

    Sides along the edge of the block are not counted: what lies beyond is another block's.

    Parameters
    ----------
    field : (h, w) uint32 numbers of pieces, 0 for none
    cropland, boundary : (h, w) uint8 scores
    gap : (h, w) bool, ground without imagery
    told : (h, w) bool, pixels that a network scored and no person said otherwise
    row_m2, col_m : (h,) area of a pixel, m2, and its height, m, by row
    row_m : (h + 1,) width of a pixel along its upper side, m; the last one along the lower side of the last row
    """
    h, w = field.shape
    sums = np.zeros((count + 1, 13), np.int64)
    measures = np.zeros((count + 1, 2))
    boxes = np.empty((count + 1, 4), np.int32)
    boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3] = h, w, 0, 0
    for y in range(h):
        for x in range(w):
            a = field[y, x]
            if a:
                row = sums[a]
                row[0] += 1
                if told[y, x]:
                    row[1] += cropland[y, x]
                    row[2] += boundary[y, x]
                    row[3] += cropland[y, x] > 200
                    row[4] += boundary[y, x] >= 125
                    row[11] += 1
                measures[a, 0] += row_m2[y]
                box = boxes[a]
                box[0], box[1] = min(box[0], y), min(box[1], x)
                box[2], box[3] = max(box[2], y + 1), max(box[3], x + 1)
            for side in range(2):
                i, j = y + side, x + 1 - side
                if i >= h or j >= w:
                    continue
                b = field[i, j]
                if a == b:
                    continue
                length = row_m[i] if side else col_m[y]
                edge = max(boundary[y, x], boundary[i, j])
                if a:
                    add_side(sums[a], measures[a], length, cropland[i, j], edge, b > 0, gap[i, j], False, told[i, j])
                if b:
                    add_side(sums[b], measures[b], length, cropland[y, x], edge, a > 0, gap[y, x], False, told[y, x])
    return sums, measures, boxes


@kernel
def sides_between(
    field: np.ndarray,
    at_edge: np.ndarray,
    cropland: np.ndarray,
    boundary: np.ndarray,
    told: np.ndarray,
    row_m: np.ndarray,
    col_m: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Sides between two pieces that both touch the edge of their block, so that other blocks may make them one field.

    Parameters
    ----------
    at_edge : (count + 1,) bool, pieces that touch the edge of the block
    field, cropland, boundary, told, row_m, col_m : as for `piece_sums`

    Returns
    -------
    (n, 5) int64: the two pieces, how many of the two pixels are told, the sum of the cropland scores of these, the larger boundary
    score; (n,) float64: length, m
    """
    h, w = field.shape
    found = np.empty((1024, 5), np.int64)
    lengths = np.empty(1024)
    n = 0
    for y in range(h):
        for x in range(w):
            a = field[y, x]
            if a == 0 or not at_edge[a]:
                continue
            for side in range(2):
                i, j = y + side, x + 1 - side
                if i >= h or j >= w:
                    continue
                b = field[i, j]
                if b == 0 or b == a or not at_edge[b]:
                    continue
                if n == len(found):
                    found = np.concatenate((found, np.empty((n, 5), np.int64)))
                    lengths = np.concatenate((lengths, np.empty(n)))
                found[n, 0], found[n, 1] = a, b
                found[n, 2] = np.int64(told[y, x]) + told[i, j]
                found[n, 3] = np.int64(cropland[y, x]) * told[y, x] + np.int64(cropland[i, j]) * told[i, j]
                found[n, 4] = max(boundary[y, x], boundary[i, j])
                lengths[n] = row_m[i] if side else col_m[y]
                n += 1
    return found[:n].copy(), lengths[:n].copy()


@kernel
def edge_sums(
    here: np.ndarray,
    there: np.ndarray,
    is_joined: np.ndarray,
    cropland_here: np.ndarray,
    cropland_there: np.ndarray,
    boundary_here: np.ndarray,
    boundary_there: np.ndarray,
    gap_there: np.ndarray,
    told_there: np.ndarray,
    is_mapped: bool,
    length_m: np.ndarray,
    sums: np.ndarray,
    measures: np.ndarray,
) -> None:
    """Add the sides of a block's pieces along one of its edges to their sums and measures.

    Parameters
    ----------
    here, there : (n,) uint32 numbers of pieces on both sides of the edge
    is_joined : (n,) bool, whether the two are one field
    cropland_here, cropland_there, boundary_here, boundary_there : (n,) uint8 scores
    gap_there, told_there : (n,) bool
    is_mapped : whether there is a mapped block beyond the edge
    length_m : (n,) lengths of the sides
    sums, measures : of the pieces of the block; added to
    """
    for k in range(len(here)):
        if here[k] and not is_joined[k]:
            add_side(
                sums[here[k]], measures[here[k]], length_m[k], cropland_there[k], max(boundary_here[k], boundary_there[k]),
                there[k] > 0, gap_there[k], not is_mapped, told_there[k],
            )  # fmt: skip


@kernel
def _uniform(code: np.uint64) -> float:
    """A number in (0, 1) that looks random, from a code (splitmix64, Steele et al. 2014)."""
    z = code + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (float(z >> np.uint64(11)) + 0.5) / 9007199254740992.0


@kernel
def naming_cells(field: np.ndarray, count: int, block_code: int) -> tuple[np.ndarray, np.ndarray]:
    """The cell of a block that names each of its pieces: ranks (count + 1,) float64 and cells (count + 1,) int64.

    Of the cells of 64, 16 and 4 px that a piece fills by more than half, the one with the lowest rank; a piece that fills
    none is named by one of its pixels. The rank is that of a weighted draw (consistent sampling, Ioffe 2010, ICDM, 246-255,
    doi 10.1109/ICDM.2010.80): how far a cell is filled beyond the half is its weight, so a piece that loses or gains some
    pixels almost always keeps its cell. A field of several pieces has the cell of lowest rank. No cell names two fields.

    Parameters
    ----------
    field : (h, w) uint32 numbers of pieces, 0 for none
    block_code : number of the block on the lattice

    Returns
    -------
    ranks, smaller first, infinity without a cell; cells as ((level * 2 ** 14) + row of the cell) * 2 ** 14 + column
    """
    ranks = np.full(count + 1, np.inf)
    cells = np.full(count + 1, -1, np.int64)
    for level in range(3):
        _rank_cells(field, LEVELS_PX[level], level, block_code, ranks, cells)
    h, w = field.shape
    for y in range(h):
        for x in range(w):
            a = field[y, x]
            if a and (cells[a] < 0 or cells[a] >> 28 == 3):
                _offer(a, 3, y, x, 1, block_code, ranks, cells)
    return ranks, cells


@kernel
def _rank_cells(
    field: np.ndarray, edge: int, level: int, block_code: int, ranks: np.ndarray, cells: np.ndarray
) -> None:
    h, w = field.shape
    for top in range(0, h, edge):
        for left in range(0, w, edge):
            bottom, right = min(top + edge, h), min(left + edge, w)
            candidate, votes = np.uint32(0), 0
            for y in range(top, bottom):
                for x in range(left, right):
                    a = field[y, x]
                    if votes == 0:
                        candidate, votes = a, 1
                    elif a == candidate:
                        votes += 1
                    else:
                        votes -= 1
            if candidate == 0 or votes == 0:
                continue
            filled = 0
            for y in range(top, bottom):
                for x in range(left, right):
                    filled += field[y, x] == candidate
            weight = 2 * filled - (bottom - top) * (right - left)
            if weight > 0:
                _offer(int(candidate), level, top // edge, left // edge, weight, block_code, ranks, cells)


@kernel
def _offer(
    piece: int, level: int, row: int, col: int, weight: int, block_code: int, ranks: np.ndarray, cells: np.ndarray
) -> None:
    cell = ((np.int64(level) << 14) + row << 14) + col
    rank = -np.log(_uniform((np.uint64(block_code) << np.uint64(30)) + np.uint64(cell))) / weight
    if rank < ranks[piece]:
        ranks[piece], cells[piece] = rank, cell
