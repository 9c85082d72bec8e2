"""The reasons that are told are the causes that the rules act on."""

from __future__ import annotations

import pandas as pd
import pytest

from croplayer.decisions.reasons import is_by_rules, why_correctness, why_integration
from croplayer.decisions.rules import correctness_by_rules, integration_by_rules
from stores.legends import Correctness, Integration

FIELDS = {
    "coverage_type_a": "Planting",
    "coverage_confidence_a": 0.9,
    "area_fraction_a": 0.5,
    "regions_a": 5,
    "area_km2_a": 10.0,
}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, "no rule speaks against this mask"),
        ({"coverage_type_a": "Cloudy"}, "the imagery is cloudy or snowy"),
        ({"coverage_type_a": "Snow/Ice"}, "the imagery is cloudy or snowy"),
        ({"coverage_type_a": "Nodata"}, "no rule speaks against this mask"),
        ({"area_fraction_a": 0.0}, "less than 0.5% of the block is cropland in this mask"),
        ({"coverage_type_a": "Non-planting", "coverage_confidence_a": 0.81, "area_fraction_a": 0.26}, "more than 25% of the block"),
        ({"coverage_type_a": "Non-planting", "coverage_confidence_a": 0.79, "area_fraction_a": 0.26}, "no rule speaks"),
        ({"regions_a": 1001, "area_km2_a": 1.0}, "smaller than 0.1 ha on average"),
    ],
)  # fmt: skip
def test_why_a_mask_is_judged_as_it_is(changed: dict[str, object], reason: str) -> None:
    (code,) = correctness_by_rules(pd.DataFrame([FIELDS | changed]), "a")
    assert reason in str(why_correctness(Correctness(code).label))


@pytest.mark.parametrize(
    ("correct", "errors", "reason"),
    [
        ("FP FP", None, "no mask is judged correct"),
        ("TP FP", None, "that of a is expected to get least wrong"),
        ("FP TN", None, "that of b is expected to get least wrong"),
        ("TP TP", None, "neither is expected to be better alone"),
        ("TP TP", (0.3, 0.2, 0.1), "that of b is expected to get least wrong"),
        ("TP TP", (0.1, 0.2, 0.1), "neither is expected to be better alone"),
    ],
)
def test_why_a_source_is_taken(correct: str, errors: tuple[float, ...] | None, reason: str) -> None:
    row: dict[str, object] = dict(zip(("correctness_a", "correctness_b"), correct.split(), strict=True))
    names = ("expected_error_merge_both", "expected_error_a", "expected_error_b")
    row |= dict(zip(names, errors, strict=True)) if errors else {}
    (code,) = integration_by_rules(pd.DataFrame([row]), ["a", "b"])
    assert reason in str(why_integration(Integration(code).label, ["a", "b"]))


def test_what_is_no_answer_of_the_rules_has_no_reason() -> None:
    assert is_by_rules("rules (no reviewed samples)") and not is_by_rules("a classifier beats the rules")
    assert not is_by_rules(None)
    assert why_correctness("of my own") is None and why_integration("Only B", ["a"]) is None
