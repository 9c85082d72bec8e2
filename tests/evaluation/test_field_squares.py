"""Counts by squares of land add up to those of the window, and each field counts where its middle lies."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.evaluation.field_objects import FieldCounts, count_fields, field_figures, pooled
from croplayer.evaluation.field_squares import count_by_squares
from stores.grid import BlockGrid, PixelWindow

GRID = BlockGrid(24)
PIXEL = (2.0, 2.0)


def random_fields(rng: np.random.Generator, shape: tuple[int, int], count: int) -> np.ndarray:
    labels = np.zeros(shape, np.int32)
    for number in range(1, count):
        (top, left), (height, width) = rng.integers(0, shape), rng.integers(2, 9, 2)
        labels[top : top + height, left : left + width] = number
    return labels


@pytest.mark.parametrize("seed", range(6))
def test_the_counts_of_all_squares_add_up_to_those_of_the_window(seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = PixelWindow(24 * 1100 + int(rng.integers(0, 24)), 24 * 5900 + int(rng.integers(0, 24)), 90, 110)
    drawn = random_fields(rng, (90, 110), 90)
    found = np.roll(drawn, (1, 0), (0, 1)) if seed % 2 else random_fields(rng, (90, 110), 90)
    known = rng.random((90, 110)) < 0.995
    row_km2 = GRID.pixel_area_m2(window.row, window.height) / 1e6
    whole = count_fields(found, drawn, known, row_km2, PIXEL)
    by_square = count_by_squares(found, drawn, known, window, GRID, PIXEL)
    assert len(by_square.counts) >= 10
    for name, sums, expected in zip(FieldCounts._fields, pooled(by_square.counts), whole, strict=True):
        np.testing.assert_allclose(sums, expected, rtol=1e-12, atol=1e-12, err_msg=name)


def test_intervals_are_over_squares_and_values_stay_those_of_the_window() -> None:
    rng = np.random.default_rng(1)
    window = PixelWindow(24 * 1100, 24 * 5900, 96, 120)
    drawn = random_fields(rng, (96, 120), 90)
    found = np.where(rng.random(91)[drawn] < 0.7, drawn, 0).astype(np.int32)
    known = np.ones(drawn.shape, bool)
    whole = count_fields(found, drawn, known, GRID.pixel_area_m2(window.row, window.height) / 1e6, PIXEL)
    plain = field_figures([whole])
    table = field_figures([whole], clusters=count_by_squares(found, drawn, known, window, GRID, PIXEL).counts)
    np.testing.assert_array_equal(table.value, plain.value)
    f1 = table.query("size == 'all' and measure == 'f1'").iloc[0]
    assert plain.low.isna().all() and f1.low < f1.value < f1.high


def test_a_field_counts_where_its_middle_lies() -> None:
    """A field over two blocks belongs to the one with most of it; its match goes with it."""
    window = PixelWindow(24 * 1100, 24 * 5900, 24, 48)
    drawn, found = np.zeros((24, 48), np.int32), np.zeros((24, 48), np.int32)
    drawn[4:12, 6:30] = 1
    found[4:12, 20:30] = 2
    found[4:12, 6:20] = 3
    found[14:20, 30:36] = 5
    counts, _, squares = count_by_squares(found, drawn, np.ones(drawn.shape, bool), window, GRID, PIXEL)
    assert squares.tolist() == [1, 0, 1] and len(counts) == 2
    assert counts[0].drawn.sum() == 1 and counts[1].drawn.sum() == 0
    assert counts[0].matched[0].sum() == 1 and counts[0].unmatched[0].sum() == 0 and counts[1].unmatched[0].sum() == 2


def test_a_window_without_fields_has_no_squares() -> None:
    none = np.zeros((30, 30), np.int32)
    window = PixelWindow(24 * 1100, 24 * 5900, 30, 30)
    counts, _, squares = count_by_squares(none, none, none == 0, window, GRID, PIXEL)
    assert counts == [] and len(squares) == 0
