"""The second part of the report: how accurate the map is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import clustered_interval, lattice_squares
from croplayer.evaluation.interval import normal_quantile, share_interval
from croplayer.evaluation.levels import iou_estimate, on_the_same_ground
from croplayer.evaluation.provinces import COMPLETE_SHARE, count_within
from croplayer.report.charts import Bar, bar_figure, bar_panels, paired_figure, unit_heatmap
from croplayer.report.differences import difference_part
from croplayer.report.maps import value_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, table_of
from croplayer.report.sections_map import MOST_UNITS, mapped_share, share_cell
from croplayer.report.tables import ReportTables
from stores.columns import (
    EULER_MEAN,
    FAMILIARITY,
    KNOWN,
    SOLIDITY_MEAN,
    deviation_column,
    known_share_column,
    map_column,
    mapped_column,
    percent_column,
)
from stores.legends import DEFAULT_CLASSES, INTEGRATED, Integration

GROUP = "Evaluation"
SHARES = {
    "correct_share": ("correct_blocks", "correct_design_effect"),
    "true_correct_share": ("true_correct_blocks", "true_correct_design_effect"),
    "within_share": ("compared", None),
}
"""Measures that are shares, each with the column of its number of cases and that of their design effect, if any."""


def levels_section(results: ReportTables) -> Section:
    """Pixels, blocks and provinces in one figure and one table."""
    levels = results.table("levels")
    if levels is None:
        return Section(GROUP, "Three levels", [Gap("The run was not evaluated.")])
    levels = levels.reindex(
        columns=[*levels.columns, *(c for c in ("iou", "boundary_iou", "f1", "within", "compared") if c not in levels)]
    )
    panels: dict[str, list[Bar]] = {}
    measures = {"iou": "IoU", "boundary_iou": "boundary IoU", "f1": "F1", "correct_share": "judged correct, %"}
    if "true_correct_share" in levels:
        measures["true_correct_share"] = "truly correct, %"
    measures |= {SOLIDITY_MEAN: "solidity", EULER_MEAN: "Euler number", "within_share": "within limit, %"}
    levels["within_share"] = levels.within / levels.compared.where(levels.compared > 0)
    for key, title in measures.items():
        panels[title] = [_level_bar(results, row, key) for _, row in levels.iterrows()]
    caption = (
        "Pixels: agreement of each map with the reference where the map has data (higher is better). Blocks: share of masks "
        "judged correct, share that is correct by the reference, mean solidity (1 is compact) and mean Euler number (1 is "
        "without holes) of the regions. Provinces: share within the limit of the statistic. Lines are 95 % intervals. Those "
        "of the IoU take blocks as clusters. Those of shares are Wilson's; they take squares of land as clusters of blocks, "
        "and provinces as drawn at random."
    )
    figure = bar_panels(panels, [("pixels", 3), ("blocks", len(measures) - 4), ("provinces", 1)])
    parts: list[Part] = [Picture.of("levels", "The maps at three levels", caption, figure)]
    shown = results.titled(levels, ["map"]).assign(
        provinces=[
            share_cell(int(w), int(c)) if c == c else None for w, c in zip(levels.within, levels.compared, strict=True)
        ]
    )
    columns = [Column("map", "map"), Column(KNOWN, "mapped", "share")]
    columns += [Column("iou", "IoU"), Column("iou_standard_error", "standard error of the IoU")]
    columns += [Column("boundary_iou", "boundary IoU"), Column("f1", "F1")]
    columns += [Column("correct_share", "judged correct", "share"), Column("correct_blocks", "blocks judged")]
    columns += [
        Column("true_correct_share", "truly correct", "share"),
        Column("true_correct_blocks", "blocks with reference"),
    ]
    columns += [Column(SOLIDITY_MEAN, "solidity"), Column(EULER_MEAN, "Euler number")]
    columns += [Column("provinces", "provinces within limit"), Column("median_percent", "median % of the statistic")]
    caption = "The same figures as numbers. Mapped is the share of the ground of all blocks that the map knows. A dash means not known."
    parts.append(table_of(shown, caption, columns))
    parts += [*_parcel_parts(results), *_familiarity_parts(results)]
    return Section(GROUP, "Three levels", parts, ["tables/levels.csv", "tables/parcels.csv"])


def _familiarity_parts(results: ReportTables) -> list[Part]:
    """Where the imagery looks as that which the network learned from, or that nothing tells."""
    columns = {map_column(FAMILIARITY, s): s for s in results.sources if map_column(FAMILIARITY, s) in results.blocks}
    if not columns:
        return []
    known = results.blocks[list(columns)].astype(float)
    if known.isna().all(axis=None):
        return [
            Gap(
                "Nothing tells where the imagery of this run is foreign to the segmentation model: the model does not say what the "
                "imagery looked like that it learned from, or the blocks are smaller than the windows that it describes."
            )
        ]
    caption = (
        "How familiar the imagery of each block is to the network: at 0.3 it looks more familiar than 30 % of the scenes that the "
        "network learned from. Near 0 it looks like none of them. The accuracy that was measured on such scenes then says nothing "
        "of these blocks, so check the map there first. A high value does not prove that the map is right."
    )
    figure = value_figure(results.blocks, columns, {}, (0.0, 1.0))
    return [Picture.of("familiarity", "Where the imagery is familiar to the network", caption, figure)]


def _level_bar(results: ReportTables, row: pd.Series, key: str) -> Bar:
    name = str(row["map"])
    label, colour, value = results.titles[name], results.colours[name], float(row[key])
    low = high = np.nan
    if key == "iou":
        half = normal_quantile(0.95) * float(row.get("iou_standard_error", np.nan))
        low, high = value - half, value + half
    elif key in SHARES:
        cases, alike = SHARES[key]
        of = row[cases] / (row[alike] if alike else 1)
        if value == value:
            low, high = (100 * end for end in share_interval(value * of, of))
        value *= 100
    return Bar(label, value, colour, low, high)


def _parcel_parts(results: ReportTables) -> list[Part]:
    parcels = results.table("parcels")
    if parcels is None:
        return [
            Gap("No reference parcels were given (evaluation.parcels), so over- and under-segmentation are not known.")
        ]
    columns = [Column("map", "map"), Column("parcels", "parcels"), Column("left_out", "left out")]
    columns += [Column("missed_share", "missed", "share")]
    columns += [Column("over", "over-segmentation"), Column("under", "under-segmentation"), Column("distance", "D")]
    caption = (
        "Reference parcels compared with mapped regions (Clinton et al. 2010), weighted by area; 0 is perfect. A mask has no "
        "instances, so fields that touch are one region and count as under-segmented. Parcels that the map does not cover "
        "completely are left out, as are those that reach beyond the mapped blocks."
    )
    return [table_of(results.titled(parcels, ["map"]), caption, columns)]


def recovered_section(results: ReportTables) -> Section | None:
    """Comparison with a truth that is known everywhere; None without one."""
    evaluated, agreement = results.table("evaluated_blocks"), results.table("agreement")
    true = results.reference
    if (
        true is None
        or evaluated is None
        or agreement is None
        or map_column("true_correctness", INTEGRATED) not in evaluated
    ):
        return None
    blocks, title = results.blocks, results.titles[true]
    same = on_the_same_ground(blocks, results.maps, true)
    parts: list[Part] = [_recovered_picture(results, same, list(agreement["map"][agreement.against == true]), title)]
    for other in (m for m in results.maps if m != INTEGRATED):
        parts.append(difference_part(results, other, true))
    parts += _correctness_parts(results, evaluated)
    parts += _choice_parts(results, evaluated)
    units = results.units.get(1)
    if units is not None and mapped_column(true) in units:
        units = units.assign(
            **{mapped_column(m): units[mapped_column(m)].where(_is_known(units, m)) for m in (*results.maps, true)}
        )
        caption = "Each point is a province that the map covers completely; the band is ± 10 %."
        figure = paired_figure(units, results.maps, results.titles, results.colours, true)
        parts.append(Picture.of("recovered_areas", "Areas of the provinces, true and mapped", caption, figure))
        shown = units.assign(
            **{deviation_column(m): units[mapped_column(m)] / units[mapped_column(true)] - 1 for m in results.maps}
        )
        columns = [Column("name_en", "province"), Column(mapped_column(true), "true, km²")]
        columns += [Column(deviation_column(m), f"{results.titles[m]}, deviation", "share") for m in results.maps]
        caption = "Deviation of the mapped area from the true area by province. A dash means that the map does not cover the whole province."
        parts.append(table_of(shown, caption, columns))
    return Section(GROUP, "Comparison with the truth", parts)


def _is_known(units: pd.DataFrame, name: str) -> pd.Series:
    return units[known_share_column(name)] >= COMPLETE_SHARE


def _recovered_picture(results: ReportTables, blocks: pd.DataFrame, names: list[str], title: str) -> Part:
    """Maps and products by their agreement with the truth in ``blocks``, best first."""
    assert results.reference is not None
    if blocks.empty:
        return Gap(
            "In no block do all maps cover the same ground, so their agreement with the truth cannot be compared."
        )
    estimates = {name: iou_estimate(blocks, name, results.reference) for name in names}
    rows = [
        Bar(results.titles[name], estimate.value, results.colours[name], *estimate.interval())
        for name, estimate in sorted(estimates.items(), key=lambda item: -item[1].value)
    ]
    caption = (
        f"Intersection over union with {title} over the {len(blocks):,} of {len(results.blocks):,} blocks in which the "
        "maps cover the same ground; a product is compared where it has data there. Lines are 95 % intervals with blocks "
        "as clusters."
    )
    return Picture.of(
        "recovered_iou", "Maps and products by agreement with the truth", caption, bar_figure(rows, "IoU")
    )


def _correctness_parts(results: ReportTables, evaluated: pd.DataFrame) -> list[Part]:
    """The judged and the true correctness of the sources' masks."""
    table = _in_squares(results.blocks.merge(evaluated, on="block", suffixes=("", "_evaluated")))
    pairs = pd.concat(
        [
            pd.DataFrame(
                {
                    "judged": table[map_column("correctness", s)],
                    "true": table[map_column("true_correctness", s)],
                    "square": table.square,
                }
            )
            for s in results.sources
        ]
    ).dropna()
    labels = list(DEFAULT_CLASSES.labels)
    same = int((pairs.judged.isin(results.correct) == pairs.true.isin(DEFAULT_CLASSES.correct)).sum())
    caption = (
        f"Correctness of the sources' masks: rows are true, columns are judged. Class right: "
        f"{_share_words(pairs.judged == pairs.true, pairs.square)}; correct or not right: "
        f"{share_cell(same, len(pairs))}."
    )
    return [_confusion(pairs.true, pairs.judged, labels, list(dict.fromkeys([*labels, *results.classes])), caption)]


