"""Outlines of fields, along the sides of pixels or simplified, and the shapes of fields."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import shapely

from croplayer.kernels.arcs import (
    keep_turns,
    list_nodes,
    list_rings,
    mark_borders,
    trace_arcs,
    write_ring_vertices,
)
from croplayer.kernels.simplification import DEGREE_M, DROPPED, simplify_arcs
from stores.field_columns import COMPACTNESS, ELONGATION, SOLIDITY
from stores.grid import BlockGrid, PixelWindow

TOLERANCE_M = 3.0
"""About 1.5 pixels of 2 m: the staircases of pixels go, the corners of fields stay."""
SHIFT_SHARE = 0.3
"""Share of the tolerance by which vertices may be moved so that fields keep their areas."""


class Outlines(NamedTuple):
    """Outlines of the fields of a raster."""

    numbers: np.ndarray
    """(n,) int64, numbers of the fields, ascending"""
    geometries: np.ndarray
    """(n,) object, shapely polygons in EPSG:4326, valid, shells anticlockwise; each ring starts in the north-west"""


class _Arcs(NamedTuple):
    """Borders of a raster, as `croplayer.kernels.arcs` lists them."""

    marks: np.ndarray
    node_halves: np.ndarray
    chain: np.ndarray
    offsets: np.ndarray
    nodes: np.ndarray
    half_regions: np.ndarray


def field_outlines(
    ids: np.ndarray,
    window: PixelWindow,
    grid: BlockGrid,
    tolerance_m: float = 0.0,
    only: np.ndarray | None = None,
    least_hole_px: float = 0.0,
) -> Outlines:
    """Outlines of fields, each the same in every window that holds it and `margin_px` pixels around it.

    Parameters
    ----------
    ids : (h, w) int64, number of the field of each pixel, 0 where there is none
    window : place of `ids` on the lattice
    tolerance_m : largest distance of a pixel's corner on the outline from the edge that replaces it, m; 0 keeps the
        sides of pixels
    only : (k,) int64, the fields wanted; None for all. Each of them must be one 4-connected region.
    least_hole_px : holes of fewer pixels are filled, however large their simplified rings are; what lies in them is then
        covered

    Returns
    -------
    Outlines. Fields that touch have the same vertices along their common edge, no two overlap, and none gets a hole or
    loses one of at least ``least_hole_px``, whatever the tolerance. Where three fields meet, and where a fourth border is nearer than about the
    tolerance, vertices stay corners of pixels; elsewhere they are moved by up to 0.3 tolerances, so that an edge takes
    as much from one field as from the other.

    Raises
    ------
    TypeError, ValueError
        for another dtype, a shape that is not the window's, a tolerance that is not a number from 0, and a field in
        several parts.
    """
    if not 0 <= tolerance_m < math.inf:
        raise ValueError(f"tolerance_m is {tolerance_m}; expected metres from 0")
    if ids.dtype != np.int64:
        raise TypeError(f"ids are {ids.dtype}; expected int64")
    if ids.shape != (window.height, window.width):
        raise ValueError(f"ids have the shape {ids.shape}; expected that of the window, {window[2:]}")
    if ids.size == 0:
        return Outlines(np.empty(0, np.int64), np.empty(0, object))
    arcs = _arcs(ids)
    shifts = np.zeros(arcs.chain.shape, np.float64)
    if tolerance_m > 0:
        state = np.zeros(len(arcs.chain), np.uint8)
        simplify_arcs(
            arcs.marks, arcs.chain, arcs.offsets, arcs.nodes, arcs.node_halves, window.row, grid.px_per_degree,
            tolerance_m, SHIFT_SHARE * tolerance_m, state, shifts,
        )  # fmt: skip
        keep = state != DROPPED
    else:
        keep = np.zeros(len(arcs.chain), np.bool_)
        keep_turns(arcs.chain, arcs.offsets, keep)
    return _polygons(arcs, keep, shifts, window, grid, only, least_hole_px)


def margin_px(window: PixelWindow, grid: BlockGrid, tolerance_m: float = 0.0) -> int:
    """Pixels around a field that its outline may depend on, for fields in a window."""
    equator = 90 * grid.px_per_degree
    farthest_row = max(window.row, window.row_stop, key=lambda row: abs(row - equator))
    width_m = DEGREE_M / grid.px_per_degree * math.cos(math.radians(90 - farthest_row / grid.px_per_degree))
    return math.ceil(tolerance_m * (1 + SHIFT_SHARE) / width_m) + 1


def shape_attributes(geometries: np.ndarray) -> dict[str, np.ndarray]:
    """Shapes of fields by the names of their columns.

    Parameters
    ----------
    geometries : (n,) object, polygons in EPSG:4326

    Returns
    -------
    compact, elongation and solidity (n,) float32 as `stores/field_columns.py` declares them, measured in a plane where
    longitudes are scaled by the cosine of the middle latitude of each field
    """
    south, north = shapely.bounds(geometries).reshape(-1, 4).T[[1, 3]]
    scales = np.cos(np.radians((south + north) / 2))
    coordinates, of = shapely.get_coordinates(geometries, return_index=True)
    coordinates[:, 0] *= scales[of]
    plane = shapely.set_coordinates(geometries.copy(), coordinates)
    area, length = shapely.area(plane), shapely.length(plane)
    sides = np.empty((2, len(plane)))
    boxes = shapely.get_coordinates(shapely.oriented_envelope(plane)).reshape(-1, 5, 2)
    sides[0], sides[1] = np.hypot(*(boxes[:, 1] - boxes[:, 0]).T), np.hypot(*(boxes[:, 2] - boxes[:, 1]).T)
    solidity = np.minimum(area / shapely.area(shapely.convex_hull(plane)), 1)
    return {
        COMPACTNESS: (4 * np.pi * area / length**2).astype(np.float32),
        ELONGATION: (1 - sides.min(axis=0) / sides.max(axis=0)).astype(np.float32),
        SOLIDITY: solidity.astype(np.float32),
    }


def _arcs(ids: np.ndarray) -> _Arcs:
    height, width = ids.shape
    marks = np.zeros((height + 1, width + 1), np.uint8)
    sides, n_nodes = mark_borders(ids, marks)
    nodes = np.empty(n_nodes, np.int64)
    list_nodes(marks, nodes)
    # Four arcs leave a node at most, and a closed one has four sides at least.
    most = 2 * n_nodes + sides // 4
    chain = np.empty((sides + most, 2), np.int32)
    node_halves = np.empty((n_nodes, 4), np.int64)
    offsets = np.empty(most + 1, np.int64)
    arc_nodes = np.empty((most, 2), np.int32)
    half_regions = np.empty(2 * most, np.int64)
    n = trace_arcs(ids, marks, nodes, node_halves, chain, offsets, arc_nodes, half_regions)
    return _Arcs(marks, node_halves, chain[: offsets[n]], offsets[: n + 1], arc_nodes[:n], half_regions[: 2 * n])


def _polygons(
    arcs: _Arcs,
    keep: np.ndarray,
    shifts: np.ndarray,
    window: PixelWindow,
    grid: BlockGrid,
    only: np.ndarray | None,
    least_hole_px: float,
) -> Outlines:
    halves = np.empty(len(arcs.half_regions), np.int64)
    rings = np.empty((len(halves), 4), np.int64)
    n = list_rings(
        arcs.chain, arcs.offsets, arcs.nodes, arcs.node_halves, arcs.half_regions, keep, halves, rings
    )  # fmt: skip
    rings = rings[:n]
    doubled_px = rings[:, 3]
    rings = rings[(doubled_px > 0) | (doubled_px <= -2 * least_hole_px)]
    if only is not None:
        rings = rings[np.isin(rings[:, 0], only)]
    # Ring by ring of a field, the outer one first.
    rings = np.ascontiguousarray(rings[np.lexsort((rings[:, 3] < 0, rings[:, 0]))])
    _check_whole(rings)
    vertices = np.empty((len(rings) + int(rings[:, 2].sum()), 2), np.float64)
    write_ring_vertices(arcs.chain, arcs.offsets, keep, shifts, halves, rings, vertices)
    per_degree = grid.px_per_degree
    # One division of exact numbers: a vertex has the same coordinates in every window.
    vertices[:, 0] = (vertices[:, 0] + (window.col - 180 * per_degree)) / per_degree
    vertices[:, 1] = (90 * per_degree - window.row - vertices[:, 1]) / per_degree
    numbers, first_rings = np.unique(rings[:, 0], return_index=True)
    offsets = (np.append(0, np.cumsum(rings[:, 2] + 1)), np.append(first_rings, len(rings)))
    return Outlines(numbers, np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, vertices, offsets)))


def _check_whole(rings: np.ndarray) -> None:
    """Raise ValueError if a field has two outer rings."""
    outer, counts = np.unique(rings[rings[:, 3] > 0, 0], return_counts=True)
    if (counts > 1).any():
        raise ValueError(f"field {outer[counts > 1][0]} is in several parts; expected one 4-connected region")
