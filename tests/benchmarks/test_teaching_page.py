"""The tables of rounds on their page are those of the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.teaching_page import changed_settings, record_table, section
from croplayer.active.rounds.settings import SETTINGS_FILE


def record(folder: Path) -> Path:
    columns = {
        "round": [2, 1], "name": ["North", "North"], "labels_new": [7, 5], "labels_old": [5, 0], "labels_measuring": [9, 4],
        "iou": [0.6123, 0.5], "iou_low": [0.55, np.nan], "iou_high": [0.67, np.nan], "iou_before": [0.5, np.nan],
    }  # fmt: skip
    (folder / "rounds" / "02").mkdir(parents=True)
    (folder / "rounds" / "02" / SETTINGS_FILE).write_text("[learning]\nkeep = 2.0\n")
    pd.DataFrame(columns).to_parquet(folder / "rounds.parquet")
    return folder


def test_a_record_is_shown_round_by_round_and_nothing_unknown_is_a_number(tmp_path: Path) -> None:
    lines = record_table(record(tmp_path / "labels")).splitlines()[2:]
    assert lines == [
        "| 1 | North | 5 | 4 | 0 | not known | 50.0 |",
        "| 2 | North | 12 | 9 | 2 | 50.0 | 61.2 (55.0 to 67.0) |",
    ]


def test_settings_that_are_not_the_defaults_are_said(tmp_path: Path) -> None:
    project = record(tmp_path / "labels")
    assert changed_settings(project) == ""
    (project / SETTINGS_FILE).write_text("[learning]\nsteps = 20\nkeep = 2.0\n")
    assert changed_settings(project) == "`steps` 20"


def test_a_section_tells_what_was_lost_and_what_was_made_again(tmp_path: Path) -> None:
    told = {
        "seed": 7,
        "rounds": [{"round": k, "true_iou_of_held_out_blocks": iou} for k, iou in enumerate([0.4, 0.5, 0.61])],
        "killed in round 1": {"lost": {"done": 0}}, "killed in round 2": {"lost": {"done": 0}},
        "made again": ["round 1 made again has the same bytes", "round 2 made again differs in model.pt"],
    }  # fmt: skip
    text = section(told, record(tmp_path / "labels"), {"My land": record(tmp_path / "other")})
    assert "the IoU was 40.0 before, 50.0 after round 1, 61.0 after round 2." in text
    assert "killed in 2 rounds; none" in text and "made 2 of the rounds again, 1 to the same bytes" in text
    assert "**My land**, with all settings as they are:" in text
