"""Correctness and integration: classifiers that learn, rules that say they are rules, files with errors named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from croplayer.decisions.boosting import feature_matrix, fit, judge, split_stratified
from croplayer.decisions.correctness import decide_correctness
from croplayer.decisions.integration import decide_integration
from croplayer.decisions.rules import RULES
from croplayer.decisions.samples import read_correctness_samples, read_integration_samples, read_overrides
from croplayer.features import CORRECTNESS_FEATURES, correctness_columns, integration_columns
from croplayer.legends import Correctness, CoverageType, Integration
from croplayer.masks import integrated_mask

SOURCES = ("aster", "borealis")


def made_up_blocks(count: int, seed: int = 0) -> pd.DataFrame:
    """Blocks whose correctness follows from coverage type and area fraction, with noise features around."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"block": [f"r{i:04d}c0000" for i in range(count)], "row": range(count), "col": 0})
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
    return table


def true_correctness(table: pd.DataFrame, source: str) -> np.ndarray:
    bad = table[f"coverage_type_{source}"].isin(["Cloudy", "Snow/Ice", "Nodata"])
    return np.where(bad, Correctness.ARTIFACTS, np.where(table[f"area_fraction_{source}"] > 0.4, 0, 2))


def test_the_declared_features_are_sixteen_and_thirty() -> None:
    assert len(CORRECTNESS_FEATURES) == 16
    assert len(integration_columns(SOURCES)) == 30
    assert len({column for _, column in integration_columns(SOURCES)}) == 30


def test_a_missing_feature_stays_missing() -> None:
    table = made_up_blocks(3)
    table.loc[1, "coverage_type_aster"] = None
    table["elevation_m"] = np.nan
    matrix = feature_matrix(table, correctness_columns("aster"))
    assert np.isnan(matrix[:, 0]).all()
    assert np.isnan(matrix[1, 4]) and not np.isnan(matrix[0, 4])


def test_the_classifier_learns_what_can_be_learnt_and_repeats_itself() -> None:
    table = made_up_blocks(400)
    matrix = feature_matrix(table, correctness_columns("aster"))
    names = [f.name for f in CORRECTNESS_FEATURES]
    codes = true_correctness(table, "aster")
    judged = judge(matrix, codes, names, seed=1)
    assert judged.accuracy > 0.95
    assert judged.confusion.sum() == judged.held_out
    assert set(judged.importance.feature[:2]) == {"coverage_type", "area_fraction"} or judged.accuracy == 1
    a, b = (fit(matrix, codes, names, 1).predict(matrix) for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_held_out_samples_keep_the_classes_in_proportion() -> None:
    codes = np.repeat([0, 1, 2], [100, 20, 1])
    held = split_stratified(codes, 0.2, seed=3)
    assert [int(held[codes == c].sum()) for c in range(3)] == [20, 4, 0]


def test_reviewed_samples_decide_and_rules_only_without_them() -> None:
    table = made_up_blocks(300)
    samples = pd.concat(
        pd.DataFrame({"block": table.block, "source": s, "correctness": true_correctness(table, s)}) for s in SOURCES
    )
    learnt = decide_correctness(table, SOURCES, samples.iloc[::2].reset_index(drop=True), seed=0)
    assert "XGBoost on 300" in learnt.method and learnt.judged is not None
    truth = [Correctness(c).label for c in true_correctness(table, "borealis").tolist()]
    assert (learnt.table.correctness_borealis == truth).mean() > 0.93
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    assert ruled.method == RULES and ruled.judged is None


def test_integration_learns_and_overrides_win() -> None:
    table = made_up_blocks(300)
    for s in SOURCES:
        table[f"correctness_{s}"] = [Correctness(c).label for c in true_correctness(table, s).tolist()]
    good = [(table[f"correctness_{s}"] == "TP").to_numpy() for s in SOURCES]
    truth = 1 * good[0] + 2 * good[1]
    samples = pd.DataFrame({"block": table.block[::2], "integration": truth[::2]}).reset_index(drop=True)
    override = pd.DataFrame({"block": [table.block[7]], "integration": [3 - truth[7]], "reason": ["seen by hand"]})
    decided = decide_integration(table, SOURCES, samples, override, seed=0)
    assert decided.table.integration[7] == 3 - truth[7]
    assert decided.table.override[7] == "seen by hand"
    others = decided.table.index != 7
    assert (decided.table.integration[others] == truth[others]).mean() > 0.9
    by_rules = decide_integration(table, SOURCES, None, None, seed=0)
    np.testing.assert_array_equal(by_rules.table.integration, truth)


def test_integrated_masks_never_call_the_unknown_not_cropland() -> None:
    a = np.array([[0, 1, 254, 254]], np.uint8)
    b = np.array([[1, 0, 1, 254]], np.uint8)
    assert integrated_mask([a, b], Integration.MERGE_BOTH, False).tolist() == [[1, 1, 1, 254]]
    assert integrated_mask([a, b], Integration.ONLY_A, False).tolist() == [[0, 1, 254, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, False).tolist() == [[0, 0, 0, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, True).tolist() == [[254] * 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("block,source\nr0001c0001,aster\n", "no column 'correctness'"),
        ("block,source,correctness\nr1c1,aster,TP\n", "row 2: 'r1c1' is not a block name"),
        ("block,source,correctness\nr0001c0001,ester,TP\n", "row 2: source 'ester' is not in the run"),
        ("block,source,correctness\nr0001c0001,aster,Good\n", "row 2: correctness 'Good' is unknown"),
        (
            "block,source,correctness\nr0001c0001,aster,TP\nr0001c0001,aster,FP\n",
            "row 3: r0001c0001 aster appears twice",
        ),
    ],
)
def test_errors_in_reviewed_samples_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "reviewed.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_correctness_samples(path, SOURCES)
    assert "reviewed.csv" in str(caught.value)


def test_an_override_needs_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "overrides.csv"
    path.write_text("block,integration,reason\nr0001c0001,Only A,\n")
    with pytest.raises(ValueError, match="row 2: reason is empty"):
        read_overrides(path)
    path.write_text("﻿block,integration\nr0001c0001,merge both\n", encoding="utf-8")
    assert read_integration_samples(path).integration.tolist() == [3]


def test_too_few_samples_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="review at least 20 blocks"):
        fit(np.zeros((3, 1), np.float32), np.array([0, 1, 1]), ["a"], 0)


def test_an_unsure_coverage_type_overrules_no_mask() -> None:
    table = made_up_blocks(2)
    table["coverage_type_aster"] = "Non-planting"
    table["coverage_confidence_aster"] = [0.6, 0.95]
    table["area_fraction_aster"], table["regions_aster"] = 0.8, 5
    decided = decide_correctness(table, ("aster",), None, seed=0).table
    assert decided.correctness_aster.tolist() == ["TP", "FP"]
