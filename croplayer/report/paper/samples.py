"""Where people labelled blocks, and how densely (paper Figs. 3 and 8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from croplayer.active.reading import Reading
from croplayer.active.tasks import FieldClass, TaskStatus
from croplayer.report.charts import Bar, bars
from croplayer.report.maps import class_figure
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.paper.evidence import NEGATIVE, POSITIVE, Evidence
from croplayer.report.style import figure_style
from stores.grid import BlockGrid, BlockIndex

LABEL_COLOURS = {POSITIVE: "#009e73", NEGATIVE: "#d55e00"}
MOST_BARS = 60
"""Units with a bar; of more, those with the most blocks."""
NO_LABELS = (
    "No label project was given. `croplayer label init` makes one of a run; name its folder with the option --labels of "
    "`croplayer paper`."
)


def labels_of(reading: Reading, grid: BlockGrid, blocks: pd.DataFrame) -> np.ndarray:
    """What people found in each block: (n,) POSITIVE where a finished task of it has a cropland polygon, NEGATIVE where none
    has, None where no task is finished.

    Parameters
    ----------
    reading : what they drew on the lattice of ``grid``
    blocks : column block with the names of the blocks
    """
    positive = set(reading.fields.task[reading.fields["class"] == FieldClass.CROPLAND.value])
    found: dict[str, str] = {}
    for task in (task for task in reading.tasks if task.status == TaskStatus.DONE):
        name = BlockIndex(task.window.row // grid.block_px, task.window.col // grid.block_px).name
        if task.id in positive or found.get(name) != POSITIVE:
            found[name] = POSITIVE if task.id in positive else NEGATIVE
    return np.array([found.get(name) for name in blocks.block], dtype=object)


def labelled_parts(evidence: Evidence) -> list[Part]:
    """Fig. 3: map of the labelled blocks with and without cropland."""
    labels = evidence.labels
    if labels is None:
        return [Gap(NO_LABELS)]
    positive, negative = (int((labels == label).sum()) for label in (POSITIVE, NEGATIVE))
    if positive + negative == 0:
        return [Gap("No task of the label project is done, so no block is labelled yet.")]
    blocks = evidence.results.blocks.assign(labelled=pd.Series(labels, evidence.results.blocks.index, dtype=object))
    figure = class_figure(blocks, {"labelled": "labelled blocks"}, LABEL_COLOURS, "not labelled")
    caption = (
        f"Of {len(blocks):,} blocks, people drew cropland in {positive:,} and found none in {negative:,}. A block counts once a task "
        "in it is done."
    )
    return [Picture.of("labelled_blocks", "Where people labelled", caption, figure)]


def density_parts(evidence: Evidence) -> list[Part]:
    """Fig. 8: share of the blocks of each unit that are labelled, beside the mean over all."""
    if evidence.labels is None:
        return [Gap(NO_LABELS)]
    names = evidence.block_units
    if names is None:
        return [Gap(f"The recipe names no [[admin]] units of level {evidence.level}.")]
    table = sampling_density(names, pd.notna(evidence.labels))
    if not table.sampled.any():
        return [Gap("No task of the label project is done, so no block is labelled yet.")]
    mean = 100 * table.sampled.sum() / table.blocks.sum()
    shown = table.sort_values("blocks", ascending=False, kind="stable").head(MOST_BARS)
    caption = (
        f"Labelled blocks over all blocks of each {evidence.unit_word}; a block belongs to the one that holds its centre. The line "
        f"is the share of the blocks of all {evidence.unit_word}s together, {mean:.3g} %."
    )
    if len(shown) < len(table):
        caption += f" The {len(shown)} of {len(table):,} with the most blocks are drawn."
    figure = density_figure(shown.sort_values("percent", ascending=False, kind="stable"), mean)
    return [Picture.of("sampling_density", "Density of the labelled blocks", caption, figure)]


def sampling_density(units: pd.Series, is_sampled: Sequence[bool] | np.ndarray) -> pd.DataFrame:
    """Sampled blocks over all blocks by unit.

    Parameters
    ----------
    units : (n,) name of the unit of each block; blocks without one are left out
    is_sampled : (n,) bool

    Returns
    -------
    DataFrame with unit, blocks, sampled and percent
    """
    grouped = pd.DataFrame({"unit": units.to_numpy(), "sampled": np.asarray(is_sampled, bool)}).groupby("unit").sampled
    table = grouped.agg(blocks="size", sampled="sum").reset_index()
    return table.assign(percent=100 * table.sampled / table.blocks)


def density_figure(table: pd.DataFrame, mean: float) -> Figure:
    """Bars of `sampling_density` in the order of the table, with a line at the mean, per cent."""
    rows = [
        Bar(
            str(row.unit),
            float(row.percent),
            "#0072b2",
            text=f"{row.percent:.3g} % ({row.sampled:,} of {row.blocks:,})",
        )
        for row in table.itertuples()
    ]
    with figure_style():
        figure = Figure(figsize=(7.0, 0.34 * len(rows) + 1.1), layout="constrained")
        ax = figure.subplots()
        bars(ax, rows, room=0.3)
        ax.axvline(mean, color="#222222", linewidth=1, linestyle="--", label=f"all blocks: {mean:.3g} %")
        for text in ax.texts:
            text.set_bbox({"facecolor": "white", "linewidth": 0, "pad": 1})  # the line must not cross it
        ax.set_xticks([tick for tick in ax.get_xticks() if 0 <= tick <= 100])
        ax.set_xlabel("labelled blocks, % of all blocks")
        figure.legend(loc="outside upper right", fontsize=8)
        return figure
