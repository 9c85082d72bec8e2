"""The steps of the method with what they came to in the run (paper Fig. 5)."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from croplayer.report.names import wrapped
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.panels import Sheet
from croplayer.report.paper.evidence import MAPS_NOTHING, Evidence
from croplayer.report.style import figure_style
from stores.columns import AREA_KM2, COVERAGE_TYPE, map_column
from stores.legends import INTEGRATED, CoverageType

WIDTH, HEIGHT, GAP = 2.35, 0.86, 0.42
COLUMNS = 3
LETTERS, MOST_LINES = 36, 3
"""What fits into a box."""


class Station(NamedTuple):
    """A step of the method."""

    name: str
    found: str
    """What it came to, in a few words"""


def flow_parts(evidence: Evidence) -> list[Part]:
    """Fig. 5: the steps from imagery to the map and its evaluation, with the run's figures."""
    if not evidence.results.sources:
        return [Gap(MAPS_NOTHING)]
    caption = "The steps of the method, in order, with what each came to in this run."
    return [Picture.of("flow", "From imagery to the map", caption, flow_figure(stations(evidence)))]


def stations(evidence: Evidence) -> list[Station]:
    """The steps of the method with the run's figures."""
    results, blocks = evidence.results, evidence.results.blocks
    usable = [c.label for c in CoverageType if c.is_usable]
    types = [blocks[map_column(COVERAGE_TYPE, s)] for s in results.sources]
    labels = [blocks[map_column("correctness", s)].dropna() for s in results.sources]
    judged, right = sum(map(len, labels)), sum(int(found.isin(results.correct).sum()) for found in labels)
    counts = blocks.integration_label.value_counts()
    area = float(blocks[map_column(AREA_KM2, INTEGRATED)].sum())
    share = f"{100 * right / judged:.0f} % of {judged:,} masks" if judged else "no mask"
    count = len(results.products)
    compared = f"{count} other {'map' if count == 1 else 'maps'}" if count else "no other map"
    return [
        Station("Imagery in blocks of 0.05°", f"{len(blocks):,} blocks\nof {' and '.join(results.sources)}"),
        Station("Coverage type", "\n".join(f"{s}: {100 * t.isin(usable).mean():.0f} % usable" for s, t in zip(results.sources, types, strict=True))),
        Station("Cropland by the network", "\n".join(f"{s}: {blocks[map_column(AREA_KM2, s)].sum():,.4g} km²" for s in results.sources)),
        Station("Semantic correctness", f"{share}\njudged correct"),
        Station("Integration", _integration_words(counts)),
        Station("The map", f"{area:,.4g} km² of cropland"),
        Station("Comparison", compared),
        Station("Admin units and statistics", _unit_words(evidence)),
        Station("Evaluation", f"against {results.titles[results.reference]}" if results.reference else "no reference map"),
    ]  # fmt: skip


def _integration_words(counts: pd.Series) -> str:
    """All options that blocks have, two in a line, with the number of blocks."""
    options = [f"{name}: {count:,}" for name, count in counts.items()]
    return "\n".join(", ".join(options[i : i + 2]) for i in range(0, len(options), 2)) + (" blocks" if options else "")


def _unit_words(evidence: Evidence) -> str:
    if evidence.units is None:
        return "no units given"
    with_statistic = "with a statistic" if "statistic_km2" in evidence.units else "without a statistic"
    return f"{len(evidence.units):,} {evidence.unit_word}s\n{with_statistic}"


def flow_figure(steps: list[Station]) -> Figure:
    """Boxes in rows, joined by arrows in reading order."""
    with figure_style():
        down = -(-len(steps) // COLUMNS)
        sheet = Sheet(COLUMNS * (WIDTH + GAP), down * (HEIGHT + GAP))
        for i, step in enumerate(steps):
            x, y = _place(i, down)
            box = FancyBboxPatch(
                (x, y), WIDTH, HEIGHT, boxstyle="round,pad=0,rounding_size=0.08", facecolor="#f2eee1", edgecolor="#8a6d1f",
                linewidth=0.9,
            )  # fmt: skip
            sheet.ax.add_patch(box)
            sheet.ax.text(x + WIDTH / 2, y + HEIGHT - 0.1, step.name, ha="center", va="top", fontsize=9, weight="bold")
            found = "\n".join(_fitted(step.found))
            sheet.ax.text(x + WIDTH / 2, y + 0.31, found, ha="center", va="center", fontsize=8, linespacing=1.3)
            if i:
                _arrow(sheet, _place(i - 1, down), (x, y))
        return sheet.figure


def _fitted(text: str) -> list[str]:
    """A text in at most MOST_LINES lines that fit into a box."""
    lines = [part for line in text.split("\n") for part in wrapped(line, LETTERS).split("\n")]
    return lines if len(lines) <= MOST_LINES else [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1]} …"]


def _place(i: int, down: int) -> tuple[float, float]:
    return GAP / 2 + i % COLUMNS * (WIDTH + GAP), GAP / 2 + (down - 1 - i // COLUMNS) * (HEIGHT + GAP)


def _arrow(sheet: Sheet, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": "#555555", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
    if start[1] == end[1]:
        y = start[1] + HEIGHT / 2
        sheet.ax.annotate("", (end[0], y), (start[0] + WIDTH, y), arrowprops=style)
        return
    x, x_end, middle = start[0] + WIDTH / 2, end[0] + WIDTH / 2, start[1] - GAP / 2
    sheet.ax.plot([x, x, x_end], [start[1], middle, middle], color="#555555", linewidth=1.0)
    sheet.ax.annotate("", (x_end, end[1] + HEIGHT), (x_end, middle), arrowprops=style)
