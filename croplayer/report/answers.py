"""What a reader of the report wants to know first: how much, how good, what to distrust, what to do next."""

from __future__ import annotations

import pandas as pd

from croplayer.evaluation.interval import Estimate, share_interval
from croplayer.evaluation.provinces import COMPLETE_SHARE, count_within
from croplayer.evaluation.statistics import years_apart
from croplayer.report.page import Answer, number, percent
from croplayer.report.tables import ReportTables
from stores.columns import AREA_KM2, FAMILIARITY, KNOWN, TAKEN_FROM, map_column, percent_column
from stores.legends import FOREIGN, INTEGRATED

REVIEWED = " reviewed by "
"""Words of a method that was tried on reviews."""
ASSUMED = "What is called correct is therefore what the rules assume."


def answers(results: ReportTables) -> list[Answer]:
    """The main results of a run, or that they are not known."""
    return [_area(results), _true_area(results), _pixels(results), _statistics(results), _known(results)]


def cautions(results: ReportTables) -> list[str]:
    """Sentences about what the map, or a figure of it, should not be trusted in."""
    blocks, lines = results.blocks, []
    unseen = _without_map(blocks)
    if unseen:
        lines.append(f"{unseen:,} of {len(blocks):,} blocks have no map: no usable imagery, or not finished.")
    for source in results.sources:
        column = map_column(FAMILIARITY, source)
        known = blocks[column].astype(float).dropna() if column in blocks else pd.Series(dtype=float)
        foreign = int((known < FOREIGN).sum())
        if foreign:
            lines.append(
                f"In {foreign:,} of {len(known):,} blocks the imagery of {source} looks like almost none of the scenes that the "
                "network learned from; its accuracy there is not known."
            )
    if results.strange_pixels:
        lines.append(
            f"{_sentence(results.strange_pixels)}, so what is known of its accuracy says nothing about this map."
        )
    if _is_undated(results):
        lines.append("Nothing tells from when the imagery is, and so from when the map is.")
    lines += _methods(results)
    lines += filter(None, [years_apart(results.statistics_year, results.edition)])
    if results.stopped_training:
        lines.append("The statistics also decided when to stop the training, so their agreement proves little.")
    areas = results.table("sample_areas")
    if areas is None:
        lines.append("Areas are counts of pixels. They include the errors of the map and have no interval.")
    else:
        lines += _beyond_the_interval(areas)
    return lines


def steps(results: ReportTables) -> list[str]:
    """Sentences about what would make the map better, or better known."""
    lines = []
    if results.table("sample_areas") is None:
        lines.append(
            "Draw a sample of points with `croplayer area draw`, label it, and name it as `evaluation.sample`: it gives the area "
            "with its interval, and the accuracy."
        )
    if "correctness_reviewed_" not in " ".join(results.blocks.columns) or not _reviewed(results.blocks):
        lines.append(
            "Review some blocks (`croplayer judge sample`): classifiers that are shown to beat the rules then decide."
        )
    elif (method := results.table("integration_method")) is not None and _is_by_rules(method):
        lines.append(
            "Review more blocks (`croplayer judge sample`): so few show no classifier to be better than the rules."
        )
    if _is_undated(results):
        lines.append("State when the imagery was taken (`taken` under `[[sources]]`).")
    if results.within is None:
        lines.append("Name official statistics (`[statistics]`) to compare the areas of admin units with them.")
    worst = _worst_unit(results)
    if worst:
        lines.append(worst)
    if _without_map(results.blocks):
        lines.append(
            "Give other imagery where a source has clouds or gaps; only the blocks concerned are mapped again."
        )
    if not results.products:
        lines.append("Name other maps (`[[products]]`) to see where they differ from this one.")
    return lines


def _area(results: ReportTables) -> Answer:
    mapped = results.blocks[map_column(AREA_KM2, INTEGRATED)]
    if not mapped.notna().any():
        return Answer("Cropland on the map", "not known", "no block has a map")
    return Answer(
        "Cropland on the map",
        f"{number(float(mapped.sum()))} km²",
        f"in {mapped.notna().sum():,} blocks of 0.05°; a count of pixels",
    )


def _true_area(results: ReportTables) -> Answer:
    areas, question = results.table("sample_areas"), "True area of cropland"
    if areas is None:
        return Answer(question, "not known", "no sample of points was given")
    whole = areas.iloc[0]
    if pd.isna(whole.low_km2):
        note = "without an interval; the notes on the sample give the reason"
    else:
        note = f"95 % interval {number(whole.low_km2)} to {number(whole.high_km2)} km², from a sample of points"
    return Answer(question, f"{number(whole.estimate_km2)} km²", note)


def _beyond_the_interval(areas: pd.DataFrame) -> list[str]:
    """That the map counts more or less cropland than the sample leaves room for; nothing where it does not."""
    whole = areas.iloc[0]
    counted, low, high = float(whole.mapped_km2), float(whole.low_km2), float(whole.high_km2)
    if not (counted < low or counted > high):  # so also where the interval is not known
        return []
    word = "more" if counted > high else "less"
    share = percent(abs(counted / float(whole.estimate_km2) - 1), 0)
    return [
        f"The map counts {share} {word} cropland than the sample of points gives, beyond its interval; for areas take the estimates."
    ]


