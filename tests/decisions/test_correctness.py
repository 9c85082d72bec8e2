"""Correctness of masks: reviews decide, rules only without them, and what was not measured is not known."""

from __future__ import annotations

import numpy as np
import pytest
from shared.made_up_blocks import SOURCES, made_up_blocks, reviews_of, samples_of, true_correctness

from croplayer.decisions.boosting import fit
from croplayer.decisions.correctness import decide_correctness
from croplayer.decisions.integration import decide_integration
from stores.legends import CorrectnessClasses
from stores.tables import CORRECTNESS


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
    # Reviewers who took the other source than the rules do: only a classifier finds that out.
    other = {"Only A": "Only B", "Only B": "Only A", "Merge both": "Neither", "Neither": "Merge both"}
    chosen = decide_integration(table, SOURCES, reviews.replace({"integration": other}), None, seed=0).table
    assert chosen.integration_label[[4, 5]].tolist() == ["Neither", "Neither"]
    assert chosen.integration_confidence[[4, 5]].isna().all() and chosen.no_usable_imagery[[4, 5]].all()
    assert chosen.integration_confidence.notna().sum() == 298


def test_reviews_decide_and_rules_only_without_them() -> None:
    table = made_up_blocks(300)
    learnt = decide_correctness(table, SOURCES, reviews_of(table), seed=0)
    assert learnt.method == "XGBoost on 300 samples reviewed by people"
    assert learnt.judged is not None
    assert (learnt.table.correctness_borealis == true_correctness(table, "borealis")).mean() > 0.93
    assert learnt.table.correctness_reviewed_aster.notna().sum() == 150
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    assert ruled.method == "rules (no reviewed samples)" and ruled.judged is None
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


def test_an_unsure_coverage_type_overrules_no_mask() -> None:
    table = made_up_blocks(2)
    table["coverage_type_aster"] = "Non-planting"
    table["coverage_confidence_aster"] = [0.6, 0.95]
    table["area_fraction_aster"], table["regions_aster"] = 0.8, 5
    decided = decide_correctness(table, ("aster",), None, seed=0).table
    assert decided.correctness_aster.tolist() == ["TP", "FP"]
