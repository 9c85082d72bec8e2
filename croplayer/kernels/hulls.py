"""Convex areas behind `regions`: hulls of the runs' outermost pixels, counted in integers.

A hull needs no more than the first and the last pixel of a region in each row. Both lists are sorted by row already,
so one pass of Andrew's monotone chain (1979) gives each side. The hull that skimage counts is that of the midpoints
of the pixels' edges: each pixel stands for a diamond around its centre. It is the hull of the centres, widened by that
diamond: its sides are those of the chain, moved outwards. The pixels in it are counted edge by edge with integer
division, which is exact where floating point would have to guess whether a centre lies on the border.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from croplayer.kernels.compiled import kernel


@lru_cache(maxsize=1)
def short_edges() -> np.ndarray:
    """`columns_beyond` of edges of less than 32 rows that rise by less than 64 columns, nearly all edges of fields."""
    table = np.empty((32, 64), np.int32)
    tabulate_edges(table)
    return table


@kernel
def convex_areas(
    edges: np.ndarray,
    row_runs: np.ndarray,
    labels: np.ndarray,
    region_of: np.ndarray,
    known_edges: np.ndarray,
    bbox: np.ndarray,
    area_convex: np.ndarray,
) -> None:
    """Count the pixels of each region's convex hull, borders included, and complete its box.

    Parameters
    ----------
    edges, row_runs, labels : as `label_runs` takes and gives them
    region_of : (labels,) uint32, each label's region
    known_edges : (rows, rises) int32, `columns_beyond` of the edges short enough to look up
    bbox : (regions, 4) int32, with the rows; the columns are out
    area_convex : (regions,) int64 out
    """
    count = len(bbox)
    # Where a region's outermost pixels of row 0 would be listed.
    origin = np.empty(count, np.int64)
    rows, tallest = 0, 0
    for k in range(count):
        height = bbox[k, 2] - bbox[k, 0]
        origin[k] = rows - bbox[k, 0]
        rows += height
        tallest = max(tallest, height)
    # Columns are negated on the right side, so that both sides are lower hulls.
    left = np.empty(rows, np.int32)
    right = np.empty(rows, np.int32)
    for row in range(len(row_runs) - 1):
        for run in range(row_runs[row], row_runs[row + 1]):
            right[origin[region_of[labels[run]]] + row] = 1 - edges[2 * run + 1]
        for run in range(row_runs[row + 1] - 1, row_runs[row] - 1, -1):
            left[origin[region_of[labels[run]]] + row] = edges[2 * run]
    chain = np.empty(tallest, np.uint32)
    for k in range(count):
        start, stop = origin[k] + bbox[k, 0], origin[k] + bbox[k, 2]
        sum_left, bbox[k, 1] = sum_of_hull_columns(left, start, stop, chain, known_edges)
        sum_right, outermost = sum_of_hull_columns(right, start, stop, chain, known_edges)
        bbox[k, 3] = 1 - outermost
        area_convex[k] = stop - start - sum_left - sum_right


@kernel
def hull_vertices(columns: np.ndarray, start: int, stop: int, chain: np.ndarray) -> int:
    """Write the rows that are vertices of the lower hull of columns start .. stop - 1; returns their number."""
    candidates = np.uint64(1)
    chain[0] = start
    # A point on or above the line between its neighbours is no vertex. Most points are dropped here, without a branch,
    # and only the rest go through the chain, whose branches follow no pattern.
    for row in range(start + 1, stop - 1):
        chain[candidates] = row
        candidates += np.uint64(columns[row - 1] + columns[row + 1] > 2 * columns[row])
    if stop - start > 1:
        chain[candidates] = stop - 1
        candidates += np.uint64(1)
    n = np.uint64(0)
    for k in range(candidates):
        row = chain[k]
        x = np.int64(columns[row])
        # Drop the last vertex while it does not lie below the line from the one before it to this point.
        while n >= 2:
            first, middle = chain[n - np.uint64(2)], chain[n - np.uint64(1)]
            first_x = np.int64(columns[first])
            if (columns[middle] - first_x) * np.int64(row - first) < (x - first_x) * np.int64(middle - first):
                break
            n -= np.uint64(1)
        chain[n] = row
        n += np.uint64(1)
    return int(n)


@kernel
def sum_of_hull_columns(
    columns: np.ndarray, start: int, stop: int, chain: np.ndarray, known_edges: np.ndarray
) -> tuple[int, int]:
    """Sum over rows of the first column inside the lower hull of one side's outermost pixels, and the least column.

    `columns` are the outermost columns of rows start .. stop - 1. A pixel stands for the diamond of its edge
    midpoints; the hull of all diamonds is the hull of the centres, moved out along a row by half the larger of 1
    and its slope there.
    """
    n = np.uint64(hull_vertices(columns, start, stop, chain))
    x = np.int64(columns[start])
    total, least = x, x
    for k in range(np.uint64(1), n):
        rows = np.int64(chain[k] - chain[k - np.uint64(1)])
        next_x = np.int64(columns[chain[k]])
        rise = abs(next_x - x)
        total += next_x + min(x, next_x) * (rows - 1)
        if rows < len(known_edges) and rise < known_edges.shape[1]:
            total += known_edges[np.uint64(rows), np.uint64(rise)]
        else:
            total += columns_beyond(int(rows), int(rise))
        x = next_x
        least = min(least, x)
    return int(total), int(least)


@kernel
def columns_beyond(rows: int, rise: int) -> int:
    """How far an edge of the widened hull moves inwards from its lower end, summed over its rows.

    The edge rises by `rise` columns over `rows` rows. At its lower end it starts further out, and the rows
    between have the first column at or after (i rise - max(rows, rise) / 2) / rows.
    """
    # A quotient and its remainder, in steps: a division for each row would take longer than all else.
    whole, part = rise // rows, 2 * (rise % rows)
    beyond, rest = divmod(2 * rows - 1 - max(rows, rise), 2 * rows)
    total = -(rise // (2 * rows))
    for _ in range(1, rows):
        rest += part
        carry = rest >= 2 * rows
        rest -= 2 * rows if carry else 0
        beyond += whole + carry
        total += beyond
    return total


@kernel
def tabulate_edges(table: np.ndarray) -> None:
    """Write `columns_beyond` of as many rows and as great a rise as a table is large."""
    for rows in range(1, table.shape[0]):
        for rise in range(table.shape[1]):
            table[rows, rise] = columns_beyond(rows, rise)
