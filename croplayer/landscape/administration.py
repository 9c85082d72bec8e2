"""Provinces and counties of the synthetic country: polygons that tile a box, with invented names."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from stores.grid import CRS, Bounds

_NAMES = (
    ("Qinghe", "清禾省", "QH"),
    ("Yunling", "云岭省", "YL"),
    ("Baisha", "白沙省", "BS"),
    ("Hetian", "荷田省", "HT"),
    ("Longwan", "龙湾省", "LW"),
    ("Shuangquan", "双泉省", "SQ"),
    ("Meigu", "梅谷省", "MG"),
    ("Fengyuan", "丰原省", "FY"),
    ("Songpo", "松坡省", "SP"),
    ("Jinzhou", "金洲市", "JZ"),
    ("Lanhai", "岚海岛", "LH"),
    ("Tieshan", "铁山省", "TS"),
    ("Liuxi", "柳溪省", "LX"),
    ("Xueling", "雪岭省", "XL"),
    ("Dongping", "东坪省", "DP"),
    ("Wugang", "梧冈省", "WG"),
)
_FIRST = (("An", "安"), ("Bai", "柏"), ("Chang", "昌"), ("Da", "大"), ("Feng", "丰"), ("Gu", "谷"), ("He", "禾"),
          ("Jin", "锦"), ("Liang", "良"), ("Ming", "明"), ("Nan", "南"), ("Ping", "平"), ("Qing", "青"), ("Rong", "荣"),
          ("Shi", "石"), ("Tao", "桃"), ("Wen", "文"), ("Xi", "西"), ("Yong", "永"), ("Zhu", "竹"))  # fmt: skip
_SECOND = (("an", "安"), ("cheng", "城"), ("he", "河"), ("hua", "华"), ("jiang", "江"), ("lin", "林"), ("ning", "宁"),
           ("qiao", "桥"), ("shan", "山"), ("tang", "塘"), ("tian", "田"), ("xing", "兴"), ("yang", "阳"),
           ("yuan", "源"), ("ze", "泽"), ("zhou", "洲"))  # fmt: skip

MAX_PROVINCES = len(_NAMES)


@dataclass(frozen=True)
class Administration:
    """Provinces and the counties they are made of."""

    provinces: gpd.GeoDataFrame
    """adcode (int64, two digits and four zeros), name_en, name_zh, iso, geometry; EPSG:4326."""

    counties: gpd.GeoDataFrame
    """adcode (int64), name_en, name_zh, province (adcode of the province), geometry; EPSG:4326."""


def make_administration(seed: int, bounds: Bounds, *, provinces: int = 12, counties_each: int = 3) -> Administration:
    """Cut a box into provinces and counties that share their borders exactly.

    Seats of counties are scattered over the box, their Voronoi edges made ragged, and the counties
    dealt to provinces of unequal size. Every province has at least two counties.
    """
    if not 2 <= provinces <= MAX_PROVINCES:
        raise ValueError(f"provinces is {provinces}; expected 2 to {MAX_PROVINCES}")
    if counties_each < 2:
        raise ValueError(f"counties_each is {counties_each}; expected at least 2")
    random = np.random.Generator(np.random.PCG64(seed))
    cells = None
    while cells is None:
        seats, owner = _seats(random, bounds, provinces, counties_each)
        cells = _ragged_cells(random, bounds, seats)
    rows = []
    counts = np.zeros(provinces, dtype=int)
    names = _county_names(random, len(seats))
    for cell, province, (name_en, name_zh) in zip(cells, owner, names, strict=True):
        counts[province] += 1
        adcode = (11 + province) * 10_000 + 100 + int(counts[province])
        rows.append((adcode, name_en, name_zh, (11 + province) * 10_000, cell))
    counties = gpd.GeoDataFrame(
        rows, columns=["adcode", "name_en", "name_zh", "province", "geometry"], geometry="geometry", crs=CRS
    )
    counties = counties.sort_values("adcode", ignore_index=True)
    merged = [
        (
            (11 + k) * 10_000,
            _NAMES[k][0],
            _NAMES[k][1],
            f"XS-{_NAMES[k][2]}",
            shapely.coverage_union_all(counties.geometry[counties.province == (11 + k) * 10_000].to_numpy()),
        )
        for k in range(provinces)
    ]
    frame = gpd.GeoDataFrame(
        merged, columns=["adcode", "name_en", "name_zh", "iso", "geometry"], geometry="geometry", crs=CRS
    )
    return Administration(frame, counties)


def _seats(
    random: np.random.Generator, bounds: Bounds, provinces: int, counties_each: int
) -> tuple[np.ndarray, np.ndarray]:
    """County seats (n, 2) in degrees and the province of each (n,)."""
    width, height = bounds.east - bounds.west, bounds.north - bounds.south
    centres = _spread(random, provinces, width, height)
    seats = _spread(random, provinces * counties_each, width, height)
    distance = ((seats[:, None, :] - centres[None]) ** 2).sum(axis=2)
    pull = np.linspace(0.7, 1.3, provinces) ** 2
    owner = np.full(len(seats), -1)
    for province in np.argsort(-pull):
        free = np.flatnonzero(owner < 0)
        owner[free[np.argsort(distance[free, province])[:2]]] = province
    for k in np.flatnonzero(owner < 0):
        owner[k] = int(np.argmin(distance[k] * pull))
    seats += [bounds.west, bounds.south]
    return seats, owner


def _spread(random: np.random.Generator, count: int, width: float, height: float) -> np.ndarray:
    """Points in a box that keep some distance: each is the best of 4 draws, (count, 2)."""
    points = np.empty((count, 2))
    for k in range(count):
        draws = random.random((4, 2)) * [0.9 * width, 0.9 * height] + [0.05 * width, 0.05 * height]
        if k:
            nearest = ((draws[:, None, :] - points[None, :k]) ** 2).sum(axis=2).min(axis=1)
            points[k] = draws[int(np.argmax(nearest))]
        else:
            points[k] = draws[0]
    return points


def _ragged_cells(random: np.random.Generator, bounds: Bounds, seats: np.ndarray) -> list[BaseGeometry] | None:
    """Voronoi cells of the seats inside the box with ragged common borders, in the order of the seats.

    None when ragged borders cross one another, or two seats get one cell.
    """
    box = shapely.box(*bounds)
    raw = shapely.voronoi_polygons(shapely.multipoints(seats), extend_to=box)
    cells = [shapely.intersection(cell, box) for cell in shapely.get_parts(raw)]
    edges = shapely.line_merge(shapely.union_all([shapely.boundary(cell) for cell in cells]))
    frame = shapely.boundary(box)
    lines = []
    for part in shapely.get_parts(shapely.node(edges)):
        corners = np.round(part.coords, 7)
        for start, end in itertools.pairwise(corners):
            piece = shapely.linestrings([start, end])
            inside = shapely.distance(frame, shapely.line_interpolate_point(piece, 0.5, normalized=True)) > 1e-9
            lines.append(_ragged(random, start, end) if inside else piece)
    polygons = shapely.get_parts(shapely.polygonize(lines))
    if len(polygons) != len(seats):
        return None
    tree = shapely.STRtree(polygons)
    centres = shapely.point_on_surface(_in_seat_order(cells, seats))
    order = tree.query_nearest(centres, all_matches=False)[1]
    if len(np.unique(order)) < len(order):  # in a small box a border may move beyond the middle of a narrow cell
        return None
    return [polygons[k] for k in order]


def _in_seat_order(cells: list[BaseGeometry], seats: np.ndarray) -> list[BaseGeometry]:
    tree = shapely.STRtree(cells)
    points = shapely.points(seats)
    order = tree.query(points, predicate="within")
    return [cells[k] for k in order[1][np.argsort(order[0])]]


def _ragged(random: np.random.Generator, start: np.ndarray, end: np.ndarray) -> BaseGeometry:
    """A line between two points displaced at its middles, four times over."""
    points = [start, end]
    for _ in range(4):
        finer = [points[0]]
        for a, b in itertools.pairwise(points):
            across = np.array([a[1] - b[1], b[0] - a[0]])
            finer += [0.5 * (a + b) + 0.18 * across * (random.random() - 0.5), b]
        points = finer
    return shapely.linestrings(np.round(points, 7))


def _county_names(random: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """Distinct invented county names, English and Chinese."""
    order = random.permutation(len(_FIRST) * len(_SECOND))[:count]
    pairs = [(_FIRST[k // len(_SECOND)], _SECOND[k % len(_SECOND)]) for k in order]
    return [(f"{a[0]}{b[0]}", f"{a[1]}{b[1]}县") for a, b in pairs]
