"""Mapped area in per cent of the statistic, by unit and over the units (paper Figs. 12 and 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from croplayer.report.names import wrapped
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.paper.evidence import Evidence
from croplayer.report.sections_proof import percent_picture
from croplayer.report.style import BAND_COLOUR, figure_style
from stores.columns import percent_column

MOST_ROWS = 60
"""Units of the table in colour; of more, those with the largest statistic."""
SHOWN_PERCENT = 250.0
"""Larger percentages are drawn at the edge."""
WHISKER = 1.5
"""Whiskers reach to the last value within so many times the box."""


class Box(NamedTuple):
    """A distribution: quartiles, and the least and greatest value that is no outlier."""

    low: float
    q1: float
    median: float
    q3: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> Box:
        """The box of finite values, of which there is at least one (Tukey 1977; quartiles by linear interpolation)."""
        q1, median, q3 = (float(q) for q in np.percentile(values, [25, 50, 75]))
        reach = WHISKER * (q3 - q1)
        inside = values[(values >= q1 - reach) & (values <= q3 + reach)]
        return cls(float(inside.min()), q1, median, q3, float(inside.max()))


def percentage_parts(evidence: Evidence) -> list[Part]:
    """Fig. 12: percentages of all maps and products by unit."""
    gap = _gap(evidence)
    if gap or evidence.units is None:
        return [gap] if gap else []
    shown = evidence.units.sort_values("statistic_km2", ascending=False).head(MOST_ROWS)
    parts: list[Part] = [percent_picture(evidence.results, shown, evidence.unit_word)]
    if len(shown) < len(evidence.units):
        parts.append(f"The {MOST_ROWS} of {len(evidence.units):,} units with the largest statistic are drawn.")
    return parts


def distribution_parts(evidence: Evidence) -> list[Part]:
    """Fig. 16: distribution of the percentages over the units, for every map and product."""
    gap = _gap(evidence)
    if gap or evidence.units is None:
        return [gap] if gap else []
    results, within = evidence.results, evidence.results.within or 0.0
    names = [*results.maps, *results.products]
    values = {name: evidence.units[percent_column(name)].dropna().to_numpy(float) for name in names}
    known = {name: found for name, found in values.items() if len(found)}
    if not known:
        return [Gap(f"No {evidence.unit_word} with a statistic is mapped completely.")]
    caption = (
        f"Each point is a {evidence.unit_word} that the map covers completely. Boxes hold the middle half, lines in them are "
        f"medians, whiskers end at the last value within {WHISKER:g} times the box. The band is {100 * (1 - within):.0f} to "
        f"{100 * (1 + within):.0f} %."
    )
    most = max(float(found.max()) for found in known.values())
    if most > SHOWN_PERCENT:
        caption += f" Values above {SHOWN_PERCENT:.0f} % are drawn there; the largest is {most:,.0f} %."
    figure = distribution_figure(known, results.titles, results.colours, within)
    title = f"Spread of the percentages over the {evidence.unit_word}s"
    return [Picture.of("percentage_distribution", title, caption, figure)]


def _gap(evidence: Evidence) -> Gap | None:
    if evidence.units is None:
        return Gap(f"The recipe names no [[admin]] units of level {evidence.level}.")
    if "statistic_km2" not in evidence.units:
        text = (
            "The recipe names no [statistics] of the provinces."
            if evidence.level == 1
            else f"[statistics] of a recipe are of level 1; give a table of level {evidence.level} with --statistics."
        )
        return Gap(text)
    return None


def distribution_figure(
    values: Mapping[str, np.ndarray], titles: Mapping[str, str], colours: Mapping[str, str], within: float
) -> Figure:
    """A box of each map with all its values.

    Parameters
    ----------
    values : percentages of each map, at least one
    titles, colours : by the name of the map
    within : half of the width of the band around 100 %, as a share
    """
    with figure_style():
        figure = Figure(figsize=(7.6, 0.4 * len(values) + 1.0), layout="constrained")
        ax = figure.subplots()
        ax.axvspan(100 * (1 - within), 100 * (1 + within), color=BAND_COLOUR, zorder=0, linewidth=0)
        ax.axvline(100, color="#777777", linewidth=0.8, zorder=0.5)
        for y, (name, found) in enumerate(values.items()):
            shown = np.minimum(found, SHOWN_PERCENT)
            box, colour = Box(*np.minimum(Box.of(found), SHOWN_PERCENT).tolist()), colours[name]
            ax.plot([box.low, box.high], [y, y], color=colour, linewidth=1, zorder=1)
            ax.barh(y, box.q3 - box.q1, left=box.q1, height=0.52, color=colour, alpha=0.45, zorder=2, edgecolor=colour)
            ax.plot([box.median] * 2, [y - 0.26, y + 0.26], color="#222222", linewidth=1.4, zorder=3)
            ax.plot(shown, y + _spread(len(shown)), "o", color=colour, markersize=3, zorder=4, markeredgewidth=0)
        ax.set_yticks(range(len(values)), [wrapped(titles.get(name, name), 30) for name in values], fontsize=8)
        ax.set_ylim(len(values) - 0.5, -0.5)
        lowest = min(float(found.min()) for found in values.values())
        highest = min(max(float(found.max()) for found in values.values()), SHOWN_PERCENT)
        room = 0.04 * (max(highest, 110) - min(lowest, 90))
        ax.set_xlim(min(lowest, 90) - room, max(highest, 110) + room)
        ax.set_xlabel("mapped area, % of the statistic")
        ax.tick_params(axis="y", length=0)
        return figure


def _spread(count: int) -> np.ndarray:
    """Heights that part ``count`` points, the same in every drawing."""
    return 0.16 * (np.arange(count) % 5 - 2) / 2


def percentages(units: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Percentages by unit and map in long form: adcode, name_en, map, percent; without unknown ones."""
    parts = [
        units[["adcode", "name_en"]].assign(map=name, percent=units[percent_column(name)])
        for name in names
        if percent_column(name) in units
    ]
    return pd.concat(parts, ignore_index=True).dropna(subset="percent") if parts else pd.DataFrame()
