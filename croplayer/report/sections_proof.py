"""The second part of the report: how right the map is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import clustered_interval, lattice_squares
from croplayer.evaluation.interval import normal_quantile, share_interval
from croplayer.evaluation.levels import iou_difference, iou_estimate, on_the_same_ground
from croplayer.evaluation.provinces import COMPLETE_SHARE, count_within
from croplayer.report.charts import Bar, bar_figure, bar_panels, paired_figure, unit_heatmap
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, table_of
from croplayer.report.results import Results
from croplayer.report.sections_map import MOST_UNITS, mapped_column, share_cell
from stores.legends import DEFAULT_CLASSES, INTEGRATED, Integration

GROUP = "The proof"
SHARES = {
    "correct_share": ("correct_blocks", "correct_design_effect"),
    "true_correct_share": ("true_correct_blocks", "true_correct_design_effect"),
    "within_share": ("compared", None),
}
"""Shares among the measures: of how many cases each is, and the design effect of near cases where they are alike."""


def levels_section(results: Results) -> Section:
    """Pixels, blocks and provinces in one figure and one table."""
    levels = results.table("levels")
    if levels is None:
        return Section(GROUP, "Three levels", [Gap("The run was not evaluated.", "Fig. 12")])
    levels = levels.reindex(
        columns=[*levels.columns, *(c for c in ("iou", "boundary_iou", "f1", "within", "compared") if c not in levels)]
    )
    panels: dict[str, list[Bar]] = {}
    measures = {"iou": "IoU", "boundary_iou": "boundary IoU", "f1": "F1", "correct_share": "judged correct, %"}
    if "true_correct_share" in levels:
        measures["true_correct_share"] = "truly correct, %"
    measures |= {"solidity_mean": "solidity", "euler_mean": "Euler number", "within_share": "within limit, %"}
    levels["within_share"] = levels.within / levels.compared.where(levels.compared > 0)
    for key, title in measures.items():
        panels[title] = [_level_bar(results, row, key) for _, row in levels.iterrows()]
    caption = (
        "Pixels against the reference, of each map where it knows the ground (higher is better); blocks by what their "
        "masks are worth, as judged and as "
        "the reference says, mean solidity (1 is "
        "compact) and mean Euler number of their regions (1 is without holes); provinces within the limit of the "
        "statistic. Lines are 95 % intervals: of the IoU with blocks as clusters, of a share after Wilson, with squares of "
        "land as clusters for blocks, as if drawn at random for provinces."
    )
    figure = bar_panels(panels, [("pixels", 3), ("blocks", len(measures) - 4), ("provinces", 1)])
    parts: list[Part] = [Picture.of("levels", "The maps at three levels", caption, figure, "Fig. 12")]
    shown = results.titled(levels, ["map"]).assign(
        provinces=[
            share_cell(int(w), int(c)) if c == c else None for w, c in zip(levels.within, levels.compared, strict=True)
        ]
    )
    columns = [Column("map", "map"), Column("known", "known", "share")]
    columns += [Column("iou", "IoU"), Column("iou_standard_error", "its standard error")]
    columns += [Column("boundary_iou", "boundary IoU"), Column("f1", "F1")]
    columns += [Column("correct_share", "judged correct", "share"), Column("correct_blocks", "blocks judged")]
    columns += [Column("true_correct_share", "truly correct", "share"), Column("true_correct_blocks", "blocks known")]
    columns += [Column("solidity_mean", "solidity"), Column("euler_mean", "Euler number")]
    columns += [Column("provinces", "provinces within"), Column("median_percent", "median % of the statistic")]
    parts.append(table_of(shown, "The same in numbers; a dash is not known.", columns))
    if levels.iou.isna().all():
        parts.append(Gap("No reference of classes was given, so the level of pixels is not known."))
    if levels.correct_share.notna().any() and _by_rules(results):
        parts.append(
            Gap("Blocks were judged by rules, not from reviews, so their correctness is an opinion of the rules.")
        )
    return Section(GROUP, "Three levels", [*parts, *_parcel_parts(results)])


def _by_rules(results: Results) -> bool:
    method = results.table("correctness_method")
    return method is not None and bool(pd.isna(method.accuracy.iloc[0]))


def _level_bar(results: Results, row: pd.Series, key: str) -> Bar:
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


def _parcel_parts(results: Results) -> list[Part]:
    parcels = results.table("parcels")
    if parcels is None:
        return [
            Gap("No reference parcels were given (evaluation.parcels), so over- and under-segmentation are not known.")
        ]
    columns = [Column("map", "map"), Column("parcels", "parcels"), Column("left_out", "left out")]
    columns += [Column("missed_share", "missed", "share")]
    columns += [Column("over", "over-segmentation"), Column("under", "under-segmentation"), Column("distance", "D")]
    caption = (
        "Reference parcels against mapped regions (Clinton et al. 2010), weighted by area: 0 is perfect. A mask has no "
        "instances, so fields that touch are one region and count as under-segmented. Left out are parcels that the map does "
        "not know as a whole, among them those that reach beyond the mapped blocks."
    )
    return [table_of(results.titled(parcels, ["map"]), caption, columns)]


def recovered_section(results: Results) -> Section | None:
    """What was recovered of a truth that is known everywhere; None without one."""
    evaluated, agreement = results.table("evaluated_blocks"), results.table("agreement")
    true = results.reference
    if true is None or evaluated is None or agreement is None or f"true_correctness_{INTEGRATED}" not in evaluated:
        return None
    blocks, title = results.blocks, results.titles[true]
    same = on_the_same_ground(blocks, results.maps, true)
    parts: list[Part] = [_recovered_picture(results, same, list(agreement["map"][agreement.against == true]), title)]
    half = normal_quantile(0.95)
    for other in (m for m in results.maps if m != INTEGRATED):
        ground = len(on_the_same_ground(blocks, [INTEGRATED, other], true))
        if not ground:
            parts.append(Gap(f"In no block do the integrated map and {results.titles[other]} know the same ground."))
            continue
        difference = iou_difference(blocks, INTEGRATED, other, true)
        verdict = "better" if difference.value > 0 else "worse"
        sure = "" if abs(difference.value) > half * difference.standard_error else ", which chance alone could do"
        parts.append(
            f"The integrated map is {verdict} than {results.titles[other]} by {abs(difference.value):.3f} IoU "
            f"(± {half * difference.standard_error:.3f}){sure}, over the {ground:,} blocks in which both know the same ground."
        )
    parts += _correctness_parts(results, evaluated)
    parts += _choice_parts(results, evaluated)
    units = results.units.get(1)
    if units is not None and f"{true}_km2" in units:
        units = units.assign(
            **{f"{m}_km2": units[f"{m}_km2"].where(_is_known(units, m)) for m in (*results.maps, true)}
        )
        caption = "Each point is a province that the map knows as a whole; the band is ± 10 %."
        figure = paired_figure(units, results.maps, results.titles, results.colours, true)
        parts.append(Picture.of("recovered_areas", "Areas of the provinces, true and mapped", caption, figure))
        shown = units.assign(**{f"{m}_off": units[f"{m}_km2"] / units[f"{true}_km2"] - 1 for m in results.maps})
        columns = [Column("name_en", "province"), Column(f"{true}_km2", "true, km²")]
        columns += [Column(f"{m}_off", f"{results.titles[m]}, deviation", "share") for m in results.maps]
        caption = "How far the mapped area is off, by province. A dash: the map does not know the province as a whole."
        parts.append(table_of(shown, caption, columns))
    return Section(GROUP, "Recovered against true", parts)


def _is_known(units: pd.DataFrame, name: str) -> pd.Series:
    return units[f"{name}_known"] >= COMPLETE_SHARE


def _recovered_picture(results: Results, blocks: pd.DataFrame, names: list[str], title: str) -> Part:
    """Maps and products by their agreement with the truth in ``blocks``, best first."""
    assert results.reference is not None
    if blocks.empty:
        return Gap(
            "In no block do all maps know the same ground, so their agreement with the truth cannot be compared."
        )
    estimates = {name: iou_estimate(blocks, name, results.reference) for name in names}
    rows = [
        Bar(results.titles[name], estimate.value, results.colours[name], *estimate.interval())
        for name, estimate in sorted(estimates.items(), key=lambda item: -item[1].value)
    ]
    caption = (
        f"Intersection over union with {title}, together over the {len(blocks):,} of {len(results.blocks):,} blocks in "
        "which the maps know the same ground, and of products what they know there; lines are 95 % intervals, blocks as "
        "clusters."
    )
    return Picture.of(
        "recovered_iou", "Maps and products by agreement with the truth", caption, bar_figure(rows, "IoU")
    )


def _correctness_parts(results: Results, evaluated: pd.DataFrame) -> list[Part]:
    """Judged against true correctness of the sources' masks."""
    table = _in_squares(results.blocks.merge(evaluated, on="block", suffixes=("", "_evaluated")))
    pairs = pd.concat(
        [
            pd.DataFrame(
                {
                    "judged": table[f"correctness_{s}"],
                    "true": table[f"true_correctness_{s}"],
                    "square": table.square,
                }
            )
            for s in results.sources
        ]
    ).dropna()
    labels = list(DEFAULT_CLASSES.labels)
    same = int((pairs.judged.isin(results.correct) == pairs.true.isin(DEFAULT_CLASSES.correct)).sum())
    caption = (
        f"Correctness of the sources' masks: rows true, columns judged. Right class: "
        f"{_share_words(pairs.judged == pairs.true, pairs.square)}; right about correct or not: "
        f"{share_cell(same, len(pairs))}."
    )
    return [_confusion(pairs.true, pairs.judged, labels, list(dict.fromkeys([*labels, *results.classes])), caption)]


