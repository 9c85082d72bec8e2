from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from croplayer.active.rounds.settings import RoundSettings, read_settings


def test_the_written_settings_are_the_defaults_and_state_the_papers_rule(tmp_path: Path) -> None:
    path = tmp_path / "rounds.toml"
    assert read_settings(path) == RoundSettings()
    path.write_text(RoundSettings().to_toml(), encoding="utf-8")
    assert read_settings(path) == RoundSettings()
    stop = tomllib.loads(path.read_text())["stop"]
    assert (stop["iou"], stop["correct"], stop["area"], stop["further_rounds"]) == (0.85, 0.85, 0.8, 3)


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    path = tmp_path / "rounds.toml"
    path.write_text("[learning]\nsteps = 7\n[stop]\narea = 1\nby_interval = false\n")
    found = read_settings(path)
    assert (found.learning.steps, found.stop.area, found.stop.by_interval) == (7, 1, False)
    assert found.sample == RoundSettings().sample and found.learning.batch == RoundSettings().learning.batch
    path.write_text(found.to_toml(), encoding="utf-8")
    assert read_settings(path) == found


def test_all_bad_values_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "rounds.toml"
    path.write_text(
        "learnin = 3\n[learning]\nsteps = 0\ncrop_px = 100\nbatch = 2.5\nnew_time = 2\nlearning_rate = 0\n"
        "threads = true\n[sample]\nconfidence = nan\n[stop]\niou = 85\nby_interval = 1\n"
    )
    with pytest.raises(ValueError, match=r"rounds\.toml") as caught:
        read_settings(path)
    said = [line.removeprefix(f"{path} ") for line in str(caught.value).splitlines()]
    assert said == [
        "[learnin] is unknown; expected [learning], [sample], [stop]; did you mean 'learning'?",
        "[learning] steps is 0; expected a whole number, at least 1",
        "[learning] batch is 2.5; expected a whole number, at least 1",
        "[learning] has an unknown 'new_time'; expected steps, crop_px, batch, learning_rate, encoder_rate, new_times, "
        "replayed, keep, kept_pictures, checkpoint_every, threads, seed; did you mean 'new_times'?",
        "[learning] learning_rate is 0; expected a number, above 0 and at most 1",
        "[learning] threads is true; expected a whole number, at least 1",
        "[sample] confidence is nan; expected a number, at least 0.5 and at most 0.9999",
        "[stop] iou is 85; expected a number, at least 0 and at most 1",
        "[stop] by_interval is 1; expected true or false",
        "[learning] crop_px is 100; expected a multiple of 32",
    ]


def test_a_file_that_is_no_toml_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rounds.toml"
    path.write_text("[learning\n")
    with pytest.raises(ValueError, match=r"cannot be read: .*; correct it, or remove it for the defaults"):
        read_settings(path)
