"""Water runs downhill, and the land is where the terrain lets it be."""

from __future__ import annotations

import heapq

import numpy as np
import pytest

from croplayer.landscape.classes import LandCover
from croplayer.landscape.country import Country
from croplayer.landscape.nodes import ELEVATION, RIVER, RIVER_HALF, SLOPE_X, SLOPE_Y, node_grid
from croplayer.landscape.terrain import (
    CENTRE_LAT,
    CENTRE_LON,
    METRES_PER_LAT,
    METRES_PER_LON,
    ground_at,
    nearest_river,
    river_bed,
    river_line,
    river_meander,
    tributary,
    warped,
)
from stores.grid import Bounds

SEED = np.uint64(1)
X0, Y0 = CENTRE_LON * METRES_PER_LON, CENTRE_LAT * METRES_PER_LAT


def _unwarped(u: float, v: float) -> tuple[float, float]:
    """The place whose bent coordinates are (u, v)."""
    x, y = u, v
    for _ in range(60):
        bent_u, bent_v = warped(SEED, x, y)
        x, y = x + u - bent_u, y + v - bent_v
    return x, y


@pytest.mark.parametrize("west", [113.4, 114.3, 115.1])
def test_from_every_point_of_a_river_one_can_leave_without_climbing(west: float) -> None:
    nodes = node_grid(1, Bounds(west, 34.3, west + 0.12, 34.5))
    wet = np.abs(nodes.fields[:, RIVER]) < nodes.fields[:, RIVER_HALF]
    z = nodes.fields[:, ELEVATION]
    assert wet.sum() > 300
    reached = np.zeros_like(wet)
    east = wet.shape[1] - 1
    border = np.ones_like(wet)
    border[1:-1, 1:-1] = False
    queue = [(float(z[r, c]), int(r), int(c)) for r, c in np.argwhere(wet & border)]
    for _, r, c in queue:
        reached[r, c] = True
    heapq.heapify(queue)
    while queue:
        level, r, c = heapq.heappop(queue)
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                i, j = r + dr, c + dc
                if 0 <= i < wet.shape[0] and 0 <= j <= east and wet[i, j] and not reached[i, j] and z[i, j] >= level:
                    reached[i, j] = True
                    heapq.heappush(queue, (float(z[i, j]), i, j))
    assert (wet & ~reached).sum() <= 0.01 * wet.sum()


def test_a_tributary_never_rises_on_its_way_to_the_river() -> None:
    followed = 0
    for j in range(int(Y0 // 15_000) - 3, int(Y0 // 15_000) + 4):
        for side in (-1, 1):
            u = X0
            levels = []
            for w in np.arange(0.0, 2_400.0, 60.0):
                distance, half_width, _ = tributary(SEED, j, side, u, w)
                if half_width == 0.0 or abs(distance) > 2_000.0:
                    break
                u -= distance
                v = river_line(SEED, j) + river_meander(SEED, j, u) + side * w
                levels.append(ground_at(SEED, *_unwarped(u, v))[0])
            if len(levels) > 20:
                followed += 1
                assert np.diff(levels).min() > -0.1
                assert levels[-1] > levels[0] + 0.5
    assert followed >= 5


def test_no_land_lies_below_the_river_it_drains_to() -> None:
    random = np.random.default_rng(0)
    for x, y in zip(X0 + random.uniform(-1e5, 1e5, 2_000), Y0 + random.uniform(-1e5, 1e5, 2_000), strict=True):
        u, v = warped(SEED, x, y)
        j, _ = nearest_river(SEED, u, v)
        assert ground_at(SEED, x, y)[0] >= river_bed(SEED, j, u) - 0.5


def test_a_river_bed_only_falls() -> None:
    beds = np.array([river_bed(SEED, 250, u) for u in np.arange(X0, X0 + 60_000.0, 25.0)])
    assert np.diff(beds).max() <= 1e-9
    assert beds[0] - beds[-1] == pytest.approx(60_000.0 * 0.00013, rel=0.1)


def test_elevation_is_continuous_and_spans_plain_and_mountain() -> None:
    nodes = node_grid(1, Bounds(115.1, 34.95, 115.4, 35.15))
    slope = np.hypot(nodes.fields[:, SLOPE_X], nodes.fields[:, SLOPE_Y])
    assert np.median(slope) < 0.06
    assert np.percentile(slope, 95) > 0.15
    assert slope.max() < 3.0
    assert np.isfinite(nodes.fields).all()


def test_steep_land_is_wooded_and_flat_land_is_farmed() -> None:
    country = Country(1)
    lon = 115.1 + (np.arange(1_200) + 0.5) * 0.3 / 1_200
    lat = 35.15 - (np.arange(800) + 0.5) * 0.2 / 800
    nodes = country.nodes(lon, lat)
    cover = country.survey(lon, lat, nodes=nodes).cover
    slope = np.hypot(nodes.fields[:, SLOPE_X], nodes.fields[:, SLOPE_Y])
    rows = np.rint(lat * 3600 - 0.5).astype(int) - nodes.row
    columns = np.rint(lon * 3600 - 0.5).astype(int) - nodes.col
    at = slope[np.ix_(rows, columns)]
    crop = np.isin(cover, [c for c in LandCover if c.is_cropland])
    assert crop[at > 0.4].mean() < 0.02
    assert (cover[at > 0.4] == LandCover.WOODLAND).mean() > 0.6
    assert crop[at < 0.01].mean() > 0.5
