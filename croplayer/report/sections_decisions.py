"""How the blocks were decided, and how accurate the decisions are on held-out reviews."""

from __future__ import annotations

import pandas as pd

from croplayer.decisions.rules import NO_SAMPLES, RULES
from croplayer.decisions.splits import ELSEWHERE, SPATIAL, STRATIFIED
from croplayer.report.charts import Bar, bar_figure
from croplayer.report.maps import class_figure
from croplayer.report.page import Column, Gap, Part, Picture, Section, Table, table_of
from croplayer.report.style import CORRECTNESS_COLOURS, CORRECTNESS_WORDS, INTEGRATION_COLOURS, class_colours
from croplayer.report.tables import ReportTables
from stores.columns import map_column

GROUP = "Details"
NO_REVIEWS = f"{NO_SAMPLES} in this run"
MOST_FEATURES = 15
MOST_CORRECTIONS = 100
MOST_BESIDE = 0.5
"""Share of held-out samples next to training blocks, above which they do not represent new land."""


def sample_section(results: ReportTables) -> Section | None:
    """Map of the reviewed blocks; None without any, which the first screen says."""
    columns = [c for c in results.blocks if c.startswith(("correctness_reviewed_", "integration_reviewed"))]
    reviewed = results.blocks[columns].notna() & (results.blocks[columns] != "") if columns else pd.DataFrame()
    if not columns or not reviewed.any(axis=None):
        return None
    labels = reviewed.any(axis=1).map({True: "reviewed", False: "not reviewed"})
    figure = class_figure(
        results.blocks.assign(reviewed=labels), {"reviewed": "reviewed blocks"},
        {"reviewed": "#d55e00", "not reviewed": "#e3e3e3"},
    )  # fmt: skip
    caption = (
        f"{int(reviewed.any(axis=1).sum()):,} of {len(results.blocks):,} blocks have a review. The chapters on semantic correctness and "
        "integration say who reviewed them and what follows."
    )
    return Section(GROUP, "Reviewed blocks", [Picture.of("reviewed", "Where the reviewed blocks lie", caption, figure)])


def correctness_section(results: ReportTables) -> Section:
    """Semantic correctness of the sources' masks."""
    parts: list[Part] = [
        *_method_parts(results, "correctness"),
        correctness_picture(results),
        *_classifier_parts(results, "correctness"),
    ]
    return Section(GROUP, "Semantic correctness", parts, ["tables/correctness.parquet", "tables/correctness_trial.csv"])


def correctness_picture(results: ReportTables) -> Picture:
    """Maps of the correctness of each source's masks, with shares."""
    colours = class_colours(results.classes, CORRECTNESS_COLOURS)
    figure = class_figure(results.blocks, {map_column("correctness", s): s for s in results.sources}, colours)
    known = pd.concat([results.blocks[map_column("correctness", s)] for s in results.sources]).dropna()
    share = known.isin(results.correct).mean() if len(known) else float("nan")
    caption = f"Semantic correctness of the cropland mask of each source in each block; {100 * share:.0f} % are judged correct."
    meanings = [f"{label}: {CORRECTNESS_WORDS[label]}" for label in results.classes if label in CORRECTNESS_WORDS]
    caption += f" {'; '.join(meanings)}." if meanings else ""
    return Picture.of("correctness", "Semantic correctness of the masks", caption, figure)


def integration_section(results: ReportTables) -> Section:
    """Which source the map takes."""
    parts: list[Part] = [
        *_method_parts(results, "integration"),
        *_override_parts(results.blocks),
        integration_picture(results),
        *_classifier_parts(results, "integration"),
    ]
    return Section(GROUP, "Integration", parts, ["tables/integration.parquet", "tables/integration_trial.csv"])


def integration_picture(results: ReportTables) -> Picture:
    """Map of the source that each block takes, with shares."""
    figure = class_figure(results.blocks, {"integration_label": "source of the map"}, INTEGRATION_COLOURS)
    caption = f"{results.letters}. The legend gives the share of each choice."
    return Picture.of("integration", "Which source the map takes", caption, figure)


def corrections_section(corrections: pd.DataFrame) -> Section:
    """The corrections by hand, and what they changed."""
    if not len(corrections):
        return Section(GROUP, "Corrections by hand", [Gap("The file of corrections holds none.")])
    added, removed = corrections.added_km2.sum(), corrections.removed_km2.sum()
    caption = (
        f"{len(corrections):,} polygons that people burnt into the map, in the order of their dates. They added {added:.4g} km² "
        f"of cropland and removed {removed:.4g} km²; where polygons overlap, the later one counts. The array correction of the "
        "cube tells what the map showed before."
    )
    columns = [Column(name, name, "text") for name in ("date", "author", "action", "reason")]
    columns += [Column("added_km2", "added, km²"), Column("removed_km2", "removed, km²"), Column("blocks", "blocks")]
    shown = table_of(
        corrections.astype(dict.fromkeys(("date", "author", "reason"), str)).head(MOST_CORRECTIONS), caption, columns
    )
    rest = len(corrections) - MOST_CORRECTIONS
    more = [f"{rest:,} more are in tables/corrections.csv."] if rest > 0 else []
    return Section(GROUP, "Corrections by hand", [shown, *more], ["tables/corrections.csv"])


