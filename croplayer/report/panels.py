"""Panels of a figure, all on one pair of axes.

Axes of their own would take most of the time of a figure: each pair makes, places and measures its ticks, labels and frame
by itself, in every format.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from croplayer.report.names import shortened

POINT = 1 / 72
"""In inches."""
LETTER_WIDTH = 0.55
"""Width of a letter over the size of its font, on average."""
LINE_WIDTH, TICK, PAD, TITLE_PAD = 0.8, 3.5 * POINT, 3.5 * POINT, 6 * POINT
"""Width of frames in points; length of a tick, and space beside it and below a title, in inches."""
TICK_SIZE = 7
"""Font size of the numbers beside ticks."""
BAR_WIDTH, BAR_GAP = 0.16, 0.03
"""Width of a colour bar in inches, and its distance from the panel as a share of the panel's width."""
BAR_STEPS = 256
MOST_TICKS = 9


class Panel(NamedTuple):
    """A rectangle of a figure, in inches from the figure's lower left corner, and what it shows."""

    x: float
    y: float
    width: float
    height: float
    view: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    """What lies at its left, right, lower and upper edge, in units of the data."""

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def top(self) -> float:
        """Its upper edge."""
        return self.y + self.height

    def fitted(self, ratio: float) -> Panel:
        """The largest panel in the middle of this one whose height is ``ratio`` times its width."""
        width, height = min(self.width, self.height / ratio), min(self.height, self.width * ratio)
        return self._replace(
            x=self.x + (self.width - width) / 2, y=self.y + (self.height - height) / 2, width=width, height=height
        )

    def part(self, left: float, right: float, bottom: float, top: float) -> Panel:
        """The panel of a part of what it shows."""
        (x, x_end), (y, y_end) = self.across([left, right]), self.up([bottom, top])
        return Panel(float(x), float(y), float(x_end - x), float(y_end - y), (left, right, bottom, top))

    def across(self, values: Any) -> np.ndarray:
        """Places of values along x, in inches."""
        left, right = self.view[:2]
        return self.x + self.width * (np.asarray(values, float) - left) / (right - left)

    def up(self, values: Any) -> np.ndarray:
        """Places of values along y, in inches."""
        bottom, top = self.view[2:]
        return self.y + self.height * (np.asarray(values, float) - bottom) / (top - bottom)


class Ticks(NamedTuple):
    """Round numbers along an axis."""

    values: np.ndarray
    labels: Sequence[str]
    factor: str
    """What the labels are multiplied with or added to, such as "1e6"; empty for plain numbers."""


