"""Correctness and integration: classifiers that learn and are judged honestly, rules that say they are rules."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.decisions.boosting import feature_matrix, fit
from croplayer.decisions.correctness import decide_correctness
from croplayer.decisions.integration import decide_integration
from croplayer.decisions.quality import Samples, accuracy_table, calibration_table, judge
from croplayer.decisions.rules import RULES
from croplayer.decisions.splits import SPATIAL, STRATIFIED, beside_share, spatial_folds, stratified_folds
from croplayer.evaluation.interval import share_interval
from croplayer.measures.features import (
    CORRECTNESS_FEATURES,
    PER_SOURCE,
    correctness_columns,
    feature_table,
    integration_columns,
)
from croplayer.measures.masks import integrated_mask
from stores.legends import Correctness, CorrectnessClasses, CoverageType, Integration
from stores.tables import CORRECTNESS, DECISION_TABLES, INTEGRATION

SOURCES = ("aster", "borealis")


def made_up_blocks(count: int, seed: int = 0) -> pd.DataFrame:
    """Blocks whose correctness follows from coverage type and area fraction, with noise features around."""
    rng = np.random.default_rng(seed)
    rows, cols = np.divmod(np.arange(count), 20)
    table = pd.DataFrame(
        {"block": [f"r{r:04d}c{c:04d}" for r, c in zip(rows, cols, strict=True)], "row": rows, "col": cols}
    )
    for name in ("elevation_m", "slope_deg", "ruggedness_m", "roughness_m"):
        table[name] = rng.normal(size=count)
    for s in SOURCES:
        table[f"coverage_type_{s}"] = rng.choice([c.label for c in CoverageType], count)
        table[f"area_fraction_{s}"] = rng.uniform(0, 1, count)
        table[f"area_km2_{s}"] = 20 * table[f"area_fraction_{s}"]
        table[f"regions_{s}"] = rng.integers(1, 900, count)
        for name in ("sharpness", "hue", "saturation", "lightness", "solidity_mean", "solidity_total", "euler_mean"):
            table[f"{name}_{s}"] = rng.normal(size=count)
        table[f"euler_total_{s}"] = rng.normal(size=count)
        table[f"iou_between_sources_{s}"] = rng.uniform(0, 1, count)
        table[f"confirmed_{s}"] = rng.uniform(0, 1, count)
    return table


def true_correctness(table: pd.DataFrame, source: str) -> np.ndarray:
    bad = table[f"coverage_type_{source}"].isin(["Cloudy", "Snow/Ice", "Nodata"])
    codes = np.where(bad, Correctness.ARTIFACTS, np.where(table[f"area_fraction_{source}"] > 0.4, 0, 2))
    return np.array([Correctness(c).label for c in codes.tolist()], dtype=object)


def reviews_of(table: pd.DataFrame) -> pd.DataFrame:
    """Every second block with its true correctness and the integration that follows from it."""
    good = [true_correctness(table, s) == "TP" for s in SOURCES]
    labels = np.array([Integration(i).label for i in (1 * good[0] + 2 * good[1]).tolist()], dtype=object)
    reviews = table[["block"]].assign(
        **{f"correctness_{s}": true_correctness(table, s) for s in SOURCES}, integration=labels, reviewer="a person"
    )
    return reviews.iloc[::2].reset_index(drop=True)


def samples_of(table: pd.DataFrame) -> Samples:
    classes = CorrectnessClasses()
    columns = correctness_columns("aster")
    codes = np.array([classes.labels.index(label) for label in true_correctness(table, "aster")])
    place = table[["block", "row", "col"]].assign(source="aster")
    return Samples(place, feature_matrix(table, columns), codes, classes.labels, columns)


def test_the_declared_features_are_sixteen_and_thirty() -> None:
    assert len(CORRECTNESS_FEATURES) == 16
    assert len(PER_SOURCE) == 12
    columns = [column for _, column in integration_columns(SOURCES)]
    assert len(columns) == len(set(columns)) == 30
    groups = pd.Series([f.group for f, _ in integration_columns(SOURCES)]).value_counts().to_dict()
    assert groups == {"terrain": 4, "image": 10, "shape": 12, "consistency": 2, "correctness": 2}
    declared = feature_table(SOURCES)
    assert declared.judges.sum() == 4 + 2 * 12
    assert set(declared.column[declared.decides]) == set(columns)
    assert (declared.unit != "").all() and declared.column.is_unique


def test_a_missing_feature_stays_missing() -> None:
    table = made_up_blocks(3)
    table.loc[1, "coverage_type_aster"] = None
    table["elevation_m"] = np.nan
    matrix = feature_matrix(table, correctness_columns("aster"))
    assert np.isnan(matrix[:, 0]).all()
    assert np.isnan(matrix[1, 4]) and not np.isnan(matrix[0, 4])


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


def test_the_same_samples_and_seed_give_the_same_trees() -> None:
    samples = samples_of(made_up_blocks(200))
    a, b = (
        fit(samples.matrix, samples.codes, samples.names, 1).predict(samples.matrix, samples.names) for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)


def test_features_in_another_order_are_refused() -> None:
    samples = samples_of(made_up_blocks(200))
    classifier = fit(samples.matrix, samples.codes, samples.names, 1)
    swapped = [1, 0, *range(2, len(samples.names))]
    with pytest.raises(
        ValueError, match="feature 1 is 'slope_deg', the classifier was fitted with 'elevation_m' there"
    ):
        classifier.predict(samples.matrix[:, swapped], [samples.names[i] for i in swapped])
    with pytest.raises(ValueError, match=r"are \(200, 15\) with 15 names; the classifier was fitted to 16 features"):
        classifier.predict_class(samples.matrix[:, :-1], samples.names[:-1])
    with pytest.raises(ValueError, match=r"are \(200, 15\) with 16 names"):
        classifier.predict_class(samples.matrix[:, :-1], samples.names)


def test_a_block_of_which_nothing_was_measured_is_not_known() -> None:
    """Trees send a row without features down a branch like any other; here it gets no class and teaches nothing."""
    table = made_up_blocks(300)
    features = [c for c in table.columns if c not in ("block", "row", "col")]
    table[features] = table[features].astype(object)
    table.loc[[4, 5], features] = None
    reviews = reviews_of(table)
    assert table.block[4] in set(reviews.block) and table.block[5] not in set(reviews.block)
    samples = samples_of(table)
    codes, confidence = fit(samples.matrix, samples.codes, samples.names, 1).predict_class(
        samples.matrix, samples.names
    )
    assert codes[[4, 5]].tolist() == [-1, -1] and np.isnan(confidence[[4, 5]]).all()
    assert (np.delete(codes, [4, 5]) >= 0).all() and np.isfinite(np.delete(confidence, [4, 5])).all()
    judged = decide_correctness(table, SOURCES, reviews, seed=0)
    assert judged.method == "XGBoost on 298 samples reviewed by people"
    assert judged.table.correctness_aster[[4, 5]].isna().all()
    assert judged.table.correctness_confidence_aster[[4, 5]].isna().all()
    for s in SOURCES:
        table[f"correctness_{s}"] = judged.table[f"correctness_{s}"]
    chosen = decide_integration(table, SOURCES, reviews, None, seed=0).table
    assert chosen.integration_label[[4, 5]].tolist() == ["Neither", "Neither"]
    assert chosen.integration_confidence[[4, 5]].isna().all() and chosen.no_usable_imagery[[4, 5]].all()
    assert chosen.integration_confidence.notna().sum() == 298


def test_terrain_alone_chooses_no_mask() -> None:
    table = made_up_blocks(300)
    reviews = reviews_of(table)
    for s in SOURCES:
        table[f"correctness_{s}"] = true_correctness(table, s)
    own = [c for c in table.columns if c.endswith(SOURCES)]
    table[own] = table[own].astype(object)
    table.loc[7, own] = None
    chosen = decide_integration(table, SOURCES, reviews, None, seed=0).table
    assert chosen.integration_label[7] == "Neither" and np.isnan(chosen.integration_confidence[7])
    assert chosen.no_usable_imagery[7]


def test_reviews_without_meaning_are_found_out() -> None:
    """Labels drawn by lot cannot be predicted: the held-out accuracy must say so, and so must the decisions."""
    table = made_up_blocks(160)
    rng = np.random.default_rng(1)
    reviews = table[["block"]].assign(reviewer="")
    for s in SOURCES:
        reviews[f"correctness_{s}"] = rng.choice(["TP", "FP"], len(table))
    decided = decide_correctness(table, SOURCES, reviews, seed=0)
    assert decided.judged is not None
    for row in decided.judged.accuracy.itertuples():
        assert row.accuracy_low < 0.5 < row.accuracy_high + 0.05
    agree = (decided.table.correctness_aster == decided.table.correctness_reviewed_aster).mean()
    assert 0.35 < agree < 0.65


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


def test_reviews_decide_and_rules_only_without_them() -> None:
    table = made_up_blocks(300)
    learnt = decide_correctness(table, SOURCES, reviews_of(table), seed=0)
    assert learnt.method == "XGBoost on 300 samples reviewed by people"
    assert learnt.judged is not None
    assert (learnt.table.correctness_borealis == true_correctness(table, "borealis")).mean() > 0.93
    assert learnt.table.correctness_reviewed_aster.notna().sum() == 150
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    assert ruled.method == RULES and ruled.judged is None
    for decided in (learnt, ruled):
        columns = {c.replace("SOURCE", s) for c in CORRECTNESS for s in SOURCES}
        assert set(decided.table.columns) == columns


def test_a_mask_that_is_not_there_is_not_judged() -> None:
    table = made_up_blocks(300)
    table.loc[5, "area_fraction_aster"] = np.nan
    decided = decide_correctness(table, SOURCES, reviews_of(table), seed=0).table
    assert decided.correctness_aster[5] is None
    assert np.isnan(decided.correctness_confidence_aster[5])


def test_classes_of_your_own_need_reviews() -> None:
    table = made_up_blocks(200)
    classes = CorrectnessClasses(("good", "bad"), ("good",))
    reviews = table[["block"]].assign(reviewer="", correctness_borealis=None)
    reviews["correctness_aster"] = np.where(table.area_fraction_aster > 0.5, "good", "bad")
    decided = decide_correctness(table, SOURCES, reviews, 0, classes)
    assert set(decided.table.correctness_aster) == {"good", "bad"}
    with pytest.raises(ValueError, match="need reviewed blocks"):
        decide_correctness(table, SOURCES, None, 0, classes)
    with pytest.raises(ValueError, match="correct is 'TP'; expected one or more of good, bad"):
        CorrectnessClasses(("good", "bad"), ("TP",))


def test_integration_learns_and_overrides_win() -> None:
    table = made_up_blocks(300)
    for s in SOURCES:
        table[f"correctness_{s}"] = true_correctness(table, s)
    good = [(table[f"correctness_{s}"] == "TP").to_numpy() for s in SOURCES]
    truth = 1 * good[0] + 2 * good[1]
    other = Integration(int(3 - truth[7]))
    override = pd.DataFrame({"block": [table.block[7]], "integration": [other.label], "reason": ["seen by hand"]})
    decided = decide_integration(table, SOURCES, reviews_of(table), override, seed=0)
    assert set(decided.table.columns) == set(INTEGRATION)
    assert decided.table.integration[7] == other
    assert decided.table.override[7] == "seen by hand"
    assert np.isnan(decided.table.integration_confidence[7])
    others = decided.table.index != 7
    assert (decided.table.integration[others] == truth[others]).mean() > 0.9
    by_rules = decide_integration(table, SOURCES, None, None, seed=0)
    np.testing.assert_array_equal(by_rules.table.integration, truth)
    with pytest.raises(ValueError, match="override of block r9999c0001: the run has not mapped it"):
        decide_integration(table, SOURCES, None, override.assign(block="r9999c0001"), seed=0)


def test_integrated_masks_never_call_the_unknown_not_cropland() -> None:
    a = np.array([[0, 1, 254, 254]], np.uint8)
    b = np.array([[1, 0, 1, 254]], np.uint8)
    assert integrated_mask([a, b], Integration.MERGE_BOTH, False).tolist() == [[1, 1, 1, 254]]
    assert integrated_mask([a, b], Integration.ONLY_A, False).tolist() == [[0, 1, 254, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, False).tolist() == [[0, 0, 0, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, True).tolist() == [[254] * 4]


def test_too_few_samples_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="review at least 20 blocks"):
        judge(samples_of(made_up_blocks(3)), seed=0)


def test_an_unsure_coverage_type_overrules_no_mask() -> None:
    table = made_up_blocks(2)
    table["coverage_type_aster"] = "Non-planting"
    table["coverage_confidence_aster"] = [0.6, 0.95]
    table["area_fraction_aster"], table["regions_aster"] = 0.8, 5
    decided = decide_correctness(table, ("aster",), None, seed=0).table
    assert decided.correctness_aster.tolist() == ["TP", "FP"]
