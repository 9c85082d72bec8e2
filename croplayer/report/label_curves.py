"""A figure of trials of how tasks are chosen: accuracy by the number of labelled windows."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from croplayer.active.label_savings import ENOUGH, Mean
from croplayer.report.style import figure_style

COLOURS = {"scores": "#0072b2", "random": "#555555", "grid": "#d55e00"}
WORDS = {"scores": "chosen by scores", "random": "at random", "grid": "on a grid"}


def label_curve_figure(trials: Mapping[str, tuple[pd.DataFrame, float]]) -> Figure:
    """One panel per trial: the mean over seeds of each strategy with its 95 % interval, and what everything labelled gives.

    Parameters
    ----------
    trials : by title, the rows of `simulation.learning_curve` of all seeds, and the mean accuracy with everything labelled
    """
    with figure_style():
        figure = Figure(figsize=(4.6 * len(trials), 3.4), layout="constrained")
        for ax, (title, (curves, everything)) in zip(
            figure.subplots(1, len(trials), squeeze=False)[0], trials.items(), strict=True
        ):
            for strategy, own in curves.groupby("strategy", sort=False):
                means = {n: Mean.of(values.to_numpy(float)) for n, values in own.groupby("labelled").iou}
                x = list(means)
                ax.plot(x, [m.value for m in means.values()], color=COLOURS[str(strategy)], label=WORDS[str(strategy)])
                ax.fill_between(
                    x, [m.low for m in means.values()], [m.high for m in means.values()],
                    color=COLOURS[str(strategy)], alpha=0.15, linewidth=0,
                )  # fmt: skip
            ax.axhline(everything, color="#999999", linewidth=0.8)
            ax.axhline(
                ENOUGH * everything, color="#999999", linewidth=0.8, linestyle="--", label=f"{ENOUGH:.0%} of everything"
            )
            ax.set(title=title, xlabel="labelled windows", ylabel="IoU")
            ax.legend(frameon=False, loc="lower right")
        return figure
