"""Outlines of a mask's regions as polygons, block by block or streamed over strips of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from croplayer.kernels.bits import list_runs, pack_mask
from croplayer.kernels.tracing import (
    find_rings,
    keep_unfinished,
    number_polygons,
    place_corners,
    renumber_labels,
    resolve_pinches,
    sweep,
    write_rings,
)

if TYPE_CHECKING:
    from affine import Affine


class Rings(NamedTuple):
    """Polygons as rings of pixel corners."""

    coordinates: np.ndarray
    """(k, 2) int32, x and y in pixels from the north-west corner of the first row; rings are closed"""
    ring_offsets: np.ndarray
    """(rings + 1,) int64, ring i is `coordinates[ring_offsets[i]:ring_offsets[i + 1]]`"""
    polygon_offsets: np.ndarray
    """(polygons + 1,) int64, polygon p has the rings from `polygon_offsets[p]`, the outer one first, then its holes"""
    area_px: np.ndarray
    """(polygons,) int64, pixels of each polygon"""


class OutlineTracer:
    """Traces a mask that arrives in strips of rows and keeps only the regions that may still go on.

    A region that crosses strips comes out as one polygon, when the last of its rows has passed; nothing is joined
    geometrically. The polygons are those of the whole mask at once.
    """

    def __init__(self, width: int) -> None:
        """Start above the first row of a mask of `width` columns."""
        if width < 0:
            raise ValueError(f"width is {width}; expected 0 or more columns")
        self.width = width
        self._row = 0
        self._edges = np.empty(0, np.int32)
        self._edge_corner = np.empty(0, np.int32)
        self._labels = np.empty(0, np.int32)
        self._n_labels = 0
        self._corners = np.empty((0, 2), np.int32)
        self._link = np.empty(0, np.int32)
        self._segment_label = np.empty(0, np.int32)
        self._pinches = np.empty(0, np.int32)

    def add(self, rows: np.ndarray) -> Rings:
        """Take the next rows of the mask.

        Parameters
        ----------
        rows : (k, width) bool or uint8 of 0 and 1

        Returns
        -------
        the polygons that end in these rows, in raster order of their first pixels

        Raises
        ------
        TypeError, ValueError
            for another dtype, width or value.
        """
        edges, row_runs = list_runs(pack_mask(rows), rows.shape[1])
        if rows.shape[1] != self.width:
            raise ValueError(f"rows have {rows.shape[1]} columns; expected {self.width}")
        return self._sweep(edges, row_runs)

    def finish(self) -> Rings:
        """The polygons that reach the last row; the tracer is then empty and starts again at the top."""
        rings = self._sweep(np.empty(0, np.int32), np.zeros(2, np.int64))
        self._row = 0
        return rings

    def _sweep(self, new_edges: np.ndarray, new_row_runs: np.ndarray) -> Rings:
        frontier, n, n_pinches = len(self._edges), len(self._link), len(self._pinches)
        edges = np.concatenate([self._edges, new_edges])
        row_runs = np.concatenate([[0], new_row_runs + frontier // 2])
        most = n + frontier + 2 * len(new_edges)
        corners = _grown(self._corners, most)
        link = _grown(self._link, most)
        segment_label = _grown(self._segment_label, most // 2)
        pinches = _grown(self._pinches, n_pinches + len(edges))
        edge_corner = _grown(self._edge_corner, len(edges))
        labels = _grown(self._labels, len(edges) // 2)
        parent = np.empty(self._n_labels + len(new_edges) // 2, np.int32)
        parent[: self._n_labels] = np.arange(self._n_labels)
        n_labels, n, n_pinches = sweep(
            edges, row_runs, self._row, edge_corner, labels, parent, self._n_labels,
            corners, link, segment_label, pinches, n, n_pinches,
        )  # fmt: skip
        corners, link, segment_label, pinches = corners[:n], link[:n], segment_label[: n // 2], pinches[:n_pinches]
        last = int(row_runs[-2])
        polygon = np.empty(n_labels, np.int32)
        finished, unfinished = number_polygons(segment_label, parent, labels[last:], polygon)
        pinches = pinches[: resolve_pinches(pinches, segment_label, polygon, link)]
        rings = _collect(corners, link, segment_label, polygon, finished)
        self._row += len(new_row_runs) - 1
        self._edges = edges[2 * last :].copy()
        self._edge_corner = edge_corner[2 * last :].copy()
        self._labels = labels[last:].copy()
        renumber_labels(self._labels, parent, polygon)
        self._n_labels = unfinished
        kept = keep_unfinished(corners, link, segment_label, polygon, pinches, self._edge_corner)
        self._corners, self._link = corners[:kept].copy(), link[:kept].copy()
        self._segment_label, self._pinches = segment_label[: kept // 2].copy(), pinches.copy()
        return rings


def outlines(mask: np.ndarray) -> Rings:
    """Outlines of the 4-connected regions of a mask along the edges of its pixels.

    Parameters
    ----------
    mask : (h, w) bool or uint8 of 0 and 1

    Returns
    -------
    Rings, one polygon per region in raster order of their first pixels

    Raises
    ------
    TypeError, ValueError
        for another dtype, number of dimensions or value.

    Notes
    -----
    The polygons equal those of `rasterio.features.shapes(mask, mask=mask)` after normalisation and are all valid: a
    region that touches itself at a corner gets a ring of its own around the gap.
    """
    edges, row_runs = list_runs(pack_mask(mask), mask.shape[1])
    # An empty row below the last one ends every region.
    return OutlineTracer(mask.shape[1])._sweep(edges, np.append(row_runs, row_runs[-1]))


def joined(parts: Sequence[Rings]) -> Rings:
    """Polygons of several `Rings` as one."""
    ring_offsets, polygon_offsets = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    points = rings = 0
    for part in parts:
        ring_offsets.append(part.ring_offsets[1:] + points)
        polygon_offsets.append(part.polygon_offsets[1:] + rings)
        points += len(part.coordinates)
        rings += len(part.ring_offsets) - 1
    return Rings(
        np.concatenate([np.empty((0, 2), np.int32), *(part.coordinates for part in parts)]),
        np.concatenate(ring_offsets),
        np.concatenate(polygon_offsets),
        np.concatenate([np.empty(0, np.int64), *(part.area_px for part in parts)]),
    )


def polygons(rings: Rings, transform: Affine) -> np.ndarray:
    """Polygons as geometries.

    Parameters
    ----------
    rings : as `outlines` returns them
    transform : pixel corner to coordinates, without rotation

    Returns
    -------
    (polygons,) object array of shapely polygons
    """
    import shapely

    coordinates = np.empty(rings.coordinates.shape, np.float64)
    place_corners(rings.coordinates, transform.a, transform.c, transform.e, transform.f, coordinates)
    offsets = (rings.ring_offsets, rings.polygon_offsets)
    return np.asarray(shapely.from_ragged_array(shapely.GeometryType.POLYGON, coordinates, offsets))


def _collect(
    corners: np.ndarray, link: np.ndarray, segment_label: np.ndarray, polygon: np.ndarray, polygons: int
) -> Rings:
    """The rings of finished regions."""
    ring_corner, ring_polygon, ring_length = np.empty((3, len(segment_label) // 2), np.int32)
    n = find_rings(segment_label, polygon, link, ring_corner, ring_polygon, ring_length)
    rings = Rings(
        np.empty((int(ring_length[:n].sum()), 2), np.int32),
        np.empty(n + 1, np.int64),
        np.empty(polygons + 1, np.int64),
        np.empty(polygons, np.int64),
    )
    write_rings(
        corners, link, ring_corner[:n], ring_polygon[:n], ring_length[:n],
        rings.polygon_offsets, rings.ring_offsets, rings.coordinates, rings.area_px,
    )  # fmt: skip
    return rings


def _grown(array: np.ndarray, length: int) -> np.ndarray:
    """A longer array that starts with an array's values."""
    longer = np.empty((length, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
