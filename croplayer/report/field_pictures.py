"""Pictures of single fields: what was found and what was drawn, over the imagery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from croplayer.kernels.label_edges import label_edges
from croplayer.report.panels import Panel, Sheet
from croplayer.report.style import figure_style

DRAWN_COLOUR, FOUND_COLOUR = "#f0e442", "#d0179b"
ACROSS, EDGE, GAP, TITLE, LEGEND = 4, 2.3, 0.12, 0.42, 0.35
"""Panels in a row; edge of a panel, space between panels, height of a title and of the legend in inches."""
PICTURE_PX = 500
"""Pixels along the longer edge of a picture, about twice those that a screen shows; outlines are two of them wide."""


class FieldView(NamedTuple):
    """The ground around one field."""

    image: np.ndarray
    """(h, w, 3) uint8"""
    found: np.ndarray
    """(h, w) integers, number of the field from 1, 0 for none"""
    drawn: np.ndarray
    """(h, w) integers, the same of drawn fields"""
    title: str


def outlined(view: FieldView) -> np.ndarray:
    """The image with the outlines of drawn fields and, over them, those of found fields: (H, W, 3) uint8, PICTURE_PX the longer."""
    height, width = view.found.shape
    y, x = (np.arange(_shown(n, view)) * n // _shown(n, view) for n in (height, width))
    picture: np.ndarray = view.image[np.ix_(y, x)].copy()
    for labels, colour in ((view.drawn, DRAWN_COLOUR), (view.found, FOUND_COLOUR)):
        shown = labels[np.ix_(y, x)]
        known = np.ones(shown.shape, bool)
        outer = label_edges(shown, known)
        picture[outer | label_edges(np.where(outer, 0, shown), known)] = np.rint(255 * np.array(to_rgb(colour)))
    return picture


def _shown(pixels: int, view: FieldView) -> int:
    """Pixels of the picture along an edge of a view."""
    return max(1, round(pixels * PICTURE_PX / max(view.found.shape)))


def field_figure(views: Sequence[FieldView]) -> Figure:
    """Views beside each other, at most four in a row; raises ValueError without a view."""
    if not views:
        raise ValueError("there is no field to draw; expected at least one view")
    with figure_style():
        across = min(len(views), ACROSS)
        down = -(-len(views) // across)
        sheet = Sheet(across * (EDGE + GAP) + GAP, down * (EDGE + TITLE) + LEGEND)
        for i, view in enumerate(views):
            x, y = GAP + i % across * (EDGE + GAP), (down - 1 - i // across) * (EDGE + TITLE) + GAP / 2
            place = Panel(x, y, EDGE, EDGE).fitted(view.found.shape[0] / view.found.shape[1])
            sheet.image(place, outlined(view))
            sheet.title(place, view.title, 8)
        lines = [Line2D([], [], color=colour, linewidth=3) for colour in (DRAWN_COLOUR, FOUND_COLOUR)]
        sheet.ax.legend(lines, ["drawn", "found"], loc="upper center", ncols=2, fontsize=8, borderaxespad=0.2)
        return sheet.figure
