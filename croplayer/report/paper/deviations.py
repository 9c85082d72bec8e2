"""Where products deviate from our map, and on which slopes (paper Figs. 14 and 15)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from croplayer.evaluation.products import block_deviations
from croplayer.report.maps import block_image, block_panels
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.panels import Panel, Sheet, ticks_of
from croplayer.report.paper.evidence import MAPS_NOTHING, NO_CLASSES, Evidence
from croplayer.report.style import MISSING_COLOUR, figure_style
from stores.columns import AREA_FRACTION
from stores.legends import INTEGRATED

MEASURES = {AREA_FRACTION: "area fraction", "edge_density": "edge density"}
SOME_CROPLAND = 0.1
"""Blocks with a larger area fraction on our map are counted in the histograms."""
SHOWN = 100.0
"""Deviations up to this, in per cent, have colours of their own."""
DEVIATION_EDGES = np.linspace(-100, 200, 31)
"""Edges of the histograms' bins of the deviation, per cent; larger deviations are counted in the last."""
SLOPE_BINS = 20
TITLE_LETTERS = 28
BAR_ROOM = 0.95
"""Width kept for a colour bar with its numbers, in inches."""
LEAST_COUNT = 5
"""The colours reach to this number of blocks at least, so that their numbers are whole."""


def deviations_of(evidence: Evidence) -> dict[str, pd.DataFrame]:
    """`block_deviations` of the products that agree best with our map, by product."""
    blocks = evidence.blocks
    return {name: block_deviations(blocks, name, INTEGRATED) for name in evidence.deviating}


def deviation_parts(evidence: Evidence) -> list[Part]:
    """Fig. 14: maps of the deviation of area fraction and edge density."""
    found = deviations_of(evidence)
    if not found:
        return [Gap(_missing(evidence))]
    columns = {
        (measure, name): 100 * table[measure]
        for measure in MEASURES
        for name, table in found.items()
        if measure in table
    }
    figure = deviation_figure(evidence.results.blocks, columns, evidence.results.titles)
    caption = (
        "(Product - ours) / ours in each block, in per cent: red means more than our map, blue less; beyond 100 % the colour stays. "
        "Area fraction is the share of cropland on the ground that both maps know, edge density the share of the block's pixels on "
        "an outline of cropland where both maps know 98 % of it. Grey blocks have no cropland on our map, or one map does not know "
        f"them. The {len(found)} products with the highest IoU with our map, best first."
    )
    return [Picture.of("deviation_maps", "Where the products deviate from our map", caption, figure)]


def slope_parts(evidence: Evidence) -> list[Part]:
    """Fig. 15: histograms of deviation and slope."""
    found = deviations_of(evidence)
    if not found:
        return [Gap(_missing(evidence))]
    if "slope_deg" not in evidence.results.blocks or evidence.results.blocks.slope_deg.isna().all():
        return [Gap("No block has a slope: the recipe names no elevation model ([terrain] path).")]
    slope = evidence.results.blocks.slope_deg.astype(float)
    panels = {}
    for measure in MEASURES:
        for name, table in found.items():
            if measure not in table:
                continue
            shown = table[table.own_area_fraction > SOME_CROPLAND]
            both = pd.DataFrame({"slope": slope.reindex(shown.index), "deviation": 100 * shown[measure]}).dropna()
            panels[measure, name] = both
    if not any(len(both) for both in panels.values()):
        return [Gap(f"No block has an area fraction above {SOME_CROPLAND:g} on our map.")]
    edges = slope_edges(float(max(both.slope.max() for both in panels.values() if len(both))))
    caption = (
        f"Blocks with an area fraction above {SOME_CROPLAND:g} on our map, by their median slope and by the deviation "
        "(product - ours) / ours; blocks beyond 200 % are counted in the uppermost row. The line is at 0 %. "
        f"The {len(found)} products with the highest IoU with our map, best first."
    )
    figure = slope_histogram_figure(panels, edges, evidence.results.titles)
    title = "Deviation of the products against the slope"
    return [Picture.of("slope_histograms", title, caption, figure)]


def _missing(evidence: Evidence) -> str:
    if not evidence.results.sources:
        return MAPS_NOTHING
    return NO_CLASSES


def slope_edges(steepest_deg: float) -> np.ndarray:
    """Edges of SLOPE_BINS bins from 0 to a round slope at or above the steepest, degrees."""
    top = next((step for step in (2, 5, 10, 15, 20, 30, 45, 60) if step >= steepest_deg), 90)
    return np.linspace(0, top, SLOPE_BINS + 1)


