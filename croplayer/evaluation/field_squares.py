"""Counts of the fields of one window by squares of land, because near fields are alike.

A field belongs to the block that holds the middle of its known pixels (their mean row and column), and the squares are those of
`clusters.lattice_squares`. A match belongs to its drawn field. So the counts of the squares add up to those of the window.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.evaluation.clusters import lattice_squares, squares
from croplayer.evaluation.field_matches import FieldMatches, match_fields_in
from croplayer.evaluation.field_objects import TOLERANCE_M, FieldCounts, counted, outline_counts
from croplayer.evaluation.parcels import UNKNOWN, segmentation_scores
from croplayer.kernels.label_edges import label_edges, middles
from stores.grid import BlockGrid, PixelWindow


class SquareCounts(NamedTuple):
    """The counts of a window by squares of land."""

    counts: list[FieldCounts]
    """Those of each square that holds a field or an outline"""
    matches: FieldMatches
    """All fields of the window"""
    found_square: np.ndarray
    """(n,) int64 square of each found field, in the order of ``matches.found``"""


def count_by_squares(
    found: np.ndarray,
    drawn: np.ndarray,
    known: np.ndarray,
    window: PixelWindow,
    grid: BlockGrid,
    pixel_m: tuple[float, float],
    tolerance_m: float = TOLERANCE_M,
) -> SquareCounts:
    """Counts of one window of the lattice by squares of blocks.

    Parameters
    ----------
    found, drawn, known, pixel_m, tolerance_m : as for `field_objects.count_fields`
    window : place of the arrays on the lattice
    """
    row_km2 = grid.pixel_area_m2(window.row, window.height) / 1e6
    matches = match_fields_in(found, drawn, known, row_km2)
    scores = segmentation_scores(drawn, np.where(known, found, UNKNOWN), row_km2)
    origin, block_px = np.array([window.row, window.col]), grid.block_px
    blocks = {
        name: (middles(labels, known, table.label.to_numpy()) + origin).astype(np.int64) // block_px
        for name, labels, table in (("drawn", drawn, matches.drawn), ("found", found, matches.found))
    }
    judged = np.concatenate(
        [blocks["drawn"][~matches.drawn.left_out], blocks["found"][~matches.found.left_out]]
    ).reshape(-1, 2)
    edge = lattice_squares(*judged.T)[1]
    outlines = _outlines_by_block(found, drawn, known, window, block_px, pixel_m, tolerance_m)
    every = np.concatenate([blocks["drawn"], blocks["found"], np.array([*outlines]).reshape(-1, 2)])
    number = squares(every[:, 0], every[:, 1], edge)
    of_drawn, of_found, of_outline = np.split(number, np.cumsum([len(blocks["drawn"]), len(blocks["found"])]))
    counts = []
    for square in range(number.max(initial=-1) + 1):
        part = FieldMatches(matches.drawn[of_drawn == square], matches.found[of_found == square])
        outline = np.array([*outlines.values()]).reshape(-1, 4)[of_outline == square].sum(axis=0)
        counts.append(counted(part, scores, outline))
    return SquareCounts(counts, matches, of_found)


def _outlines_by_block(
    found: np.ndarray,
    drawn: np.ndarray,
    known: np.ndarray,
    window: PixelWindow,
    block_px: int,
    pixel_m: tuple[float, float],
    tolerance_m: float,
) -> dict[tuple[int, int], np.ndarray]:
    """`FieldCounts.outline` of the pixels of each block that has outlines."""
    of_found, of_drawn = label_edges(found, known), label_edges(drawn, known)
    reach = int(tolerance_m / min(pixel_m)) + 1
    outlines = {}
    for row in range(window.row // block_px, -(-(window.row + window.height) // block_px)):
        for col in range(window.col // block_px, -(-(window.col + window.width) // block_px)):
            top, left = max(row * block_px - window.row, 0), max(col * block_px - window.col, 0)
            bottom, right = (row + 1) * block_px - window.row, (col + 1) * block_px - window.col
            wide = np.s_[max(top - reach, 0) : bottom + reach, max(left - reach, 0) : right + reach]
            inside = np.zeros(found[wide].shape, bool)
            first = top - wide[0].start, left - wide[1].start
            inside[first[0] : first[0] + bottom - top, first[1] : first[1] + right - left] = True
            found_around, drawn_around = of_found[wide], of_drawn[wide]
            outline = outline_counts(
                found_around & inside, drawn_around & inside, found_around, drawn_around, pixel_m, tolerance_m
            )
            if outline.any():
                outlines[row, col] = outline
    return outlines
