"""Look-ups and weighted rows beside plain numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from croplayer.kernels.averages import add_rows, add_weighted
from croplayer.kernels.levels import level_values


@given(st.data(), st.integers(1, 5), st.integers(1, 5))
def test_each_level_of_a_band_has_its_value(data: st.DataObject, h: int, w: int) -> None:
    rgb = data.draw(hnp.arrays(np.uint8, (2, h, w, 3)))
    valid = data.draw(hnp.arrays(bool, (2, h, w)))
    table = np.random.default_rng(0).normal(size=(3, 256)).astype(np.float32)
    expected = np.where(valid[..., None], table[np.arange(3), rgb], 0)
    np.testing.assert_array_equal(level_values(rgb, valid, table), expected)


@given(hnp.arrays(np.uint8, (30, 21)), st.integers(1, 12))
def test_rows_are_weighted_as_by_a_sparse_matrix(pixels: np.ndarray, n: int) -> None:
    """To the last bit."""
    dense = np.random.default_rng(n).random((n, 30), np.float32)
    weights = sparse.csr_array(np.where(dense > 0.6, dense, 0))
    sums = np.zeros((n, 21), np.float32)
    add_rows(pixels, weights.indptr, weights.indices, weights.data, sums)
    np.testing.assert_array_equal(sums, weights @ pixels.astype(np.float32))


@given(hnp.arrays(np.uint8, (9, 11)), st.integers(0, 3), st.integers(0, 4))
def test_a_part_of_a_cell_is_added_as_by_numpy(cell: np.ndarray, top: int, left: int) -> None:
    """To the last bit."""
    random = np.random.default_rng(0)
    rows, cols = random.random(5, np.float32), random.random(6, np.float32)
    mean = random.random((10, 12), np.float32)
    expected = mean.copy()
    expected[2:7, 3:9] += cell[top : top + 5, left : left + 6] * (rows[:, None] * cols)
    add_weighted(mean, (2, 3), cell, (top, left), rows, cols)
    np.testing.assert_array_equal(mean, expected)
