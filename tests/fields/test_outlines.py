"""Outlines of fields equal those of rasterio, and stay apart, whole and in their places when they are simplified."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import rasterio.features
import shapely
from pyproj import Geod
from scipy import ndimage
from skimage.measure import label

from croplayer.fields.outlines import TOLERANCE_M, field_outlines, margin_px, shape_attributes
from croplayer.kernels.simplification import DEGREE_M
from stores.grid import BlockGrid, PixelWindow

GRID = BlockGrid()
PIXEL_M = DEGREE_M / GRID.px_per_degree
GEOD = Geod(ellps="WGS84")


def place(ids: np.ndarray, latitude: int = 40, col: int = 1_000_003) -> PixelWindow:
    """A window of the lattice for a raster."""
    return PixelWindow((90 - latitude) * GRID.px_per_degree + 17, col, *ids.shape)


def regions(rng: np.random.Generator, shape: tuple[int, int], kinds: int, smoothness: float) -> np.ndarray:
    """4-connected regions of a random map of kinds, numbered from 1; one kind is 0."""
    noise = rng.normal(size=(kinds, *shape))
    if smoothness:
        noise = ndimage.gaussian_filter(noise, (0, smoothness, smoothness))
    return label(noise.argmax(axis=0), connectivity=1, background=0).astype(np.int64)


def rasters(count: int) -> Iterator[np.ndarray]:
    """Rasters from noise of single pixels to smooth regions, with pixels that touch diagonally, holes and islands."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        shape = (int(rng.integers(1, 45)), int(rng.integers(1, 45)))
        yield regions(rng, shape, int(rng.integers(2, 5)), float(rng.choice([0, 0.5, 1, 2, 3])))


def metric(geometries: np.ndarray, latitude: float) -> np.ndarray:
    """Geometries in metres at a latitude."""
    scale = np.array([np.cos(np.radians(latitude)), 1.0]) * DEGREE_M
    return shapely.transform(geometries, lambda lonlat: lonlat * scale)


def area_ha(geometries: np.ndarray) -> np.ndarray:
    return np.array([GEOD.geometry_area_perimeter(g)[0] / 1e4 for g in geometries])


def neighbours(ids: np.ndarray) -> set[tuple[int, int]]:
    """Pairs of fields that share a side of pixels."""
    pairs = np.vstack(
        [
            np.stack([ids[:-1].ravel(), ids[1:].ravel()], axis=1),
            np.stack([ids[:, :-1].ravel(), ids[:, 1:].ravel()], axis=1),
        ]
    )
    pairs = np.sort(pairs[(pairs[:, 0] != pairs[:, 1]) & (pairs > 0).all(axis=1)], axis=1)
    return set(map(tuple, pairs.tolist()))


def test_outlines_along_pixels_equal_those_of_rasterio():
    for ids in rasters(60):
        window = place(ids)
        numbers, geometries = field_outlines(ids, window, GRID)
        shapes = rasterio.features.shapes(ids.astype(np.int32), mask=ids > 0, transform=GRID.transform(window))
        expected = {int(number): shapely.geometry.shape(shape) for shape, number in shapes}
        assert numbers.tolist() == sorted(expected)
        for number, geometry in zip(numbers, geometries, strict=True):
            assert geometry.is_valid
            assert geometry.symmetric_difference(expected[number]).area < 1e-7 * geometry.area
        assert shapely.coverage_is_valid(geometries)


@pytest.mark.parametrize("tolerance_m", [1.0, 3.0, 8.0])
def test_simplified_fields_stay_valid_apart_and_neighbours(tolerance_m):
    for ids in rasters(60):
        window = place(ids, latitude=60)
        numbers, exact = field_outlines(ids, window, GRID)
        _, simple = field_outlines(ids, window, GRID, tolerance_m)
        assert shapely.is_valid(simple).all()
        assert (shapely.area(simple) > 0).all()
        # No overlap, and a shared edge has the same vertices on both sides.
        assert shapely.coverage_is_valid(simple)
        # No gap comes and none goes.
        assert shapely.get_num_interior_rings(simple).tolist() == shapely.get_num_interior_rings(exact).tolist()
        position = {int(number): k for k, number in enumerate(numbers)}
        for one, other in neighbours(ids):
            shared = shapely.intersection(simple[position[one]], simple[position[other]])
            assert shared.length > 0