def histogram(slope_deg: np.ndarray, deviation: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of blocks by deviation and slope.

    Parameters
    ----------
    slope_deg, deviation : (n,) degrees and per cent, known in all blocks
    edges : of the bins of the slope

    Returns
    -------
    (rows, columns) int64, the largest deviations in the first row, the flattest ground in the first column; deviations beyond
    the last of DEVIATION_EDGES count as there
    """
    capped = np.clip(deviation, DEVIATION_EDGES[0], DEVIATION_EDGES[-1])
    counts, _, _ = np.histogram2d(capped, slope_deg, bins=[DEVIATION_EDGES, edges])
    return counts[::-1].astype(np.int64)


def deviation_figure(
    blocks: pd.DataFrame, columns: Mapping[tuple[str, str], pd.Series], titles: Mapping[str, str]
) -> Figure:
    """A map of each deviation, per cent: measures below each other, products side by side.

    Parameters
    ----------
    blocks : block table with row and col
    columns : deviation of the blocks by measure and product, NaN where not known, in the order of the panels
    titles : of the products
    """
    with figure_style():
        across = len({name for _, name in columns})
        sheet, panels = block_panels(blocks, len(columns), across, 4.2 if across == 1 else 1.85, 0.05, 0.3)
        norm, image = Normalize(-SHOWN, SHOWN), None
        for panel, ((measure, name), values) in zip(panels, columns.items(), strict=True):
            sheet.background(panel, MISSING_COLOUR)
            known = values.reindex(blocks.index).to_numpy(float)
            image = sheet.image(panel, block_image(blocks, known), cmap="RdBu_r", norm=norm)
            sheet.title(panel, f"{shortened(titles.get(name, name))}", 8)
            _measure_label(sheet, panel, measure)
        width, height = sheet.figure.get_size_inches()
        sheet.figure.set_size_inches(width + BAR_ROOM, height)
        sheet.ax.set(xlim=(0, width + BAR_ROOM), ylim=(0, height))
        if image is not None:
            _colour_bar(sheet, panels[across - 1], panels[-1], image, "deviation, %")
        return sheet.figure


def slope_histogram_figure(
    panels: Mapping[tuple[str, str], pd.DataFrame], edges: np.ndarray, titles: Mapping[str, str]
) -> Figure:
    """Histograms of deviation (y, per cent) and slope (x, degrees): measures below each other, products side by side.

    Parameters
    ----------
    panels : columns slope and deviation by measure and product
    edges : of the bins of the slope
    """
    counts = {
        key: histogram(both.slope.to_numpy(float), both.deviation.to_numpy(float), edges)
        for key, both in panels.items()
    }
    most = max(int(found.max()) for found in counts.values())
    with figure_style():
        across = len({name for _, name in panels})
        down = -(-len(panels) // across)
        cell_width, cell_height, left, below = 2.15, 2.1, 0.35, 0.6
        sheet = Sheet(cell_width * across + left + BAR_ROOM, cell_height * down + 0.25)
        view = (float(edges[0]), float(edges[-1]), float(DEVIATION_EDGES[0]), float(DEVIATION_EDGES[-1]))
        x_ticks, y_ticks = ticks_of(view[0], view[1], 5), ticks_of(view[2], view[3], 6)
        norm, palette = Normalize(0, max(most, LEAST_COUNT)), _from_white()
        drawn = []
        for i, ((measure, name), found) in enumerate(counts.items()):
            x, y = left + i % across * cell_width + 0.45, below + (down - 1 - i // across) * cell_height
            panel = Panel(x, y, cell_width - 0.6, cell_height - 0.7, view)
            image = sheet.image(panel, np.where(found > 0, found, np.nan), cmap=palette, norm=norm)
            drawn.append((panel, image))
            sheet.ax.plot(panel.across([view[0], view[1]]), panel.up([0, 0]), color="#777777", linewidth=0.8)
            sheet.frame(panel, x_ticks, y_ticks)
            sheet.title(panel, shortened(titles.get(name, name)), 8)
            sheet.ax.text(panel.right, panel.top - 0.04, f"{found.sum():,} blocks", ha="right", va="top", fontsize=6.5)
            if i % across == 0:
                sheet.ax.text(
                    0.08, panel.y + panel.height / 2, f"deviation of the\n{MEASURES[measure]}, %", rotation=90, ha="left",
                    va="center", fontsize=8, linespacing=1.1,
                )  # fmt: skip
        sheet.ax.text(
            left + across * cell_width / 2 + 0.2,
            0.08,
            "median slope of the block, °",
            ha="center",
            va="bottom",
            fontsize=8.5,
        )
        _colour_bar(sheet, drawn[across - 1][0], drawn[-1][0], drawn[0][1], "blocks")
        return sheet.figure


def _colour_bar(sheet: Sheet, top: Panel, bottom: Panel, image: AxesImage, label: str) -> None:
    """Draw one colour bar beside all panels, from the foot of the last to the head of those on top."""
    beside = top._replace(x=top.x + 0.15, y=bottom.y, height=top.top - bottom.y)
    sheet.colour_bar(beside, image, label)


def _from_white() -> ListedColormap:
    """Colours whose least is still told from white."""
    return ListedColormap(colormaps["viridis_r"](np.linspace(0.08, 1, 256)))


def _measure_label(sheet: Sheet, panel: Panel, measure: str) -> None:
    """Write a measure's name into the upper left corner of a panel."""
    style = {"boxstyle": "square,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
    sheet.ax.text(panel.x + 0.05, panel.top - 0.05, MEASURES[measure], fontsize=6.5, ha="left", va="top", bbox=style)


def shortened(title: str, letters: int = TITLE_LETTERS) -> str:
    """A title of at most so many letters."""
    return title if len(title) <= letters else f"{title[: letters - 1].rstrip()}…"
