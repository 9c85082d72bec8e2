"""The style of all figures: colours safe for colour-blind readers, legible in print."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib.style
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
CORRECTNESS_WORDS = {
    "TP": "cropland mapped correctly",
    "TN": "a block correctly left empty",
    "FP": "cropland mapped where there is none",
    "Noise": "scattered specks",
    "Artifacts": "defects of the imagery or the network, or large parts missing",
}
INTEGRATION_COLOURS = {"Neither": "#999999", "Only A": "#e69f00", "Only B": "#0072b2", "Merge both": "#009e73"}
SOURCE_COLOURS = ("#e69f00", "#0072b2")
MERGED_COLOUR, INTEGRATED_COLOUR, REFERENCE_COLOUR = "#cc79a7", "#009e73", "#222222"
SERIES = ("#56b4e9", "#d55e00", "#8c6d31", "#7f7f7f", "#332288", "#aa4499", "#999933", "#44aa99", "#882255")
"""Colours of other maps and classes: all but sources, the merged mask and our map."""
MISSING_COLOUR = "#eeeeee"
BAND_COLOUR = "#dfeee6"
PNG_LEVEL = 1
"""Effort of compressing a figure: the usual 6 takes twice the time and saves a tenth of the bytes."""

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.titley": 1.0,  # otherwise all ticks are measured in every drawing to find the place of the title
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "legend.frameon": False,
    "svg.hashsalt": "croplayer",
    "text.parse_math": False,  # names of data may hold two dollar signs
    "pdf.fonttype": 3,  # fonts of type 42 take seconds per figure to subset
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply RC to the figures that are drawn in this context, and nothing of the user's own settings."""
    with matplotlib.style.context(RC, after_reset=True):
        yield


def map_colours(sources: Sequence[str], merged: str, integrated: str, others: Sequence[str]) -> dict[str, str]:
    """A colour for every map by its name; it is the same in all figures of a report."""
    colours = dict(zip(sources, SOURCE_COLOURS, strict=False))
    colours |= {merged: MERGED_COLOUR, integrated: INTEGRATED_COLOUR}
    return colours | {name: SERIES[i % len(SERIES)] for i, name in enumerate(others)}


def class_colours(labels: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """A colour for every class: its own if it is known, otherwise the next of SERIES."""
    free = iter(SERIES * (1 + len(labels) // len(SERIES)))
    return {label: known[label] if label in known else next(free) for label in labels}


def png_bytes(figure: Figure) -> bytes:
    """A figure as PNG; the same figure gives the same bytes."""
    return _bytes(figure, "png", {"Software": None}, pil_kwargs={"compress_level": PNG_LEVEL})


def pdf_bytes(figure: Figure) -> bytes:
    """A figure as PDF; the same figure gives the same bytes."""
    return _bytes(figure, "pdf", {"Creator": None, "Producer": None, "CreationDate": None})


def _bytes(figure: Figure, kind: str, metadata: dict[str, None], **options: Any) -> bytes:
    buffer = io.BytesIO()
    with figure_style():
        _lay_out(figure)
        figure.savefig(buffer, format=kind, metadata=metadata, **options)
    return buffer.getvalue()


def _lay_out(figure: Figure) -> None:
    """Lay a figure out once and for all formats; each of them would do it again, and twice."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine(None)
    for ax in figure.axes:
        for axis in (axis for drawn in (ax, *ax.child_axes) for axis in (drawn.xaxis, drawn.yaxis)):
            if not axis.get_label_text():
                # A label without text has a place beside the ticks, which are measured for it in every drawing.
                axis.set_label_coords(0, 0)
