"""How a run tells how far it is: its place among the rules, its rate, and lines in the log."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from pipelines.engine.cluster import Workers
from pipelines.engine.run_log import RunLog, StepProgress, duration
from pipelines.engine.walk import run_rules
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.run_log import read_run_log


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (42.4, "42 s"), (99.4, "99 s"), (100, "2 min"), (720, "12 min"), (12_000, "3 h 20 min")],
)
def test_times_are_told_in_words(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_tells_the_rate_and_the_time_that_is_left() -> None:
    progress = StepProgress(RunLog(), "segment", "5 of 18 ", total=100, done=40)
    progress.update(20)
    start = time.monotonic() - 10
    progress._start = start
    assert progress.sentence(start + 10) == "60 of 100 blocks, 2.00 blocks/s, 20 s left"
    assert StepProgress(RunLog(), "segment", "", 100, 40).sentence(start).endswith("an unknown time left")


def test_a_run_counts_its_rules_and_not_their_steps(
    small_recipe: Path, models: Path, finished_small_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_small_run, tmp_path / "run")
    run = Run(load_recipe(small_recipe, tmp_path / "run"), tmp_path / "run", models)
    log = RunLog(None, len(run.rules))
    with Workers(run.recipe.cluster) as workers:
        results = run_rules(run.rules, run.output, workers, log, None, lambda stage, results: None)
    assert len(results) > len(run.rules) and not any(result.worked for result in results)
    assert log.place() == f"{len(run.rules)} of {len(run.rules)} "


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "no folder" / "run.log")
    with log.open("recipe x"):
        log.write("segment", "note", "a line")
    assert not (tmp_path / "no folder").exists()


def test_what_stopped_a_run_is_in_its_log(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), RunLog(tmp_path / "run.log").open("recipe x"):
        raise RuntimeError("mosaic failed for all 4 blocks")
    last = list(read_run_log(tmp_path / "run.log"))[-1]
    assert (last.step, last.event) == ("run", "ended")
    assert last.text.startswith("stopped by RuntimeError: mosaic failed for all 4 blocks after ")


def test_a_reason_that_cannot_be_encoded_stops_nothing(tmp_path: Path) -> None:
    RunLog(tmp_path / "run.log").write("segment", "failed", "r1100c5900: no file 'a\udcff.tif'")
    (line,) = read_run_log(tmp_path / "run.log")
    assert line.text == "r1100c5900: no file 'a\\udcff.tif'"
