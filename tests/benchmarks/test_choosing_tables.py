"""What choosing tasks is worth, on its page: every figure is one of the command's tables."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.choosing import section
from croplayer.active.label_savings import needed, savings


def tables(scores: list[float]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves of two repetitions on both lands; random choice gets there with 16 squares."""
    rows = []
    for trial in ("synthetic country", "scenes"):
        for seed in (1, 2):
            for strategy, iou in (("scores", scores), ("random", [0.5, 0.6, 0.7, 0.8]), ("grid", [0.5, 0.5, 0.5, 0.5])):
                rows += [
                    (trial, strategy, seed, 4 * (k + 1), 10.0 * (k + 1), value, value, 0.8, 0.8)
                    for k, value in enumerate(iou)
                ]
    columns = ["trial", "strategy", "seed", "labelled", "minutes", "iou", "worst", "all_iou", "all_worst"]
    curves = pd.DataFrame(rows, columns=columns)
    found = []
    for trial, own in curves.groupby("trial", sort=False):
        for unit in ("labelled", "minutes"):
            for accuracy in ("iou", "worst"):
                table = savings(needed(own, {1: 0.8, 2: 0.8}, unit, accuracy))
                found.append(table.assign(trial=trial, unit=unit, accuracy=accuracy))
    return curves, pd.concat(found, ignore_index=True)


@pytest.mark.parametrize(
    ("scores", "row", "verdict"),
    [
        ([0.5, 0.8, 0.8, 0.8], "8.0 (8.0 to 8.0) | 16.0 (16.0 to 16.0)", "is **met**: 0.50 (0.50 to 0.50) times."),
        (
            [0.5, 0.6, 0.8, 0.8],
            "12.0 (12.0 to 12.0) | 16.0 (16.0 to 16.0)",
            "is **not met**: 0.75 (0.75 to 0.75) times.",
        ),
    ],
)
def test_the_goal_is_met_where_half_of_the_squares_are_enough(scores: list[float], row: str, verdict: str) -> None:
    text = section(*tables(scores))
    assert f"| synthetic country | IoU 0.800 | squares | {row} | not reached |" in text
    assert "| NAIP scenes |" in text and "minutes of labelling" in text
    start = "The first 4 squares, drawn at random, already give 62 % of the IoU with everything labelled."
    assert text.endswith(f"{verdict} {start}")


def test_what_may_be_chance_is_called_so() -> None:
    curves, found = tables([0.5, 0.8, 0.8, 0.8])
    found.loc[found.strategy == "scores", "ratio_high"] = 1.2
    assert "times. The difference is not larger than chance. The first" in section(curves, found)
