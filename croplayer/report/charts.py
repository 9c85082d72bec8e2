"""Charts of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from croplayer.report.style import SERIES, figure_style


def statistic_figure(units: pd.DataFrame, maps: Sequence[str], within: float) -> Figure | None:
    """Percentage of the statistic by unit and map, with the band that counts as consistent.

    None when no unit can be compared.
    """
    compared = units[units[[f"{m}_percent" for m in maps]].notna().any(axis=1)]
    if compared.empty:
        return None
    compared = compared.sort_values("statistic_km2", ascending=False)
    with figure_style():
        figure = Figure(figsize=(max(6.0, 0.36 * len(compared) + 2.2), 4.2), layout="constrained")
        ax = figure.subplots()
        ax.axhspan(100 - 100 * within, 100 + 100 * within, color="#dfeee6", zorder=0)
        ax.axhline(100, color="#555555", linewidth=0.8)
        place = np.arange(len(compared))
        for i, (name, colour) in enumerate(zip(maps, SERIES, strict=False)):
            shift = (i - (len(maps) - 1) / 2) * 0.14
            ax.plot(place + shift, compared[f"{name}_percent"], "o", color=colour, markersize=5, label=name)
        ax.set_xticks(place, compared.name_en, rotation=60, ha="right", fontsize=7)
        ax.set_ylabel("mapped area, % of the statistic")
        ax.set_ylim(bottom=0)
        figure.legend(loc="outside upper center", ncols=min(len(maps), 5))
        return figure


def agreement_figure(agreement: pd.DataFrame) -> Figure:
    """IoU and F1 of every map against each other map."""
    with figure_style():
        rows = agreement.reset_index(drop=True)
        figure = Figure(figsize=(7.0, 0.42 * len(rows) + 1.2), layout="constrained")
        ax = figure.subplots()
        place = np.arange(len(rows))[::-1]
        ax.barh(place + 0.19, rows.iou, height=0.36, color=SERIES[3], label="IoU")
        ax.barh(place - 0.19, rows.f1, height=0.36, color=SERIES[4], label="F1")
        for y, iou in zip(place, rows.iou, strict=True):
            if np.isfinite(iou):
                ax.text(iou + 0.01, y + 0.19, f"{iou:.3f}", va="center", fontsize=7)
        ax.set_yticks(place, [f"{r.map} against {r.against}" for r in rows.itertuples()])
        ax.set_xlim(0, 1.08)
        figure.legend(loc="outside lower center", ncols=2)
        return figure


def fraction_figure(blocks: pd.DataFrame, own: str, products: Mapping[str, str]) -> Figure:
    """Area fraction of every block: ours across, each product's up."""
    with figure_style():
        figure = Figure(figsize=(3.6 * len(products), 3.6), layout="constrained")
        axes = figure.subplots(1, len(products), squeeze=False)[0]
        for ax, (name, title), colour in zip(axes, products.items(), SERIES, strict=False):
            both = blocks[[f"area_fraction_{own}", f"area_fraction_{name}"]].dropna()
            ax.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
            ax.plot(both.iloc[:, 0], both.iloc[:, 1], "o", color=colour, markersize=3.5, alpha=0.7)
            ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="area fraction of our map", ylabel="of the product")
            ax.set_title(f"{title} ({len(both)} blocks)", fontsize=9)
            ax.set_aspect("equal")
        return figure


def curve_figure(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss by step of each model, with a running mean."""
    with figure_style():
        figure = Figure(figsize=(4.4 * len(curves), 3.0), layout="constrained")
        axes = figure.subplots(1, len(curves), squeeze=False)[0]
        for ax, (title, curve) in zip(axes, curves.items(), strict=True):
            ax.plot(curve.step, curve.loss, color="#cccccc", linewidth=0.6)
            window = max(1, len(curve) // 40)
            ax.plot(curve.step, curve.loss.rolling(window, min_periods=1).mean(), color=SERIES[1])
            ax.set(title=title, xlabel="step", ylabel="training loss", ylim=(0, None))
        return figure
