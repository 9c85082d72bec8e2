"""Borders of a raster of regions as arcs between nodes, and the rings that arcs link up to.

A node is a corner of pixels where three or four sides of pixels are borders. An arc is the chain of corners from one
node to the next; a border without nodes is a closed arc. Two touching regions share whole arcs, so whatever is done to
an arc is done to both. Every arc has one direction, and its place in the list follows from the places of its corners
alone: a window shifted or grown gives the arcs that it has in common with another one in the same order.

Directions are 0 east, 1 south, 2 west and 3 north. Half an arc is the arc walked forward (``2 * arc``) or backward
(``2 * arc + 1``), with the region on its left that it is the outline of.
"""

from __future__ import annotations

import numpy as np

from croplayer.kernels.compiled import kernel

WALKED = 16
"""Flag of a corner inside of an arc that has been traced; the lower bits are the directions of its borders."""
NODES = 0xE880
"""Bit m is set where m, the directions of a corner's borders, are three or four."""
NO_NODE = -1
"""Node at the ends of a closed arc."""


@kernel
def mark_borders(ids: np.ndarray, marks: np.ndarray) -> tuple[int, int]:
    """Find the sides of pixels between different regions.

    Parameters
    ----------
    ids : (h, w) int64; beyond it everything is 0
    marks : (h + 1, w + 1) uint8 out, bit d is set where a border goes off in direction d; zeros

    Returns
    -------
    sides of pixels that are borders, and nodes
    """
    height, width = ids.shape
    for y in range(height + 1):
        for x in range(width):
            above = ids[y - 1, x] if y > 0 else 0
            below = ids[y, x] if y < height else 0
            marks[y, x] = above != below
    for y in range(height):
        marks[y, 0] |= np.uint8(ids[y, 0] != 0) << 1
        for x in range(1, width):
            marks[y, x] |= np.uint8(ids[y, x] != ids[y, x - 1]) << 1
        marks[y, width] |= np.uint8(ids[y, width - 1] != 0) << 1
    sides, nodes = 0, 0
    for y in range(height + 1):
        for x in range(width + 1):
            mark = marks[y, x]
            if x > 0:
                mark |= (marks[y, x - 1] & 1) << 2
            if y > 0:
                mark |= (marks[y - 1, x] & 2) << 2
            marks[y, x] = mark
            sides += (mark & 1) + (mark >> 1 & 1)
            nodes += NODES >> mark & 1
    return sides, nodes


@kernel
def list_nodes(marks: np.ndarray, nodes: np.ndarray) -> None:
    """List the places ``y * (w + 1) + x`` of all nodes in raster order."""
    n = 0
    height, width = marks.shape
    for y in range(height):
        for x in range(width):
            if NODES >> marks[y, x] & 1:
                nodes[n] = y * width + x
                n += 1


@kernel
def walk(marks: np.ndarray, chain: np.ndarray, at: int, direction: int) -> int:
    """Follow a border from the corner `chain[at]` to a node or to a corner walked before; returns its place in `chain`."""
    x, y = chain[at, 0], chain[at, 1]
    while True:
        if direction & 1:
            y += 2 - direction
        else:
            x += 1 - direction
        at += 1
        chain[at, 0], chain[at, 1] = x, y
        mark = marks[y, x]
        if mark & WALKED or NODES >> mark & 1:
            return at
        marks[y, x] = mark | WALKED
        onward = mark & ~(1 << (direction + 2 & 3))
        direction = (onward >> 1) - (onward >> 3)


@kernel
def direction_of(chain: np.ndarray, start: int, stop: int) -> int:
    """Direction from one corner to the one beside it."""
    dx, dy = chain[stop, 0] - chain[start, 0], chain[stop, 1] - chain[start, 1]
    return 1 - dx if dy == 0 else 2 - dy


@kernel
def region_left(ids: np.ndarray, x: int, y: int, direction: int) -> int:
    """Region on the left of the side that leaves a corner in a direction; 0 beyond the raster."""
    row = y if direction == 1 or direction == 2 else y - 1
    col = x if direction < 2 else x - 1
    if row < 0 or col < 0 or row >= ids.shape[0] or col >= ids.shape[1]:
        return 0
    return int(ids[row, col])


