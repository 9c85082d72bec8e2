"""Classifiers are judged honestly: both splits, intervals, calibration, labels without meaning."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shared.made_up_blocks import SOURCES, made_up_blocks, samples_of

from croplayer.decisions.correctness import correctness_samples, decide_correctness
from croplayer.decisions.quality import accuracy_table, calibration_table, judge
from croplayer.decisions.splits import SPATIAL, STRATIFIED
from croplayer.evaluation.interval import share_interval
from stores.legends import CorrectnessClasses
from stores.tables import DECISION_TABLES


def test_the_classifier_is_judged_under_both_splits_in_the_declared_columns() -> None:
    judged = judge(samples_of(made_up_blocks(400)), seed=1)
    assert judged.accuracy.split.tolist() == [STRATIFIED, SPATIAL]
    assert (judged.accuracy.accuracy > 0.93).all()
    assert (judged.accuracy.accuracy_low < judged.accuracy.accuracy).all()
    assert (judged.accuracy.calibration_error < 0.1).all()
    for kind, columns in DECISION_TABLES.items():
        expected = {c for c in columns if c != "p_LABEL"} | (
            {f"p_{label}" for label in CorrectnessClasses().labels} if kind == "held_out" else set()
        )
        assert set(getattr(judged, kind).columns) == expected, kind
    for split in (STRATIFIED, SPATIAL):
        own = judged.held_out[judged.held_out.split == split]
        assert sorted(own.block) == sorted(made_up_blocks(400).block)
        assert judged.confusion[judged.confusion.split == split].samples.sum() == 400
        assert judged.calibration[judged.calibration.split == split].samples.sum() == 400
    features = judged.importance[judged.importance.kind == "feature"].set_index("feature")
    assert features.index[0] == "coverage_type_aster"
    groups = judged.importance[judged.importance.kind == "group"].set_index("feature")
    # Area and area fraction say the same, so that one hides behind the other; together they show what they are worth.
    assert groups.accuracy_lost["shape"] > 0.1
    assert features.accuracy_lost[["area_km2_aster", "area_fraction_aster"]].min() < 0.05
    assert abs(groups.accuracy_lost["terrain"]) < 0.05


def test_reviews_without_meaning_are_found_out() -> None:
    """Labels drawn by lot cannot be predicted: the held-out accuracy must say so, and the rules go on deciding."""
    table = made_up_blocks(160)
    rng = np.random.default_rng(1)
    reviews = table[["block"]].assign(reviewer="")
    for s in SOURCES:
        reviews[f"correctness_{s}"] = rng.choice(["TP", "FP"], len(table))
    judged = judge(correctness_samples(table, SOURCES, reviews), seed=0)
    for row in judged.accuracy.itertuples():
        assert row.accuracy_low < 0.5 < row.accuracy_high + 0.05
    decided = decide_correctness(table, SOURCES, reviews, seed=0)
    assert decided.ruling.classifier is None and decided.judged is None
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    for s in SOURCES:
        assert decided.table[f"correctness_{s}"].equals(ruled.table[f"correctness_{s}"])
        assert decided.table[f"correctness_reviewed_{s}"].tolist() == reviews[f"correctness_{s}"].tolist()


def in_twenty_squares() -> pd.DataFrame:
    """Ten held-out samples in each of twenty squares, all reviewed as TP."""
    square, place = np.divmod(np.arange(200), 10)
    held_out = pd.DataFrame({"row": 1100 + 10 * square, "col": 5900 + place, "square": square, "fold": 0})
    return held_out.assign(reviewed="TP", confidence=0.8, p_TP=0.8, p_FP=0.2)


def test_clustered_errors_widen_the_interval_however_samples_were_held_out() -> None:
    held_out = in_twenty_squares()
    held_out["predicted"] = np.where(held_out.square < 4, "FP", "TP")
    for split, edge in ((STRATIFIED, 0), (SPATIAL, 10)):
        row = accuracy_table(held_out, ("TP", "FP"), split, edge).iloc[0]
        assert row.design_effect == pytest.approx(10, rel=0.1)
        assert (row.accuracy_low, row.accuracy_high) == pytest.approx(share_interval(16, 20), abs=0.02)
        assert row.square_blocks == edge
        assert row.brier == pytest.approx(2 * 0.2**2)
        assert row.calibration_error == pytest.approx(0, abs=1e-12)


def test_an_accuracy_without_any_error_is_no_surer_than_its_squares() -> None:
    held_out = in_twenty_squares().assign(predicted="TP")
    row = accuracy_table(held_out, ("TP", "FP"), SPATIAL, 10).iloc[0]
    assert (row.accuracy_low, row.accuracy_high) == pytest.approx(share_interval(20, 20))


def test_the_reliability_table_says_where_confidence_is_wrong() -> None:
    held_out = pd.DataFrame(
        {"confidence": [0.55, 0.58, 0.95, 1.0], "reviewed": ["a"] * 4, "predicted": ["a", "b", "a", "a"]}
    )
    table = calibration_table(held_out)
    assert table.confidence_from.tolist() == [0.5, 0.9]
    assert table.accuracy.tolist() == [0.5, 1.0]
    assert table.samples.tolist() == [2, 2]
