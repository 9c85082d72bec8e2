"""Simplification of arcs that keeps regions apart, whole and in their places.

Each arc is simplified by itself, from the pixels within a few tolerances of it, so the result for an arc is the same in
every window that holds them. Corners are chosen by Douglas and Peucker (1973): a piece of an arc may become a segment
if all of its corners are near to the segment and if no other border comes in between.

Why segments of different pieces never meet: a piece and its segment form a closed curve. No segment touches the borders
of another piece (`is_clear`), and different pieces meet at their ends alone. So the closed curves of two pieces could
cross only where their two segments cross, which is one point at most. But two closed curves cross an even number of
times. That leaves two pieces with the same ends on one and the same segment; these keep their farthest corners
(`fix_halves`, `fix_siblings`). As nothing lies between a piece and its segment, no hole or island changes sides.

A corner far from all other borders is then moved, so that its pieces take as much from one side as from the other
(`balance`). The way from the corner to its new place joins the closed curves of its pieces, and no segment of another
piece comes near enough to cross it (`is_lonely`).

Between borders that run side by side a pixel apart there is no room for a segment, so their steps stay.
"""

from __future__ import annotations

import math

import numpy as np

from croplayer.kernels.arcs import NO_NODE
from croplayer.kernels.compiled import kernel

DEGREE_M = 111_195.0
"""Length of a degree of a great circle."""
SHIFTS_PER_PX = 64
"""Corners are moved by multiples of this part of a pixel, which are exact in float64 wherever a window lies."""
FARTHEST_SHIFT_PX = 0.95
"""A corner stays between the columns and rows beside its own."""
ROUNDING = 1e-9
"""Pixels; what is nearer to a corner touches it."""
SWEEPS = 12
"""Passes of `balance` over the pieces of an arc."""
DROPPED, KEPT, FIXED = 0, 1, 2
"""A corner of an arc: no vertex; a vertex; a vertex that an outline needs to have an area."""


@kernel
def farthest(chain: np.ndarray, i: int, j: int, ends: np.ndarray, dx: float, dy: float) -> tuple[int, float]:
    """Corner between two others that is farthest from a segment, and the square of its distance.

    Parameters
    ----------
    chain, i, j : corners i to j; the two ends count where they are not on the segment's ends
    ends : (4,) float64, x and y of the segment's ends in pixels
    dx, dy : size of a pixel, m
    """
    ax, ay = ends[0], ends[1]
    bx, by = (ends[2] - ax) * dx, (ends[3] - ay) * dy
    length = bx * bx + by * by
    worst, at = 0.0, i
    for k in range(i, j + 1):
        px, py = (chain[k, 0] - ax) * dx, (chain[k, 1] - ay) * dy
        along = 0.0
        if length > 0:
            along = min(max((px * bx + py * by) / length, 0.0), 1.0)
        px -= along * bx
        py -= along * by
        distance = px * px + py * py
        if distance > worst:
            worst, at = distance, k
    return at, worst


@kernel
def is_clear(marks: np.ndarray, chain: np.ndarray, i: int, j: int, ends: np.ndarray, spans: np.ndarray) -> bool:
    """Whether nothing but the corners i to j themselves lies between them and a segment, or touches it.

    Every column of corners (row, if the segment is steep) is searched from the outermost corner of the piece, or the
    segment, to the outermost one on the other side: all corners of borders there must be the piece's own.

    Parameters
    ----------
    marks : (h + 1, w + 1) uint8, not 0 at corners of borders
    ends : (4,) float64, as for `farthest`; nearer to corners i and j than a pixel, along x and y
    spans : (max(h, w) + 1, 3) int32, scratch
    """
    steep = abs(ends[3] - ends[1]) > abs(ends[2] - ends[0])
    u, v = (1, 0) if steep else (0, 1)
    first = last = chain[i, u]
    for k in range(i + 1, j + 1):
        first, last = min(first, chain[k, u]), max(last, chain[k, u])
    for n in range(last - first + 1):
        spans[n, 0], spans[n, 1], spans[n, 2] = 2147483647, -1, 0
    for k in range(i, j + 1):
        n = chain[k, u] - first
        spans[n, 0], spans[n, 1] = min(spans[n, 0], chain[k, v]), max(spans[n, 1], chain[k, v])
        spans[n, 2] += 1
    a, b = ends[u], ends[2 + u]
    if a == b:
        return False
    slope = (ends[2 + v] - ends[v]) / (b - a)
    for n in range(last - first + 1):
        at = first + n
        low, high = int(spans[n, 0]), int(spans[n, 1])
        if min(a, b) <= at <= max(a, b):
            crossing = ends[v] + (at - a) * slope
            low, high = min(low, math.ceil(crossing - ROUNDING)), max(high, math.floor(crossing + ROUNDING))
        own = spans[n, 2]
        for m in range(low, high + 1):
            own -= (marks[at, m] if steep else marks[m, at]) != 0
        if own != 0:
            return False
    return True


