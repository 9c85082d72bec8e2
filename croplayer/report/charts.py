"""Charts of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from croplayer.report.names import letters_of, shortened, wrapped
from croplayer.report.panels import Panel, Sheet, ticks_of
from croplayer.report.style import BAND_COLOUR, MISSING_COLOUR, figure_style
from stores.columns import AREA_FRACTION, map_column, mapped_column, percent_column

LABEL_LETTERS = 19
"""Bar labels with more letters are wrapped."""
TITLE_LETTERS = 22
"""Panel titles with more letters are wrapped."""
VALUE_WIDTH = 0.43
"""Width kept for the value beside a bar, in inches."""
MOST_POINTS = 3000
"""More blocks than this are plotted as a density."""
FRACTION_VIEW = (-0.03, 1.03)
"""Area fractions that a plot shows."""


class Bar(NamedTuple):
    """One bar of a chart."""

    label: str
    value: float
    """NaN prints "not known" in place of the bar"""
    colour: str
    low: float = np.nan
    """Lower end of the interval; NaN draws no interval"""
    high: float = np.nan
    """Upper end of the interval"""
    text: str = ""
    """Printed beside the bar; empty prints the value"""


def bars(ax: Axes, rows: Sequence[Bar], labels: bool = True, room: float = 0.2) -> None:
    """Draw horizontal bars with their intervals and values, the first at the top.

    Parameters
    ----------
    labels : whether the bars' labels are printed
    room : share of the width kept for the values, in 0..1
    """
    values = np.array([b.value for b in rows])
    ends = np.array([v if np.isnan(b.high) else b.high for b, v in zip(rows, values, strict=True)])
    reach = max(np.nanmax(np.abs(ends)), 1e-9) if np.isfinite(ends).any() else 1.0
    known = np.flatnonzero(~np.isnan(values)).tolist()
    ax.barh(known, values[known], height=0.62, color=[rows[y].colour for y in known])
    for y, bar in enumerate(rows):
        if np.isnan(bar.value):
            ax.text(0.02 * reach, y, "not known", va="center", fontsize=7, color="#777777")
            continue
        if np.isfinite(bar.low):
            ax.plot([bar.low, bar.high], [y, y], color="#222222", linewidth=1.2)
        right = max(bar.value, bar.high if np.isfinite(bar.high) else bar.value, 0.0)
        ax.text(right + 0.02 * reach, y, bar.text or _digits(bar.value), va="center", fontsize=7.5)
    ax.set_yticks(range(len(rows)), [wrapped(b.label, LABEL_LETTERS) for b in rows] if labels else [""] * len(rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    low = min(np.nanmin(values), 0.0) if np.isfinite(values).any() else 0.0
    ax.set_xlim(low * 1.25, low + (reach - low) / (1 - room))
    ax.tick_params(axis="y", length=0)


def _digits(value: float) -> str:
    """A value with three significant digits, whose last may be 0: 0.770 beside 0.763."""
    return (
        f"{value:#.3g}".rstrip(".")
        if 1e-4 <= abs(value) < 1000
        else f"{value:,.3g}"
        if abs(value) < 1e-4
        else f"{value:,.0f}"
    )


def bar_figure(rows: Sequence[Bar], label: str, width: float = 7.0) -> Figure:
    """One chart of horizontal bars; ``label`` names the x axis, ``width`` is in inches."""
    with figure_style():
        figure = Figure(figsize=(width, 0.34 * len(rows) + 0.9), layout="constrained")
        ax = figure.subplots()
        bars(ax, rows)
        ax.set_xlabel(label)
        return figure


def bar_panels(panels: Mapping[str, Sequence[Bar]], groups: Sequence[tuple[str, int]] = ()) -> Figure:
    """Bars of the same things side by side, one panel per measure.

    Parameters
    ----------
    panels : bars by the title of their panel; all panels show the same things in the same order
    groups : (name, number of panels) of each group; the name is printed above its panels
    """
    with figure_style():
        first = next(iter(panels.values()))
        letters = max(letters_of(line) for bar in first for line in wrapped(bar.label, LABEL_LETTERS).split("\n"))
        left, height = 0.3 + 0.085 * letters, 0.36 * len(first) + 1.0
        figure = Figure(figsize=(min(1.6 * len(panels), 8.6) + left + 0.1, height))
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        figure.subplots_adjust(
            left=left / figure.get_figwidth(), right=0.985, wspace=0.16, bottom=0.08 / height, top=1 - 0.78 / height
        )
        for i, (ax, (title, rows)) in enumerate(zip(axes, panels.items(), strict=True)):
            width = ax.get_position().width * figure.get_figwidth()
            bars(ax, rows, labels=i == 0, room=min(VALUE_WIDTH / width, 0.6))
            ax.set_title(wrapped(title, TITLE_LETTERS), fontsize=8.5)
            ax.set_xticks([])
        start = 0
        for name, count in groups:
            left, right = axes[start].get_position().x0, axes[start + count - 1].get_position().x1
            figure.text(
                (left + right) / 2, 1 - 0.17 / height, name, ha="center", va="center", fontsize=10, color="#8a6d1f"
            )
            figure.add_artist(_rule(figure, left, right, 1 - 0.36 / height))
            start += count
        return figure


def _rule(figure: Figure, left: float, right: float, y: float) -> Rectangle:
    return Rectangle((left, y), right - left, 0.004, transform=figure.transFigure, color="#e3d7b4")


def unit_heatmap(units: pd.DataFrame, maps: Sequence[str], titles: Mapping[str, str], within: float) -> Figure | None:
    """Heat map of the mapped area as a percentage of the statistic, by unit and map.

    Parameters
    ----------
    units : columns name_en, statistic_km2 and, per map, MAP_percent (NaN where not known)
    titles : title of each map by its name
    within : limit of the deviation as a share (0.1 is 10 %); percentages within it are framed and bold

    Returns
    -------
    Figure, or None where no unit has a percentage
    """
    compared = units[units[[percent_column(m) for m in maps]].notna().any(axis=1)]
    if compared.empty:
        return None
    compared = compared.sort_values("statistic_km2", ascending=False)
    values = compared[[percent_column(m) for m in maps]].to_numpy(float)
    with figure_style():
        figure = Figure(figsize=(0.86 * len(maps) + 2.6, 0.27 * len(compared) + 1.6), layout="constrained")
        ax = figure.subplots()
        ax.set_facecolor(MISSING_COLOUR)
        norm = TwoSlopeNorm(100, 0, 200)
        image = ax.imshow(np.clip(values, 0, 200), cmap="PuOr_r", norm=norm, aspect="auto", interpolation="nearest")
        # Texts inside of cells need no room, so they are not measured for the layout.
        inside: dict[str, Any] = {"ha": "center", "va": "center", "in_layout": False}
        for (y, x), value in np.ndenumerate(values):
            if np.isnan(value):
                ax.text(x, y, "not known", fontsize=7, color="#777777", **inside)
                continue
            good = abs(value - 100) <= 100 * within
            dark = abs(min(value, 200) - 100) > 65
            colour, weight = "white" if dark else "#222222", "bold" if good else "normal"
            ax.text(x, y, f"{value:.0f}", fontsize=8, color=colour, weight=weight, **inside)
            if good:
                ax.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor="#009e73", linewidth=2))
        ax.set_xticks(range(len(maps)), [wrapped(titles.get(m, m)) for m in maps], fontsize=8)
        ax.set_yticks(range(len(compared)), [shortened(str(name)) for name in compared.name_en], fontsize=8)
        ax.tick_params(length=0)
        ax.xaxis.tick_top()
        ax.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=ax, shrink=0.7, ticks=[0, 50, 100, 150, 200])
        bar.ax.set_yticklabels(["0", "50", "100", "150", "200 or more"], fontsize=7)
        bar.set_label("mapped area, % of the statistic", fontsize=8)
        return figure


def fraction_figure(blocks: pd.DataFrame, own: str, products: Mapping[str, str], colours: Mapping[str, str]) -> Figure:
    """Scatter plots of the area fraction by block: our map on the x axis, one product per panel on the y axis.

    More than MOST_POINTS blocks are plotted as a density. Blocks where either value is missing are left out.

    Parameters
    ----------
    blocks : columns area_fraction_MAP, 0..1, of our map and the products
    own : name of our map
    products : title of each product by its name
    colours : colour of each product by its name
    """
    with figure_style():
        across = min(len(products), 4)
        down = -(-len(products) // across)
        left, below, width, height = 0.3, 0.3, 2.7 - 0.3 / across, 2.9 - 0.3 / down
        sheet = Sheet(2.7 * across, 2.9 * down)
        ticks = ticks_of(*FRACTION_VIEW, 9)
        for i, (name, title) in enumerate(products.items()):
            x, y = left + i % across * width, below + (down - 1 - i // across) * height
            place = Panel(x + 0.3, y + 0.25, width - 0.4, height - 0.7, (*FRACTION_VIEW, *FRACTION_VIEW)).fitted(1)
            both = blocks[[map_column(AREA_FRACTION, own), map_column(AREA_FRACTION, name)]].dropna().to_numpy(float)
            sheet.ax.plot(place.across([0, 1]), place.up([0, 1]), color="#888888", linewidth=0.8)
            if len(both) > MOST_POINTS:
                counts, _, _ = np.histogram2d(both[:, 1], both[:, 0], bins=40, range=((0, 1), (0, 1)))
                shown = np.where(counts > 0, np.log10(np.maximum(counts, 1)), np.nan)
                sheet.image(place.part(0, 1, 0, 1), shown[::-1], cmap="cividis")
            else:
                points = place.across(both[:, 0]), place.up(both[:, 1])
                sheet.ax.plot(*points, "o", color=colours[name], markersize=3.5, alpha=0.75)
            sheet.frame(place, ticks, ticks)
            sheet.title(place, f"{title}\n{len(both):,} blocks", 8.5)
        sheet.ax.text(1.35 * across, 0.05, "cropland share of our map", ha="center", va="bottom", fontsize=8.5)
        sheet.ax.text(
            0.05, 1.45 * down, "cropland share of the product", rotation=90, ha="left", va="center", fontsize=8.5
        )
        return sheet.figure


def slope_figure(slopes: pd.DataFrame, titles: Mapping[str, str], colours: Mapping[str, str]) -> Figure:
    """Deviation of the cropland share of every product from that of our map, by slope class.

    Parameters
    ----------
    slopes : columns product, slope_from_deg, slope_to_deg, blocks and deviation (a share); the rows of a product run
        from flat to steep
    """
    with figure_style():
        figure = Figure(figsize=(7.2, 3.8), layout="constrained")
        ax = figure.subplots()
        ax.axhline(0, color="#555555", linewidth=0.8)
        for name, rows in slopes.groupby("product", sort=False):
            deviation = 100 * rows.deviation.to_numpy(float)
            ax.plot(
                range(len(rows)),
                deviation,
                "o-",
                color=colours[name],
                label=wrapped(titles.get(name, name), 24),
                markersize=4,
            )
        classes = slopes.groupby(["slope_from_deg", "slope_to_deg"]).blocks.max()
        words = [f"{low:g} to {high:g}°\n{blocks:,} blocks" for (low, high), blocks in classes.items()]
        ax.set_xticks(range(len(words)), words, fontsize=8)
        ax.set_ylabel("deviation of the cropland share from our map, %")
        ax.set_xlabel("median slope of the block")
        ax.set_xlim(-0.4, len(words) - 0.6)
        figure.legend(loc="outside right upper", fontsize=8)
        return figure


def interval_figure(rows: pd.DataFrame) -> Figure:
    """Estimated areas with their intervals beside the mapped areas, by unit.

    Parameters
    ----------
    rows : columns label, mapped_km2, estimate_km2, low_km2, high_km2; NaN in low_km2 draws no interval
    """
    with figure_style():
        figure = Figure(figsize=(7.2, 0.32 * len(rows) + 1.2), layout="constrained")
        ax = figure.subplots()
        for y, row in enumerate(rows.itertuples()):
            if row.low_km2 == row.low_km2:
                ax.plot([row.low_km2, row.high_km2], [y, y], color="#0072b2", linewidth=2.2)
            ax.plot(
                row.estimate_km2, y, "o", color="#0072b2", markersize=6, label="" if y else "estimate, 95 % interval"
            )
            ax.plot(row.mapped_km2, y, "D", color="#d55e00", markersize=5, label="" if y else "counted on the map")
        ax.set_yticks(range(len(rows)), [shortened(str(label)) for label in rows.label])
        ax.invert_yaxis()
        ax.set_xlim(left=0)
        ax.set_xlabel("cropland, km²")
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def paired_figure(
    table: pd.DataFrame, maps: Sequence[str], titles: Mapping[str, str], colours: Mapping[str, str], true: str
) -> Figure:
    """Scatter plot of the areas of units: true area on the x axis, mapped area on the y axis; the band is ± 10 %.

    Parameters
    ----------
    table : columns MAP_km2 of the maps and of the truth; NaN draws no point
    true : name of the map taken as true
    """
    with figure_style():
        figure = Figure(figsize=(5.2, 4.9), layout="constrained")
        ax = figure.subplots()
        areas = table[[mapped_column(m) for m in [*maps, true]]].to_numpy(float)
        top = 1.06 * float(areas[np.isfinite(areas)].max(initial=0)) or 1.0
        ax.fill_between([0, top], [0, 0.9 * top], [0, 1.1 * top], color=BAND_COLOUR, zorder=0, linewidth=0)
        ax.plot([0, top], [0, top], color="#777777", linewidth=0.8)
        for name in maps:
            ax.plot(
                table[mapped_column(true)], table[mapped_column(name)], "o", color=colours[name], markersize=5, alpha=0.85,
                label=shortened(titles.get(name, name)),
            )  # fmt: skip
        ax.set(xlim=(0, top), ylim=(0, top), xlabel="true cropland, km²", ylabel="mapped cropland, km²")
        ax.set_aspect("equal")
        ax.legend(loc="upper left", fontsize=8)
        return figure


def share_figure(shares: pd.DataFrame, colours: Mapping[str, str], label: str = "% of the blocks") -> Figure:
    """Stacked shares, one bar per row.

    Parameters
    ----------
    shares : one row per bar, named by the index, and one column per label; the shares of a row sum to at most 1
    colours : colour of each label, as "#rrggbb"
    label : names the x axis
    """
    with figure_style():
        figure = Figure(figsize=(7.2, 0.42 * len(shares) + 1.2), layout="constrained")
        ax = figure.subplots()
        for y, (_, row) in enumerate(shares.iterrows()):
            left = 0.0
            for name, value in row.items():
                ax.barh(y, 100 * value, left=left, height=0.6, color=colours[str(name)], label=name if y == 0 else "")
                if value > 0.05:
                    ax.text(left + 50 * value, y, f"{100 * value:.0f} %", ha="center", va="center", fontsize=7.5,
                            color=_text_colour(colours[str(name)]))  # fmt: skip
                left += 100 * value
        ax.set_yticks(range(len(shares)), [shortened(str(name)) for name in shares.index])
        ax.invert_yaxis()
        ax.set(xlim=(0, 100), xlabel=label)
        ax.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=6, fontsize=8)
        return figure


def _text_colour(colour: str) -> str:
    """Black or white, whichever is legible on a colour."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 120 else "#222222"


def curve_figure(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss by step of each model, with a running mean.

    Parameters
    ----------
    curves : table with the columns step and loss, by the title of the model
    """
    with figure_style():
        figure = Figure(figsize=(4.4 * len(curves), 3.0), layout="constrained")
        axes = figure.subplots(1, len(curves), squeeze=False)[0]
        for ax, (title, curve) in zip(axes, curves.items(), strict=True):
            ax.plot(curve.step, curve.loss, color="#cccccc", linewidth=0.6)
            window = max(1, len(curve) // 40)
            ax.plot(curve.step, curve.loss.rolling(window, min_periods=1).mean(), color="#0072b2")
            ax.set(title=title, xlabel="step", ylabel="training loss", ylim=(0, None))
        return figure
