"""How the country differs from place to place: dryness, wetness, field size, wildness, towns and roads.

Each quantity is smooth noise of tens of kilometres, tilted by how far a place lies in the east or south, and pressed
into 0 to 1. `smoothstep` makes plains of both ends, so that regions have a character and borders between them are
narrow. Finer noise frays those borders.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.noise import draw, fbm, hash2, noise2, salted, smoothstep
from croplayer.landscape.terrain import (
    CENTRE_LAT,
    CENTRE_LON,
    FAR_M,
    METRES_PER_LAT,
    METRES_PER_LON,
    relief_at,
)

TOWN_SPACING_M = 9_000.0
ROAD_SPACING_M = 7_500.0


@kernel
def southness(y: float) -> float:
    """-1 in the north of the country to 1 in the south."""
    return min(max((CENTRE_LAT - y / METRES_PER_LAT) / 1.5, -1.0), 1.0)


@kernel
def eastness(x: float) -> float:
    """-1 in the west of the country to 1 in the east."""
    return min(max((x / METRES_PER_LON - CENTRE_LON) / 1.5, -1.0), 1.0)


@kernel
def dryness_at(seed: np.uint64, x: float, y: float) -> float:
    """0 (humid) to 1 (desert)."""
    raw = 1.9 * noise2(salted(seed, draws.DRYNESS_COARSE), x / 38_000.0, y / 38_000.0) + 0.2 * noise2(
        salted(seed, draws.DRYNESS_FINE), x / 6_000.0, y / 6_000.0
    )
    return smoothstep(-0.1, 1.05, raw - 0.22 * eastness(x) - 0.18 * southness(y))


@kernel
def wetness_at(seed: np.uint64, x: float, y: float) -> float:
    """0 (dry fields) to 1 (paddies)."""
    raw = 0.95 * noise2(salted(seed, draws.WETNESS_COARSE), x / 27_000.0, y / 27_000.0) + 0.15 * noise2(
        salted(seed, draws.WETNESS_FINE), x / 4_000.0, y / 4_000.0
    )
    return smoothstep(-0.5, 0.8, raw + 0.35 * southness(y) - 0.05)


@kernel
def field_size_at(seed: np.uint64, x: float, y: float) -> float:
    """0 (garden plots) to 1 (estate fields)."""
    raw = 0.9 * noise2(salted(seed, draws.FIELD_SIZE), x / 21_000.0, y / 21_000.0)
    return smoothstep(-0.9, 0.9, raw + 0.25 * eastness(x) - 0.3 * southness(y))


@kernel
def wildness_at(seed: np.uint64, x: float, y: float) -> float:
    """Uneven field that decides where woods and scrub begin, about -1 to 1."""
    return 0.75 * fbm(salted(seed, draws.WILDNESS_COARSE), x / 1_900.0, y / 1_900.0, 3) + 0.35 * fbm(
        salted(seed, draws.WILDNESS_FINE), x / 210.0, y / 210.0, 2
    )


@kernel
def town_distance(seed: np.uint64, x: float, y: float) -> float:
    """Distance to the edge of the nearest town, negative inside, metres, clamped to FAR_M."""
    # One town at most in a cell of the lattice; radii stay below the distance from a cell to the one after the next.
    ci = int(np.floor(x / TOWN_SPACING_M))
    cj = int(np.floor(y / TOWN_SPACING_M))
    best = FAR_M
    for i in range(ci - 1, ci + 2):
        for j in range(cj - 1, cj + 2):
            own = hash2(salted(seed, draws.TOWN), i, j)
            if draw(own, draws.TOWN_EXISTS) > 0.6:
                continue
            tx = (i + 0.2 + 0.6 * draw(own, draws.TOWN_X)) * TOWN_SPACING_M
            ty = (j + 0.2 + 0.6 * draw(own, draws.TOWN_Y)) * TOWN_SPACING_M
            dx = x - tx
            dy = y - ty
            d = np.sqrt(dx * dx + dy * dy)
            # No town reaches that far, not even with FAR_M around it.
            if d > 3_000.0:
                continue
            size = draw(own, draws.TOWN_SIZE)
            radius = (350.0 + 1_300.0 * size * size) * (1.0 - 0.85 * smoothstep(0.05, 0.4, relief_at(seed, tx, ty)))
            ragged = (
                1.0
                + 0.35 * noise2(own, x / 900.0, y / 900.0)
                + 0.2 * noise2(salted(own, draws.TOWN_EDGE_FINE), x / 260.0, y / 260.0)
            )
            best = min(best, d - radius * ragged)
    return max(best, -FAR_M)


@kernel
def _line_distance(seed: np.uint64, across: float, along: float) -> float:
    """Signed distance to the nearest road of one family (east-west or north-south)."""
    middle = int(np.floor(across / ROAD_SPACING_M))
    best = 1e9
    for k in range(middle - 1, middle + 2):
        own = hash2(seed, k, draws.ROAD)
        line = (k + 0.5 + 0.5 * (draw(own, draws.ROAD_LINE) - 0.5)) * ROAD_SPACING_M
        d = across - line - 700.0 * noise2(own, along / 9_000.0, 0.5) - 110.0 * noise2(own, along / 1_900.0, 7.5)
        if abs(d) < abs(best):
            best = d
    return min(max(best, -FAR_M), FAR_M)


@kernel
def road_distances(seed: np.uint64, x: float, y: float) -> tuple[float, float]:
    """Signed distances to the nearest east-west and the nearest north-south road, metres, clamped."""
    return _line_distance(salted(seed, draws.ROADS_EW), y, x), _line_distance(salted(seed, draws.ROADS_NS), x, y)
