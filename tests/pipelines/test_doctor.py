"""What `croplayer doctor` says of a healthy machine, a folder that is none and a recipe that lacks something."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines import doctor
from pipelines.cli import main


def says(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["doctor", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_healthy_machine_has_a_line_for_each_thing(tmp_path: Path) -> None:
    code, text = says("-o", tmp_path)
    names = [line.split()[1] for line in text.splitlines()]
    assert names == ["python", "libraries", "threads", "runtimes", "geodata", "disk", "fsync"], text
    assert code == (1 if "problem" in text else 0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 1e9)
    code, text = says("-o", tmp_path)
    assert code == 1 and "problem  disk" in text


def test_rights_tokens_and_files_of_a_recipe_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CROPLAYER_TOKEN_ABSENT", raising=False)
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'name = "r"\ntitle = "R"\n[region]\nbounds = [10.0, 5.0, 10.1, 5.1]\n[segmentation]\nmodel = "m"\n'
        '[[sources]]\nname = "a"\nkind = "http"\ntoken_env = "CROPLAYER_TOKEN_ABSENT"\n'
        'template = "https://tiles.example.org/{z}/{x}/{y}?k={token}"\n[terrain]\npath = "nowhere.tif"\n'
    )
    code, text = says(recipe, "-o", tmp_path)
    assert code == 1
    for line in ("problem  rights", "problem  token", "problem  file", "nowhere.tif does not exist"):
        assert line in text, text


def test_files_that_a_command_makes_are_no_problem_and_missing_data_say_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 0)
    monkeypatch.setattr(doctor, "SLOWEST_FSYNC_MS", 1e9)
    code, text = says("demo", "-o", tmp_path / "runs")
    assert code == 0, text
    assert f"make it with `croplayer demo -o {tmp_path}/runs/demo`" in text
    (tmp_path / "runs/demo/country").mkdir(parents=True)
    code, text = says("demo", "-o", tmp_path / "runs")
    assert code == 1 and "problem  file              " in text and "runs/demo/country/dem.tif does not exist" in text
    monkeypatch.setenv("CROPLAYER_DATA", str(tmp_path / "data"))
    code, text = says("china_grid", "-o", tmp_path)
    assert code == 1
    assert f"{tmp_path}/data/china_admin does not exist: get it from https://github.com/opengeos/data (china)" in text


def test_plan_says_which_data_are_missing_and_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROPLAYER_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["plan", "swellendam"])
    assert done.exit_code == 2
    assert "https://github.com/qgis/QGIS-Training-Data (exercise_data)" in done.stderr
    # What its models are trained from, too.
    assert f"{tmp_path}/naip_fields does not exist: get it from" in done.stderr
    done = CliRunner().invoke(main, ["plan", "naip_fields"])
    assert done.exit_code == 0 and "superlinear-ai/agoro-field-boundary-detector" in done.stdout
    done = CliRunner().invoke(main, ["plan", "landscape"])
    assert "make it with `croplayer landscape samples " in done.stdout


def test_a_target_that_is_none_is_refused(tmp_path: Path) -> None:
    code, text = says("no_such_recipe", "-o", tmp_path)
    assert code == 2 and "no_such_recipe" in text


def test_it_says_what_runs_networks_on_this_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {finding.name: finding for finding in doctor.examine(None, Path())}["runtimes"]
    assert found.is_fine and found.sentence.startswith("a CPU runs networks with torch")
    monkeypatch.setitem(sys.modules, "openvino", None)
    found = {finding.name: finding for finding in doctor.examine(None, Path())}["runtimes"]
    assert found.sentence == (
        "a CPU runs networks with torch; OpenVINO can be faster: in a checkout of croplayer: pip install '.[openvino]'"
    )
