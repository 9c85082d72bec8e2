"""Pictures of imagery, masks and block values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.grid import BLOCKS_PER_DEGREE, LATTICE_COLS, LATTICE_ROWS, Bounds
from croplayer.legends import NEVER_PROCESSED, NO_IMAGERY
from croplayer.report.style import MAP_COLOURS, MISSING_COLOUR, SERIES, figure_style

MAP_LABELS = ("not cropland", "cropland", "no imagery", "never processed")


Panels = Mapping[str, np.ndarray]
"""Pictures by title: RGB (h, w, 3) or flags (h, w)."""


def picture_figure(rows: Sequence[Panels], bounds: Bounds) -> Figure:
    """Rows of pictures of the same window, imagery and masks."""
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


def draw_mask(ax: Axes, mask: np.ndarray, extent: tuple[float, float, float, float], aspect: float) -> None:
    """Draw flags (h, w) in the colours of the map."""
    norm = BoundaryNorm([-0.5, 0.5, 1.5, 2.5, 3.5], 4)
    colours = ListedColormap(list(MAP_COLOURS))
    ax.imshow(_flag_index(mask), cmap=colours, norm=norm, extent=extent, aspect=aspect, interpolation="nearest")


def _flag_index(mask: np.ndarray) -> np.ndarray:
    return np.select([mask == NO_IMAGERY, mask == NEVER_PROCESSED], [2, 3], mask.astype(np.int64))


def class_figure(blocks: pd.DataFrame, columns: Mapping[str, str], colours: Mapping[str, str]) -> Figure:
    """One block map per column of labels, with the share of each class in the legend.

    Parameters
    ----------
    columns : title of each map by its column
    colours : colour of each label, in the order of the legend
    """
    with figure_style():
        figure, axes, extent, aspect = _block_axes(blocks, len(columns))
        labels = list(colours)
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
            ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=7)
        return figure


def value_figure(blocks: pd.DataFrame, columns: Mapping[str, str], units: Mapping[str, str]) -> Figure:
    """One block map per column of numbers, each with its own colour bar; missing values stay grey."""
    with figure_style():
        figure, axes, extent, aspect = _block_axes(blocks, len(columns), most_columns=4, size=2.9)
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
            bar = figure.colorbar(image, ax=ax, shrink=0.8)
            bar.ax.tick_params(labelsize=7)
            bar.set_label(units.get(column, ""), fontsize=7)
        return figure


def _block_axes(
    blocks: pd.DataFrame, count: int, most_columns: int = 3, size: float = 4.0
) -> tuple[Figure, list[Axes], tuple[float, float, float, float], float]:
    south = (LATTICE_ROWS // 2 - blocks.row.max() - 1) / BLOCKS_PER_DEGREE
    north = (LATTICE_ROWS // 2 - blocks.row.min()) / BLOCKS_PER_DEGREE
    west = (blocks.col.min() - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    east = (blocks.col.max() + 1 - LATTICE_COLS // 2) / BLOCKS_PER_DEGREE
    aspect = 1 / np.cos(np.deg2rad((south + north) / 2))
    across = min(count, most_columns)
    down = -(-count // across)
    height = size * min(max((north - south) / (east - west) * aspect, 0.35), 1.6) + 0.9
    figure = Figure(figsize=(size * across + 0.3, height * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).ravel())
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
    """Labelled scenes: imagery, the drawn fields, and what was predicted, one row each.

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
            palette = ListedColormap([MAP_COLOURS[0], MAP_COLOURS[1], SERIES[5], SERIES[1]])
            row[2].imshow(outcome, cmap=palette, vmin=-0.5, vmax=3.5, interpolation="nearest")
            row[2].set_title("mapped: green right, orange too much, blue missed", fontsize=8)
            for ax in row:
                ax.set_xticks([])
                ax.set_yticks([])
        return figure
