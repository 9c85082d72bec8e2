"""The page of rounds says what the record holds, also where little is known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.active.rounds.settings import RoundSettings
from croplayer.report.page import Gap, Picture, Table
from croplayer.report.sections_rounds import MARK, MARKED, RoundTables, rounds_report
from stores.round_columns import round_columns

SOURCES = ("a", "b")


def record(*changes: dict[str, object]) -> pd.DataFrame:
    columns = round_columns(SOURCES)
    empty = {"int64": 0, "float64": np.nan, "bool": False, "string": ""}
    rows = [{c.name: empty[c.dtype] for c in columns} | {"round": 1, "verdict": "go on"} | change for change in changes]
    return pd.DataFrame(rows).astype({c.name: object if c.dtype == "string" else c.dtype for c in columns})


def tables(frame: pd.DataFrame) -> RoundTables:
    labels = pd.DataFrame(
        {"lon": [10.1, 10.2], "lat": [50.0, 50.1], "positive": [True, False], "role": ["new", "measures"]}
    )  # fmt: skip
    sample = pd.DataFrame({"row": [799, 799], "col": [3802, 3804]})
    return RoundTables("labels", SOURCES, frame, labels, sample, None, RoundSettings())


def cells_of(page: object, heading: str) -> dict[str, tuple[str, ...]]:
    """Rows by their first cell of the first table with a heading."""
    for section in page.sections:  # type: ignore[attr-defined]
        for part in section.parts:
            if isinstance(part, Table) and heading in part.header:
                return {row[0]: tuple(row) for row in part.rows}
    raise AssertionError(heading)


FULL = {
    "unit": "u", "name": "Upland", "iou": 0.9, "iou_low": 0.87, "iou_high": 0.93, "iou_before": 0.8, "correct": 0.95, "correct_low": 0.9,
    "correct_high": 0.97, "judged": 40, "predicted_correct": 0.8, "statistic_km2": 200.0, "area_km2_a": 190.0,
    "area_low_km2_a": 180.0, "area_high_km2_a": 200.0, "verdict": "stop", "statistic_decided": True, "blocks": 50,
    "labelled_blocks": 5, "sampling_density": 0.1, "positive": 4, "negative": 2, "reason": "stop: all levels are met",
}  # fmt: skip
BARE = {"unit": "v", "name": "Vale", "judged_before": 3, "blocks": 30, "reason": "go on: nothing is known"}


def test_a_unit_whose_statistic_decided_is_marked_in_every_table() -> None:
    page = rounds_report(tables(record(FULL, BARE)))
    of_units = [part for s in page.sections for part in s.parts if isinstance(part, Table) and "unit" in part.header]
    assert len(of_units) == 4
    for table in of_units:
        assert [row[0] for row in table.rows] == [f"Upland {MARK}", "Vale"] and table.caption.endswith(MARKED)
    words = [part for section in page.sections for part in section.parts if isinstance(part, str)]
    assert f"Upland {MARK}: stop: all levels are met." in words and not any("Vale" in text for text in words)
    unmarked = rounds_report(tables(record(BARE))).to_html()
    assert MARK not in unmarked


def test_the_decisions_stand_with_their_figures_and_nothing_is_invented() -> None:
    found = cells_of(rounds_report(tables(record(FULL, BARE))), "decision")
    assert found[f"Upland {MARK}"][1:8] == (
        "stop", "90.0 % (87.0 to 93.0)", "80.0 %", "95.0 % (90.0 to 97.0) of 40", "80.0 %", "95.0 % (90.0 to 100.0)", "not known",
    )  # fmt: skip
    assert found["Vale"][1:8] == (
        "go on", "not known", "–", "3 of 3 have changed since they were judged", "–", "no statistic", "no statistic",
    )  # fmt: skip


def test_masks_behind_a_gap_are_told_apart() -> None:
    found = cells_of(rounds_report(tables(record(FULL | {"judged": 4, "judged_waiting": 6}, BARE))), "decision")
    assert found[f"Upland {MARK}"][4] == "95.0 % (90.0 to 97.0) of 4; 6 behind a gap"
    waits = cells_of(rounds_report(tables(record(BARE | {"judged_before": 0, "judged_waiting": 6}))), "decision")
    assert waits["Vale"][4] == "not judged; 6 behind a gap"


def test_skipped_random_tasks_are_said() -> None:
    page = rounds_report(tables(record(FULL | {"labels_skipped": 2}, BARE | {"labels_skipped": 1}))).to_html()
    assert "3 held-out tasks that were drawn at random were skipped" in page
    assert "were skipped" not in rounds_report(tables(record(FULL, BARE))).to_html()


def test_labels_are_drawn_and_a_missing_curve_is_said() -> None:
    page = rounds_report(tables(record(FULL, BARE)))
    assert {"places", "density", "learning_curve"} <= {picture.name for picture in page.pictures}
    bare = rounds_report(tables(record(BARE)))
    gaps = [part.text for section in bare.sections for part in section.parts if isinstance(part, Gap)]
    assert gaps == ["No held-out task is finished and no mask of the sample is judged, so there is no curve."]
    assert all(isinstance(picture, Picture) for picture in bare.pictures)


def test_rounds_follow_each_other_in_the_tables() -> None:
    second = FULL | {"round": 2, "changed": 0.125, "labelling_minutes": 30.0}
    page = rounds_report(
        tables(record(FULL | {"verdict": "go on", "changed": 0.25, "statistic_decided": False}, second))
    )
    history = cells_of(page, "round 2")
    assert history[f"Upland {MARK}"][1:] == ("go on", "stop")
    (changed,) = (
        part for s in page.sections if s.title == "The map of the sample" for part in s.parts
        if isinstance(part, Table) and "round 1" in part.header
    )  # fmt: skip
    assert [*changed.rows[0]][1:] == ["25.0 %", "12.5 %"]