@pytest.mark.parametrize("tolerance_m", [3.0, 5.0])
def test_no_corner_is_farther_from_the_outline_than_the_tolerance(tolerance_m):
    for ids in rasters(40):
        window = place(ids, latitude=40)
        _, exact = field_outlines(ids, window, GRID)
        _, simple = field_outlines(ids, window, GRID, tolerance_m)
        exact, simple = metric(exact, 40), metric(simple, 40)
        corners, of = shapely.get_coordinates(exact, return_index=True)
        distances = shapely.distance(shapely.points(corners), shapely.boundary(simple)[of])
        # The width of a pixel at 40 N is that of the row of each border, which is less than 0.1 % off.
        assert len(distances) == 0 or distances.max() <= tolerance_m * 1.001


def test_a_field_has_the_same_outline_in_every_window():
    fields = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        ids = regions(rng, (70, 70), int(rng.integers(2, 6)), float(rng.choice([0.7, 1, 2, 3, 4])))
        whole_window = place(ids, latitude=int(rng.choice([5, 40, 60])))
        tolerance_m = float(rng.choice([0, 1.5, 3, 5]))
        whole = dict(zip(*field_outlines(ids, whole_window, GRID, tolerance_m), strict=True))
        margin = margin_px(whole_window, GRID, tolerance_m)
        for _ in range(5):
            (top, bottom), (left, right) = np.sort(rng.choice(71, (2, 2), replace=False), axis=1)
            cut = np.ascontiguousarray(ids[top:bottom, left:right])
            window = PixelWindow(whole_window.row + top, whole_window.col + left, *cut.shape)
            outer = cut.copy()
            outer[margin:-margin, margin:-margin] = 0
            inside = np.setdiff1d(cut, np.append(outer, 0))
            numbers, geometries = field_outlines(cut, window, GRID, tolerance_m, inside)
            assert numbers.tolist() == inside.tolist()
            assert [g.wkb for g in geometries] == [whole[n].wkb for n in numbers]
            fields += len(numbers)
    assert fields > 100


def test_areas_and_staircases_of_smooth_fields():
    rng = np.random.default_rng(3)
    ids = regions(rng, (600, 600), 6, 18)
    window = place(ids, latitude=40)
    _, exact = field_outlines(ids, window, GRID)
    _, simple = field_outlines(ids, window, GRID, TOLERANCE_M)
    before, after = area_ha(exact), area_ha(simple)
    assert abs(after.sum() / before.sum() - 1) < 0.005
    large = before > 0.5
    assert large.sum() > 20
    assert np.abs(after[large] / before[large] - 1).max() < 0.02
    assert shapely.get_num_coordinates(simple).sum() < 0.2 * shapely.get_num_coordinates(exact).sum()


def test_a_slanted_rectangle_gets_its_corners_back():
    rows, cols = np.mgrid[:300, :300] + 0.5
    x, y = cols * np.cos(np.radians(40)) - 115, rows - 150
    turned = np.array([np.cos(0.4) * x + np.sin(0.4) * y, -np.sin(0.4) * x + np.cos(0.4) * y])
    ids = ((np.abs(turned[0]) < 80) & (np.abs(turned[1]) < 50)).astype(np.int64)
    _, (field,) = field_outlines(ids, place(ids), GRID, TOLERANCE_M)
    assert len(field.exterior.coords) - 1 <= 6
    shape = shape_attributes(np.array([field]))
    assert shape["elongation"][0] == pytest.approx(1 - 50 / 80, abs=0.01)
    assert shape["solidity"][0] == pytest.approx(1, abs=0.01)
    assert shape["compact"][0] == pytest.approx(np.pi * 50 * 80 / 130**2, abs=0.01)
    assert metric(np.array([field]), 40)[0].area == pytest.approx(160 * 100 * PIXEL_M**2, rel=0.005)


