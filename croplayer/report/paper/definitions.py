"""What classes, products and options mean (paper Tables 1, 3 and 4, Fig. 4)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from croplayer.report.names import shortened
from croplayer.report.page import Gap, Part, Picture, Table, is_unknown, percent
from croplayer.report.paper.evidence import MAPS_NOTHING, Evidence
from croplayer.report.style import COVERAGE_COLOURS, INTEGRATION_COLOURS, figure_style
from stores.columns import COVERAGE_TYPE, map_column
from stores.legends import Integration

GROUPS = {
    "annual herbaceous": "annual", "greenhouse": "greenhouse", "perennial woody": "orchard", "transitional": "fallow",
}  # fmt: skip
"""The paper's four groups of crops, with their names in the definitions of legends."""
PAPER_MAP = {"annual": "in", "greenhouse": "in", "orchard": "out", "fallow": "in"}
"""What the paper's own map counts (its Fig. 4)."""
HOLDS = {"in": ("included", "#009e73"), "out": ("excluded", "#d55e00"), "": ("not specified", "#d9d9d9")}
NO_PRODUCTS = "No other product is compared; name some under [[products]] of the recipe."
NO_LEGENDS = "No product has a legend, so none states a definition; name one as `legend` in [[products]] of the recipe."
NOT_STATED = "not stated"
MOST_REGIONS = 3


def coverage_table(evidence: Evidence) -> list[Part]:
    """Table 1: the coverage types, with the share of the blocks of each source."""
    results = evidence.results
    if not results.sources:
        return [Gap(MAPS_NOTHING)]
    meanings = {
        "Planting": "imagery that can be used, with cropland in view",
        "Non-planting": "imagery that can be used, without cropland in view",
        "Cloudy": "thick clouds cover more than 10 %",
        "Snow/Ice": "snow or ice covers more than 20 %",
        "Nodata": f"no imagery, or gaps in more than {100 * results.nodata_above:.0f} % of the block",
    }
    columns = {source: map_column(COVERAGE_TYPE, source) for source in results.sources}
    rows = [
        [label, COVERAGE_COLOURS[label], meaning]
        + [percent(float((results.blocks[column] == label).mean())) for column in columns.values()]
        for label, meaning in meanings.items()
    ]
    how = (
        "The share of gaps is counted; a classifier that learned from samples of each type decides the others."
        if results.has_coverage_model
        else "The recipe names no [coverage] model, so only Nodata is told, by counting gaps."
    )
    header = ["coverage type", "colour", "meaning", *(f"{source}, blocks" for source in columns)]
    return [Table(f"Coverage types of a block of imagery. {how}", header, rows)]


def product_table(evidence: Evidence) -> list[Part]:
    """Table 3: the products with what their legends state."""
    names = evidence.results.products
    if not names or not evidence.legends:
        return [Gap(NO_LEGENDS if names else NO_PRODUCTS)]
    rows = []
    for name in names:
        legend = evidence.legends.get(name)
        stated = [NOT_STATED] * 5
        if legend:
            resolution = f"{legend.resolution_m:g} m" if legend.resolution_m else NOT_STATED
            stated = [str(legend.year or NOT_STATED), resolution, _definition_words(evidence, name)]
            stated += [legend.accuracy or NOT_STATED, legend.source or NOT_STATED]
        rows.append([evidence.results.titles[name], *stated])
    caption = (
        "The products as their legends describe them; accuracies are those that the authors declare, of all their classes unless "
        "they say otherwise. A product without a legend (`legend` in [[products]]) states nothing."
    )
    header = ["product", "year", "resolution", "cropland", "declared accuracy", "source"]
    return [Table(caption, header, rows)]


def definition_parts(evidence: Evidence) -> list[Part]:
    """Fig. 4: which groups of crops each product counts."""
    if not evidence.results.products or not evidence.legends:
        return [Gap(NO_LEGENDS if evidence.results.products else NO_PRODUCTS)]
    table = _holds(evidence).rename(index=evidence.results.titles)
    table.loc["CropLayer (the paper's map)"] = [PAPER_MAP[key] for key in GROUPS.values()]
    caption = (
        "Groups of crops that the cropland of each product holds in this run: by the classes that are counted where the map has a "
        "class of its own, else by the statement of its authors."
    )
    picture = Picture.of("definitions", "What the products count as cropland", caption, definition_figure(table))
    return [picture]