def ticks_of(low: float, high: float, most: int, is_plain: bool = True) -> Ticks:
    """At most ``most`` round steps from ``low`` to ``high``; numbers that are not plain share a factor or an offset."""
    values = np.array(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
    slack = 1e-10 * (high - low)
    values = values[(values >= low - slack) & (values <= high + slack)]
    formatter = ScalarFormatter(useOffset=not is_plain)
    formatter.create_dummy_axis()
    axis: Any = formatter.axis
    axis.set_view_interval(low, high)
    return Ticks(values, formatter.format_ticks(values.tolist()), formatter.get_offset())


def norm_of(values: np.ndarray) -> Normalize:
    """Colours from the least to the largest finite value; a single value lies in the middle of a tenth on both sides."""
    known = values[np.isfinite(values)]
    low, high = float(known.min()), float(known.max())
    beside = 0.0 if low < high else 0.1 * abs(low) or 0.1
    return Normalize(low - beside, high + beside)


class Sheet:
    """A figure with one pair of axes, which cover it and are in inches; ``width`` and ``height`` are its size."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width, height))
        self.figure.suppressComposite = True  # panels are images of different resolutions
        self.ax = self.figure.add_axes((0, 0, 1, 1))
        self.ax.axis("off")
        self.ax.set(xlim=(0, width), ylim=(0, height), autoscale_on=False)

    def image(self, panel: Panel, image: np.ndarray, **style: Any) -> AxesImage:
        """Draw an image (h, w) or (h, w, 3), its first row at the top; ``style`` as of ``Axes.imshow``."""
        extent = (panel.x, panel.right, panel.y, panel.top)
        return self.ax.imshow(image, extent=extent, aspect="auto", interpolation="nearest", **style)

    def background(self, panel: Panel, colour: str) -> None:
        """Fill a panel below its image."""
        self.ax.add_patch(Rectangle(panel[:2], panel.width, panel.height, facecolor=colour, linewidth=0, zorder=-1))

    def frame(self, panel: Panel, x_ticks: Ticks | None = None, y_ticks: Ticks | None = None) -> None:
        """Draw the left and the lower edge with their ticks."""
        lines = [[(panel.x, panel.top), (panel.x, panel.y), (panel.right, panel.y)]]
        for x, label in zip(panel.across(x_ticks.values), x_ticks.labels, strict=True) if x_ticks else ():
            lines.append([(x, panel.y), (x, panel.y - TICK)])
            self.ax.text(x, panel.y - TICK - PAD, label, ha="center", va="top", fontsize=TICK_SIZE)
        for y, label in zip(panel.up(y_ticks.values), y_ticks.labels, strict=True) if y_ticks else ():
            lines.append([(panel.x, y), (panel.x - TICK, y)])
            self.ax.text(panel.x - TICK - PAD, y, label, ha="right", va="center_baseline", fontsize=TICK_SIZE)
        self._lines(lines)

    def title(self, panel: Panel, text: str, size: float = 10) -> None:
        """Write a title above a panel; a line that would leave it is shortened."""
        letters = max(8, int(1.15 * panel.width / (LETTER_WIDTH * size * POINT)))
        text = "\n".join(shortened(line, letters) for line in text.split("\n"))
        self.ax.text(panel.x + panel.width / 2, panel.top + TITLE_PAD, text, ha="center", va="baseline", fontsize=size)

    def colour_bar(self, panel: Panel, image: AxesImage, label: str) -> None:
        """Draw the colours of an image beside its panel, with their numbers and, where it is not empty, a label."""
        low, high = image.get_clim()
        bar = Panel(panel.x + (1 + BAR_GAP) * panel.width, panel.y, BAR_WIDTH, panel.height, (0, 1, low, high))
        self.image(bar, np.linspace(high, low, BAR_STEPS)[:, None], cmap=image.get_cmap(), norm=image.norm)
        self.ax.add_patch(Rectangle(bar[:2], bar.width, bar.height, fill=False, linewidth=LINE_WIDTH, zorder=2))
        most = int(np.clip(bar.height / (2 * TICK_SIZE * POINT), 1, MOST_TICKS))
        ticks = ticks_of(low, high, most, is_plain=False)
        places = bar.up(ticks.values)
        self._lines([[(bar.right, y), (bar.right + TICK, y)] for y in places])
        beside = bar.right + TICK + PAD
        numbers = [
            self.ax.text(beside, y, number, ha="left", va="center_baseline", fontsize=TICK_SIZE)
            for y, number in zip(places, ticks.labels, strict=True)
        ]
        if ticks.factor:
            self.ax.text(bar.x, bar.top + PAD, ticks.factor, ha="left", va="bottom", fontsize=TICK_SIZE)
        if label:
            longest = max(numbers, key=lambda text: len(text.get_text()), default=None)
            wide = longest.get_window_extent().width / self.figure.dpi if longest else 0.0
            self.ax.text(
                beside + wide + 4 * POINT, bar.y + bar.height / 2, label, rotation=90, rotation_mode="anchor",
                ha="center", va="top", fontsize=TICK_SIZE,
            )  # fmt: skip

    def _lines(self, lines: Sequence[Sequence[tuple[float, float]]]) -> None:
        drawn = LineCollection(lines, colors="black", linewidths=LINE_WIDTH, capstyle="projecting", zorder=2)
        self.ax.add_collection(drawn, autolim=False)