def _choice_parts(results: ReportTables, evaluated: pd.DataFrame) -> list[Part]:
    """The chosen and the best integration."""
    if "best_integration" not in evaluated or "integration_label" not in results.blocks:
        return []
    table = _in_squares(results.blocks.merge(evaluated, on="block", suffixes=("", "_evaluated")))
    pairs = table[["integration_label", "best_integration", "square"]].dropna()
    labels = [c.label for c in Integration]
    caption = (
        f"Integration of the blocks: rows are the choices nearest to the truth by IoU, columns the choices made "
        f"({results.letters}). Best choice made: {_share_words(pairs.integration_label == pairs.best_integration, pairs.square)}."
    )
    return [_confusion(pairs.best_integration, pairs.integration_label, labels, labels, caption)]


def _in_squares(blocks: pd.DataFrame) -> pd.DataFrame:
    """The blocks with the square of the lattice that each lies in."""
    return blocks.assign(square=lattice_squares(blocks.row.to_numpy(), blocks.col.to_numpy())[0])


def _share_words(right: pd.Series, square: pd.Series) -> str:
    """A count with its share and interval, in words."""
    low, high = clustered_interval(right.to_numpy(), square.to_numpy())
    return (
        f"{share_cell(int(right.sum()), len(right))}, 95 % interval {100 * low:.0f} to {100 * high:.0f} % with squares "
        "of land as clusters"
    )


