"""Zone areas equal rasterising the polygons and a weighted bincount."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import rasterize
from scipy import spatial

from croplayer.kernels.zones import ZoneAreas, packed_equal, packed_equal_under, zone_areas, zone_counts


def rings_of(zones: list[shapely.Geometry]) -> dict[str, object]:
    """Rings of polygons and multipolygons, as the kernel takes them."""
    coordinates, offsets, owners = [np.empty((0, 2))], [0], []
    for zone, geometry in enumerate(zones):
        for part in shapely.get_parts(geometry):
            for ring in [part.exterior, *part.interiors]:
                coordinates.append(shapely.get_coordinates(ring))
                offsets.append(offsets[-1] + len(coordinates[-1]))
                owners.append(zone)
    return {
        "coordinates": np.concatenate(coordinates),
        "ring_offsets": np.array(offsets),
        "ring_zone": np.array(owners, int),
        "zones": len(zones),
    }


def expected(classes: np.ndarray, areas: np.ndarray, zones: list[shapely.Geometry], values: list[int]) -> ZoneAreas:
    pixels, area = np.zeros((2, len(zones), len(values)))
    for z, zone in enumerate(zones):
        inside = rasterize([(zone, 1)], classes.shape, transform=Affine.identity(), all_touched=False).astype(bool)
        weights = np.broadcast_to(areas[:, None], classes.shape)[inside]
        for v, value in enumerate(values):
            pixels[z, v] = (classes[inside] == value).sum()
            area[z, v] = np.bincount(classes[inside] == value, weights, minlength=2)[1]
    return ZoneAreas(pixels, area)


def check_equal(classes: np.ndarray, areas: np.ndarray, zones: list[shapely.Geometry], values: list[int]) -> None:
    found = zone_areas(classes, areas, **rings_of(zones), values=values)
    wanted = expected(classes, areas, zones, values)
    np.testing.assert_array_equal(found.pixels, wanted.pixels)
    np.testing.assert_allclose(found.area_m2, wanted.area_m2, rtol=1e-12)


def star(rng: np.random.Generator, size: float) -> shapely.Polygon:
    """A jagged polygon around the middle of a raster, much of it outside."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 60)))
    radius = size * rng.uniform(0.05, 1.2, len(angles))
    centre = rng.uniform(0, size, 2)
    points = centre + np.column_stack([np.cos(angles), np.sin(angles)]) * radius[:, None]
    return shapely.Polygon(points)