def _holds(evidence: Evidence) -> pd.DataFrame:
    """ "in", "out" or "" by product and group of crops; without a table of definitions, nothing is specified."""
    found = evidence.results.table("definitions")
    stated = None if found is None else found.set_index("product")
    rows = {}
    for name in evidence.results.products:
        row = {}
        for group, key in GROUPS.items():
            if key == "annual":
                row[group] = "in" if name in evidence.legends else ""
            else:
                value = stated[key].get(name, "") if stated is not None else ""
                row[group] = "" if is_unknown(value) else str(value)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(GROUPS))


def _definition_words(evidence: Evidence, name: str) -> str:
    row = _holds(evidence).loc[name]
    parts = [
        f"{HOLDS[how][0]}: {', '.join(row.index[row == how])}" for how in ("in", "out") if (row == how).any()
    ]  # fmt: skip
    return "; ".join(parts) or NOT_STATED


def definition_figure(table: pd.DataFrame) -> Figure:
    """Coloured cells of "in", "out" or "", a row for each map and a column for each group of crops."""
    with figure_style():
        figure = Figure(figsize=(7.2, 0.34 * len(table) + 1.1), layout="constrained")
        ax = figure.subplots()
        for y, (_, row) in enumerate(table.iterrows()):
            for x, how in enumerate(row):
                word, colour = HOLDS[how]
                ax.barh(y, 0.94, left=x - 0.47, height=0.86, color=colour, alpha=0.85 if how else 1)
                ax.text(x, y, word, ha="center", va="center", fontsize=8, color="white" if how else "#555555")
        ax.set_xticks(range(len(table.columns)), list(table.columns))
        ax.set_yticks(range(len(table)), [shortened(str(name)) for name in table.index])
        ax.set(xlim=(-0.5, len(table.columns) - 0.5), ylim=(len(table) - 0.5, -0.5))
        ax.xaxis.tick_top()
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        handles = [Patch(color=colour, label=word) for word, colour in HOLDS.values()]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
        return figure


def integration_table(evidence: Evidence) -> list[Part]:
    """Table 4: the options of integration, with their blocks and the units where each prevails."""
    results = evidence.results
    if not results.sources:
        return [Gap(MAPS_NOTHING)]
    names = [*results.sources, "the second source"][:2]
    meanings = {
        Integration.NEITHER: "neither mask is right, or nothing is cropland: the block is left without cropland",
        Integration.ONLY_A: f"the mask of {names[0]}",
        Integration.ONLY_B: f"the mask of {names[1]}",
        Integration.MERGE_BOTH: "cropland of either mask: both are right, and each finds what the other misses",
    }
    labels = results.blocks.integration_label
    rows = []
    for option, meaning in meanings.items():
        taken = labels == option.label
        where = major_regions(evidence.block_units, taken)
        rows.append(
            [
                option.label,
                INTEGRATION_COLOURS[option.label],
                meaning,
                f"{int(taken.sum()):,}",
                percent(float(taken.mean())),
                where,
            ]
        )
    caption = (
        f"Options of integration. The regions are the {evidence.unit_word}s with the largest share of their blocks in an option, and "
        "that share; a block belongs to the one that holds its centre."
    )
    header = ["option", "colour", "what the map takes", "blocks", "share", "major region"]
    return [Table(caption, header, rows)]


def major_regions(units: pd.Series | None, is_taken: pd.Series, most: int = MOST_REGIONS) -> str:
    """The units in which the largest shares of blocks are taken, with the shares; a dash without any.

    Parameters
    ----------
    units : (n,) name of the unit of each block; None without units
    is_taken : (n,) bool
    """
    if units is None or not is_taken.any():
        return "–"
    shares = is_taken.groupby(units).mean().sort_values(ascending=False, kind="stable").head(most)
    return ", ".join(f"{name} ({100 * share:.0f} %)" for name, share in shares.items() if share > 0) or "–"
