"""Outlines of fields: exact along the sides of pixels, or simplified with the edges that fields share."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from croplayer.kernels.arcs import (
    keep_turns,
    list_nodes,
    list_rings,
    mark_borders,
    trace_arcs,
    write_ring_vertices,
)
from croplayer.kernels.simplification import DEGREE_M, DROPPED, simplify_arcs
from stores.grid import BlockGrid, PixelWindow

TOLERANCE_M = 3.0
"""Default of `simplified_outlines`, about 1.5 pixels of 2 m: the staircases go, corners of fields stay."""
SHIFT_SHARE = 0.3
"""Share of the tolerance by which vertices may be moved so that fields keep their areas."""


class Outlines(NamedTuple):
    """Outlines of the fields of a raster."""

    numbers: np.ndarray
    """(n,) int64, numbers of the fields, ascending"""
    geometries: np.ndarray
    """(n,) object, shapely polygons in EPSG:4326, valid, shells anticlockwise; each ring starts in the north-west"""


def field_outlines(ids: np.ndarray, window: PixelWindow, grid: BlockGrid) -> Outlines:
    """Outlines of fields along the sides of pixels.

    Parameters
    ----------
    ids : (h, w) int64, number of the field of each pixel, 0 where there is none; each field is one 4-connected region
    window : place of `ids` on the lattice

    Returns
    -------
    Outlines whose vertices are the corners of the fields and the points where three fields meet, so fields that touch
    have the same vertices along their common edge

    Raises
    ------
    TypeError, ValueError
        for another dtype, a shape that is not the window's, and a field in several parts.
    """
    return _outlines(ids, window, grid, 0.0)


def simplified_outlines(
    ids: np.ndarray, window: PixelWindow, grid: BlockGrid, tolerance_m: float = TOLERANCE_M
) -> Outlines:
    """Outlines of fields without the staircases of pixels; touching fields still share their edges.

    Parameters
    ----------
    ids, window : as for `field_outlines`
    tolerance_m : largest distance of a pixel's corner on the outline from the edge that replaces it, m, > 0

    Returns
    -------
    Outlines. No two overlap, none loses a hole or gets one, and fields touch that touched before. A field has the same
    outline in every window that holds it and `margin_px` pixels around it.

    Raises
    ------
    TypeError, ValueError
        as `field_outlines`, and for a tolerance that is not a number above 0.
    """
    if not 0 < tolerance_m < math.inf:
        raise ValueError(f"tolerance_m is {tolerance_m}; expected metres above 0")
    return _outlines(ids, window, grid, tolerance_m)


def margin_px(window: PixelWindow, grid: BlockGrid, tolerance_m: float = TOLERANCE_M) -> int:
    """Pixels around a field that its simplified outline may depend on, for fields in a window."""
    rows = (window.row, window.row_stop)
    farthest_row = max(rows, key=lambda row: abs(row - 90 * grid.px_per_degree))
    width_m = DEGREE_M / grid.px_per_degree * math.cos(math.radians(90 - farthest_row / grid.px_per_degree))
    return math.ceil(tolerance_m * (1 + SHIFT_SHARE) / width_m) + 1


def _outlines(ids: np.ndarray, window: PixelWindow, grid: BlockGrid, tolerance_m: float) -> Outlines:
    import shapely

    if ids.dtype != np.int64:
        raise TypeError(f"ids are {ids.dtype}; expected int64")
    if ids.shape != (window.height, window.width):
        raise ValueError(f"ids have the shape {ids.shape}; expected that of the window, {window[2:]}")
    if ids.size == 0:
        return Outlines(np.empty(0, np.int64), np.empty(0, object))
    marks = np.zeros((window.height + 1, window.width + 1), np.uint8)
    sides, n_nodes = mark_borders(ids, marks)
    nodes = np.empty(n_nodes, np.int64)
    list_nodes(marks, nodes)
    # Four arcs leave a node at most, and a closed one has four sides at least.
    most = 2 * n_nodes + sides // 4
    chain = np.empty((sides + most, 2), np.int32)
    node_halves = np.empty((n_nodes, 4), np.int64)
    arc_offsets = np.empty(most + 1, np.int64)
    arc_nodes = np.empty((most, 2), np.int32)
    half_regions = np.empty(2 * most, np.int64)
    n = trace_arcs(ids, marks, nodes, node_halves, chain, arc_offsets, arc_nodes, half_regions)
    arc_offsets, arc_nodes, half_regions = arc_offsets[: n + 1], arc_nodes[:n], half_regions[: 2 * n]
    chain = chain[: arc_offsets[-1]]
    keep = np.zeros(len(chain), np.bool_)
    shifts = np.zeros(chain.shape, np.float64)
    if tolerance_m > 0:
        state = np.zeros(len(chain), np.uint8)
        simplify_arcs(
            marks, chain, arc_offsets, arc_nodes, node_halves, window.row, grid.px_per_degree,
            tolerance_m, SHIFT_SHARE * tolerance_m, state, shifts,
        )  # fmt: skip
        keep = state != DROPPED
    else:
        keep_turns(chain, arc_offsets, keep)
    halves = np.empty(2 * n, np.int64)
    rings = np.empty((2 * n, 4), np.int64)
    n_rings, _ = list_rings(chain, arc_offsets, arc_nodes, node_halves, half_regions, keep, halves, rings)
    rings = rings[:n_rings]
    # Ring by ring of a field, the outer one first.
    rings = np.ascontiguousarray(rings[np.lexsort((rings[:, 3] < 0, rings[:, 0]))])
    numbers, first_rings = np.unique(rings[:, 0], return_index=True)
    _check_whole(rings)
    vertices = np.empty((n_rings + int(rings[:, 2].sum()), 2), np.float64)
    write_ring_vertices(chain, arc_offsets, keep, shifts, halves, rings, vertices)
    per_degree = grid.px_per_degree
    # One division of exact numbers: a vertex has the same coordinates in every window.
    vertices[:, 0] = (vertices[:, 0] + (window.col - 180 * per_degree)) / per_degree
    vertices[:, 1] = (90 * per_degree - window.row - vertices[:, 1]) / per_degree
    offsets = (np.append(0, np.cumsum(rings[:, 2] + 1)), np.append(first_rings, n_rings))
    return Outlines(numbers, np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices, offsets)))


def _check_whole(rings: np.ndarray) -> None:
    """Raise ValueError if a field has two outer rings."""
    outer, counts = np.unique(rings[rings[:, 3] > 0, 0], return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"field {outer[counts > 1][0]} is in several parts; expected one 4-connected region")