@kernel
def next_vertex(state: np.ndarray, corner: int) -> int:
    """The next corner after one that is not dropped."""
    corner += 1
    while state[corner] == DROPPED:
        corner += 1
    return corner


@kernel
def place_ends(chain: np.ndarray, i: int, j: int, shifts: np.ndarray, ends: np.ndarray) -> None:
    """Write the ends of the segment from corner i to corner j to `ends`."""
    ends[0], ends[1] = chain[i, 0] + shifts[i, 0], chain[i, 1] + shifts[i, 1]
    ends[2], ends[3] = chain[j, 0] + shifts[j, 0], chain[j, 1] + shifts[j, 1]


@kernel
def choose_vertices(
    marks: np.ndarray,
    chain: np.ndarray,
    first: int,
    last: int,
    tolerance: float,
    dx: float,
    dy: float,
    state: np.ndarray,
    shifts: np.ndarray,
    ends: np.ndarray,
    spans: np.ndarray,
) -> None:
    """Choose the vertices of an arc: split its pieces until they are near and clear, then drop what splitting left over.

    `state` holds the vertices that are given, the arc's ends among them, and gets the others.
    """
    i = first
    while i < last:
        j = next_vertex(state, i)
        place_ends(chain, i, j, shifts, ends)
        at, worst = farthest(chain, i, j, ends, dx, dy)
        if worst == 0 or (worst <= tolerance**2 and is_clear(marks, chain, i, j, ends, spans)):
            i = j
        else:
            state[at] = KEPT
    i = first
    j = next_vertex(state, i)
    while j < last:
        k = next_vertex(state, j)
        if state[j] == KEPT:
            place_ends(chain, i, k, shifts, ends)
            _, worst = farthest(chain, i, k, ends, dx, dy)
            if worst <= tolerance**2 and is_clear(marks, chain, i, k, ends, spans):
                state[j] = DROPPED
                j = k
                continue
        i, j = j, k


@kernel
def turn_closed(chain: np.ndarray, first: int, last: int, start: int) -> None:
    """Let a closed arc start and end at another of its corners."""
    turned = np.concatenate((chain[start:last], chain[first : start + 1]))
    for k in range(len(turned)):
        chain[first + k, 0] = turned[k, 0]
        chain[first + k, 1] = turned[k, 1]