def _confusion(
    rows: pd.Series, columns: pd.Series, row_labels: list[str], column_labels: list[str], caption: str
) -> Table:
    counts = pd.crosstab(rows, columns).reindex(index=row_labels, columns=column_labels, fill_value=0)
    return Table(
        caption, ["", *column_labels], [[label, *(f"{int(n):,}" for n in counts.loc[label])] for label in row_labels]
    )


def _of_year(results: ReportTables) -> str:
    return "" if results.statistics_year is None else f" of {results.statistics_year}"


def percent_picture(results: ReportTables, units: pd.DataFrame, unit: str = "province") -> Picture | Gap:
    """Mapped area of every map and product in per cent of the statistic, by unit, or the gap; ``unit`` is what one is called."""
    within = 0.0 if results.within is None else results.within
    figure = unit_heatmap(units, [*results.maps, *results.products], results.titles, within)
    if figure is None:
        return Gap(
            f"No {unit} with a statistic is mapped completely (to {100 * COMPLETE_SHARE:.0f} % of its land), so no percentage can be "
            "given."
        )
    of_year = _of_year(results)
    caption = (
        f"Mapped area as a percentage of the statistic{of_year}; {unit}s are sorted by their statistic. Percentages within "
        f"{100 * within:.0f} % are framed and bold. Orange means more than the statistic, purple less."
    )
    return Picture.of("statistics", "Mapped area against the statistic", caption, figure)


