"""Maps of the blocks: slope, and imagery with what was measured in it (paper Figs. 1 and 7)."""

from __future__ import annotations

import colorsys

import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.report.maps import block_image, block_panels, value_figure
from croplayer.report.page import Gap, Part, Picture
from croplayer.report.panels import norm_of
from croplayer.report.paper.evidence import MAPS_NOTHING, Evidence
from croplayer.report.style import COVERAGE_COLOURS, MISSING_COLOUR, figure_style
from stores.columns import COVERAGE_TYPE, map_column

MEASURED = {"saturation": "saturation", "sharpness": "sharpness"}
"""Measures of imagery that Fig. 7 maps."""
SHOWN_PERCENTILES = (2, 98)
"""Values beyond these percentiles have the colours of the ends, so that one strange block does not hide the others."""
NO_TERRAIN = "No block has a slope: the recipe names no elevation model ([terrain] path)."


def slope_parts(evidence: Evidence) -> list[Part]:
    """Fig. 1: median slope of the blocks."""
    blocks = evidence.results.blocks
    if "slope_deg" not in blocks or blocks.slope_deg.isna().all():
        return [Gap(NO_TERRAIN)]
    figure = value_figure(blocks, {"slope_deg": "median slope"}, {"slope_deg": "degree"})
    caption = "Median slope (Horn) of the elevation model in each block."
    return [Picture.of("slope_map", "Slope of the region", caption, figure)]


def imagery_parts(evidence: Evidence) -> list[Part]:
    """Fig. 7: imagery, coverage type, saturation and sharpness of each source."""
    results = evidence.results
    if not results.sources:
        return [Gap(MAPS_NOTHING)]
    images = dict(evidence.images) or {s: median_colours(results.blocks, s) for s in results.sources}
    how = (
        "The imagery is drawn at coarser pixels."
        if evidence.images
        else "The imagery is the median hue, saturation and lightness of each block, because there are too many blocks to draw pixels."
    )
    caption = (
        f"{how} Saturation is the block's median, 0 to 1; sharpness is the median magnitude of the Sobel filter. Both sources have "
        "the same colours, which reach from the 2nd to the 98th percentile of their blocks."
    )
    figure = imagery_figure(results.blocks, results.sources, images)
    title = "Imagery of the sources and what was measured in it"
    return [Picture.of("imagery_maps", title, caption, figure)]


def median_colours(blocks: pd.DataFrame, source: str) -> np.ndarray:
    """Colour of each block of a source by its median hue, lightness and saturation.

    Returns
    -------
    (rows, columns, 3) uint8 of the region's rectangle of blocks, white where nothing is known
    """
    columns = [map_column(name, source) for name in ("hue", "lightness", "saturation")]
    values = blocks[columns].to_numpy(float)
    rgb = [colorsys.hls_to_rgb(*row) if np.isfinite(row).all() else (1.0, 1.0, 1.0) for row in values]
    bands = [np.nan_to_num(block_image(blocks, band), nan=1.0) for band in np.array(rgb).T]
    return np.asarray(np.rint(255 * np.stack(bands, axis=-1)), np.uint8)


def imagery_figure(blocks: pd.DataFrame, sources: tuple[str, ...], images: dict[str, np.ndarray]) -> Figure:
    """A row of four maps for each source: imagery, coverage type, saturation, sharpness.

    Parameters
    ----------
    blocks : block table with row, col, coverage_type_SOURCE, saturation_SOURCE and sharpness_SOURCE
    images : imagery of the region's rectangle of blocks by source, (h, w, 3) uint8
    """
    with figure_style():
        across = 2 + len(MEASURED)
        sheet, panels = block_panels(blocks, across * len(sources), across, 2.1, 0.1, 0.62)
        labels = list(COVERAGE_COLOURS)
        palette = ListedColormap([*COVERAGE_COLOURS.values(), MISSING_COLOUR])
        norm = BoundaryNorm(np.arange(len(labels) + 2) - 0.5, len(labels) + 1)
        for i, source in enumerate(sources):
            imagery, coverage, *measured = panels[across * i : across * (i + 1)]
            sheet.image(imagery, images[source])
            sheet.title(imagery, f"{source}: imagery", 8.5)
            types = blocks[map_column(COVERAGE_TYPE, source)]
            codes = types.map({label: k for k, label in enumerate(labels)}).fillna(len(labels)).to_numpy(float)
            sheet.image(coverage, block_image(blocks, codes), cmap=palette, norm=norm)
            sheet.title(coverage, f"{source}: coverage type", 8.5)
            for panel, (name, title) in zip(measured, MEASURED.items(), strict=True):
                sheet.background(panel, MISSING_COLOUR)
                sheet.title(panel, f"{source}: {title}", 8.5)
                known = blocks[[map_column(name, s) for s in sources]].to_numpy(float)
                if not np.isfinite(known).any():
                    continue
                known = np.nanpercentile(known, SHOWN_PERCENTILES)
                values = blocks[map_column(name, source)].to_numpy(float)
                shown = sheet.image(panel, block_image(blocks, values), cmap="cividis", norm=norm_of(known))
                sheet.colour_bar(panel, shown, "")
        present = {
            label for s in sources for label in blocks[map_column(COVERAGE_TYPE, s)].dropna().unique()
        }  # fmt: skip
        handles = [Patch(color=COVERAGE_COLOURS[label], label=label) for label in labels if label in present]
        width, height = sheet.figure.get_size_inches()
        sheet.figure.set_size_inches(width, height + 0.3)
        sheet.ax.set(ylim=(-0.3, height))
        sheet.figure.legend(handles=handles, loc="lower center", ncols=len(labels), fontsize=8)
        return sheet.figure
