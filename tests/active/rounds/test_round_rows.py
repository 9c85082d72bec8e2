"""What the rows of a round take from the rounds before, and from land that the run does not know."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shared.label_edits import change
from shared.labelled_rounds import copied

from croplayer.active.held_out import block_of
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_labels, read_tasks
from croplayer.active.rounds.labels import Role, label_table, skipped_by_unit
from croplayer.active.rounds.table import _failed_rounds, _of_statistic, setbacks
from croplayer.active.stopping import Level, Measured, StopRule, UnitFigures, Verdict, decide
from stores.columns import known_share_column


def test_random_tasks_in_blocks_that_taught_the_start_measure_nothing_and_skipped_ones_are_counted(
    labelled: LabelProject, tmp_path: Path
) -> None:
    project = copied(labelled, tmp_path / "labels")
    roles = label_table(project, read_labels(project), None, 1.0, 0).set_index("task").role
    first, other = roles.index[roles == Role.MEASURES][:2]
    taught = {block_of(t.window, project.grid) for t in read_tasks(project) if t.id == first}
    now = label_table(project, read_labels(project), None, 1.0, 0, taught).set_index("task")
    assert now.role[now.role != roles].to_dict() == dict.fromkeys(
        now.index[(now.block == now.block[first]) & (roles == Role.MEASURES)], Role.UNUSED
    )
    assert now.role[first] == Role.UNUSED
    assert skipped_by_unit(project, read_labels(project)) == {}
    chosen = roles.index[roles == Role.NEW][0]
    for task in (other, chosen):
        change(project.gpkg, "UPDATE tasks SET status = 'skipped' WHERE id = ?", task)
    assert skipped_by_unit(project, read_labels(project)) == {now.unit[other]: 1}


def rounds(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["model_sha256", "iou_level", "correct_level", "area_level"])
    return table.assign(round=range(1, len(rows) + 1))


def fails(model: str) -> tuple[str, str, str, str]:
    return model, Level.MET, Level.MET, Level.NOT_MET


def waits(model: str) -> tuple[str, str, str, str]:
    return model, Level.MET, Level.UNKNOWN, Level.NOT_MET


def test_models_in_which_only_the_area_fails_count_once_each() -> None:
    learned = rounds(waits("a"), fails("a"), waits("b"), fails("b"), waits("c"), fails("c"), waits("d"))
    assert _failed_rounds(learned, "d") == 3
    assert _failed_rounds(rounds(fails("a"), fails("a"), fails("a")), "a") == 0
    assert _failed_rounds(rounds(fails("a"), fails("b")), "b") == 1
    assert _failed_rounds(rounds(waits("a"), waits("b")), "c") == 0
    assert _failed_rounds(pd.DataFrame(), "a") == 0


@pytest.mark.parametrize(
    "other",
    [
        ("b", Level.NOT_MET, Level.MET, Level.NOT_MET),
        ("b", Level.MET, Level.NOT_MET, Level.NOT_MET),
        ("b", Level.MET, Level.MET, Level.MET),
        ("b", Level.MET, Level.UNKNOWN, Level.MET),
    ],
)
def test_another_result_begins_the_count_anew(other: tuple[str, str, str, str]) -> None:
    assert _failed_rounds(rounds(fails("a"), other, fails("c")), "d") == 1


def unit(known: float) -> pd.Series:
    return pd.Series({"land_km2": 1000.0, known_share_column("a"): known})


def test_land_that_is_not_known_is_no_cropland_and_all_cropland() -> None:
    area = Measured(300.0, 280.0, 320.0)
    assert _of_statistic(area, 300.0, unit(0.99), "a") == pytest.approx((1.0, 28 / 30, 32 / 30))
    # 200 km2 are not known: 300 or 500 km2 of 400, and the second is as far off as the first; of 300 the second is the worse.
    assert _of_statistic(area, 300.0, unit(0.8), "a") == pytest.approx((500 / 300, 280 / 300, 520 / 300))
    assert _of_statistic(area, 500.0, unit(0.8), "a") == pytest.approx((300 / 500, 280 / 500, 520 / 500))
    assert math.isnan(_of_statistic(area, 300.0, unit(math.nan), "a").value)


@pytest.mark.parametrize("by_interval", [True, False])
def test_a_unit_with_gaps_may_stop_by_exception(by_interval: bool) -> None:
    good = Measured(0.95, 0.9, 0.99)
    area = {"a": _of_statistic(Measured(300.0, 280.0, 320.0), 500.0, unit(0.7), "a")}
    figures = UnitFigures(good, good, area, poor_imagery=0.3, failed_rounds=3, unknown_land={"a": 0.3})
    decision = decide(figures, StopRule(by_interval=by_interval))
    assert decision.verdict == Verdict.EXCEPTION
    assert "area of a with the 30 % of the land that is not known as none or all cropland 60 % (56.0 to 124.0)" in (
        decision.reason
    )


def test_a_round_that_maps_the_held_out_labels_worse_says_so_and_which_was_best() -> None:
    record = pd.DataFrame(
        [
            (1, "a", "Upland", 0.7, 0.5), (2, "a", "Upland", 0.65, 0.7), (1, "b", "", 0.4, np.nan), (2, "b", "", 0.3, 0.4),
            (1, "c", "Coast", np.nan, np.nan), (2, "c", "Coast", 0.2, np.nan), (1, "d", "Plain", 0.5, 0.4), (2, "d", "Plain", 0.6, 0.5),
        ],
        columns=["round", "unit", "name", "iou", "iou_before"],
    )  # fmt: skip
    assert setbacks(record, 1) == []
    upland, whole = setbacks(record, 2)
    assert upland.startswith(
        "Upland: the model of round 2 maps the held-out labels worse than the one before, IoU 65.0 % after 70.0 %"
    )
    assert "; round 1 was the best there (70.0 %); look" in upland
    assert whole.startswith("all: ") and "IoU 30.0 % after 40.0 %" in whole
    worse_than_the_start = setbacks(record[record["round"] == 2], 2)[0]
    assert "the best there" not in worse_than_the_start
