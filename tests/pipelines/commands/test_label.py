"""The whole way of a label project on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
import shapely
from click.testing import CliRunner
from shared.label_edits import change, draw, finish

from croplayer.active.held_out import is_held_out
from croplayer.active.project import LabelProject
from croplayer.active.reading import read_tasks
from pipelines.cli import main
from pipelines.commands.label import _numbers, _warn_of_unmeasured


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["label", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


@pytest.fixture
def home(models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROPLAYER_MODELS", str(models))
    return models


def test_a_project_is_made_read_and_added_to(finished_small_run: Path, home: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    output = said("init", finished_small_run, "-o", labels, "--tasks", 3, "--window-px", 32, "--random-share", 0.3)
    assert "round 1: 3 tasks, 1 at random and 2 by scores" in output
    assert "windows of 32 px are too small for it" in output
    project = LabelProject.open(labels)
    first = read_tasks(project)
    change(project.gpkg, "DELETE FROM fields WHERE task = ?", first[0].id)
    draw(project, first[0], shapely.Polygon([(0, 0), (20, 20), (20, 0), (0, 20)]))
    finish(project, first[0])
    before = {path: path.stat().st_mtime_ns for path in labels.rglob("*")}
    output = said("status", labels)
    assert {path: path.stat().st_mtime_ns for path in labels.rglob("*")} == before, "nothing is written"
    assert "3 tasks: 2 open, 1 done, 0 skipped; 0 of them measure" in output and "nothing is judged yet" in output
    assert "0 rounds are finished\nnext: `croplayer label serve" in output
    output = said("read", labels)
    assert "repaired: layer fields, feature" in output and "3 tasks: 2 open, 1 done, 0 skipped" in output
    output = said("next", labels, "--count", 2, "--random-share", 0)
    assert "round 2: 2 tasks, 0 at random and 2 by scores" in output
    assert [t.round for t in read_tasks(project)] == [1, 1, 1, 2, 2]
    assert "5 tasks: 4 open, 1 done" in said("read", labels)
    change(project.gpkg, "UPDATE tasks SET status = 'skipped' WHERE status = 'open'")
    assert "1 done, 4 skipped" in (output := said("status", labels)) and "next: `croplayer label round" in output
    change(project.gpkg, "UPDATE tasks SET status = 'skipped'")
    assert "next: `croplayer label next" in said("status", labels)
    change(project.gpkg, "UPDATE fields SET class = 'maize' WHERE fid = (SELECT max(fid) FROM fields)")
    change(project.gpkg, "UPDATE tasks SET status = 'ready' WHERE id = ?", first[1].id)
    output = said("read", labels, code=2)
    assert output.count("croplayer: ") == 2 and "class: 'maize' is unknown" in output and "'ready' is unknown" in output


def test_windows_are_compared_by_what_the_network_sees(finished_small_run: Path, home: Path, tmp_path: Path) -> None:
    output = said("init", finished_small_run, "-o", tmp_path / "a", "--tasks", 2, "--window-px", 64)
    assert "compared by scores and colours" not in output
    again = said("init", finished_small_run, "-o", tmp_path / "b", "--tasks", 2, "--window-px", 64)
    assert again.replace(str(tmp_path / "b"), "") == output.replace(str(tmp_path / "a"), "")


def test_bad_input_is_one_sentence(finished_small_run: Path, home: Path, tmp_path: Path) -> None:
    assert "is not the folder of a run" in said("init", tmp_path / "none", "-o", tmp_path / "labels", code=2)
    output = said("init", finished_small_run, "-o", tmp_path / "labels", "--window-px", 100, code=2)
    assert output.strip().endswith("windows of 100 px do not fill a block of 128 px; expected a divisor, such as 128")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert "may hold labels; give another folder" in said("init", finished_small_run, "-o", tmp_path / "full", code=2)
    assert "is not a label project" in said("read", tmp_path, code=2)
    assert "is not a label project" in said("next", tmp_path, code=2)
    assert "is not a label project" in said("status", tmp_path, code=2)
    said("init", finished_small_run, "-o", tmp_path / "labels", "--tasks", 2, "--window-px", 64)
    output = said("next", tmp_path / "labels", "--run", tmp_path, code=2)
    assert "is not the folder of a run" in output
    assert not (tmp_path / "labels" / "readings.csv").exists()


def test_units_in_which_nothing_is_held_out_are_named(
    finished_small_run: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers, _ = _numbers(finished_small_run)
    unit_of = dict(
        zip(numbers.names, numbers.units_of([numbers.cube.grid.window(b) for b in numbers.names]), strict=True)
    )
    assert len(set(unit_of.values()) - {""}) > 1
    said_of = {}
    for seed in range(40):
        held = {unit_of[b] for b in unit_of if is_held_out(b, seed, 0.2)} - {""}
        _warn_of_unmeasured(numbers, seed, 0.2)
        said_of[frozenset(held)] = capsys.readouterr().err
    for held, text in said_of.items():
        missing = set(unit_of.values()) - {""} - held
        assert ("nothing will tell" in text) == bool(missing)
        assert not held or all((f" {unit}" in text) == (unit in missing) for unit in unit_of.values() if unit)
    assert len(said_of) > 2
