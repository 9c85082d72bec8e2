"""Pictures of imagery, masks and block values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.report.names import wrapped
from croplayer.report.panels import Panel, Sheet, norm_of, ticks_of
from croplayer.report.style import MISSING_COLOUR, figure_style
from stores.grid import BLOCKS_PER_DEGREE, LATTICE_COLS, LATTICE_ROWS, Bounds
from stores.legends import FLAG_COLOURS, FLAG_LABELS, NEVER_PROCESSED, NO_IMAGERY

UNIT_WORDS = {"1": "", "class": "", "km2": "km²", "degree": "°"}
"""How the declared units are printed; a number without a unit prints none."""

LEGEND_COLUMNS = 3

MAP_COLOURS, MAP_LABELS = tuple(FLAG_COLOURS.values()), tuple(FLAG_LABELS.values())
"""Not cropland, cropland, no imagery, never processed."""


Panels = Mapping[str, np.ndarray]
"""Pictures by title: RGB (h, w, 3) or flags (h, w)."""


def picture_figure(rows: Sequence[Panels], bounds: Bounds) -> Figure:
    """Imagery and masks of one window in rows of panels; the axes are degrees."""
    with figure_style():
        columns = max(len(row) for row in rows)
        shape = next(iter(rows[0].values())).shape
        ratio = float(shape[0] / shape[1] / np.cos(np.deg2rad((bounds.south + bounds.north) / 2)))
        height, legend = 4.2 * min(ratio, 1.6) + 0.5, 0.5
        sheet = Sheet(4.2 * columns + 0.4, height * len(rows) + legend)
        width = (4.2 * columns + 0.4) / columns
        view = (bounds.west, bounds.east, bounds.south, bounds.north)
        x_ticks, y_ticks = ticks_of(bounds.west, bounds.east, 5), ticks_of(bounds.south, bounds.north, 5)
        present: set[int] = set()
        for i, row in enumerate(rows):
            for k, (title, picture) in enumerate(row.items()):
                bottom = (len(rows) - 1 - i) * height + legend
                place = Panel(k * width + 0.45, bottom + 0.3, width - 0.65, height - 0.6, view).fitted(ratio)
                present |= draw_picture(sheet, place, picture)
                sheet.frame(place, x_ticks, y_ticks)
                sheet.title(place, title)
        draw_flag_legend(sheet, present, 9)
        return sheet.figure


def local_figure(rows: Sequence[tuple[str, Panels]]) -> Figure:
    """Small windows of imagery and maps: one row per window, with its title, and one column per map."""
    with figure_style():
        columns = max(len(panels) for _, panels in rows)
        size = min(2.1, 12.5 / columns)
        left, above, legend = 0.35, 0.3, 0.4
        sheet = Sheet(size * columns + 0.3, (size + 0.1) * len(rows) + legend + above)
        width = (size * columns + 0.3 - left) / columns
        present: set[int] = set()
        for i, (title, panels) in enumerate(rows):
            bottom = (len(rows) - 1 - i) * (size + 0.1) + legend
            for k, (name, picture) in enumerate(panels.items()):
                place = Panel(left + k * width, bottom, width - 0.08, size).fitted(picture.shape[0] / picture.shape[1])
                present |= draw_picture(sheet, place, picture)
                sheet.frame(place)
                if i == 0:
                    sheet.title(place, wrapped(name, 18), 7.5)
            sheet.ax.text(left - 0.05, bottom + size / 2, title, rotation=90, ha="right", va="center", fontsize=7.5)
        draw_flag_legend(sheet, present, 7.5)
        return sheet.figure


def draw_picture(sheet: Sheet, panel: Panel, picture: np.ndarray) -> set[int]:
    """Draw imagery (h, w, 3) or flags (h, w) in MAP_COLOURS; returns the places of its flags in MAP_COLOURS."""
    if picture.ndim == 3:
        sheet.image(panel, picture)
        return set()
    index = np.select([picture == NO_IMAGERY, picture == NEVER_PROCESSED], [2, 3], picture.astype(np.int64))
    sheet.image(panel, index, cmap=ListedColormap(list(MAP_COLOURS)), norm=BoundaryNorm(np.arange(5) - 0.5, 4))
    return set(np.flatnonzero(np.bincount(index.ravel())).tolist())


def draw_flag_legend(sheet: Sheet, present: Collection[int], size: float) -> None:
    """Draw the legend of flags, by their places in MAP_COLOURS, at the foot of a figure."""
    handles = [Patch(facecolor=MAP_COLOURS[i], edgecolor="#888888", label=MAP_LABELS[i]) for i in sorted(present)]
    sheet.figure.legend(handles=handles, loc="lower center", ncols=max(len(handles), 1), fontsize=size)


def class_figure(
    blocks: pd.DataFrame,
    columns: Mapping[str, str],
    colours: Mapping[str, str],
    missing: str = "not known",
) -> Figure:
    """One block map per column of labels, with the share of each class in the legend.

    Parameters
    ----------
    blocks : block table with row and col
    columns : title of each map by its column of labels
    colours : colour of each label, in the order of the legend
    missing : what the legend calls a missing label
    """
    with figure_style():
        labels = list(colours)
        below = 0.24 * -(-(len(labels) + 1) // LEGEND_COLUMNS) + 0.15
        sheet, panels = block_panels(blocks, len(columns), 3, 4.0, below, 0.25)
        palette = ListedColormap([*colours.values(), MISSING_COLOUR])
        norm = BoundaryNorm(np.arange(len(labels) + 2) - 0.5, len(labels) + 1)
        for panel, (column, title) in zip(panels, columns.items(), strict=True):
            codes = blocks[column].map({label: i for i, label in enumerate(labels)}).fillna(len(labels))
            sheet.image(panel, block_image(blocks, codes.to_numpy(float)), cmap=palette, norm=norm)
            sheet.title(panel, title)
            share = blocks[column].value_counts(normalize=True, dropna=False)
            handles = [
                Patch(color=colour, label=f"{label} {100 * share.get(label, 0):.0f} %")
                for label, colour in colours.items()
            ]
            if blocks[column].isna().any():
                handles.append(
                    Patch(color=MISSING_COLOUR, label=f"{missing} {100 * blocks[column].isna().mean():.0f} %")
                )
            lines = -(-len(handles) // LEGEND_COLUMNS)
            sheet.figure.legend(
                handles=handles, loc="lower center", bbox_transform=sheet.ax.transData,
                bbox_to_anchor=(panel.x + panel.width / 2, panel.y - 0.3 - 0.2 * lines), ncols=LEGEND_COLUMNS, fontsize=7,
                borderaxespad=0, columnspacing=1.2,
            )  # fmt: skip
        return sheet.figure


def value_figure(
    blocks: pd.DataFrame,
    columns: Mapping[str, str],
    units: Mapping[str, str],
    limits: tuple[float, float] | None = None,
) -> Figure:
    """One block map per column of numbers, each with its own colour bar; missing values are grey.

    Parameters
    ----------
    blocks : block table with row and col
    columns : title of each map by its column
    units : declared unit by column; a column without one gets no unit
    limits : values at the ends of the colours, the same in all maps; None takes those of each map
    """
    with figure_style():
        sheet, panels = block_panels(blocks, len(columns), 4, 4.2 if len(columns) == 1 else 1.85, 0.05, 0.72)
        for panel, (column, title) in zip(panels, columns.items(), strict=True):
            values = blocks[column].to_numpy(float)
            sheet.background(panel, MISSING_COLOUR)
            sheet.title(panel, title)
            if not np.isfinite(values).any():
                middle = panel.x + panel.width / 2, panel.y + panel.height / 2
                sheet.ax.text(*middle, "not measured", ha="center", color="#666666")
                continue
            norm = Normalize(*limits) if limits else norm_of(values)
            image = sheet.image(panel, block_image(blocks, values), cmap="cividis", norm=norm)
            unit = units.get(column, "")
            sheet.colour_bar(panel, image, UNIT_WORDS.get(unit, unit))
        return sheet.figure


def block_panels(
    blocks: pd.DataFrame, count: int, most_columns: int, width: float, below: float, beside: float
) -> tuple[Sheet, list[Panel]]:
    """Framed panels of the region, of equal size, with space below and beside each, in inches."""
    south = (LATTICE_ROWS // 2 - blocks.row.max() - 1) / BLOCKS_PER_DEGREE
    north = (LATTICE_ROWS // 2 - blocks.row.min()) / BLOCKS_PER_DEGREE
    west = (blocks.col.min() - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    east = (blocks.col.max() + 1 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    ratio = float((north - south) / (east - west) / np.cos(np.deg2rad((south + north) / 2)))
    across = min(count, most_columns)
    down = -(-count // across)
    height = width * min(max(ratio, 0.35), 1.6)
    left, above, ticks = 0.5, 0.32, 0.3
    cell_width, cell_height = left + width + beside, above + height + ticks + below
    sheet = Sheet(cell_width * across, cell_height * down)
    x_ticks, y_ticks = ticks_of(west, east, 4), ticks_of(south, north, 4)
    panels = []
    for i in range(count):
        x, y = (i % across) * cell_width + left, (down - 1 - i // across) * cell_height + ticks + below
        panels.append(Panel(x, y, width, height, (west, east, south, north)).fitted(ratio))
        sheet.frame(panels[-1], x_ticks, y_ticks)
    return sheet, panels


def block_image(blocks: pd.DataFrame, values: np.ndarray) -> np.ndarray:
    """Block values as an image of the region, NaN where there is no block."""
    row, col = blocks.row.to_numpy(), blocks.col.to_numpy()
    image = np.full((row.max() - row.min() + 1, col.max() - col.min() + 1), np.nan)
    image[row - row.min(), col - col.min()] = values
    return image


def scene_figure(scenes: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> Figure:
    """Labelled scenes, one row each: imagery, the fields drawn by hand, and the prediction.

    Parameters
    ----------
    scenes : (title, rgb (h, w, 3), labels (h, w) bool, predicted (h, w) bool)
    """
    with figure_style():
        figure = Figure(figsize=(9.0, 3.1 * len(scenes)), layout="constrained")
        axes = figure.subplots(len(scenes), 3, squeeze=False)
        for row, (title, rgb, labels, predicted) in zip(axes, scenes, strict=True):
            outcome = np.select([labels & predicted, ~labels & predicted, labels & ~predicted], [1, 2, 3], 0)
            row[0].imshow(rgb, interpolation="nearest")
            row[0].set_title(title, fontsize=8)
            row[1].imshow(labels, cmap=ListedColormap(list(MAP_COLOURS[:2])), interpolation="nearest", vmin=0, vmax=1)
            row[1].set_title("drawn by hand", fontsize=8)
            palette = ListedColormap([MAP_COLOURS[0], MAP_COLOURS[1], "#d55e00", "#0072b2"])
            row[2].imshow(outcome, cmap=palette, vmin=-0.5, vmax=3.5, interpolation="nearest")
            row[2].set_title("mapped: green correct, orange false, blue missed", fontsize=8)
            for ax in row:
                ax.set_xticks([])
                ax.set_yticks([])
        return figure
