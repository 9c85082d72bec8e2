"""The rule that says stop, on numbers whose answer the paper's text gives."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from croplayer.active.stopping import Decision, Level, Measured, StopRule, UnitFigures, Verdict, decide

RULE = StopRule()
GOOD = UnitFigures(
    iou=Measured(0.9, 0.87, 0.93),
    correct=Measured(0.92, 0.86, 0.97),
    area={"a": Measured(1.02, 0.95, 1.09), "b": Measured(1.4, 1.3, 1.5)},
    poor_imagery=0.05,
)  # fmt: skip
FAILS = {"a": Measured(1.3, 1.25, 1.35), "b": Measured(0.6, 0.5, 0.7)}


def test_three_levels_for_either_source_say_stop() -> None:
    decision = decide(GOOD, RULE)
    assert decision.verdict == Verdict.STOP
    assert (decision.iou, decision.correct, decision.area) == (Level.MET,) * 3
    assert decision.by_statistic
    assert decision.reason == (
        "stop: pixel IoU 90 % (87.0 to 93.0), at least 85 %: met; correct masks 92 % (86.0 to 97.0), at least 85 %: met; "
        "area of a 102 % (95.0 to 109.0), 80 % to 120 % of the statistic: met; "
        "area of b 140 % (130.0 to 150.0), 80 % to 120 % of the statistic: not met"
    )


@pytest.mark.parametrize(
    ("figures", "failing"),
    [
        (replace(GOOD, iou=Measured(0.9, 0.84, 0.96)), "iou"),
        (replace(GOOD, iou=Measured(0.849, 0.8, 0.9)), "iou"),
        (replace(GOOD, correct=Measured(0.9, 0.8, 0.95)), "correct"),
        (replace(GOOD, area={"a": Measured(1.1, 1.0, 1.21)}), "area"),
        (replace(GOOD, area={"a": Measured(0.9, 0.79, 1.0)}), "area"),
        (replace(GOOD, area=FAILS), "area"),
    ],
)
def test_one_level_that_is_not_met_says_go_on(figures: UnitFigures, failing: str) -> None:
    decision = decide(figures, RULE)
    assert decision.verdict == Verdict.GO_ON
    levels = {name: getattr(decision, name) for name in ("iou", "correct", "area")}
    assert levels == {name: Level.NOT_MET if name == failing else Level.MET for name in levels}
    assert decision.only_area_failed == decision.by_statistic == (failing == "area")


def test_the_interval_decides_unless_the_figure_itself_is_asked_for() -> None:
    wide = UnitFigures(Measured(0.86, 0.7, 0.95), Measured(0.86, 0.7, 0.95), {"a": Measured(1.19, 0.7, 1.7)})
    assert decide(wide, RULE).verdict == Verdict.GO_ON
    assert decide(wide, replace(RULE, by_interval=False)).verdict == Verdict.STOP
    exact = UnitFigures(Measured(0.85, 0.85, 0.85), Measured(0.85, 0.85, 0.85), {"a": Measured(0.8, 0.8, 1.2)})
    assert decide(exact, RULE).verdict == Verdict.STOP


def test_what_is_not_known_is_not_met() -> None:
    no_labels = decide(replace(GOOD, iou=Measured()), RULE)
    assert (no_labels.verdict, no_labels.iou) == (Verdict.GO_ON, Level.UNKNOWN)
    assert "pixel IoU not known" in no_labels.reason and not no_labels.by_statistic
    one_block = decide(replace(GOOD, iou=Measured(0.99, math.nan, math.nan)), RULE)
    assert (one_block.verdict, one_block.iou) == (Verdict.GO_ON, Level.UNKNOWN)
    assert "pixel IoU 99 % (too few for an interval)" in one_block.reason
    not_judged = decide(replace(GOOD, correct=Measured()), RULE)
    assert (not_judged.verdict, not_judged.correct) == (Verdict.GO_ON, Level.UNKNOWN)
    no_area = decide(replace(GOOD, area={"a": Measured(), "b": Measured(1.0, math.nan, math.nan)}), RULE)
    assert (no_area.verdict, no_area.area, no_area.by_statistic) == (Verdict.GO_ON, Level.UNKNOWN, False)
    nothing = decide(UnitFigures(), replace(RULE, by_interval=False, needs_statistic=False))
    assert nothing.verdict == Verdict.GO_ON


def test_a_unit_without_a_statistic_goes_on_unless_none_is_asked_for() -> None:
    figures = replace(GOOD, area={})
    decision = decide(figures, RULE)
    assert (decision.verdict, decision.area, decision.by_statistic) == (Verdict.GO_ON, Level.UNKNOWN, False)
    assert decision.reason.endswith("no statistic")
    without = decide(figures, replace(RULE, needs_statistic=False))
    assert without.verdict == Verdict.STOP and not without.by_statistic
    assert without.reason.endswith("no statistic, which this project does not ask for")
    # A statistic that is there counts in any case.
    assert decide(replace(GOOD, area=FAILS), replace(RULE, needs_statistic=False)).verdict == Verdict.GO_ON


@pytest.mark.parametrize(
    ("failed_rounds", "poor_imagery", "verdict"),
    [
        (0, 0.5, Verdict.GO_ON),
        (2, 0.5, Verdict.GO_ON),
        (3, 0.5, Verdict.EXCEPTION),
        (7, 0.2, Verdict.EXCEPTION),
        (3, 0.19, Verdict.GO_ON),
        (3, math.nan, Verdict.GO_ON),
    ],
)
def test_poor_imagery_stops_by_exception_after_three_further_rounds(
    failed_rounds: int, poor_imagery: float, verdict: Verdict
) -> None:
    figures = replace(GOOD, area=FAILS, failed_rounds=failed_rounds, poor_imagery=poor_imagery)
    assert decide(figures, RULE).verdict == verdict


def test_an_exception_names_its_reason_and_excuses_nothing_else() -> None:
    figures = replace(GOOD, area=FAILS, failed_rounds=3, poor_imagery=0.4)
    decision = decide(figures, RULE)
    assert decision.by_statistic and decision.only_area_failed
    assert decision.reason.startswith("stop by exception: ")
    assert decision.reason.endswith(
        "the area still fails after 3 further rounds, and 40 % of the blocks have no usable imagery (poor from 20 % on)"
    )
    for spoilt in (replace(figures, iou=Measured()), replace(figures, correct=Measured(0.5, 0.4, 0.6))):
        assert decide(spoilt, RULE).verdict == Verdict.GO_ON
    # An area that is not known has not failed.
    assert decide(replace(figures, area={"a": Measured()}), RULE).verdict == Verdict.GO_ON


def test_a_decision_is_plain() -> None:
    decision = Decision(Verdict.GO_ON, Level.MET, Level.UNKNOWN, Level.NOT_MET, "why")
    assert not decision.only_area_failed and not decision.by_statistic
