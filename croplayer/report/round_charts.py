"""Figures of the rounds of a label project."""

from __future__ import annotations

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from croplayer.report.names import shortened, wrapped
from croplayer.report.style import MISSING_COLOUR, figure_style

POSITIVE_COLOUR, NEGATIVE_COLOUR = "#009e73", "#b08d2e"
IOU_COLOUR, CORRECT_COLOUR = "#0072b2", "#d55e00"
PANELS_ACROSS = 4
MOST_TICKS = 8
MAP_WIDTH = 7.2
"""In inches."""


def curve_figure(record: pd.DataFrame, names: Sequence[str], iou: float, correct: float) -> Figure:
    """Pixel IoU and share of correct masks by round with their intervals, a panel for each unit.

    Parameters
    ----------
    record : `stores.round_columns`, sorted by round
    names : title of each unit, in the order of the codes
    iou, correct : thresholds, 0..1
    """
    units = sorted(record.unit.unique())
    with figure_style():
        across = min(len(units), PANELS_ACROSS)
        down = -(-len(units) // across)
        figure = Figure(figsize=(max(2.3 * across, 4.6), 2.0 * down + 0.5), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for ax in axes.flat[len(units) :]:
            ax.set_visible(False)
        for ax, unit, name in zip(axes.flat, units, names, strict=False):
            part = record[record["unit"] == unit]
            _before(ax, part)
            _curve(ax, part, "iou", IOU_COLOUR, -0.04)
            _curve(ax, part, "correct", CORRECT_COLOUR, 0.04)
            for level, colour in ((iou, IOU_COLOUR), (correct, CORRECT_COLOUR)):
                ax.axhline(level, color=colour, linewidth=0.7, linestyle=":")
            ax.set_title(wrapped(name, 22), fontsize=9)
            ax.set_ylim(-0.02, 1.02)
        last = int(record["round"].max())
        axes[0, 0].set_xlim(-0.3, last + 0.3)
        axes[0, 0].set_xticks(range(0, last + 1, -(-last // MOST_TICKS)))
        figure.supxlabel("round", fontsize=9)
        handles = [
            Line2D([], [], color=IOU_COLOUR, marker="o", markersize=4, label="pixel IoU on held-out labels"),
            Line2D(
                [],
                [],
                color=IOU_COLOUR,
                linestyle=":",
                marker="o",
                markerfacecolor="white",
                markersize=4,
                label="the model before on the same",
            ),
            Line2D([], [], color=CORRECT_COLOUR, marker="o", markersize=4, label="masks that people judge correct"),
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3 if across > 2 else 1, fontsize=8)
        return figure


def _before(ax: Axes, part: pd.DataFrame) -> None:
    """The model that each round started from, on the same labels, one round earlier."""
    known = part[part.iou_before.notna() & part.iou.notna()]
    x = known["round"].to_numpy(float) - 0.04
    pairs = np.stack([known.iou_before.to_numpy(float), known.iou.to_numpy(float)])
    ax.plot(np.stack([x - 1, x]), pairs, ":", color=IOU_COLOUR, linewidth=0.9)
    ax.plot(x - 1, pairs[0], "o", color=IOU_COLOUR, markerfacecolor="white", markersize=4)


def _curve(ax: Axes, part: pd.DataFrame, name: str, colour: str, beside: float) -> None:
    known = part[part[name].notna()]
    if known.empty:
        return
    x, y = known["round"].to_numpy(float) + beside, known[name].to_numpy(float)
    ax.plot(x, y, "o-", color=colour, markersize=4, linewidth=1.2)
    low, high = known[f"{name}_low"].to_numpy(float), known[f"{name}_high"].to_numpy(float)
    ax.vlines(x, low, high, color=colour, linewidth=1)


def label_figure(latest: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Finished tasks with and without fields of each unit, as stacked bars."""
    with figure_style():
        figure = Figure(figsize=(7.2, 0.34 * len(latest) + 1.2), layout="constrained")
        ax = figure.subplots()
        places = np.arange(len(latest))
        left = np.zeros(len(latest))
        for column, colour, label in (
            ("positive", POSITIVE_COLOUR, "with fields"),
            ("negative", NEGATIVE_COLOUR, "without any field"),
        ):
            values = latest[column].to_numpy(float)
            ax.barh(places, values, left=left, height=0.62, color=colour, label=label)
            for y, (start, value) in enumerate(zip(left, values, strict=True)):
                if value:
                    ax.text(start + value / 2, y, f"{value:.0f}", ha="center", va="center", fontsize=7.5, color="white")
            left += values
        ax.set_yticks(places, [shortened(name) for name in names])
        ax.set_ylim(len(latest) - 0.4, -0.6)
        ax.set_xlabel("finished tasks")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(loc="outside upper center", ncols=2, fontsize=8)
        return figure


def place_figure(labels: pd.DataFrame, units: gpd.GeoDataFrame | None, sample: pd.DataFrame) -> Figure:
    """Where finished tasks with and without fields lie, and the blocks of the sample.

    Parameters
    ----------
    labels : lon, lat (degrees), positive, role
    units : outlines of the admin units, None without any
    sample : row and col of the blocks that rounds map
    """
    from stores.grid import BLOCKS_PER_DEGREE

    west, east, south, north = _view(labels, units)
    ratio = (north - south) / (east - west) / np.cos(np.deg2rad((south + north) / 2))
    with figure_style():
        figure = Figure(figsize=(MAP_WIDTH, MAP_WIDTH * min(max(ratio, 0.35), 1.5) + 0.8), layout="constrained")
        ax = figure.subplots()
        edge = 1 / BLOCKS_PER_DEGREE
        for row, col in sample[["row", "col"]].drop_duplicates().to_numpy().tolist():
            ax.fill_between(
                [col * edge - 180, (col + 1) * edge - 180], 90 - (row + 1) * edge, 90 - row * edge, color=MISSING_COLOUR,
                linewidth=0,
            )  # fmt: skip
        if units is not None:
            units.boundary.plot(ax=ax, color="#777777", linewidth=0.8)
        measures = labels.role.isin(["measures", "unused"])
        for is_positive, colour in ((True, POSITIVE_COLOUR), (False, NEGATIVE_COLOUR)):
            for is_held, marker in ((False, "o"), (True, "^")):
                part = labels[(labels.positive.astype(bool) == is_positive) & (measures == is_held)]
                face = colour if is_positive else "white"
                ax.scatter(part.lon, part.lat, marker=marker, s=34, facecolor=face, edgecolor=colour, linewidth=1.3)
        ax.set(xlim=(west, east), ylim=(south, north), xlabel="longitude, °", ylabel="latitude, °")
        ax.set_aspect(1 / np.cos(np.deg2rad((south + north) / 2)))
        figure.legend(handles=_place_handles(), loc="outside lower center", ncols=3, fontsize=8)
        return figure


def _place_handles() -> list[Line2D]:
    def handle(marker: str, face: str, edge: str, label: str) -> Line2D:
        return Line2D([], [], linestyle="", marker=marker, markerfacecolor=face, markeredgecolor=edge, label=label)

    return [
        handle("o", POSITIVE_COLOUR, POSITIVE_COLOUR, "with fields, teaches"),
        handle("^", POSITIVE_COLOUR, POSITIVE_COLOUR, "with fields, held out"),
        handle("s", MISSING_COLOUR, "#bbbbbb", "block of the sample"),
        handle("o", "white", NEGATIVE_COLOUR, "without any field, teaches"),
        handle("^", "white", NEGATIVE_COLOUR, "without any field, held out"),
    ]


def _view(labels: pd.DataFrame, units: gpd.GeoDataFrame | None) -> tuple[float, float, float, float]:
    """West, east, south and north of what a map shows, with a margin."""
    lon, lat = labels.lon.to_numpy(float), labels.lat.to_numpy(float)
    boxes = np.array([[lon.min(), lat.min(), lon.max(), lat.max()]])
    if units is not None and len(units):
        boxes = np.vstack([boxes, units.total_bounds[None]])
    west, south = boxes[:, :2].min(axis=0).tolist()
    east, north = boxes[:, 2:].max(axis=0).tolist()
    margin = max(0.02 * max(east - west, north - south), 0.01)
    return west - margin, east + margin, south - margin, north + margin
