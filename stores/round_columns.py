"""Columns of ``rounds.parquet`` of a label project, declared once for everything that writes, reads or shows it.

One row per round and admin unit. A null means "not known". Areas and shares have 95 % intervals unless the project's settings say
another confidence. `statistic_decided` marks units whose area is no independent proof of their map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class RoundColumn(NamedTuple):
    """One column of the record."""

    name: str
    """A word in capitals stands for the names that it can take."""
    dtype: str
    unit: str
    about: str


ROUND_COLUMNS = (
    RoundColumn("round", "int64", "1", "number of the round, from 1"),
    RoundColumn("unit", "string", "", "code of the admin unit; empty where the run has none"),
    RoundColumn("name", "string", "", "its name"),
    RoundColumn("labels_new", "int64", "1", "finished tasks that taught in this round for the first time, or were changed"),
    RoundColumn("labels_old", "int64", "1", "finished tasks of earlier rounds that were shown again"),
    RoundColumn("labels_rested", "int64", "1", "finished tasks of earlier rounds that were not shown"),
    RoundColumn("labels_measuring", "int64", "1", "finished tasks drawn at random in held-out blocks, which never teach"),
    RoundColumn("labels_unused", "int64", "1", "finished tasks in held-out blocks that were chosen by scores, or whose "
                "block the run's model has learned from"),
    RoundColumn("labels_skipped", "int64", "1", "skipped tasks drawn at random in held-out blocks, which iou lacks"),
    RoundColumn("kept_pictures", "int64", "1", "pictures of land without a label on which the round's model keeps what the one before "
                "maps; 0 where it learned nothing"),
    RoundColumn("positive", "int64", "1", "finished tasks so far with a field in them"),
    RoundColumn("negative", "int64", "1", "finished tasks so far without any"),
    RoundColumn("fields", "int64", "1", "fields drawn in them"),
    RoundColumn("labelled_blocks", "int64", "1", "blocks with a finished task"),
    RoundColumn("blocks", "int64", "1", "blocks of the run whose centre lies in the unit"),
    RoundColumn("sampling_density", "float64", "1", "labelled_blocks / blocks"),
    RoundColumn("labelling_minutes", "float64", "min", "minutes written down for the tasks finished since the round before"),
    RoundColumn("judging_minutes", "float64", "min", "time at the page for the judgements made since the round before"),
    RoundColumn("iou", "float64", "1", "pixel IoU of both sources on the held-out labels"),
    RoundColumn("iou_low", "float64", "1", "lower end of its interval, with blocks as cases; null with fewer than 2"),
    RoundColumn("iou_high", "float64", "1", "its upper end"),
    RoundColumn("iou_before", "float64", "1", "the same of the model before, on the same labels; of the first round the run's model"),
    RoundColumn("iou_blocks", "int64", "1", "held-out blocks that it was measured in"),
    RoundColumn("sample_blocks", "int64", "1", "blocks of the systematic sample, which the model of the round mapped"),
    RoundColumn("judged", "int64", "1", "masks of the sample that people judged, that are still nearly the same, and that "
                "count: those of the blocks judged without a gap in the order in which they are handed out"),
    RoundColumn("judged_waiting", "int64", "1", "such masks behind a gap, which do not count yet"),
    RoundColumn("judged_before", "int64", "1", "masks that people judged and that have changed since; they are to be judged again"),
    RoundColumn("correct", "float64", "1", "share of the judged masks that are correct; null while some are to be judged again"),
    RoundColumn("correct_low", "float64", "1", "lower end of its interval, with blocks as clusters"),
    RoundColumn("correct_high", "float64", "1", "its upper end"),
    RoundColumn("predicted_correct", "float64", "1", "share of the run's own masks of the sample that the run calls correct; "
                "a prediction, which decides nothing"),
    RoundColumn("changed", "float64", "1", "share of the pixels of the sample that the round maps otherwise than the one before "
                "(the first: than the run)"),
    RoundColumn("statistic_km2", "float64", "km2", "official area of the unit"),
    RoundColumn("area_km2_SOURCE", "float64", "km2", "cropland of the unit by the source's mask, from the sample and the run"),
    RoundColumn("area_low_km2_SOURCE", "float64", "km2", "lower end of its interval"),
    RoundColumn("area_high_km2_SOURCE", "float64", "km2", "its upper end"),
    RoundColumn("poor_imagery", "float64", "1", "share of the blocks without usable imagery from any source"),
    RoundColumn("iou_level", "string", "", "met, not met, not known"),
    RoundColumn("correct_level", "string", "", "the same of the correct masks"),
    RoundColumn("area_level", "string", "", "the same of the area, for either source"),
    RoundColumn("failed_rounds", "int64", "1", "models just before this round's, one after the other, in which only the area failed"
                "; rounds that learn nothing are no further ones"),
    RoundColumn("verdict", "string", "", "go on, stop, stop by exception"),
    RoundColumn("statistic_decided", "bool", "", "whether the statistic decided in this or an earlier round, so that the area of "
                "the unit is not independent of it"),
    RoundColumn("reason", "string", "", "the decision in words with its figures"),
    RoundColumn("labels_sha256", "string", "", "digest of the copy of labels.gpkg in history that was read; its name ends with "
                "the first 16 digits"),
    RoundColumn("judgements_sha256", "string", "", "digest of the judgements that stood"),
    RoundColumn("model_sha256", "string", "", "digest of the round's model"),
    RoundColumn("start_sha256", "string", "", "digest of the model that it started from"),
)  # fmt: skip
_SOURCE = "SOURCE"


def round_columns(sources: Sequence[str]) -> list[RoundColumn]:
    """The columns of the record of a project with these sources, in their order."""
    named = [c for c in ROUND_COLUMNS if _SOURCE in c.name]
    at = ROUND_COLUMNS.index(named[0])
    per_source = [c._replace(name=c.name.replace(_SOURCE, source)) for source in sources for c in named]
    return [*ROUND_COLUMNS[:at], *per_source, *(c for c in ROUND_COLUMNS[at:] if c not in named)]
