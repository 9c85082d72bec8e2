"""Sums over flags and per cents beside plain numpy."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from croplayer.kernels.flags import merged_flags, percent_rows, row_counts

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 200))
FLAGS = st.sampled_from([0, 1, 254, 255])
PAIRS = SIZES.flatmap(lambda size: st.tuples(*[hnp.arrays(np.uint8, size, elements=FLAGS)] * 2))


@given(PAIRS, FLAGS)
def test_pixels_are_counted_by_row(pair: tuple[np.ndarray, np.ndarray], value: int) -> None:
    for flags in pair:
        np.testing.assert_array_equal(row_counts(flags, value), (flags == value).sum(axis=1))
    np.testing.assert_array_equal(row_counts(pair[0][:, ::2], value), (pair[0][:, ::2] == value).sum(axis=1))


@given(PAIRS)
def test_flags_are_merged_pixel_by_pixel(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    known = (a != 254) | (b != 254)
    expected = np.where((a == 1) | (b == 1), 1, np.where(known, 0, 254))
    np.testing.assert_array_equal(merged_flags(a, b, 1, 254), expected)


@given(st.data(), SIZES)
def test_per_cents_are_summed_by_row(data: st.DataObject, size: tuple[int, int]) -> None:
    percent = data.draw(hnp.arrays(np.uint8, size, elements=st.sampled_from([0, 1, 50, 100, 255])))
    columns = data.draw(hnp.arrays(np.int64, size[1], elements=st.integers(0, 100)))
    known, sums = percent_rows(percent, columns)
    np.testing.assert_array_equal(known, (percent != 255) @ columns)
    np.testing.assert_array_equal(sums, np.where(percent != 255, percent, 0).astype(np.int64) @ columns)
