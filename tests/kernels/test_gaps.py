"""Pixels between imagery, by numpy for small arrays and by the kernel for large ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.kernels import gaps
from croplayer.kernels.gaps import FEW_PIXELS, between, mark_between


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(0, 5),
    st.integers(0, 5),
    st.sampled_from((0.02, 0.3, 0.9)),
)
def test_numpy_and_kernel_find_the_same(seed: int, side: int, row: int, col: int, share: float) -> None:
    draw = np.random.default_rng(seed)
    along, across = draw.random((side, side + col + 3)) < share, draw.random((side + row + 2, side)) < share
    across[row : row + side] = along[:, col : col + side]
    expected = np.empty((side, side), np.uint8)
    mark_between(along.view(np.uint8), across.view(np.uint8), row, col, expected)
    found = between(along, across, row, col)
    assert found.dtype == np.bool_ and np.array_equal(found, expected.astype(bool))


def test_a_pixel_is_between_only_with_imagery_on_both_sides() -> None:
    along = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert np.array_equal(between(along, along[:, :4], 0, 0), [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])


def test_only_large_arrays_start_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[tuple[int, ...]] = []
    monkeypatch.setattr(gaps, "mark_between", lambda along, *_: called.append(along.shape))
    side = int(FEW_PIXELS**0.5)
    for edge in (side, side + 1):
        between(np.ones((edge, edge), bool), np.ones((edge, edge), bool), 0, 0)
    assert called == [(side + 1, side + 1)]