def statistics_section(results: ReportTables) -> Section:
    """Provinces compared with the official statistic, for every map and product."""
    units = results.units.get(1)
    if units is None or results.within is None:
        gap = Gap("No statistics of provinces were given, so areas are not compared with any.")
        return Section(GROUP, "Provinces and statistics", [gap])
    names = [*results.maps, *results.products]
    parts: list[Part] = []
    limit = f"{100 * results.within:.0f} %"
    picture = percent_picture(results, units)
    parts.append(picture)
    if isinstance(picture, Picture):
        rows = []
        for name in names:
            good, compared = count_within(units, name)
            low, high = share_interval(good, compared)
            interval = f"{100 * low:.0f} to {100 * high:.0f} %" if compared else "–"
            rows.append([results.titles.get(name, name), share_cell(good, compared), interval])
        header = ["map", f"within {limit}", "95 % interval of the share"]
        parts.append(
            Table(
                "Provinces within the limit. The interval is Wilson's and takes provinces as drawn at random.",
                header,
                rows,
            )
        )
    shown = units.sort_values("statistic_km2", ascending=False).head(MOST_UNITS)
    columns = [Column("name_en", "province"), Column("adcode", "code"), mapped_share(results)]
    of_year = _of_year(results)
    columns += [Column("statistic_km2", f"statistic{of_year}, km²")]
    columns += [Column(percent_column(m), f"{results.titles[m]}, %") for m in (INTEGRATED,) if m in names]
    columns += [Column("statistic_note", "note on the statistic", "text")]
    caption = (
        "The statistics, and the area of the integrated map as a percentage of them. A dash means no statistic, or a province "
        "that is not mapped completely. tables/units_1.csv has the percentages of all maps."
    )
    parts.append(table_of(shown, caption, columns))
    rest = results.table("statistics_left_over")
    if rest is not None:
        left = ", ".join(f"{r.name_en} ({r.cropland_kha:,.1f} thousand ha)" for r in rest.itertuples())
        parts.append(Gap(f"These rows of the statistics belong to no province of this run and are left out: {left}."))
    if results.stopped_training:
        parts.append(
            Gap(
                "For a comparison that does not depend on the training, leave one province out at a time: train without its "
                "statistic, then compare with it."
            )
        )
    return Section(GROUP, "Provinces and statistics", parts, ["tables/units_1.csv"])