@pytest.mark.parametrize(
    ("ids", "holes"),
    [
        ([[1]], 0),
        ([[1, 2]], 0),
        ([[1, 0], [0, 2]], 0),
        ([[1, 1, 1], [1, 0, 1], [1, 1, 1]], 1),
        ([[1, 1, 1], [1, 2, 1], [1, 1, 1]], 1),
        # The field meets itself at a corner, around a gap.
        ([[0, 1, 1], [1, 2, 1], [1, 1, 1]], 1),
        ([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 1]], 2),
    ],
)
@pytest.mark.parametrize("tolerance_m", [0.0, 3.0, 30.0])
def test_smallest_fields(ids, holes, tolerance_m):
    ids = np.array(ids, np.int64)
    numbers, geometries = field_outlines(ids, place(ids), GRID, tolerance_m)
    assert numbers.tolist() == np.unique(ids[ids > 0]).tolist()
    assert shapely.is_valid(geometries).all()
    assert shapely.coverage_is_valid(geometries)
    assert shapely.get_num_interior_rings(geometries[0]) == holes
    assert (shapely.area(geometries) > 0).all()


@pytest.mark.parametrize("tolerance_m", [0.0, 3.0, 30.0, 100.0])
def test_holes_are_filled_by_their_pixels_however_their_rings_are_simplified(tolerance_m):
    """An island that is kept stays uncovered, also where its ring was simplified to less than the island."""
    holes, left = 0, 0
    for ids in rasters(60):
        window, least = place(ids), 12
        numbers, geometries = field_outlines(ids, window, GRID, tolerance_m, least_hole_px=least)
        _, all_holes = field_outlines(ids, window, GRID, tolerance_m)
        kept = np.bincount(ids.ravel())[numbers] >= least
        assert shapely.coverage_is_valid(geometries[kept])
        assert shapely.is_valid(geometries).all()
        _, exact = field_outlines(ids, window, GRID)
        pixel_deg2 = 1 / GRID.px_per_degree**2
        for number, one, whole in zip(numbers, geometries, exact, strict=True):
            large = [r for r in whole.interiors if shapely.Polygon(r).area > (least - 0.5) * pixel_deg2]
            assert len(one.interiors) == len(large), number
        holes += int(shapely.get_num_interior_rings(all_holes).sum())
        left += int(shapely.get_num_interior_rings(geometries).sum())
    assert 0 < left < holes


def test_refusals_and_nothing():
    ids = np.array([[1, 0, 1]], np.int64)
    window = place(ids)
    with pytest.raises(ValueError, match="field 1 is in several parts"):
        field_outlines(ids, window, GRID)
    with pytest.raises(TypeError, match="int32"):
        field_outlines(ids.astype(np.int32), window, GRID)
    with pytest.raises(ValueError, match="shape"):
        field_outlines(ids, window.grown(1), GRID)
    with pytest.raises(ValueError, match="tolerance"):
        field_outlines(ids, window, GRID, float("nan"))
    # A field that the window cuts is no hindrance to others.
    cut = np.array([[1, 2, 1]], np.int64)
    assert field_outlines(cut, window, GRID, 3.0, np.array([2])).numbers.tolist() == [2]
    for empty in (np.zeros((4, 5), np.int64), np.zeros((0, 5), np.int64)):
        numbers, geometries = field_outlines(empty, place(empty), GRID, 3.0)
        assert len(numbers) == len(geometries) == 0
    assert {len(v) for v in shape_attributes(np.array([], object)).values()} == {0}


def test_shapes_are_those_on_the_ground():
    # A square degree-wise box at 60 N is half as wide as it is high.
    box = shapely.box(10, 60, 10.01, 60.01)
    corner = shapely.Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    corner = shapely.transform(corner, lambda xy: xy * 1e-3)
    shapes = shape_attributes(np.array([box, corner]))
    assert shapes["elongation"] == pytest.approx([0.5, 0], abs=1e-3)
    assert shapes["solidity"] == pytest.approx([1, 3 / 3.5], rel=1e-5)
    assert shapes["compact"] == pytest.approx([4 * np.pi * 0.5 / 9, 4 * np.pi * 3 / 64], rel=1e-3)
