"""Overlaps of labels equal a count of unique pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.kernels.label_edges import edges_near, label_edges
from croplayer.kernels.overlaps import FIRST_PAIRS, Overlaps, overlaps


def expected(first: np.ndarray, second: np.ndarray, row_area: np.ndarray, known: np.ndarray) -> Overlaps:
    """Pairs by sorting all pixels."""
    weight = np.broadcast_to(row_area[:, None], first.shape)[known]
    pairs, place = np.unique(np.stack([first[known], second[known]]).astype(np.int64), axis=1, return_inverse=True)
    place = place.reshape(-1)
    return Overlaps(*pairs, np.bincount(place, minlength=pairs.shape[1]), np.bincount(place, weight, pairs.shape[1]))


@given(
    st.integers(0, 2**32), st.sampled_from([1, 3, 40, 3000]), st.sampled_from([np.uint8, np.int16, np.int32, np.int64])
)
def test_overlaps_equal_a_count_of_unique_pairs(seed: int, labels: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    shape = rng.integers(0, 70, 2)
    labels = min(labels, np.iinfo(dtype).max)
    first, second = rng.integers(0, labels, shape).astype(dtype), rng.integers(0, labels, shape).astype(np.int32)
    row_area, known = rng.uniform(0.1, 2, shape[0]), rng.random(shape) < rng.choice([0, 0.5, 1])
    for found, wanted in zip(
        overlaps(first, second, row_area, known), expected(first, second, row_area, known), strict=True
    ):
        np.testing.assert_array_equal(found, wanted)


def test_a_table_that_grows_and_labels_that_are_far_apart() -> None:
    rng = np.random.default_rng(5)
    first = rng.integers(-(2**62), 2**62, (60, 200))
    assert first.size > 4 * FIRST_PAIRS
    second = np.where(rng.random(first.shape) < 0.5, first, -1)
    found = overlaps(first, second, np.ones(60))
    wanted = expected(first, second, np.ones(60), np.ones(first.shape, bool))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_rasters_are_refused() -> None:
    raster = np.zeros((3, 4), np.int32)
    with pytest.raises(ValueError, match=r"\(3, 4\) and \(4, 3\)"):
        overlaps(raster, raster.T, np.ones(3))
    with pytest.raises(ValueError, match="known is"):
        overlaps(raster, raster, np.ones(3), np.ones((4, 3), bool))
    with pytest.raises(TypeError, match="float64"):
        overlaps(raster, raster * 0.5, np.ones(3))


def neighbours(values: np.ndarray, outside: object) -> list[np.ndarray]:
    """The four neighbours of every pixel."""
    around = np.pad(values, 1, constant_values=outside)
    return [around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]


@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([np.uint8, np.int32, np.int64]))
def test_edges_are_pixels_beside_another_label(seed: int, labels: int, dtype: type) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 12, 2))
    raster, known = rng.integers(0, labels, shape).astype(dtype), rng.random(shape) < 0.8
    other = [
        (beside != raster) & is_known
        for beside, is_known in zip(neighbours(raster, 0), neighbours(known, False), strict=True)
    ]
    np.testing.assert_array_equal(label_edges(raster, known), np.any(other, axis=0) & known & (raster > 0))


@given(st.integers(0, 2**32), st.floats(0, 12), st.floats(0.5, 3), st.floats(0.5, 3))
def test_near_edges_are_near_by_distance(seed: int, tolerance: float, height: float, width: float) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 15, 2))
    edges, others = rng.random(shape) < 0.3, rng.random(shape) < rng.choice([0, 0.05, 0.3])
    a, b = np.argwhere(edges) * (height, width), np.argwhere(others) * (height, width)
    apart = np.hypot(*np.moveaxis(a[:, None] - b[None], -1, 0))
    near = (apart <= tolerance).any(axis=1).sum()
    on_the_limit = np.isclose(apart, tolerance, atol=1e-9).any()
    assert on_the_limit or edges_near(edges, others, (height, width), tolerance) == near


def test_edges_at_the_tolerance_count() -> None:
    edges, others = np.zeros((2, 1, 6), bool)
    edges[0, 0], others[0, 3] = True, True
    assert [edges_near(edges, others, (2.0, 2.0), m) for m in (5.9, 6.0, 6.1)] == [0, 1, 1]
