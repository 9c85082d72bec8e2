"""A classifier decides only if it beats its commonest class and the rules on land that it has not seen."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from shared.made_up_blocks import SOURCES, made_up_blocks, reviews_of, true_correctness

from croplayer.decisions.correctness import decide_correctness
from croplayer.decisions.integration import decide_integration
from croplayer.decisions.trial import hold_trial
from croplayer.evaluation.clusters import paired_interval
from stores.legends import CorrectnessClasses
from stores.tables import TRIAL


def few_reviews(table: pd.DataFrame, labels: list[str]) -> pd.DataFrame:
    """The first source of the first blocks, reviewed."""
    rows = table.iloc[: len(labels)]
    empty = dict.fromkeys((f"correctness_{SOURCES[1]}", "integration"))
    return rows[["block"]].assign(**{f"correctness_{SOURCES[0]}": labels}, **empty, reviewer="a person")


def test_reviews_of_one_class_do_not_make_every_block_that_class() -> None:
    table = made_up_blocks(48)
    decided = decide_correctness(table, SOURCES, few_reviews(table, ["TP"] * 24), seed=0)
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    for s in SOURCES:
        assert decided.table[f"correctness_{s}"].tolist() == ruled.table[f"correctness_{s}"].tolist()
    assert len(set(decided.table[f"correctness_{SOURCES[0]}"])) > 2
    assert decided.table[f"correctness_reviewed_{SOURCES[0]}"].tolist() == ["TP"] * 24 + [None] * 24
    assert decided.method == (
        "rules (24 samples reviewed by people are all of the class TP, so no classifier can be fitted and tried)"
    )


@pytest.mark.parametrize("count", [1, 2, 3, 24])
def test_few_reviews_with_another_class_leave_the_rules(count: int) -> None:
    """One FP among them makes two classes, and a classifier that answers TP everywhere."""
    table = made_up_blocks(48)
    decided = decide_correctness(table, SOURCES, few_reviews(table, ["TP"] * (count - 1) + ["FP"]), seed=0)
    ruled = decide_correctness(table, SOURCES, None, seed=0)
    assert decided.table[f"correctness_{SOURCES[1]}"].tolist() == ruled.table[f"correctness_{SOURCES[1]}"].tolist()
    assert decided.method.startswith("rules (") and decided.ruling.classifier is None


def test_rules_that_are_right_are_not_replaced_by_a_classifier_that_is_nearly_so() -> None:
    """The made-up integration follows from the rules, so a classifier of 150 reviews is good and still worse."""
    table = made_up_blocks(300)
    for s in SOURCES:
        table[f"correctness_{s}"] = true_correctness(table, s)
    decided = decide_integration(table, SOURCES, reviews_of(table), None, seed=0)
    trial = decided.ruling.trial
    assert trial is not None and set(trial.table.columns) == set(TRIAL)
    against = trial.table.set_index("against")
    assert against.other_accuracy["rules"] == 1 and against.accuracy["rules"] > 0.8
    assert not against.beaten["rules"] and against.beaten.drop("rules").all()
    assert f"the rules in 100.0 % (difference {100 * against.difference['rules']:+.1f} points" in decided.method
    assert decided.table.integration_reviewed.notna().sum() == 150
    by_rules = decide_integration(table, SOURCES, None, None, seed=0)
    assert decided.table.integration.tolist() == by_rules.table.integration.tolist()


def test_a_classifier_that_beats_both_decides() -> None:
    table = made_up_blocks(300)
    decided = decide_correctness(table, SOURCES, reviews_of(table), seed=0)
    trial = decided.ruling.trial
    assert trial is not None and trial.is_won and trial.table.samples.tolist() == [300, 300]
    assert (trial.table.low > 0).all() and decided.method == "XGBoost on 300 samples reviewed by people"
    reviewed = decided.table.correctness_reviewed_aster.notna()
    assert reviewed.sum() == 150
    known = {"TP", "FP", "Artifacts"}
    # No class is answered that no reviewer gave.
    assert set(decided.table.correctness_aster) <= known


def test_own_classes_without_a_classifier_that_decides_are_refused() -> None:
    table = made_up_blocks(60)
    classes = CorrectnessClasses(("good", "bad"), ("good",))
    rng = np.random.default_rng(0)
    reviews = few_reviews(table, rng.choice(["good", "bad"], 60).tolist())
    with pytest.raises(ValueError, match="is not shown to beat simpler answers: on 60 held-out samples"):
        decide_correctness(table, SOURCES, reviews, 0, classes)


def test_the_interval_holds_every_mean_that_flipping_signs_does_not_reject() -> None:
    """Compared with the test itself: all 2**k flips of the signs of the squares, at means in and out of the interval."""
    rng = np.random.default_rng(3)
    square = np.repeat(np.arange(8), rng.integers(1, 6, 8))
    difference = rng.integers(-1, 2, len(square))
    low, high = paired_interval(difference, square)

    def p_value(mean: float) -> float:
        sums = np.bincount(square, weights=difference - mean)
        flips = np.array(list(itertools.product((-1, 1), repeat=8)))
        return float((np.abs(flips @ sums) >= abs(sums.sum()) - 1e-12).mean())

    assert low < difference.mean() < high
    for mean in np.linspace(low + 1e-6, high - 1e-6, 25):
        assert p_value(mean) > 0.025
    for mean in (low - 1e-6, low - 0.1, high + 1e-6, high + 0.1):
        assert p_value(mean) <= 0.05


def test_five_squares_are_too_few_whatever_they_say() -> None:
    assert paired_interval(np.ones(500, int), np.repeat(np.arange(5), 100)) == (-np.inf, np.inf)
    assert paired_interval(np.ones(6, int), np.arange(6)) == (1, 1)
    assert paired_interval(np.ones(30, int), np.arange(30)) == (1, 1)
    trial = hold_trial(np.ones(50, int), np.ones(50, int), np.zeros(50, int), np.repeat(np.arange(5), 10), ("a", "b"))
    assert not trial.is_won and trial.table.low.isna().all() and "too few squares for a 95 % interval" in trial.words


def test_a_difference_of_nothing_is_found_as_rarely_as_stated() -> None:
    """Similar samples within squares: of 400 draws without a difference, about 2.5 % have an interval above 0."""
    rng = np.random.default_rng(5)
    above = 0
    for _ in range(400):
        of_square = rng.normal(0, 0.5, 10)
        square = np.repeat(np.arange(10), 4)
        difference = np.clip(np.round(of_square[square] + rng.normal(0, 0.5, 40)), -1, 1)
        above += paired_interval(difference, square)[0] > 0
    # A binomial of 400 draws at 2.5 % exceeds 20 once in a thousand times.
    assert above <= 20