def _choice_parts(results: Results, evaluated: pd.DataFrame) -> list[Part]:
    """Chosen against best integration."""
    if "best_integration" not in evaluated or "integration_label" not in results.blocks:
        return []
    table = _in_squares(results.blocks.merge(evaluated, on="block", suffixes=("", "_evaluated")))
    pairs = table[["integration_label", "best_integration", "square"]].dropna()
    labels = [c.label for c in Integration]
    caption = (
        f"Integration of the blocks: rows what is nearest to the truth by IoU, columns what was chosen ({results.letters}). "
        f"Best choice taken: {_share_words(pairs.integration_label == pairs.best_integration, pairs.square)}."
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


def statistics_section(results: Results) -> Section:
    """Provinces against the official statistic, for every map and product."""
    units = results.units.get(1)
    if units is None or results.within is None:
        gap = Gap("No statistics of provinces were given, so areas are not held against any.", "Fig. 16")
        return Section(GROUP, "Provinces and statistics", [gap])
    names = [*results.maps, *results.products]
    parts: list[Part] = []
    limit = f"{100 * results.within:.0f} %"
    figure = unit_heatmap(units, names, results.titles, results.within)
    if figure is None:
        parts.append(
            Gap("No province with a statistic is mapped as a whole, so no percentage can be given.", "Fig. 16")
        )
    else:
        caption = (
            f"Mapped area as per cent of the statistic, provinces by the size of the statistic. Framed and bold: within "
            f"{limit}. Orange is more than the statistic, purple less."
        )
        parts.append(Picture.of("statistics", "Mapped area against the statistic", caption, figure, "Fig. 16"))
        rows = []
        for name in names:
            good, compared = count_within(units, name)
            low, high = share_interval(good, compared)
            interval = f"{100 * low:.0f} to {100 * high:.0f} %" if compared else "–"
            rows.append([results.titles.get(name, name), share_cell(good, compared), interval])
        header = ["map", f"within {limit}", "95 % interval of the share"]
        parts.append(
            Table(
                "Provinces within the limit; the interval is Wilson's, as if provinces were drawn at random.",
                header,
                rows,
            )
        )
    shown = units.sort_values("statistic_km2", ascending=False).head(MOST_UNITS)
    columns = [Column("name_en", "province"), Column("adcode", "code"), mapped_column(results)]
    columns += [Column("statistic_km2", "statistic, km²")]
    columns += [Column(f"{m}_percent", f"{results.titles.get(m, m)}, %") for m in names]
    columns += [Column("statistic_note", "note of the statistic", "text")]
    caption = "Mapped area as per cent of the statistic. A dash: no statistic, or the map does not know the province as a whole."
    parts.append(table_of(shown, caption, columns))
    rest = results.table("statistics_left_over")
    if rest is not None:
        left = ", ".join(f"{r.name_en} ({r.cropland_kha:,.1f} thousand ha)" for r in rest.itertuples())
        parts.append(Gap(f"The statistics have rows of no province of this run, which are left out: {left}."))
    if results.stopped_training:
        parts.append(
            Gap(
                "The same statistics also decided when the training was good enough, so they are no independent proof. "
                "For that, train without the statistic of a province and compare it then: leave one province out at a time."
            )
        )
    return Section(GROUP, "Provinces and statistics", parts)
