"""What a stored probability is worth."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.models.training.calibration import (
    LEVELS,
    calibration_figures,
    expected_calibration_error,
    fitted_temperature,
    level_counts,
    level_probabilities,
    reliability,
)


def counted(temperature: float, n: float = 1e6) -> np.ndarray:
    """Counts of a model whose probabilities are right once its logits are divided by a temperature."""
    right = level_probabilities(temperature)
    return np.rint(np.stack([n * (1 - right), n * right], axis=1)).astype(np.int64)


def test_pixels_are_counted_by_level_and_label():
    probability = np.array([[0.0, 0.5, 1.0], [0.5, np.nan, 0.502]], dtype=np.float32)
    field = np.array([[False, True, True], [False, True, True]])
    labelled = np.array([[True, True, False], [True, True, True]])
    counts = level_counts(probability, field, labelled)
    expected = np.zeros((LEVELS, 2), np.int64)
    expected[0, 0], expected[125], expected[126, 1] = 1, (1, 1), 1
    # 0.502 x 250 is 125.5 in binary a little below or above; both levels are half a step away
    assert counts.sum() == expected.sum() == 4
    assert np.array_equal(counts[:125], expected[:125]) and counts[125:127].sum() == 3


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_the_temperature_is_found_that_makes_probabilities_right(temperature):
    counts = counted(temperature)
    assert fitted_temperature(counts) == pytest.approx(temperature, rel=0.02)
    assert expected_calibration_error(counts, temperature) < 0.002


def test_the_expected_error_by_hand():
    counts = np.zeros((LEVELS, 2), np.int64)
    counts[50] = 30, 10  # 0.2 said, 0.25 found
    counts[200] = 30, 30  # 0.8 said, 0.5 found
    assert expected_calibration_error(counts) == pytest.approx((40 * 0.05 + 60 * 0.3) / 100)
    assert [row["pixels"] for row in reliability(counts)] == [40, 60]
    assert [row["field"] for row in reliability(counts)] == [0.25, 0.5]


def test_each_part_is_judged_with_the_temperature_of_the_others():
    figures = calibration_figures([counted(1.0), counted(3.0)])
    swapped = [expected_calibration_error(counted(1.0), fitted_temperature(counted(3.0)))]
    swapped.append(expected_calibration_error(counted(3.0), fitted_temperature(counted(1.0))))
    assert figures["expected_error"] == pytest.approx(swapped, abs=1e-5)
    assert 1.0 < figures["temperature"] < 3.0


def test_without_pixels_nothing_is_known_and_nothing_is_changed():
    nothing = np.zeros((LEVELS, 2), np.int64)
    assert np.isnan(expected_calibration_error(nothing)) and fitted_temperature(nothing) == 1.0
    assert reliability(nothing) == []