def _iou(results: ReportTables) -> pd.Series | None:
    levels = results.table("levels")
    if results.reference is None or levels is None or "iou" not in levels:
        return None
    row = levels.set_index("map").loc[INTEGRATED]
    return None if pd.isna(row.iou) else row


def _pixels(results: ReportTables) -> Answer:
    row, question = _iou(results), "Accuracy of the pixels"
    if row is None or results.reference is None:
        return Answer(question, "not known", "no reference map with classes was given")
    low, high = Estimate(float(row.iou), float(row.iou_standard_error)).interval()
    return Answer(
        question,
        f"IoU {row.iou:.3f}",
        f"against {results.titles[results.reference]}; 95 % interval {max(low, 0):.3f} to {min(high, 1):.3f}, blocks as clusters, "
        f"in the {100 * row.known:.1f} % of the ground that the map covers",
    )


def _statistics(results: ReportTables) -> Answer:
    units, question = results.units.get(1), "Agreement with the statistics"
    if results.within is None or units is None:
        return Answer(question, "not known", "no statistics were given")
    good, compared = count_within(units, INTEGRATED)
    if not compared:
        return Answer(
            question, "not known", f"no province with a statistic is mapped to {100 * COMPLETE_SHARE:.0f} % of its land"
        )
    low, high = (100 * end for end in share_interval(good, compared))
    return Answer(
        question,
        f"{good} of {compared} provinces",
        f"{'' if results.statistics_year is None else f'of {results.statistics_year}, '}within {100 * results.within:.0f} %; "
        f"95 % interval of the share {low:.0f} to {high:.0f} %",
    )


def _known(results: ReportTables) -> Answer:
    count = len(results.blocks)
    mapped = count - _without_map(results.blocks)
    levels = results.table("levels")
    share = 1.0
    if levels is not None and KNOWN in levels:
        share = float(levels.set_index("map").loc[INTEGRATED, KNOWN])
    if mapped < count:
        note = "the others had no usable imagery or are not finished"
    else:
        note = "each has some map" if share < 1 else "all of the region"
    note += f"; of the ground of all blocks the map knows {percent(share)}" if share < 1 else ""
    return Answer("Blocks with a map", f"{mapped:,} of {count:,}", note)


def _without_map(blocks: pd.DataFrame) -> int:
    # Missing where a block is not finished, and then its area is missing, too.
    unusable = blocks.get("no_usable_imagery", pd.Series(False, index=blocks.index)) == True  # noqa: E712
    return int((blocks[map_column(AREA_KM2, INTEGRATED)].isna() | unusable).sum())


def _methods(results: ReportTables) -> list[str]:
    """Sentences about decisions of blocks that were not made by a classifier."""
    said = {"correctness": "the masks were judged", "integration": "the source of each block was chosen"}
    tables = {name: results.table(f"{name}_method") for name in said}
    rules = {name: _in_short(t.method.iloc[0]) for name, t in tables.items() if t is not None and _is_by_rules(t)}
    if len(rules) == len(said) and len(set(rules.values())) == 1:
        return [f"{_sentence(' and '.join(said.values()))} by {rules['integration']}. {ASSUMED}"]
    lines = [f"{_sentence(said[name])} by {method}." for name, method in rules.items()]
    return [f"{line} {ASSUMED}" if "correctness" in rules and not i else line for i, line in enumerate(lines)]


def _is_by_rules(method: pd.DataFrame) -> bool:
    """Whether a table of a method tells of rules; only a classifier has an accuracy."""
    return bool(pd.isna(method.accuracy.iloc[0]))


def _in_short(method: str) -> str:
    """A method without the figures of its trial, which the chapter on it has."""
    return (
        f"{method.partition(' (')[0]}, because the reviews show no classifier to be better"
        if REVIEWED in method
        else method
    )


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}"


def _is_undated(results: ReportTables) -> bool:
    """Whether nothing tells from when the imagery of any source is."""
    return not any(map_column(TAKEN_FROM, source) in results.blocks for source in results.sources)


def _reviewed(blocks: pd.DataFrame) -> bool:
    columns = [c for c in blocks if c.startswith("correctness_reviewed_")]
    return bool((blocks[columns].notna() & (blocks[columns] != "")).any(axis=None))


def _worst_unit(results: ReportTables) -> str:
    """Which province deviates most from its statistic, beyond the limit; empty if none does."""
    units, column = results.units.get(1), percent_column(INTEGRATED)
    if results.within is None or units is None or column not in units or units[column].isna().all():
        return ""
    off = (units[column].astype(float) - 100).abs()
    worst = units.loc[off.idxmax()]
    if off.max() <= 100 * results.within:
        return ""
    name = worst.name_en or worst.name_zh
    return f"Look at {name} first: its mapped area is {worst[column]:.0f} % of the statistic, the farthest of all provinces."
