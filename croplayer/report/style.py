"""One look for all figures: colour-blind-safe, quiet, readable in print."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

COVERAGE_COLOURS = {
    "Planting": "#009e73",
    "Non-planting": "#d9c27a",
    "Cloudy": "#8c8c8c",
    "Snow/Ice": "#56b4e9",
    "Nodata": "#222222",
}
CORRECTNESS_COLOURS = {
    "TP": "#009e73",
    "TN": "#d9c27a",
    "FP": "#d55e00",
    "Noise": "#cc79a7",
    "Artifacts": "#555555",
}
INTEGRATION_COLOURS = {"Neither": "#999999", "Only A": "#e69f00", "Only B": "#0072b2", "Merge both": "#009e73"}
SERIES = ("#e69f00", "#0072b2", "#cc79a7", "#009e73", "#56b4e9", "#d55e00", "#8c6d31", "#555555", "#222222")
MISSING_COLOUR = "#eeeeee"
MAP_COLOURS = ("#efe9d9", "#2f7d32", "#b9c3cc", "#ffffff")
"""Not cropland, cropland, no imagery, never processed."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "legend.frameon": False,
    "svg.hashsalt": "croplayer",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw with the house style and without a display."""
    with mpl.rc_context(RC):
        yield


def png_bytes(figure: Figure) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
