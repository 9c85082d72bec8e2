"""Regions that are joined are judged by where they lie, as with a whole table of regions by fields."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.kernels.majorities import judge_merges, shares


def judged_densely(labels: np.ndarray, parcels: np.ndarray, merges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros((labels.max() + 1, parcels.max() + 1), np.int64)
    np.add.at(counts, (labels.ravel(), parcels.ravel()), 1)
    is_one, weight = np.zeros(len(merges), bool), np.zeros(len(merges))
    for k, (kept, gone) in enumerate(merges):
        one, other = counts[kept], counts[gone]
        a, b = one.argmax(), other.argmax()
        if 2 * one[a] > one.sum() and 2 * other[b] > other.sum() and (a > 0 or b > 0):
            is_one[k], weight[k] = a == b, min(one.sum(), other.sum())
        counts[kept] += other
    return is_one, weight


@pytest.mark.parametrize("seed", range(20))
def test_merges_in_any_order_are_judged_as_with_a_whole_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side, regions, fields = 40, 60, int(rng.integers(1, 12))
    rows, cols = np.mgrid[:side, :side]
    # Regions that follow the fields loosely, so that many lie in one and some in none.
    parcels = (rows * fields // side * (rng.random((side, side)) < 0.8)).astype(np.int32)
    labels = (rows * regions // side + (cols > rng.integers(0, side, side)[:, None])).clip(0, regions).astype(np.int32)
    alive, merges = [*range(1, regions + 1)], []
    while len(alive) > 1:
        kept, gone = rng.choice(alive, 2, replace=False)
        merges.append((kept, gone))
        alive.remove(gone)
    merges = np.array([m for m in merges if set(m) <= set(np.unique(labels))], np.int32)
    got, expected = judge_merges(merges, shares(labels, regions, parcels)), judged_densely(labels, parcels, merges)
    np.testing.assert_array_equal(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])
    assert (expected[1] > 0).any()


def test_a_region_lies_where_it_has_more_than_half_of_its_pixels() -> None:
    labels = np.array([[1, 1, 1, 2, 2, 3, 3, 3]], np.int32)
    parcels = np.array([[5, 5, 0, 5, 7, 7, 7, 5]], np.int32)
    is_one, weight = judge_merges(np.array([[1, 2], [1, 3]], np.int32), shares(labels, 3, parcels))
    # The second region lies half in each of two fields; with it, the first one still lies in field 5.
    assert weight.tolist() == [0, 3] and is_one.tolist() == [False, False]


def test_nothing_is_changed_and_much_is_never_held() -> None:
    side = 400
    labels = np.arange(1, side * side + 1, dtype=np.int32).reshape(side, side)
    parcels = (labels // 4 + 1).astype(np.int32)  # a table of regions by fields would need 51 GB
    shared = shares(labels, side * side, parcels)
    kept = np.stack([np.ones(99, np.int32), np.arange(2, 101, dtype=np.int32)], axis=1)
    once, again = judge_merges(kept, shared), judge_merges(kept, shared)
    np.testing.assert_array_equal(once[0], again[0])
    assert once[0][:2].all() and not once[0][50] and sum(part.nbytes for part in shared) < 10_000_000
