"""How many sample units a wanted standard error needs, and how the strata share them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.evaluation.sample_size import allocate, allocation_for, expected_standard_error, sample_size

OLOFSSON_WEIGHTS = np.array([0.020, 0.015, 0.320, 0.645])


def test_the_published_sample_size_of_olofsson() -> None:
    assert sample_size(OLOFSSON_WEIGHTS, np.array([0.7, 0.6, 0.9, 0.95]), 0.01) == 641


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=6), st.integers(0, 2000), st.integers(2, 60))
def test_an_allocation_gives_all_units_and_the_least_to_each(shares: list[float], extra: int, least: int) -> None:
    weights = np.array(shares) / sum(shares)
    total = least * len(weights) + extra
    units = allocate(total, weights, least)
    assert units.sum() == total
    assert units.min() >= least
    by_area = weights * total >= least
    bigger = weights[by_area].argsort()
    assert (np.diff(units[by_area][bigger]) >= -1).all()


def test_more_units_bring_the_wanted_standard_error() -> None:
    expected = np.array([0.7, 0.6, 0.9, 0.95])
    units = allocate(641, OLOFSSON_WEIGHTS, 2)
    assert expected_standard_error(OLOFSSON_WEIGHTS, expected, units) == pytest.approx(0.01, abs=0.002)


@given(
    st.lists(st.tuples(st.floats(0.001, 1), st.floats(0.5, 1)), min_size=1, max_size=6),
    st.floats(0.005, 0.05),
    st.integers(2, 60),
)
def test_a_planned_allocation_reaches_the_wanted_standard_error(
    strata: list[tuple[float, float]], wanted: float, least: int
) -> None:
    shares, expected = (np.array(column) for column in zip(*strata, strict=True))
    weights = shares / shares.sum()
    units = allocation_for(weights, expected, wanted, least)
    total = int(units.sum())
    assert expected_standard_error(weights, expected, units) <= wanted
    np.testing.assert_array_equal(units, allocate(total, weights, least))
    if total > max(sample_size(weights, expected, wanted), least * len(weights)):
        assert expected_standard_error(weights, expected, allocate(total - 1, weights, least)) > wanted


def test_unequal_strata_need_more_than_the_formula_for_the_best_allocation() -> None:
    weights, expected = np.array([0.9, 0.1]), np.array([0.95, 0.6])
    few = sample_size(weights, expected, 0.01)
    assert expected_standard_error(weights, expected, allocate(few, weights)) > 0.0105
    assert allocation_for(weights, expected, 0.01).tolist() == [606, 67]