@pytest.mark.parametrize("shape", [(180, 230), (64, 64), (1, 300), (300, 1), (90, 63)])
@pytest.mark.parametrize("seed", range(6))
def test_stars(shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    classes = rng.choice(np.array([0, 1, 254, 255], np.uint8), shape)
    areas = np.linspace(4.1, 3.9, shape[0])
    check_equal(classes, areas, [star(rng, max(shape)) for _ in range(4)], [1, 254, 0])


def test_provinces_share_every_pixel() -> None:
    """Voronoi zones tile the plane: their areas add up to the raster's, centre by centre."""
    rng = np.random.default_rng(3)
    seeds = np.concatenate([rng.uniform(0, 400, (30, 2)), [[-4000, -4000], [4400, -4000], [4400, 4400], [-4000, 4400]]])
    cells = spatial.Voronoi(seeds)
    regions = [cells.regions[cells.point_region[i]] for i in range(30)]
    zones = [shapely.Polygon(cells.vertices[region]) for region in regions]
    zones = [zone for zone, region in zip(zones, regions, strict=True) if -1 not in region]
    mask = rng.random((400, 400)) < 0.4
    areas = np.linspace(4.0, 3.7, 400)
    check_equal(mask, areas, zones, [0, 1])
    found = zone_areas(mask, areas, **rings_of(zones), values=[0, 1])
    assert found.pixels.sum() == mask.size
    assert found.area_m2.sum() == pytest.approx(areas.sum() * 400, rel=1e-12)


def test_holes_and_parts() -> None:
    ring = shapely.Point(50, 50).buffer(40).difference(shapely.Point(55, 47).buffer(20))
    zone = shapely.MultiPolygon([ring, shapely.box(100.2, 3.1, 180.7, 60.4)])
    mask = np.random.default_rng(0).random((110, 150)) < 0.5
    check_equal(mask, np.ones(110), [zone, shapely.box(-50, -50, 500, 500), shapely.box(200, 200, 300, 300)], [1])


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_drawn_boxes_on_pixel_edges(data: st.DataObject) -> None:
    mask = np.random.default_rng(data.draw(st.integers(0, 9))).random((20, 70)) < 0.5
    corner = st.integers(-5, 80)
    west, east = sorted(data.draw(st.lists(corner, min_size=2, max_size=2, unique=True)))
    north, south = sorted(data.draw(st.lists(corner, min_size=2, max_size=2, unique=True)))
    check_equal(mask, np.arange(1.0, 21.0), [shapely.box(west, north, east, south)], [1])


def test_centres_on_a_shared_border_count_once() -> None:
    mask = np.ones((10, 10), bool)
    halves = [shapely.box(0, 0, 4.5, 10), shapely.box(4.5, 0, 10, 10)]
    quarters = [shapely.box(0, 0, 10, 2.5), shapely.box(0, 2.5, 10, 10)]
    for zones in (halves, quarters):
        assert zone_areas(mask, np.ones(10), **rings_of(zones)).pixels.sum() == 100


def test_strips_add_up() -> None:
    rng = np.random.default_rng(8)
    mask, areas = rng.random((120, 90)) < 0.5, np.linspace(3, 4, 120)
    zones = [star(rng, 100), star(rng, 100)]
    whole = zone_areas(mask, areas, **rings_of(zones))
    parts = []
    for top in range(0, 120, 37):
        rings = rings_of([shapely.transform(zone, lambda xy, top=top: xy - [0, top]) for zone in zones])
        parts.append(zone_areas(mask[top : top + 37], areas[top : top + 37], **rings))
    np.testing.assert_array_equal(sum(part.pixels for part in parts), whole.pixels)
    np.testing.assert_allclose(sum(part.area_m2 for part in parts), whole.area_m2, rtol=1e-12)


def test_no_zones_and_no_pixels() -> None:
    assert zone_areas(np.ones((3, 3), bool), np.ones(3), **rings_of([])).area_m2.shape == (0, 1)
    box = rings_of([shapely.box(0, 0, 5, 5)])
    assert zone_areas(np.ones((0, 7), bool), np.ones(0), **box).pixels.tolist() == [[0]]
    assert zone_areas(np.ones((7, 0), bool), np.ones(7), **box).pixels.tolist() == [[0]]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"classes": np.zeros((4, 4))}, TypeError, "classes is float64"),
        ({"row_areas_m2": np.ones(5)}, ValueError, r"row_areas_m2 has shape \(5,\)"),
        ({"coordinates": np.full((5, 2), np.nan)}, ValueError, "coordinates hold a value that is not finite"),
        ({"coordinates": np.zeros((5, 3))}, ValueError, r"coordinates have shape \(5, 3\)"),
        ({"ring_offsets": np.array([0, 9])}, ValueError, "ring_offsets do not rise from 0 to at most 5"),
        ({"ring_zone": np.array([1])}, ValueError, "ring_zone is not sorted within 0 to 0"),
        ({"values": [256]}, ValueError, r"values are \[256\]"),
    ],
)
def test_bad_input(change: dict[str, object], error: type[Exception], message: str) -> None:
    good = {"classes": np.ones((4, 4), bool), "row_areas_m2": np.ones(4), **rings_of([shapely.box(0, 0, 2, 2)])}
    with pytest.raises(error, match=message):
        zone_areas(**{**good, **change})


@settings(max_examples=20)
@given(st.data())
def test_many_masks_are_counted_as_each_alone(data: st.DataObject) -> None:
    """Masks of classes, and of coarser classes that lie under the pixels."""
    rows, cols = (np.sort(data.draw(hnp.arrays(np.int64, n, elements=st.integers(0, 3)))) for n in (9, 70))
    coarse = data.draw(hnp.arrays(np.uint8, (4, 4), elements=st.sampled_from([0, 1, 255])))
    classes = coarse[np.ix_(rows, cols)]
    zones = [shapely.box(-1, 2, 33, 20), shapely.Point(40, 5).buffer(12)]
    rings = rings_of(zones)
    values = (1, 255)
    planes = [packed_equal_under(coarse, rows, cols, value) for value in values]
    for value, plane in zip(values, planes, strict=True):
        np.testing.assert_array_equal(plane, packed_equal(classes, value))
    counts = zone_counts(planes, classes.shape, **rings)
    each = zone_areas(classes, np.ones(9), **rings, values=values)
    np.testing.assert_array_equal(counts.sum(axis=2), each.pixels)