@kernel
def trace_arcs(
    ids: np.ndarray,
    marks: np.ndarray,
    nodes: np.ndarray,
    node_halves: np.ndarray,
    chain: np.ndarray,
    arc_offsets: np.ndarray,
    arc_nodes: np.ndarray,
    half_regions: np.ndarray,
) -> int:
    """Trace all arcs: those between nodes, in the raster order of their first nodes, then the closed ones.

    Parameters
    ----------
    ids, marks, nodes : as the functions above take and give them; `marks` gets the flag WALKED
    node_halves : (nodes, 4) int64 out, half an arc that leaves a node in each direction, -1 if none does
    chain : (m, 2) int32 out, x and y of the corners of all arcs, one pixel's side after the other; a closed arc starts
        and ends at the westernmost of its northernmost corners
    arc_offsets : (arcs + 1,) int64 out, arc a is `chain[arc_offsets[a]:arc_offsets[a + 1]]`
    arc_nodes : (arcs, 2) int32 out, first and last node, NO_NODE for closed arcs
    half_regions : (2 * arcs,) int64 out, the region on the left of half an arc

    Returns
    -------
    number of arcs
    """
    height, width = marks.shape
    node_halves[:] = -1
    arcs, at = 0, 0
    arc_offsets[0] = 0
    for node in range(len(nodes)):
        y, x = nodes[node] // width, nodes[node] % width
        for direction in range(4):
            if not marks[y, x] >> direction & 1 or node_halves[node, direction] >= 0:
                continue
            chain[at, 0], chain[at, 1] = x, y
            last = walk(marks, chain, at, direction)
            end = np.searchsorted(nodes, np.int64(chain[last, 1]) * width + chain[last, 0])
            node_halves[node, direction] = 2 * arcs
            node_halves[end, direction_of(chain, last, last - 1)] = 2 * arcs + 1
            arc_nodes[arcs, 0], arc_nodes[arcs, 1] = node, end
            at = last + 1
            arcs += 1
            arc_offsets[arcs] = at
    for y in range(height):
        for x in range(width):
            mark = marks[y, x]
            if mark == 0 or mark & WALKED or NODES >> mark & 1:
                continue
            chain[at, 0], chain[at, 1] = x, y
            marks[y, x] = mark | WALKED
            at = walk(marks, chain, at, 0) + 1
            arc_nodes[arcs, 0], arc_nodes[arcs, 1] = NO_NODE, NO_NODE
            arcs += 1
            arc_offsets[arcs] = at
    for arc in range(arcs):
        first, last = arc_offsets[arc], arc_offsets[arc + 1] - 1
        half_regions[2 * arc] = region_left(
            ids, chain[first, 0], chain[first, 1], direction_of(chain, first, first + 1)
        )
        half_regions[2 * arc + 1] = region_left(
            ids, chain[last, 0], chain[last, 1], direction_of(chain, last, last - 1)
        )
    return arcs


@kernel
def keep_turns(chain: np.ndarray, arc_offsets: np.ndarray, keep: np.ndarray) -> None:
    """Keep the ends of arcs and the corners where they turn: `keep` (m,) bool is out."""
    for arc in range(len(arc_offsets) - 1):
        first, last = arc_offsets[arc], arc_offsets[arc + 1] - 1
        keep[first] = keep[last] = True
        for k in range(first + 1, last):
            keep[k] = chain[k - 1, 0] != chain[k + 1, 0] and chain[k - 1, 1] != chain[k + 1, 1]


@kernel
def next_half(
    half: int,
    chain: np.ndarray,
    arc_offsets: np.ndarray,
    arc_nodes: np.ndarray,
    node_halves: np.ndarray,
    half_regions: np.ndarray,
) -> int:
    """Half an arc that continues the outline of the region on the left of another one.

    The rightmost way is taken, so an outline that meets itself at a corner splits into two rings that touch there.
    """
    arc = half >> 1
    first, last = arc_offsets[arc], arc_offsets[arc + 1] - 1
    if arc_nodes[arc, 0] == NO_NODE:
        return half
    if half & 1:
        node, direction = arc_nodes[arc, 0], direction_of(chain, first + 1, first)
    else:
        node, direction = arc_nodes[arc, 1], direction_of(chain, last - 1, last)
    for turn in (1, 0, 3):
        onward = node_halves[node, direction + turn & 3]
        if onward >= 0 and half_regions[onward] == half_regions[half]:
            return int(onward)
    return -1


