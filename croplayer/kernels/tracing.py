"""The sweep behind `outlines`: corners of a mask, row by row, and the rings they link up to.

Between two rows of pixels the mask's boundary is a set of horizontal segments. Their ends are the corners; they are
numbered in raster order, so corners 2 k and 2 k + 1 are the ends of one segment and k is its number. Down a column
of the boundary a corner is linked to the one at the other end. Where two pixels touch diagonally two corners share
a place; they are linked around the two pixels, which is right when these belong to different regions. When the
sweep shows that they belong to one region, the links are swapped and a ring around the gap between them splits off.

A ring is then walked without any search: along a segment to its other end (``corner ^ 1``), along a column to the
corner linked to it, and so on. Everything is kept in flat arrays of integers that grow with the boundary, not with the
pixels. A mask may end at any row: `OPEN` columns wait for the next strip of rows.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

OPEN = -1
"""Link of a corner whose column has not ended yet."""

BEYOND = np.int32(2147483647)
"""Column to the right of every edge."""


@kernel
def root_of(parent: np.ndarray, label: int) -> int:
    """Smallest label joined with a label."""
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label


@kernel
def label_row(
    edges: np.ndarray,
    above: int,
    above_stop: int,
    run: int,
    run_stop: int,
    labels: np.ndarray,
    parent: np.ndarray,
    n: int,
) -> int:
    """Label the runs of a row by their 4-connected runs above; returns the number of labels so far."""
    for k in range(run, run_stop):
        first, stop = edges[2 * k], edges[2 * k + 1]
        while above < above_stop and edges[2 * above + 1] <= first:
            above += 1
        label = -1
        touching = above
        while touching < above_stop and edges[2 * touching] < stop:
            other = root_of(parent, labels[touching])
            if label < 0:
                label = other
            elif other < label:
                parent[label] = other
                label = other
            else:
                parent[other] = label
            touching += 1
        if label < 0:
            parent[n] = n
            label = n
            n += 1
        labels[k] = label
        above = max(above, touching - 1)
    return n


@kernel
def open_column(corner: int, edge: int, edge_corner: np.ndarray, link: np.ndarray) -> None:
    """Start a column of the boundary at a corner."""
    link[corner] = OPEN
    edge_corner[edge] = corner


@kernel
def close_column(corner: int, other: int, link: np.ndarray) -> None:
    """End at a corner the column of the boundary that started at another."""
    link[corner], link[other] = other, corner


@kernel
def sweep(
    edges: np.ndarray,
    row_runs: np.ndarray,
    top: int,
    edge_corner: np.ndarray,
    labels: np.ndarray,
    parent: np.ndarray,
    n_labels: int,
    corners: np.ndarray,
    link: np.ndarray,
    segment_label: np.ndarray,
    pinches: np.ndarray,
    n: int,
    n_pinches: int,
) -> tuple[int, int, int]:
    """Sweep over rows of runs and append the corners between them.

    Parameters
    ----------
    edges, row_runs : runs as `list_runs` lists them; the first row has been swept already
    top : lattice row below that first row
    edge_corner : (2 * runs,) int32, corner at the upper end of the boundary each edge continues; first row filled
    labels : (runs,) int32, region of each run; first row filled
    parent : union-find of labels, `n_labels` in use
    corners : (m, 2) int32 x and y; link : (m,) int32, corner at the other end of the column, OPEN while not reached
    segment_label : (m / 2,) int32, region whose boundary a horizontal segment is
    pinches : (m / 2,) int32, first of the two corners of each diagonal touch
    n, n_pinches : corners and pinches in use

    Returns
    -------
    labels, corners and pinches in use
    """
    for row in range(1, len(row_runs) - 1):
        y = top + row - 1
        n_labels = label_row(
            edges, row_runs[row - 1], row_runs[row], row_runs[row], row_runs[row + 1], labels, parent, n_labels
        )
        n, n_pinches = link_row(
            edges, 2 * row_runs[row - 1], 2 * row_runs[row], 2 * row_runs[row + 1], y,
            edge_corner, labels, corners, link, segment_label, pinches, n, n_pinches,
        )  # fmt: skip
    return n_labels, n, n_pinches


@kernel
def link_row(
    edges: np.ndarray,
    above_start: int,
    start: int,
    stop: int,
    y: int,
    edge_corner: np.ndarray,
    labels: np.ndarray,
    corners: np.ndarray,
    link: np.ndarray,
    segment_label: np.ndarray,
    pinches: np.ndarray,
    n: int,
    n_pinches: int,
) -> tuple[int, int]:
    """Append the corners between two rows of runs; returns the numbers of corners and pinches in use.

    Edges above_start .. start - 1 are those of the row above, start .. stop - 1 those of the row below lattice row
    `y`; the other parameters are as in `sweep`. The edges of both rows are merged from west to east: an edge that both
    rows have continues its column, any other one is a corner.
    """
    i, j = above_start, start
    while i < start or j < stop:
        above = edges[i] if i < start else BEYOND
        below = edges[j] if j < stop else BEYOND
        x = min(above, below)
        ends_above, starts_below = above == x, below == x
        if ends_above and starts_below:
            # Even edges open a run and odd ones close it.
            if (i & 1) == (j & 1):
                edge_corner[j] = edge_corner[i]
                i += 1
                j += 1
                continue
            # A pinch. The segment on its left ends at the column of the pixel it belongs to.
            pinches[n_pinches] = n
            n_pinches += 1
            corners[n, 0], corners[n, 1] = x, y
            if i & 1:
                close_column(n, edge_corner[i], link)
                i += 1
                ends_above = False
            else:
                open_column(n, j, edge_corner, link)
                j += 1
            n += 1
        corners[n, 0], corners[n, 1] = x, y
        if ends_above:
            close_column(n, edge_corner[i], link)
            i += 1
        else:
            open_column(n, j, edge_corner, link)
            j += 1
        if (n & 1) == 0:
            # A segment starts here. Inside a run of the row below it is that run's upper side, else the lower side
            # of the run above.
            segment_label[n >> 1] = labels[j >> 1] if j & 1 else labels[i >> 1]
        n += 1
    return n, n_pinches


@kernel
def number_polygons(
    segment_label: np.ndarray, parent: np.ndarray, frontier: np.ndarray, polygon: np.ndarray
) -> tuple[int, int]:
    """Number the regions in the order of their first segments, finished and unfinished ones apart.

    Parameters
    ----------
    segment_label : (segments,) int32
    parent : union-find of labels
    frontier : labels of the last row's runs, whose regions may go on
    polygon : (labels,) int32 out, at the roots: number of a finished region, -1 - number of an unfinished one

    Returns
    -------
    finished and unfinished regions
    """
    # Above any number of a region.
    unseen, going_on = np.int32(2147483647), np.int32(2147483646)
    polygon[:] = unseen
    for k in range(len(frontier)):
        polygon[root_of(parent, frontier[k])] = going_on
    finished, unfinished = 0, 0
    for k in range(len(segment_label)):
        root = root_of(parent, segment_label[k])
        if polygon[root] == unseen:
            polygon[root] = finished
            finished += 1
        elif polygon[root] == going_on:
            unfinished += 1
            polygon[root] = -unfinished
        segment_label[k] = root
    return finished, unfinished


@kernel
def resolve_pinches(pinches: np.ndarray, segment_label: np.ndarray, polygon: np.ndarray, link: np.ndarray) -> int:
    """Swap links where a finished region touches itself; keeps the pinches still undecided, returns their number."""
    kept = 0
    for k in range(len(pinches)):
        left = pinches[k]
        right = left + 1
        label, other = segment_label[left >> 1], segment_label[right >> 1]
        if label == other and polygon[label] >= 0:
            a, b = link[left], link[right]
            link[left], link[b] = b, left
            link[right], link[a] = a, right
        elif polygon[label] < 0 and polygon[other] < 0:
            pinches[kept] = left
            kept += 1
    return kept


@kernel
def find_rings(
    segment_label: np.ndarray,
    polygon: np.ndarray,
    link: np.ndarray,
    ring_corner: np.ndarray,
    ring_polygon: np.ndarray,
    ring_length: np.ndarray,
) -> int:
    """List the rings of finished regions by their first corners, in raster order; returns their number."""
    rings = 0
    seen = np.zeros(len(segment_label), np.bool_)
    for k in range(len(segment_label)):
        owner = polygon[segment_label[k]]
        if seen[k] or owner < 0:
            continue
        length = 0
        # Segments are in raster order, so the first one not seen is the topmost of its ring.
        corner = 2 * k
        while not seen[corner >> 1]:
            seen[corner >> 1] = True
            corner = link[corner ^ 1]
            length += 2
        ring_corner[rings] = 2 * k
        ring_polygon[rings] = owner
        ring_length[rings] = length + 1
        rings += 1
    return rings


@kernel
def write_rings(
    corners: np.ndarray,
    link: np.ndarray,
    ring_corner: np.ndarray,
    ring_polygon: np.ndarray,
    ring_length: np.ndarray,
    polygon_offsets: np.ndarray,
    ring_offsets: np.ndarray,
    coordinates: np.ndarray,
    area_px: np.ndarray,
) -> None:
    """Write rings polygon by polygon: the outer ring, first in raster order, anticlockwise, then holes clockwise.

    `polygon_offsets` (polygons + 1), `ring_offsets` (rings + 1), `coordinates` and `area_px` (polygons,) are out.
    """
    polygon_offsets[:] = 0
    for k in range(len(ring_polygon)):
        polygon_offsets[ring_polygon[k] + 1] += 1
    for k in range(len(area_px)):
        polygon_offsets[k + 1] += polygon_offsets[k]
    # A counting sort by polygon; it keeps the raster order of rings, in which the outer ring comes before its holes.
    place = polygon_offsets[:-1].copy()
    order = np.empty(len(ring_polygon), np.int64)
    for k in range(len(ring_polygon)):
        order[place[ring_polygon[k]]] = k
        place[ring_polygon[k]] += 1
    area_px[:] = 0
    at = 0
    for k in range(len(order)):
        ring = order[k]
        owner = ring_polygon[ring]
        is_outer = k == polygon_offsets[owner]
        ring_offsets[k] = at
        corner = ring_corner[ring]
        area = 0
        for _ in range(ring_length[ring] // 2):
            other = link[corner] if is_outer else corner ^ 1
            coordinates[at, 0], coordinates[at, 1] = corners[corner, 0], corners[corner, 1]
            coordinates[at + 1, 0], coordinates[at + 1, 1] = corners[other, 0], corners[other, 1]
            area += np.int64(corners[corner, 0]) * (corners[other, 1] - corners[corner, 1])
            corner = other ^ 1 if is_outer else link[other]
            if not is_outer:
                area += np.int64(corners[other, 0]) * (corners[corner, 1] - corners[other, 1])
            at += 2
        coordinates[at, 0], coordinates[at, 1] = corners[corner, 0], corners[corner, 1]
        at += 1
        # Anticlockwise with y downwards: the area comes out negative; a hole's comes out positive.
        area_px[owner] -= area
    ring_offsets[len(order)] = at


@kernel
def keep_unfinished(
    corners: np.ndarray,
    link: np.ndarray,
    segment_label: np.ndarray,
    polygon: np.ndarray,
    pinches: np.ndarray,
    edge_corner: np.ndarray,
) -> int:
    """Move the corners of unfinished regions to the front and renumber everything that points at them.

    Labels become the numbers of unfinished regions. Returns the number of corners kept.
    """
    moved = np.empty(len(segment_label), np.int32)
    kept = 0
    for k in range(len(segment_label)):
        owner = polygon[segment_label[k]]
        if owner < 0:
            moved[k] = kept
            segment_label[kept] = -1 - owner
            for end in range(2):
                # One by one: for rows numba compiles a long message about unequal shapes.
                corners[2 * kept + end, 0] = corners[2 * k + end, 0]
                corners[2 * kept + end, 1] = corners[2 * k + end, 1]
                link[2 * kept + end] = link[2 * k + end]
            kept += 1
    for n in range(2 * kept):
        if link[n] != OPEN:
            link[n] = 2 * moved[link[n] >> 1] + (link[n] & 1)
    for n in range(len(pinches)):
        pinches[n] = 2 * moved[pinches[n] >> 1] + (pinches[n] & 1)
    for n in range(len(edge_corner)):
        edge_corner[n] = 2 * moved[edge_corner[n] >> 1] + (edge_corner[n] & 1)
    return 2 * kept


@kernel
def renumber_labels(labels: np.ndarray, parent: np.ndarray, polygon: np.ndarray) -> None:
    """Replace labels of unfinished regions by the regions' numbers."""
    for k in range(len(labels)):
        labels[k] = -1 - polygon[root_of(parent, labels[k])]


@kernel
def place_corners(
    corners: np.ndarray, width: float, west: float, height: float, north: float, coordinates: np.ndarray
) -> None:
    """Turn pixel corners into coordinates: `width` and `height` are a pixel's steps along x and y."""
    for n in range(len(corners)):
        coordinates[n, 0] = corners[n, 0] * width + west
        coordinates[n, 1] = corners[n, 1] * height + north