def _override_parts(blocks: pd.DataFrame) -> list[Part]:
    """How many blocks people overrode, and which, why and when, where the overrides tell it."""
    told = [name for name in ("override_author", "override_date") if name in blocks]
    own = blocks[blocks.override.fillna("") != ""]
    if not len(own):
        return []
    count = f"{len(own):,} block{'' if len(own) == 1 else 's'} were overridden by hand."
    if not told:
        return [count]
    names = ("block", "integration_label", "override", *told)
    headings = {
        "integration_label": "decision",
        "override": "reason",
        "override_author": "author",
        "override_date": "date",
    }
    columns = [Column(name, headings.get(name, name), "text") for name in names]
    return [count, table_of(own.head(MOST_CORRECTIONS), "Decisions that people made for a block.", columns)]


def _method_words(results: ReportTables, name: str) -> str:
    """How a decision was made and who reviewed the samples; empty where that is not recorded."""
    method = results.table(f"{name}_method")
    return "" if method is None else f"{name.capitalize()} was decided by {method.method.iloc[0]}."


def _method_parts(results: ReportTables, name: str) -> list[Part]:
    method = results.table(f"{name}_method")
    if method is None:
        return [Gap(f"How {name} was decided is not recorded.")]
    if _nobody_reviewed(results, name):
        text = "so neither its accuracy is known nor which features tell most."
        return [Gap(f"{name.capitalize()} was decided by plain rules: no block of this run was reviewed, {text}")]
    parts: list[Part] = [_method_words(results, name)]
    trial = results.table(f"{name}_trial")
    if trial is not None:
        parts.append(_trial_table(trial, name))
    elif pd.isna(method.accuracy.iloc[0]):
        parts.append(Gap("Plain rules decided, not a classifier. The reviews do not tell how accurate they are."))
    return parts


def _classifier_parts(results: ReportTables, name: str) -> list[Part]:
    """How good a classifier is, and by what it decides; nothing where it is said that there is none."""
    if _nobody_reviewed(results, name):
        return []
    return [*_quality_parts(results, name), *importance_parts(results, name)]


def _nobody_reviewed(results: ReportTables, name: str) -> bool:
    """Whether rules decided because there are no reviews."""
    method = results.table(f"{name}_method")
    measured = any(results.table(f"{name}_{kind}") is not None for kind in ("trial", "accuracy", "importance"))
    return method is not None and method.method.iloc[0] == RULES and not measured


def _trial_table(trial: pd.DataFrame, name: str) -> Table:
    """The classifier against simpler answers on reviews that it had not seen."""
    columns = [Column("against", "simpler answer"), Column("samples", "samples"), Column("squares", "squares of land")]
    columns += [
        Column("accuracy", "classifier right", "share"),
        Column("other_accuracy", "simpler answer right", "share"),
    ]
    columns += [
        Column("difference", "difference", "share"),
        Column("low", "95 % from", "share"),
        Column("high", "to", "share"),
    ]
    caption = (
        f"{name.capitalize()}: a classifier against simpler answers, on reviewed samples whose squares of land it had not "
        "seen. The interval of the difference is that of the means of subsets of the squares; without one there are too few. "
        "A classifier that is fitted to the run's reviews decides only if every interval lies above 0; otherwise the rules "
        "decide all blocks."
    )
    return table_of(trial, caption, columns)


def _no_classifier(results: ReportTables, name: str) -> str:
    """Why there are no figures of a classifier."""
    method = results.table(f"{name}_method")
    if method is None or method.method.iloc[0] == RULES:
        return NO_REVIEWS
    if pd.isna(method.accuracy.iloc[0]):
        return "the rules decide, because no classifier is shown to be better on the reviews"
    return "no reviewed samples measure the classifier in this run"


