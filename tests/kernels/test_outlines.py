"""Outlines equal GDAL's polygons, whole or in strips."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import shapes
from scipy import ndimage
from shapely.geometry import shape

from benchmarks.scenes import parcel_mask, small_masks, speckled_mask
from croplayer.kernels.outlines import OutlineTracer, Rings, joined, outlines, polygons

PIXELS = Affine.identity()


def normalised(found: np.ndarray) -> list[bytes]:
    return sorted(shapely.to_wkb(shapely.normalize(found)))


def expected(mask: np.ndarray) -> np.ndarray:
    pixels = mask.astype(np.uint8)
    return np.array([shape(geometry) for geometry, _ in shapes(pixels, mask=pixels.astype(bool), transform=PIXELS)])


def check_equal(mask: np.ndarray) -> int:
    rings = outlines(mask)
    found = polygons(rings, PIXELS)
    assert shapely.is_valid(found).all()
    assert normalised(found) == normalised(expected(mask))
    np.testing.assert_array_equal(rings.area_px, shapely.area(found))
    return len(found)


@pytest.mark.parametrize("name", [name for name, _ in small_masks()])
def test_named_masks(name: str) -> None:
    mask = dict(small_masks())[name]
    if mask.size:
        check_equal(mask)
    else:
        assert len(outlines(mask).area_px) == 0


@settings(deadline=None, max_examples=200)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_drawn_masks(mask: np.ndarray) -> None:
    check_equal(mask)


def test_ten_thousand_polygons() -> None:
    masks = [speckled_mask(1000), parcel_mask(1000, parcels=300, specks=700)]
    rng = np.random.default_rng(2)
    for smoothing, share in ((0.0, 0.5), (0.0, 0.6), (0.7, 0.5), (1.2, 0.4), (3.0, 0.6)):
        noise = rng.standard_normal((250, 333))
        noise = ndimage.gaussian_filter(noise, smoothing) if smoothing else noise
        masks.append(noise < np.quantile(noise, share))
    assert sum(check_equal(mask) for mask in masks) >= 10_000


def test_rings_turn_as_geojson_asks() -> None:
    """Outer rings anticlockwise and holes clockwise on a map with north up."""
    north_up = Affine(1, 0, 0, 0, -1, 0)
    for polygon in polygons(outlines(parcel_mask(300, parcels=40, specks=200)), north_up):
        assert polygon.exterior.is_ccw
        assert not any(hole.is_ccw for hole in polygon.interiors)


def in_strips(mask: np.ndarray, cuts: list[int]) -> tuple[list[Rings], OutlineTracer]:
    tracer = OutlineTracer(mask.shape[1])
    edges = [0, *sorted(cuts), len(mask)]
    parts = [tracer.add(mask[top:stop]) for top, stop in pairwise(edges)]
    return [*parts, tracer.finish()], tracer


@settings(deadline=None, max_examples=200)
@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=30)),
    st.lists(st.integers(0, 30), max_size=8),
)
def test_strips_equal_the_whole(mask: np.ndarray, cuts: list[int]) -> None:
    parts, _ = in_strips(mask, [min(cut, len(mask)) for cut in cuts])
    assert normalised(polygons(joined(parts), PIXELS)) == normalised(polygons(outlines(mask), PIXELS))


def test_blocks_make_one_layer() -> None:
    mask = parcel_mask(512, parcels=80, specks=300)
    parts, tracer = in_strips(mask, [128, 256, 384])
    whole = outlines(mask)
    found = joined(parts)
    assert normalised(polygons(found, PIXELS)) == normalised(polygons(whole, PIXELS))
    assert sorted(found.area_px) == sorted(whole.area_px)
    assert all(len(part.area_px) for part in parts)
    again = joined([tracer.add(mask), tracer.finish()])
    assert normalised(polygons(again, PIXELS)) == normalised(polygons(whole, PIXELS))


def test_a_strip_keeps_only_what_goes_on() -> None:
    mask = np.zeros((40, 50), bool)
    mask[2:8, 3:40] = True
    mask[12:30, 5:9] = True
    tracer = OutlineTracer(50)
    first = tracer.add(mask[:20])
    assert polygons(first, PIXELS)[0].equals(shapely.box(3, 2, 40, 8)) and len(first.area_px) == 1
    assert polygons(tracer.add(mask[20:]), PIXELS)[0].equals(shapely.box(5, 12, 9, 30))
    assert len(tracer.finish().area_px) == 0


def test_georeferenced() -> None:
    mask = np.zeros((8, 8), bool)
    mask[1:3, 2:6] = True
    transform = Affine(0.5, 0, 113.0, 0, -0.25, 35.0)
    assert polygons(outlines(mask), transform)[0].equals(shapely.box(114.0, 34.25, 116.0, 34.75))


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((4, 4)), TypeError, "mask is float64"),
        (np.full((4, 4), 255, np.uint8), ValueError, "values other than 0 and 1"),
        (np.zeros(4, bool), ValueError, r"mask has shape \(4,\)"),
    ],
)
def test_bad_masks(mask: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        outlines(mask)


def test_bad_strips() -> None:
    with pytest.raises(ValueError, match="rows have 5 columns; expected 4"):
        OutlineTracer(4).add(np.zeros((2, 5), bool))
    with pytest.raises(ValueError, match="width is -1"):
        OutlineTracer(-1)