@kernel
def fix_halves(
    chain: np.ndarray,
    first: int,
    last: int,
    tolerance: float,
    dx: float,
    dy: float,
    state: np.ndarray,
    shifts: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Fix vertices of an arc that ends where it starts, so that its two halves stay apart."""
    place_ends(chain, first, last, shifts, ends)
    middle, _ = farthest(chain, first, last, ends, dx, dy)
    state[middle] = FIXED
    place_ends(chain, first, middle, shifts, ends)
    one, near = farthest(chain, first, middle, ends, dx, dy)
    place_ends(chain, middle, last, shifts, ends)
    other, near_too = farthest(chain, middle, last, ends, dx, dy)
    if max(near, near_too) <= tolerance**2:
        # A straight half has nothing to fix; the other one is then enough.
        state[one] = FIXED
        state[other] = FIXED


@kernel
def fix_siblings(
    arc: int, arc_nodes: np.ndarray, node_halves: np.ndarray, worst: np.ndarray, at: np.ndarray, tolerance: float,
    state: np.ndarray,
) -> None:  # fmt: skip
    """Fix the farthest corner of an arc that would fall on the same segment as another one between its nodes."""
    if worst[arc] == 0 or worst[arc] > tolerance**2:
        return
    for direction in range(4):
        half = node_halves[arc_nodes[arc, 0], direction]
        other = half >> 1
        if half < 0 or other == arc or worst[other] > tolerance**2:
            continue
        start, end = arc_nodes[other, 0], arc_nodes[other, 1]
        if (start == arc_nodes[arc, 0] and end == arc_nodes[arc, 1]) or (
            start == arc_nodes[arc, 1] and end == arc_nodes[arc, 0]
        ):
            state[at[arc]] = FIXED


@kernel
def is_lonely(
    marks: np.ndarray, chain: np.ndarray, vertex: int, pieces: np.ndarray, reach_x: int, reach_y: int
) -> bool:
    """Whether all corners of borders within a reach of a vertex are of its two pieces.

    If the reach is the tolerance and a shift, segments of other pieces, which are no farther than the tolerance from
    their own corners, do not come nearer to the vertex than it may be moved.

    Parameters
    ----------
    pieces : (4,) int64, first and last corner of the pieces before and after the vertex
    """
    x, y = chain[vertex, 0], chain[vertex, 1]
    borders = 0
    for row in range(max(y - reach_y, 0), min(y + reach_y + 1, marks.shape[0])):
        for col in range(max(x - reach_x, 0), min(x + reach_x + 1, marks.shape[1])):
            borders += marks[row, col] != 0
    # The vertex itself is in both pieces.
    borders += 1
    for piece in range(2):
        for k in range(pieces[2 * piece], pieces[2 * piece + 1] + 1):
            borders -= abs(chain[k, 0] - x) <= reach_x and abs(chain[k, 1] - y) <= reach_y
    return borders == 0


@kernel
def balance(
    chain: np.ndarray,
    kept: np.ndarray,
    is_closed: bool,
    movable: np.ndarray,
    farthest_m: float,
    dx: float,
    dy: float,
    moves: np.ndarray,
) -> None:
    """Find short moves of vertices after which each piece has as much area on one side of its segment as on the other.

    For a piece with normal n, length L and area A between its corners and its segment, the moves a and b of its ends
    change the area by about L n (a + b) / 2. These equations have many solutions; that of the shortest moves is
    approached by projection on one of them after the other (Kaczmarz 1937).

    Parameters
    ----------
    kept : (n,) int64, the vertices among the corners, both ends included
    movable : (n,) bool
    farthest_m : longest move
    moves : (n, 2) float64 out, m along x and y; of a closed arc the last vertex is the first one
    """
    pieces = len(kept) - 1
    normals = np.empty((pieces, 3))
    for n in range(pieces):
        i, j = kept[n], kept[n + 1]
        x, y = (chain[j, 0] - chain[i, 0]) * dx, (chain[j, 1] - chain[i, 1]) * dy
        length = math.hypot(x, y)
        area = 0
        for k in range(i + 1, j):
            ax, ay = np.int64(chain[k, 0] - chain[i, 0]), np.int64(chain[k, 1] - chain[i, 1])
            area += ax * (chain[k + 1, 1] - chain[i, 1]) - (chain[k + 1, 0] - chain[i, 0]) * ay
        normals[n, 0], normals[n, 1] = -y / length, x / length
        normals[n, 2] = -area * dx * dy / length
    moves[:] = 0
    for _ in range(SWEEPS):
        for n in range(pieces):
            a = n
            b = 0 if is_closed and n + 1 == pieces else n + 1
            free = int(movable[a]) + int(movable[b])
            if free == 0:
                continue
            x, y = normals[n, 0], normals[n, 1]
            missing = (normals[n, 2] - x * (moves[a, 0] + moves[b, 0]) - y * (moves[a, 1] + moves[b, 1])) / free
            for end in (a, b):
                if movable[end]:
                    moves[end, 0] += x * missing
                    moves[end, 1] += y * missing
                    length = math.hypot(moves[end, 0], moves[end, 1])
                    if length > farthest_m:
                        moves[end, 0] *= farthest_m / length
                        moves[end, 1] *= farthest_m / length
    if is_closed:
        moves[pieces, 0] = moves[0, 0]
        moves[pieces, 1] = moves[0, 1]


@kernel
def list_vertices(state: np.ndarray, first: int, last: int) -> np.ndarray:
    """Corners of an arc that are vertices, (n,) int64."""
    kept = np.empty(last - first + 1, np.int64)
    n = 0
    for k in range(first, last + 1):
        if state[k] != DROPPED:
            kept[n] = k
            n += 1
    return kept[:n]


@kernel
def shift_vertices(
    marks: np.ndarray,
    chain: np.ndarray,
    kept: np.ndarray,
    is_closed: bool,
    tolerance: float,
    farthest_m: float,
    dx: float,
    dy: float,
    shifts: np.ndarray,
    ends: np.ndarray,
    spans: np.ndarray,
) -> None:
    """Move the vertices of an arc that are far from other borders as `balance` says; takes back moves that do not fit."""
    last = len(kept) - 1
    reach_x, reach_y = math.ceil((tolerance + farthest_m) / dx), math.ceil((tolerance + farthest_m) / dy)
    movable = np.zeros(len(kept), np.bool_)
    pieces = np.empty(4, np.int64)
    for n in range(0 if is_closed else 1, last):
        before = n - 1 if n > 0 else last - 1
        pieces[0], pieces[1] = kept[before], kept[before + 1]
        pieces[2], pieces[3] = kept[n], kept[n + 1]
        movable[n] = is_lonely(marks, chain, kept[n], pieces, reach_x, reach_y)
    moves = np.empty((len(kept), 2))
    balance(chain, kept, is_closed, movable, farthest_m, dx, dy, moves)
    for n in range(len(kept)):
        for axis in range(2):
            px = moves[n, axis] / (dy if axis else dx)
            px = max(min(px, FARTHEST_SHIFT_PX), -FARTHEST_SHIFT_PX)
            shifts[kept[n], axis] = np.rint(px * SHIFTS_PER_PX) / SHIFTS_PER_PX
    n = 0
    while n < last:
        i, j = kept[n], kept[n + 1]
        n += 1
        if not (shifts[i].any() or shifts[j].any()):
            continue
        place_ends(chain, i, j, shifts, ends)
        _, worst = farthest(chain, i, j, ends, dx, dy)
        if worst <= tolerance**2 and is_clear(marks, chain, i, j, ends, spans):
            continue
        for end in (n - 1, n):
            shifts[kept[end]] = 0
            if is_closed and (end == 0 or end == last):
                shifts[kept[0]] = 0
                shifts[kept[last]] = 0
        n = 0


@kernel
def simplify_arcs(
    marks: np.ndarray,
    chain: np.ndarray,
    arc_offsets: np.ndarray,
    arc_nodes: np.ndarray,
    node_halves: np.ndarray,
    row: int,
    px_per_degree: int,
    tolerance: float,
    farthest_m: float,
    state: np.ndarray,
    shifts: np.ndarray,
) -> None:
    """Choose the vertices of all arcs and move them.

    Parameters
    ----------
    marks, chain, arc_offsets, arc_nodes, node_halves : as `trace_arcs` gives them; closed arcs are turned
    row : row of the lattice of the first row of pixels
    px_per_degree : pixels along a degree
    tolerance : largest distance of a corner from the segment that replaces its piece, m
    farthest_m : longest move of a vertex, a part of the tolerance
    state : (m,) uint8 out, DROPPED where a corner is no vertex; zeros
    shifts : (m, 2) float64 out, moves of vertices in pixels along x and y; zeros
    """
    arcs = len(arc_offsets) - 1
    near = tolerance - farthest_m
    dy = DEGREE_M / px_per_degree
    widths = np.empty(arcs)
    worst = np.zeros(arcs)
    at = np.zeros(arcs, np.int64)
    ends = np.empty(4)
    spans = np.empty((max(marks.shape) + 1, 3), np.int32)
    for arc in range(arcs):
        first, last = arc_offsets[arc], arc_offsets[arc + 1] - 1
        latitude = (90 * px_per_degree - row - chain[first, 1]) / px_per_degree
        widths[arc] = dy * max(math.cos(math.radians(latitude)), ROUNDING)
        place_ends(chain, first, last, shifts, ends)
        at[arc], worst[arc] = farthest(chain, first, last, ends, widths[arc], dy)
    for arc in range(arcs):
        first, last, dx = arc_offsets[arc], arc_offsets[arc + 1] - 1, widths[arc]
        is_closed = arc_nodes[arc, 0] == NO_NODE
        if is_closed:
            turn_closed(chain, first, last, at[arc])
        state[first] = state[last] = FIXED
        if arc_nodes[arc, 0] == arc_nodes[arc, 1]:
            fix_halves(chain, first, last, near, dx, dy, state, shifts, ends)
        else:
            fix_siblings(arc, arc_nodes, node_halves, worst, at, near, state)
        choose_vertices(marks, chain, first, last, near, dx, dy, state, shifts, ends, spans)
        kept = list_vertices(state, first, last)
        if farthest_m > 0:
            shift_vertices(marks, chain, kept, is_closed, tolerance, farthest_m, dx, dy, shifts, ends, spans)
