"""Windows of imagery that stand for a kind: coverage types and kinds of land (paper Fig. 2 and Table 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from croplayer.products.legend import LegendFile
from croplayer.report.names import wrapped
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.panels import Panel, Sheet
from croplayer.report.paper.evidence import MAPS_NOTHING, Evidence, Example
from croplayer.report.style import COVERAGE_COLOURS, figure_style
from stores.columns import COVERAGE_TYPE, map_column

MOST_REGIONS = 3
"""Examples of a kind of land, each of another unit."""
MOST_KINDS = 10
MOST_BELOW = 5
"""More kinds are drawn in two columns."""
LEAST_SHARE = 0.5
"""Share of a window that a kind of land must fill to be its example."""
NO_KINDS = (
    "No map that the recipe names tells kinds of cropland: give a product or the reference a legend with several classes of farmed "
    "land (`legend` in [[products]] or [reference])."
)


def coverage_parts(evidence: Evidence) -> list[Part]:
    """Fig. 2: one window of each coverage type that occurs."""
    if not evidence.results.sources:
        return [Gap(MAPS_NOTHING)]
    if not evidence.coverage_examples:
        return [Gap(evidence.reasons.get("Fig. 2", "No block has a coverage type."))]
    found = {example.kind for example in evidence.coverage_examples}
    missing = [label for label in COVERAGE_COLOURS if label not in found]
    caption = "The block of each type of which the classifier is surest, or the first; each picture is a whole block."
    if missing:
        caption += f" No block of this run is {' or '.join(missing)}."
    figure = example_figure([[example] for example in evidence.coverage_examples], by_column=True)
    return [Picture.of("coverage_examples", "An example of each coverage type", caption, figure)]


def land_parts(evidence: Evidence) -> list[Part]:
    """Table 2: windows of kinds of cropland and of land that is confused with it, by region."""
    if not evidence.results.sources:
        return [Gap(MAPS_NOTHING)]
    if not evidence.land_examples:
        return [Gap(evidence.reasons.get("Table 2", NO_KINDS))]
    rows: dict[str, list[Example]] = {}
    for example in evidence.land_examples:
        rows.setdefault(example.kind, []).append(example)
    caption = (
        f"Windows that a class of {evidence.land_map} fills to more than {100 * LEAST_SHARE:.0f} %, each of another "
        f"{evidence.unit_word} where the class occurs in several; kinds of farmed land first. The classes are those of that map, which "
        "may be wrong, and the percentages tell how much of the window each fills."
    )
    figure = example_figure(list(rows.values()))
    return [Picture.of("land_examples", "Examples of kinds of land", caption, figure)]


def surest_blocks(blocks: pd.DataFrame, sources: Sequence[str]) -> list[tuple[str, str, str]]:
    """Coverage type, source and block of the example of each type that occurs: the block of the highest confidence.

    Blocks without a confidence come last; among equal ones the first source and block is taken.
    """
    found = []
    for label in COVERAGE_COLOURS:
        best: tuple[float, str, str] | None = None
        for source in sources:
            own = blocks[blocks[map_column(COVERAGE_TYPE, source)] == label]
            if own.empty:
                continue
            column = map_column("coverage_confidence", source)
            sure = own[column].astype(float).fillna(-1.0) if column in own else pd.Series(-1.0, own.index)
            first = sure.idxmax()
            if best is None or sure[first] > best[0]:
                best = float(sure[first]), source, str(own.block[first])
        if best is not None:
            found.append((label, best[1], best[2]))
    return found


def kinds_of(legend: LegendFile) -> dict[int, str]:
    """Names of a legend's classes by code, farmed land first; none if it tells fewer than two kinds of farmed land."""
    farmed = {code: entry.name for code, entry in legend.classes.items() if entry.land}
    if len(farmed) < 2:
        return {}
    others = {
        code: entry.name for code, entry in legend.classes.items() if not entry.land and code not in legend.nodata
    }
    return {**farmed, **others}


def filled_windows(codes: np.ndarray, kinds: Mapping[int, str], edge_px: int) -> pd.DataFrame:
    """Share of each window of a block that the commonest kind of land fills.

    Parameters
    ----------
    codes : (n, n) int, class of each pixel, negative where it is not known
    kinds : names of the classes that are looked for, by code
    edge_px : edge of the windows; a rest at the lower and right edge of the block is left out

    Returns
    -------
    DataFrame with code, row and col of the window in the block, counted in windows, and share, 0..1, above LEAST_SHARE
    """
    n = codes.shape[0] // edge_px
    windows = (
        codes[: n * edge_px, : n * edge_px].reshape(n, edge_px, n, edge_px).transpose(0, 2, 1, 3).reshape(n * n, -1)
    )
    rows = []
    for place, window in enumerate(windows):
        found, count = np.unique(window, return_counts=True)
        most = int(count.argmax())
        share = float(count[most] / window.size)
        if int(found[most]) in kinds and share > LEAST_SHARE:
            rows.append((int(found[most]), place // n, place % n, share))
    return pd.DataFrame(rows, columns=["code", "row", "col", "share"])


def chosen_windows(windows: pd.DataFrame, kinds: Mapping[int, str]) -> pd.DataFrame:
    """The windows that are shown: of each kind, the fullest of each of the MOST_REGIONS regions where it fills most.

    Parameters
    ----------
    windows : columns code, share and unit (name of the region), and any others; of equal shares the first row counts
    kinds : classes in the order in which they are shown, of which the first MOST_KINDS that occur are taken

    Returns
    -------
    rows of ``windows``, by kind, then by share
    """
    ordered = windows.sort_values("share", ascending=False, kind="stable")
    best = ordered.drop_duplicates(["code", "unit"]).groupby("code", sort=False).head(MOST_REGIONS)
    place = {code: i for i, code in enumerate(code for code in kinds if code in set(best.code))}
    kept = best[best.code.map(place) < MOST_KINDS]
    return kept.assign(place=kept.code.map(place)).sort_values(
        ["place", "share"], ascending=[True, False], kind="stable"
    )


def example_figure(rows: Sequence[Sequence[Example]], by_column: bool = False) -> Figure:
    """Windows of imagery, one row for each kind with its name beside them, or one column with its name above its one window."""
    with figure_style():
        size, gap = 1.75, 0.12
        if by_column:
            sheet = Sheet((size + gap) * len(rows) + gap, size + 0.85)
            for i, (example,) in enumerate(rows):
                panel = Panel(gap + i * (size + gap), 0.5, size, size)
                sheet.image(panel, example.picture)
                sheet.title(panel, example.kind, 10)
                _below(sheet, panel, example.title)
            return sheet.figure
        size, left, across = 1.4, 1.3, max(len(row) for row in rows)
        beside = 2 if len(rows) > MOST_BELOW else 1
        down = -(-len(rows) // beside)
        width, height = left + across * (size + gap) + gap, size + 0.42
        sheet = Sheet(width * beside, height * down + 0.1)
        for i, row in enumerate(rows):
            x, y = i // down * width, (down - 1 - i % down) * height + 0.42
            sheet.ax.text(x + 0.08, y + size / 2, wrapped(row[0].kind, 17), ha="left", va="center", fontsize=9)
            for k, example in enumerate(row):
                panel = Panel(x + left + k * (size + gap), y, size, size)
                sheet.image(panel, example.picture)
                _below(sheet, panel, example.title)
        return sheet.figure


def _below(sheet: Sheet, panel: Panel, text: str) -> None:
    sheet.ax.text(panel.x + panel.width / 2, panel.y - 0.05, text, ha="center", va="top", fontsize=7, linespacing=1.15)