def _quality_parts(results: ReportTables, name: str) -> list[Part]:
    """Accuracy, confusion and calibration on held-out reviews, or the gap."""
    accuracy, confusion = results.table(f"{name}_accuracy"), results.table(f"{name}_confusion")
    if accuracy is None or confusion is None:
        return [Gap(f"Accuracy of the {name}: {_no_classifier(results, name)}.")]
    columns = [Column("split", "held out"), Column("samples", "samples"), Column("accuracy", "accuracy", "share")]
    columns += [Column("accuracy_low", "95 % from", "share"), Column("accuracy_high", "to", "share")]
    columns += [
        Column("square_blocks", "edge of the squares, blocks"),
        Column("beside_share", "next to training blocks", "share"),
    ]
    columns += [Column("commonest_share", "share of the commonest class", "share"), Column("brier", "Brier score")]
    columns += [Column("calibration_error", "calibration error")]
    words = {
        STRATIFIED: "a fifth of each class at random",
        SPATIAL: "a fifth of the squares of land",
        ELSEWHERE: "all of them, because it was fitted elsewhere",
    }
    shown = accuracy.assign(
        split=accuracy.split.map(lambda s: words.get(s, s)),
        square_blocks=accuracy.square_blocks.where(accuracy.square_blocks > 0),
    )
    caption = f"Accuracy on reviews that the classifier had not seen. {_new_land_words(accuracy)}"
    parts: list[Part] = [table_of(shown, caption, columns)]
    for split in confusion.split.unique()[:1]:
        counts = confusion[confusion.split == split].pivot(index="reviewed", columns="predicted", values="samples")
        labels = [label for label in dict.fromkeys(confusion.reviewed) if label in counts.index]
        rows = [[label, *(f"{int(counts.loc[label, other]):,}" for other in labels)] for label in labels]
        caption = f"Held-out reviews ({words.get(split, split)}): rows are reviewed, columns are predicted."
        parts.append(Table(caption, ["", *labels], rows))
    calibration = results.table(f"{name}_calibration")
    if calibration is not None:
        columns = [Column("confidence_from", "confidence from", "share"), Column("confidence_to", "to", "share")]
        columns += [Column("samples", "samples"), Column("confidence", "mean confidence", "share")]
        columns.append(Column("accuracy", "correct", "share"))
        split = accuracy.split.iloc[-1]
        caption = (
            f"Calibration on held-out reviews ({words[split]}), the split that gives reviewed blocks their confidence: the "
            "share of correct decisions by their confidence."
        )
        parts.append(table_of(calibration[calibration.split == split], caption, columns))
    return parts


def _new_land_words(accuracy: pd.DataFrame) -> str:
    """What the spatial split tells about land without reviews, given how much of it lay next to training blocks."""
    if ELSEWHERE in set(accuracy.split):
        return "The classifier was fitted to other blocks than these."
    spatial = accuracy[accuracy.split == SPATIAL].iloc[0]
    edge, beside = int(spatial.square_blocks), float(spatial.beside_share)
    worth = (
        "the accuracy by squares is the better estimate for it"
        if beside <= MOST_BESIDE
        else "neither accuracy is an estimate for it"
    )
    return (
        f"Squares of {edge} x {edge} blocks were held out whole; {100 * beside:.0f} % of their samples lie next to a block "
        f"that the classifier was trained on. New land has no such neighbours, so {worth}."
    )


def importance_parts(results: ReportTables, name: str) -> list[Part]:
    """Permutation importance of groups of features and of single ones, or the gap."""
    importance = results.table(f"{name}_importance")
    if importance is None:
        return [Gap(f"Which features decide the {name}: {_no_classifier(results, name)}.")]
    parts: list[Part] = []
    titles = {
        "group": "groups of features",
        "sources": "features of both sources together",
        "feature": "single features",
    }
    for kind in (k for k in titles if "kind" not in importance or k in set(importance.kind)):
        rows = importance[importance.kind == kind] if "kind" in importance else importance
        rows = rows.sort_values("accuracy_lost", ascending=False).head(MOST_FEATURES)
        bars = [
            Bar(
                str(r.feature).replace("_", " "), 100 * r.accuracy_lost, GROUP_COLOURS.get(getattr(r, "group", ""), "#555555"),
                100 * (r.accuracy_lost - r.standard_deviation), 100 * (r.accuracy_lost + r.standard_deviation),
            )
            for r in rows.itertuples()
        ]  # fmt: skip
        caption = (
            f"Permutation importance of {titles[kind]} on held-out reviews: accuracy lost when their values are shuffled; "
            "lines are one standard deviation over the repeats."
        )
        figure = bar_figure(bars, "accuracy lost, percentage points")
        title = f"What decides the {name}: {titles[kind]}"
        parts.append(Picture.of(f"{name}_importance_{kind}", title, caption, figure))
    return parts


GROUP_COLOURS = {
    "terrain": "#8c6d31",
    "image": "#56b4e9",
    "shape": "#009e73",
    "consistency": "#cc79a7",
    "correctness": "#e69f00",
}
"""Colour of the groups of features."""
