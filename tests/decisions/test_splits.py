"""Samples that are held out: every class shared out, no square parted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.decisions.splits import beside_share, spatial_folds, stratified_folds


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 5))
def test_stratified_folds_share_out_every_class(codes: list[int], seed: int) -> None:
    fold = stratified_folds(np.array(codes), seed)
    for code in set(codes):
        sizes = np.bincount(fold[np.array(codes) == code], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    sizes = np.bincount(fold, minlength=5)
    assert sizes.max() - sizes.min() <= 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_spatial_folds_never_part_a_square(rows: int, cols: int, seed: int) -> None:
    row, col = (a.ravel() for a in np.meshgrid(np.arange(rows) + 1103, np.arange(cols) + 5903, indexing="ij"))
    fold, square, edge = spatial_folds(row, col, seed)
    for number in np.unique(square):
        inside = square == number
        assert len(np.unique(fold[inside])) == 1
        assert np.ptp(row[inside]) < edge and np.ptp(col[inside]) < edge
    assert set(fold) == set(range(min(5, int(square.max()) + 1)))


@pytest.mark.parametrize(
    ("rows", "cols", "spacing", "edge", "low", "high"),
    [(4, 5, 1, 1, 1.0, 1.0), (6, 8, 1, 3, 0.8, 1.0), (20, 24, 1, 5, 0.3, 0.5), (4, 5, 10, 10, 0.0, 0.0)],
)
def test_small_squares_lie_beside_what_was_learned_from(
    rows: int, cols: int, spacing: int, edge: int, low: float, high: float
) -> None:
    row, col = (a.ravel() for a in np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij"))
    row, col = 1100 + spacing * row, 5900 + spacing * col
    fold, _, found = spatial_folds(row, col, 1)
    beside = beside_share(row, col, fold)
    near = (np.abs(row[:, None] - row) + np.abs(col[:, None] - col)) <= 1
    assert beside == (near & (fold[:, None] != fold)).any(axis=1).mean()
    assert found == edge and low <= beside <= high


def test_the_other_source_of_a_block_is_land_that_was_learned_from() -> None:
    row = col = np.array([7, 7])
    assert beside_share(row, col, np.array([0, 1])) == 1
    assert beside_share(row, col, np.array([0, 0])) == 0
