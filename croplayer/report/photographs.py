"""Where the photographs lie in a figure: a dark page inverts all of a figure but these."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

FEWEST_COLOURS = 32
"""Least number of colours of a photograph; a map of classes has fewer."""
MOST_PIXELS = 10_000
"""Pixels of an image that are looked at, about."""


def photograph_outline(figure: Figure) -> str:
    """Outline of all photographs of a figure that was drawn, as a polygon of CSS in per cent of the figure; empty without one.

    It goes from the top left corner to each photograph, around it and back, so that one polygon holds them all.
    """
    width, height = figure.bbox.width, figure.bbox.height
    points = []
    for image in figure.findobj(AxesImage):
        if not is_photograph(image):
            continue
        box = image.get_window_extent()
        left, right = (100 * x / width for x in (box.x0, box.x1))
        top, bottom = (100 - 100 * y / height for y in (box.y1, box.y0))
        corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
        points += [(0.0, 0.0), *corners, (0.0, 0.0)]
    return ", ".join(f"{x:.3f}% {y:.3f}%" for x, y in points)


def is_photograph(image: Artist) -> bool:
    """Whether an artist of a figure is an image of colours of its own, as imagery is."""
    pixels = image.get_array() if isinstance(image, AxesImage) else None
    if pixels is None or pixels.ndim != 3:
        return False
    step = max(1, int(np.sqrt(pixels.shape[0] * pixels.shape[1] / MOST_PIXELS)))
    seen = np.asarray(pixels)[::step, ::step, :3].reshape(-1, 3)
    if seen.dtype.kind == "f":
        seen = np.rint(seen * 255)
    levels = seen.astype(np.int32)
    return len(np.unique(levels[:, 0] << 16 | levels[:, 1] << 8 | levels[:, 2])) >= FEWEST_COLOURS
