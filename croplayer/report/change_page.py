"""The page of a comparison of two editions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.report.page import Column, Part, Picture, Report, Section, table_of
from croplayer.report.panels import Panel, Sheet, ticks_of
from croplayer.report.style import figure_style
from stores.grid import Bounds
from stores.legends import CHANGE_COLOURS, Change

NO_INTERVAL = (
    "These are counts of pixels of two maps, not estimates: errors of either map are among them, so they have no interval. "
    "Draw a sample of the strata of change with `croplayer area draw --change`, label it and estimate from it."
)
MODELS_DIFFER = (
    "The two maps were made by different models, and the earlier imagery was not mapped again, so a part of the difference "
    "may be the models'."
)
MOST_ROWS = 200


@dataclass(frozen=True)
class ChangePage:
    """What the page of a comparison shows."""

    title: str
    facts: Sequence[tuple[str, str]]
    overview: np.ndarray
    """(h, w) uint8 `Change`, thinned"""
    bounds: Bounds
    units: pd.DataFrame
    """Columns of `stores.change.CHANGE_UNITS`"""
    blocks: pd.DataFrame
    """Columns of `stores.change.CHANGE_BLOCKS`"""
    conversions: pd.DataFrame | None
    """Columns of `stores.change.CONVERSIONS`; None where no product was asked"""
    models_differ: bool
    """Whether the maps were made by different models, and nothing tells their part"""


def change_report(page: ChangePage) -> Report:
    """The page as a report of one file."""
    about = [NO_INTERVAL, *([MODELS_DIFFER] if page.models_differ else [])]
    picture = Picture.of(
        "change", "Gain and loss of cropland",
        "A change begins where the probabilities of both maps differ widely enough over a wide and large enough patch. "
        "Where squares of pixels are drawn as one, a change in them shows.",
        change_figure(page.overview, page.bounds),
    )  # fmt: skip
    sections = [
        Section("Change", "Map", [picture]),
        Section("Change", "By admin unit", [_unit_part(page.units)]),
        Section("Change", "Blocks that were not compared", _block_parts(page.blocks)),
    ]
    if page.conversions is not None:
        sections.append(Section("Change", "What is there now", [_conversion_part(page.conversions)]))
    return Report(page.title, about, page.facts, sections)


def change_figure(change: np.ndarray, bounds: Bounds) -> Figure:
    """A map of change (h, w) uint8 with its legend; the axes are degrees."""
    with figure_style():
        ratio = float(change.shape[0] / change.shape[1] / np.cos(np.deg2rad((bounds.south + bounds.north) / 2)))
        height = 9 * min(ratio, 1.2)
        sheet = Sheet(9.9, height + 0.9)
        view = (bounds.west, bounds.east, bounds.south, bounds.north)
        panel = Panel(0.5, 0.8, 9.0, height, view).fitted(ratio)
        kinds = list(Change)
        index = np.searchsorted([int(kind) for kind in kinds], change)
        colours = ListedColormap([CHANGE_COLOURS[kind] for kind in kinds])
        sheet.image(panel, index, cmap=colours, norm=BoundaryNorm(np.arange(len(kinds) + 1) - 0.5, len(kinds)))
        sheet.frame(panel, ticks_of(bounds.west, bounds.east, 5), ticks_of(bounds.south, bounds.north, 5))
        handles = [
            Patch(facecolor=CHANGE_COLOURS[kinds[i]], edgecolor="#888888", label=kinds[i].label)
            for i in np.unique(index)
        ]
        sheet.figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=8)
        return sheet.figure


def thinned_change(change: np.ndarray, step: int) -> np.ndarray:
    """A map of change with each square of ``step`` pixels as one: a change where it has one, so that small ones show.

    Parameters
    ----------
    change : (h, w) uint8 `Change`; rows and columns beyond whole squares are left out
    """
    h, w = (length // step for length in change.shape)
    squares = change[: h * step, : w * step].reshape(h, step, w, step).transpose(0, 2, 1, 3).reshape(h, w, step * step)
    out: np.ndarray = squares[..., step * step // 2].copy()
    gain, loss = ((squares == kind).sum(axis=2) for kind in (Change.GAIN, Change.LOSS))
    out[(gain > 0) & (gain >= loss)] = Change.GAIN
    out[loss > gain] = Change.LOSS
    return out


def _unit_part(units: pd.DataFrame) -> Part:
    headings = {
        "name_en": "unit", "known_km2": "known, km²", "stable_cropland_km2": "stable cropland, km²", "gain_km2": "gain, km²",
        "loss_km2": "loss, km²", "plain_gain_km2": "plain difference: gain, km²",
        "plain_loss_km2": "plain difference: loss, km²", "model_gain_km2": "the model's part: gain, km²",
        "model_loss_km2": "the model's part: loss, km²",
    }  # fmt: skip
    named = units.assign(name_en=units.name_en.where(units.adcode != "", "everything compared"))
    columns = [Column(key, heading, "text" if key == "name_en" else "same") for key, heading in headings.items()]
    columns = [c for c in columns if named[c.key].notna().any()]
    return table_of(named, "Mapped areas. Plain differences are those of the two maps without any rule.", columns)


def _block_parts(blocks: pd.DataFrame) -> list[Part]:
    left_out = blocks[~blocks.compared.astype(bool)]
    measured = blocks.shift_m.dropna()
    shift = (
        f"The imagery of {len(measured)} blocks was registered; it lies {measured.median():.1f} m off in the median and "
        f"{measured.max():.1f} m at most."
        if len(measured)
        else "How far the imagery lies off could be measured in no block."
    )
    if left_out.empty:
        return [f"All {len(blocks)} blocks were compared.", shift]
    columns = [Column("block", "block", "text"), Column("reason", "reason", "text")]
    caption = f"{len(left_out)} of {len(blocks)} blocks" + (
        f", of which {MOST_ROWS} are listed" if len(left_out) > MOST_ROWS else ""
    )
    return [shift, table_of(left_out.head(MOST_ROWS), caption, columns)]


def _conversion_part(conversions: pd.DataFrame) -> Part:
    columns = [
        Column("change", "change", "text"), Column("class", "class", "text"), Column("code", "code"),
        Column("is_cropland", "cropland there", "text"), Column("km2", "km²", "same"), Column("share", "share", "share"),
    ]  # fmt: skip
    product = conversions["product"].iloc[0] if len(conversions) else "the product"
    return table_of(conversions, f"What {product} says is there.", columns)
