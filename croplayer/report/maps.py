"""Pictures of imagery, masks and block values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.report.charts import wrapped
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
        aspect = 1 / np.cos(np.deg2rad((bounds.south + bounds.north) / 2))
        height = 4.2 * min(shape[0] / shape[1] * aspect, 1.6)
        figure = Figure(figsize=(4.2 * columns + 0.4, (height + 0.5) * len(rows) + 0.5), layout="constrained")
        axes = figure.subplots(len(rows), columns, squeeze=False)
        extent = (bounds.west, bounds.east, bounds.south, bounds.north)
        present: set[int] = set()
        for line, row in zip(axes, rows, strict=True):
            for ax in line[len(row) :]:
                ax.axis("off")
            for ax, (title, panel) in zip(line, row.items(), strict=False):
                ax.tick_params(labelsize=7)
                ax.set_title(title)
                if panel.ndim == 3:
                    ax.imshow(panel, extent=extent, aspect=aspect, interpolation="nearest")
                else:
                    draw_mask(ax, panel, extent, float(aspect))
                    present |= set(np.unique(_flag_index(panel)).tolist())
                ax.locator_params(nbins=5)
                ax.ticklabel_format(useOffset=False)
        handles = [Patch(facecolor=MAP_COLOURS[i], edgecolor="#888888", label=MAP_LABELS[i]) for i in sorted(present)]
        figure.legend(handles=handles, loc="outside lower center", ncols=max(len(handles), 1))
        return figure


def local_figure(rows: Sequence[tuple[str, Panels]]) -> Figure:
    """Small windows of imagery and maps: one row per window, with its title, and one column per map."""
    with figure_style():
        columns = max(len(panels) for _, panels in rows)
        size = min(2.1, 12.5 / columns)
        figure = Figure(figsize=(size * columns + 0.3, (size + 0.1) * len(rows) + 0.7), layout="constrained")
        axes = figure.subplots(len(rows), columns, squeeze=False)
        present: set[int] = set()
        for i, (line, (title, panels)) in enumerate(zip(axes, rows, strict=True)):
            for ax in line[len(panels) :]:
                ax.axis("off")
            for ax, (name, panel) in zip(line, panels.items(), strict=False):
                ax.set(xticks=[], yticks=[])
                if i == 0:
                    ax.set_title(wrapped(name, 18), fontsize=7.5)
                if panel.ndim == 3:
                    ax.imshow(panel, interpolation="nearest")
                else:
                    draw_mask(ax, panel, (0, panel.shape[1], panel.shape[0], 0), 1.0)
                    present |= set(np.unique(_flag_index(panel)).tolist())
            line[0].set_ylabel(title, fontsize=7.5)
        handles = [Patch(facecolor=MAP_COLOURS[i], edgecolor="#888888", label=MAP_LABELS[i]) for i in sorted(present)]
        figure.legend(handles=handles, loc="outside lower center", ncols=max(len(handles), 1), fontsize=7.5)
        return figure


def draw_mask(ax: Axes, mask: np.ndarray, extent: tuple[float, float, float, float], aspect: float) -> None:
    """Draw flags (h, w) in MAP_COLOURS; ``extent`` is left, right, bottom, top of the image."""
    norm = BoundaryNorm([-0.5, 0.5, 1.5, 2.5, 3.5], 4)
    colours = ListedColormap(list(MAP_COLOURS))
    ax.imshow(_flag_index(mask), cmap=colours, norm=norm, extent=extent, aspect=aspect, interpolation="nearest")


def _flag_index(mask: np.ndarray) -> np.ndarray:
    return np.select([mask == NO_IMAGERY, mask == NEVER_PROCESSED], [2, 3], mask.astype(np.int64))


def class_figure(
    blocks: pd.DataFrame,
    columns: Mapping[str, str],
    colours: Mapping[str, str],
) -> Figure:
    """One block map per column of labels, with the share of each class in the legend.

    Parameters
    ----------
    blocks : block table with row and col; a missing label is drawn as "not known"
    columns : title of each map by its column of labels
    colours : colour of each label, in the order of the legend
    """
    with figure_style():
        labels = list(colours)
        below = 0.24 * -(-(len(labels) + 1) // LEGEND_COLUMNS) + 0.15
        figure, axes, extent, aspect = _block_axes(blocks, len(columns), 3, 4.0, below, 0.25)
        palette = ListedColormap([*colours.values(), MISSING_COLOUR])
        for ax, (column, title) in zip(axes, columns.items(), strict=True):
            codes = blocks[column].map({label: i for i, label in enumerate(labels)}).fillna(len(labels))
            image = _block_image(blocks, codes.to_numpy(float))
            norm = BoundaryNorm(np.arange(len(labels) + 2) - 0.5, len(labels) + 1)
            ax.imshow(image, cmap=palette, norm=norm, extent=extent, aspect=aspect, interpolation="nearest")
            ax.set_title(title)
            share = blocks[column].value_counts(normalize=True, dropna=False)
            handles = [
                Patch(color=colour, label=f"{label} {100 * share.get(label, 0):.0f} %")
                for label, colour in colours.items()
            ]
            if blocks[column].isna().any():
                handles.append(
                    Patch(color=MISSING_COLOUR, label=f"not known {100 * blocks[column].isna().mean():.0f} %")
                )
            lines = -(-len(handles) // LEGEND_COLUMNS)
            drop = (0.3 + 0.2 * lines) * figure.dpi / ax.bbox.height
            ax.legend(
                handles=handles, loc="lower center", bbox_to_anchor=(0.5, -drop), ncols=LEGEND_COLUMNS, fontsize=7,
                borderaxespad=0, columnspacing=1.2,
            )  # fmt: skip
        return figure


def value_figure(blocks: pd.DataFrame, columns: Mapping[str, str], units: Mapping[str, str]) -> Figure:
    """One block map per column of numbers, each with its own colour bar; missing values are grey.

    Parameters
    ----------
    blocks : block table with row and col
    columns : title of each map by its column
    units : declared unit by column; a column without one gets no unit
    """
    with figure_style():
        figure, axes, extent, aspect = _block_axes(
            blocks, len(columns), 4, 4.2 if len(columns) == 1 else 1.85, 0.05, 0.72
        )
        for ax, (column, title) in zip(axes, columns.items(), strict=True):
            values = blocks[column].to_numpy(float)
            ax.set_facecolor(MISSING_COLOUR)
            ax.set_title(title)
            if np.isnan(values).all():
                ax.text(0.5, 0.5, "not measured", transform=ax.transAxes, ha="center", color="#666666")
                ax.set(xlim=extent[:2], ylim=extent[2:], aspect=aspect)
                continue
            image = ax.imshow(
                _block_image(blocks, values), cmap="cividis", extent=extent, aspect=aspect, interpolation="nearest"
            )
            bar = figure.colorbar(image, cax=ax.inset_axes((1.03, 0, 0.16 / ax.bbox.width * figure.dpi, 1)))
            bar.ax.tick_params(labelsize=7)
            bar.set_label(UNIT_WORDS.get(units.get(column, ""), units.get(column, "")), fontsize=7)
        return figure


def _block_axes(
    blocks: pd.DataFrame, count: int, most_columns: int, width: float, below: float, beside: float
) -> tuple[Figure, list[Axes], tuple[float, float, float, float], float]:
    """Axes of equal size with space below and beside each, in inches; also the extent and aspect of the region."""
    south = (LATTICE_ROWS // 2 - blocks.row.max() - 1) / BLOCKS_PER_DEGREE
    north = (LATTICE_ROWS // 2 - blocks.row.min()) / BLOCKS_PER_DEGREE
    west = (blocks.col.min() - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    east = (blocks.col.max() + 1 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    aspect = 1 / np.cos(np.deg2rad((south + north) / 2))
    across = min(count, most_columns)
    down = -(-count // across)
    height = width * min(max((north - south) / (east - west) * aspect, 0.35), 1.6)
    left, above, ticks = 0.5, 0.32, 0.3
    cell_width, cell_height = left + width + beside, above + height + ticks + below
    figure = Figure(figsize=(cell_width * across, cell_height * down))
    axes = []
    for i in range(across * down):
        x = (i % across) * cell_width + left
        y = (down - 1 - i // across) * cell_height + ticks + below
        place = (
            x / (cell_width * across),
            y / (cell_height * down),
            width / (cell_width * across),
            height / (cell_height * down),
        )
        axes.append(figure.add_axes(place))
    for ax in axes[count:]:
        ax.axis("off")
    for ax in axes:
        ax.tick_params(labelsize=7)
        ax.locator_params(nbins=4)
        ax.ticklabel_format(useOffset=False)
    return figure, axes[:count], (west, east, south, north), float(aspect)


def _block_image(blocks: pd.DataFrame, values: np.ndarray) -> np.ndarray:
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