@kernel
def list_rings(
    chain: np.ndarray,
    arc_offsets: np.ndarray,
    arc_nodes: np.ndarray,
    node_halves: np.ndarray,
    half_regions: np.ndarray,
    keep: np.ndarray,
    halves: np.ndarray,
    rings: np.ndarray,
) -> int:
    """Link halves of arcs to rings.

    Parameters
    ----------
    keep : (m,) bool, corners of `chain` that become vertices
    halves : (2 * arcs,) int64 out, halves of arcs ring after ring
    rings : (2 * arcs, 4) int64 out: region, place in `halves` of the first one, vertices, twice the area in pixels of
        the whole chains (positive for an outer ring, negative for a hole)

    Returns
    -------
    number of rings
    """
    arcs = len(arc_offsets) - 1
    vertices = np.zeros(arcs, np.int64)
    areas = np.zeros(arcs, np.int64)
    for arc in range(arcs):
        for k in range(arc_offsets[arc], arc_offsets[arc + 1] - 1):
            vertices[arc] += keep[k]
            areas[arc] += np.int64(chain[k + 1, 0]) * chain[k, 1] - np.int64(chain[k, 0]) * chain[k + 1, 1]
    seen = np.zeros(2 * arcs, np.bool_)
    n, at = 0, 0
    for start in range(2 * arcs):
        if seen[start] or half_regions[start] == 0:
            continue
        rings[n, 0], rings[n, 1], rings[n, 2], rings[n, 3] = half_regions[start], at, 0, 0
        half = start
        while not seen[half]:
            seen[half] = True
            halves[at] = half
            at += 1
            rings[n, 2] += vertices[half >> 1]
            rings[n, 3] += -areas[half >> 1] if half & 1 else areas[half >> 1]
            half = next_half(half, chain, arc_offsets, arc_nodes, node_halves, half_regions)
        n += 1
    return n


@kernel
def write_ring_vertices(
    chain: np.ndarray,
    arc_offsets: np.ndarray,
    keep: np.ndarray,
    shifts: np.ndarray,
    halves: np.ndarray,
    rings: np.ndarray,
    vertices: np.ndarray,
) -> None:
    """Write closed rings; each starts at the westernmost of its northernmost vertices.

    Parameters
    ----------
    shifts : (m, 2) float64, how far a corner is moved in pixels along x and y
    rings : (rings, 4) int64 as `list_rings` gives them, in the order to write
    vertices : (rings + their vertices, 2) float64 out, x and y in pixels
    """
    at = 0
    for ring in range(len(rings)):
        start, left, k = at, rings[ring, 2], rings[ring, 1]
        while left > 0:
            half = halves[k]
            first, last = arc_offsets[half >> 1], arc_offsets[(half >> 1) + 1] - 1
            for step in range(last - first):
                corner = last - step if half & 1 else first + step
                if keep[corner]:
                    vertices[at, 0] = chain[corner, 0] + shifts[corner, 0]
                    vertices[at, 1] = chain[corner, 1] + shifts[corner, 1]
                    at += 1
                    left -= 1
            k += 1
        top = start
        for n in range(start + 1, at):
            higher = vertices[n, 1] < vertices[top, 1]
            if higher or (vertices[n, 1] == vertices[top, 1] and vertices[n, 0] < vertices[top, 0]):
                top = n
        turned = np.concatenate((vertices[top:at], vertices[start:top]))
        for n in range(len(turned)):
            vertices[start + n, 0] = turned[n, 0]
            vertices[start + n, 1] = turned[n, 1]
        vertices[at, 0] = vertices[start, 0]
        vertices[at, 1] = vertices[start, 1]
        at += 1
