"""What choosing tasks by scores is worth, as tables of a page, from the tables that ``croplayer label simulate`` wrote.

croplayer label simulate -o runs/labels_trial ...
python -m benchmarks.choosing runs/labels_trial --write docs/labels.md
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import pandas as pd

from benchmarks.written import write_section

GOAL = 0.5
"""Share of what random choice needs that scores are to need at most."""
GOAL_OF = "synthetic country"
LANDS = {"synthetic country": "synthetic country", "scenes": "NAIP scenes"}
COUNTED = {
    ("labelled", "iou"): "squares",
    ("minutes", "iou"): "minutes of labelling",
    ("labelled", "worst"): "squares, for the worst part or scene",
}
"""Unit that is counted, and accuracy that has to be reached."""
PICTURE = "labels_trial.png"


def section(curves: pd.DataFrame, savings: pd.DataFrame) -> str:
    """What each way of choosing needs, and whether the goal is met.

    Parameters
    ----------
    curves : curves.parquet of the command
    savings : savings.csv of the command
    """
    lines = [
        "| land | everything labelled | what is counted | chosen by scores | at random | on a grid | scores : random |",
        "|---|---|---|---|---|---|---|",
    ]
    ratios = {}
    for trial in savings.trial.unique():
        best = f"IoU {curves[curves.trial == trial].groupby('seed').all_iou.first().mean():.3f}"
        for (unit, accuracy), words in COUNTED.items():
            own = savings[(savings.trial == trial) & (savings.unit == unit) & (savings.accuracy == accuracy)]
            by = own.set_index("strategy")
            ratios[trial, words] = by.loc["scores"]
            needs = " | ".join(_need(by.loc[strategy]) for strategy in ("scores", "random", "grid"))
            lines.append(f"| {LANDS[trial]} | {best} | {words} | {needs} | {_ratio(by.loc['scores'])} |")
            best = ""
    ratio = ratios[GOAL_OF, "squares"]
    met = "met" if ratio.ratio <= GOAL else "not met"
    sure = "" if ratio.ratio_high < 1 else " The difference is not larger than chance."
    return "\n".join(
        [
            *lines,
            "",
            f"The goal on the synthetic country, {GOAL:g} times the squares of random choice or fewer, is **{met}**: "
            f"{_ratio(ratio)} times.{sure} {_of_the_start(curves)}",
        ]
    )


def _of_the_start(curves: pd.DataFrame) -> str:
    """How much of the accuracy with everything labelled the first squares give, which are drawn at random for all."""
    own = curves[curves.trial == GOAL_OF]
    first = own[own.labelled == own.labelled.min()]
    share = (first.iou / first.all_iou).groupby(first.seed).mean().mean()
    return f"The first {own.labelled.min()} squares, drawn at random, already give {100 * share:.0f} % of the IoU with everything labelled."


def _need(row: pd.Series) -> str:
    """Mean and interval of what a strategy needs, and in how many repetitions it got there if not in all."""
    if not row.reached:
        return "not reached"
    digits = 1 if row["mean"] < 100 else 0
    text = f"{row['mean']:.{digits}f} ({row.low:.{digits}f} to {row.high:.{digits}f})"
    return text if row.reached == row.seeds else f"{text}, {int(row.reached)} of {int(row.seeds)}"


def _ratio(row: pd.Series) -> str:
    return f"{row.ratio:.2f} ({row.ratio_low:.2f} to {row.ratio_high:.2f})"


def main() -> None:
    """Print the section, and put it on a page with the figure beside it if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path, help="folder that the command wrote")
    parser.add_argument("--write", type=Path, help="page whose section is written anew, such as docs/labels.md")
    options = parser.parse_args()
    found = section(pd.read_parquet(options.trial / "curves.parquet"), pd.read_csv(options.trial / "savings.csv"))
    print(found)
    if options.write is not None:
        write_section(options.write, "choosing", found)
        shutil.copyfile(options.trial / "curves.png", options.write.parent / PICTURE)


if __name__ == "__main__":
    main()
