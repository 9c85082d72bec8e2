"""``croplayer label round`` on a small project: what it says, its record and its page."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from shared.labelled_rounds import EDGE, SETTINGS, label_all

from croplayer.active.project import LabelProject
from pipelines.cli import main


def said(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["label", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def in_new_python(folder: Path, *arguments: object) -> str:
    """What a command says in a process of its own: the libraries that tests have loaded before may round the last bits otherwise."""
    command = [sys.executable, "-m", "pipelines", "label", *map(str, arguments)]
    root = str(Path(__file__).parents[3])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def second_person(labels: Path, run: Path, home: Path) -> str:
    """What somebody is told who has a copy of the folder at another place, and makes round 1 again in a process of their own."""
    shutil.copytree(labels, home / "their labels")
    return in_new_python(home, "round", "their labels", "--rebuild", 1, "--run", os.path.relpath(run, home))


def test_a_round_says_what_it_decides_and_writes_its_page(
    finished_small_run: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    monkeypatch.setenv("CROPLAYER_MODELS", str(models))
    monkeypatch.chdir(tmp_path)
    labels = Path("labels")
    options = ("--tasks", 6, "--window-px", EDGE, "--random-share", 0.5, "--held-out", 0.5, "--seed", 2)
    said("init", finished_small_run, "-o", labels, *options)
    output = said("round", labels, code=2)
    assert "none of the 6 tasks" in output
    label_all(LabelProject.open(labels))
    (labels / "rounds.toml").write_text(SETTINGS + "[stop]\nareas = 1\n", encoding="utf-8")
    output = said("round", labels, code=2)
    assert "rounds.toml [stop] has an unknown 'areas'" in output and "did you mean 'area'?" in output
    (labels / "rounds.toml").write_text(SETTINGS, encoding="utf-8")
    output = in_new_python(tmp_path, "round", labels)
    assert "learn: 3 new labels and 0 old ones, 4 steps" in output
    assert output.count("go on: pixel IoU") == 2 and "correct masks not known" in output
    record = pd.read_parquet(labels / "rounds.parquet")
    assert record["round"].tolist() == [1, 1] and record.verdict.eq("go on").all()
    page = (labels / "rounds" / "report.html").read_text(encoding="utf-8")
    assert "not judged" in page and page.count("data:image/png") >= 4
    assert all(name in page for name in record.name) and "independent proof" not in page
    (labels / "rounds" / "report.html").unlink()
    assert "nothing has changed since round 1" in said("round", labels, code=2)
    assert (labels / "rounds" / "report.html").read_text(encoding="utf-8") == page
    assert "round 1 made again has the same bytes" in second_person(labels, finished_small_run, tmp_path / "second")
    assert "the rounds are 1" in said("round", labels, "--rebuild", 2, code=2)
    output = said("next", labels, "--count", 3)
    assert output.count("Map of round 1 in ") == output.count(" windows: ") >= 1 and "round 2: " in output
