"""Confidences beside what came true."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from croplayer.evaluation.reliability import expected_calibration_error, reliability


def test_classes_hold_their_cases_with_wilsons_interval() -> None:
    confidence = np.array([0.0, 0.09, 0.1, 0.85, 0.81, 0.89, 1.0, 0.95, np.nan])
    right = np.array([False, False, True, True, True, False, True, True, True])
    table = reliability(confidence, right)
    assert table.confidence_from.tolist() == [0.0, 0.1, 0.8, 0.9] and table.confidence_to.tolist() == [
        0.1,
        0.2,
        0.9,
        1.0,
    ]
    assert table.cases.tolist() == [2, 1, 3, 2] and table.share.tolist() == [0, 1, pytest.approx(2 / 3), 1]
    assert table.confidence.tolist() == pytest.approx([0.045, 0.1, 0.85, 0.975])
    wilson = binomtest(2, 3).proportion_ci(0.95, method="wilson")
    assert table[["low", "high"]].iloc[2].tolist() == pytest.approx([wilson.low, wilson.high])
    error = (2 * 0.045 + 0.9 + 3 * (0.85 - 2 / 3) + 2 * 0.025) / 8
    assert expected_calibration_error(table) == pytest.approx(error)


def test_fields_of_a_scene_are_no_independent_cases() -> None:
    """Ten scenes of 50 fields, all right in eight of them: the interval is that of ten cases, not of 500."""
    scene = np.repeat(np.arange(10), 50)
    confidence, right = np.full(500, 0.75), scene < 8
    apart, together = reliability(confidence, right).iloc[0], reliability(confidence, right, scene).iloc[0]
    assert (apart.share, apart.cases) == (together.share, together.cases) == (0.8, 500)
    assert together.high - together.low > 5 * (apart.high - apart.low)


def test_drawn_outcomes_are_calibrated_and_squared_ones_are_not() -> None:
    rng = np.random.default_rng(4)
    confidence = rng.random(100_000)
    right = rng.random(100_000) < confidence
    # The share of a class of 10,000 cases has a standard error of at most 0.005.
    assert expected_calibration_error(reliability(confidence, right)) < 0.01
    assert expected_calibration_error(reliability(confidence**2, right)) == pytest.approx(1 / 2 - 1 / 3, abs=0.01)


def test_without_cases_there_is_an_empty_table() -> None:
    table = reliability(np.array([np.nan]), np.array([True]))
    assert table.empty and "share" in table and np.isnan(expected_calibration_error(table))
    with pytest.raises(ValueError, match="expected 0 to 1"):
        reliability(np.array([80.0]), np.array([True]))
