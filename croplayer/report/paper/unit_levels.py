"""The evaluation at three levels, unit by unit; the paper has no figure of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from croplayer.report.names import shortened, wrapped
from croplayer.report.page import Column, Gap, Part, Picture, Table, table_of
from croplayer.report.paper.evidence import MAPS_NOTHING, Evidence
from croplayer.report.style import MISSING_COLOUR, figure_style
from stores.columns import EULER_MEAN, KNOWN, SOLIDITY_MEAN
from stores.legends import INTEGRATED

MOST_ROWS = 60
"""Units that are shown; of more, those with the most blocks. The table in the folder has all."""


def unit_level_parts(evidence: Evidence) -> list[Part]:
    """IoU of every map by unit as a table in colour, and all figures of the integrated map by unit."""
    table = evidence.unit_levels
    if not evidence.results.sources:
        return [Gap(MAPS_NOTHING)]
    if table is None or table.empty:
        return [Gap(f"No {evidence.unit_word} holds the centre of a block, or the run has no units or no evaluation.")]
    most = table.drop_duplicates("adcode").sort_values("blocks", ascending=False, kind="stable").adcode.head(MOST_ROWS)
    shown = table[table.adcode.isin(most)]
    parts: list[Part] = []
    if "iou" in table and table.iou.notna().any():
        reference = evidence.results.titles.get(evidence.results.reference or "", "the reference")
        caption = f"IoU with {reference} over the blocks whose centre lies in the {evidence.unit_word}, for every map of the run."
        figure = level_figure(shown, evidence.results.maps, evidence.results.titles)
        parts.append(Picture.of("unit_iou", f"Agreement with the reference by {evidence.unit_word}", caption, figure))
    else:
        parts.append(Gap("No [reference] map of classes is named, so pixels have no accuracy."))
    return [*parts, _table(evidence, shown[shown["map"] == INTEGRATED], len(table.adcode.unique()))]


def _table(evidence: Evidence, rows: pd.DataFrame, units: int) -> Table:
    columns = [Column("name_en", evidence.unit_word), Column("adcode", "code", "text"), Column("blocks", "blocks")]
    columns += [Column(KNOWN, "mapped", "share"), Column("iou", "IoU"), Column("iou_standard_error", "standard error")]
    columns += [Column("boundary_iou", "boundary IoU"), Column("f1", "F1")]
    columns += [
        Column("correct_share", "judged correct", "share"),
        Column("true_correct_share", "truly correct", "share"),
    ]
    columns += [Column(SOLIDITY_MEAN, "solidity"), Column(EULER_MEAN, "Euler number")]
    columns += [Column("percent", "% of the statistic"), Column("is_within", "within the limit", "text")]
    words = {"correct_share": "judged", "true_correct_share": "truly"}
    told = " and ".join(word for key, word in words.items() if key in rows and rows[key].notna().any())
    shares = f"share {told} correct, " if told else ""
    caption = (
        f"The integrated map by {evidence.unit_word}: pixels (IoU with blocks as clusters, boundary IoU, F1), blocks ({shares}"
        "mean solidity and Euler number) and area against the statistic. A block belongs to the "
        f"{evidence.unit_word} that holds its centre; the area is that of the {evidence.unit_word} to the pixel. A dash means not known. "
        f"tables/levels_by_unit.csv has every map in all {units:,}."
    )
    shown = rows.assign(is_within=[None if pd.isna(v) else "yes" if v else "no" for v in rows.is_within])
    known = [c for c in columns if c.key not in shown or shown[c.key].notna().any()]
    return table_of(shown, caption, known)


def level_figure(table: pd.DataFrame, maps: Sequence[str], titles: Mapping[str, str]) -> Figure:
    """Table in colour of the IoU, units as rows and maps as columns.

    Parameters
    ----------
    table : columns adcode, name_en, map and iou, 0..1, as `levels_by_unit` gives them
    """
    wide = table.pivot(index="adcode", columns="map", values="iou").reindex(columns=list(maps))
    wide = wide.reindex(table.drop_duplicates("adcode").adcode)
    names = table.drop_duplicates("adcode").set_index("adcode").name_en
    with figure_style():
        figure = Figure(figsize=(1.3 * len(maps) + 2.6, 0.29 * len(wide) + 1.2), layout="constrained")
        ax = figure.subplots()
        ax.set_facecolor(MISSING_COLOUR)
        values = wide.to_numpy(float)
        image = ax.imshow(values, cmap="cividis", norm=Normalize(0, 1), aspect="auto", interpolation="nearest")
        for (y, x), value in np.ndenumerate(values):
            text, colour = (
                ("–", "#777777") if np.isnan(value) else (f"{value:.2f}", "white" if value < 0.55 else "#222222")
            )
            ax.text(x, y, text, ha="center", va="center", fontsize=8, color=colour, in_layout=False)
        ax.set_xticks(range(len(maps)), [wrapped(titles.get(m, m)) for m in maps], fontsize=8)
        ax.set_yticks(range(len(wide)), [shortened(str(names[code])) for code in wide.index], fontsize=8)
        ax.tick_params(length=0)
        ax.xaxis.tick_top()
        ax.spines[:].set_visible(False)
        figure.colorbar(image, ax=ax, shrink=0.8, label="IoU")
        return figure
