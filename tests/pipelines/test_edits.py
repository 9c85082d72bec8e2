"""A finished run whose inputs or settings were edited: the bytes of a fresh run, and no more work than needed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from unittest import mock

import pytest
from shared.edits import EDITS, Edit
from shared.run_files import digests
from shared.small_recipes import recipe_without_training
from soak.crash_points import Inline

from pipelines.engine import execute
from pipelines.engine.cluster import Workers
from pipelines.engine.run_log import RunLog
from pipelines.engine.walk import run_rules
from pipelines.recipe_files import load_recipe
from pipelines.run import Run

BY_BLOCK = ("mosaic", "compare", "aggregate")


def run_inline(recipe: Path, out: Path, models: Path, *, recheck: bool = False) -> dict[str, int]:
    """Run everything but the report in this process; the number of blocks or files made, by step that did something."""
    run = Run(load_recipe(recipe, out), out, models)
    run.check()
    rules = [rule for rule in run.rules if rule.stage != "report"]
    workers = Workers(run.recipe.cluster)
    with mock.patch.object(execute, "_Window", Inline):
        done = run_rules(rules, run.output, workers, RunLog(), None, lambda *_: None, trusts_times=not recheck)
    assert not [record.reason for result in done for record in result.failed]
    return {result.name: result.worked for result in done if result.worked}


@pytest.fixture(scope="module")
def base(country: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run in ``run`` and its country in ``country``; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("base")
    shutil.copytree(country, folder / "country")
    (folder / "recipe.toml").write_text(recipe_without_training(folder / "country"), encoding="utf-8")
    run_inline(folder / "recipe.toml", folder / "run", models)
    return folder


def check_edits(base: Path, work: Path, models: Path, edits: list[Edit]) -> None:
    """Make edits one after the other in a copy of a finished run; after each, its files are those of a fresh run."""
    for name in ("country", "run"):
        shutil.copytree(base / name, work / name)
    text = recipe_without_training(work / "country")
    recipe = work / "recipe.toml"
    for number, edit in enumerate(edits):
        text = edit.change(work / "country", text)
        recipe.write_text(text, encoding="utf-8")
        worked = run_inline(recipe, work / "run", models)
        rules = {re.sub(r"_(\d+|left_over)$|(export)_.*", r"\2", step) for step in worked}
        assert rules <= edit.redone, f"{edit.name}: {sorted(rules - edit.redone)} were done again"
        blocks = {step: n for step, n in worked.items() if step.startswith(BY_BLOCK) and "tables" not in step}
        assert all(n <= edit.blocks for n in blocks.values()), f"{edit.name}: {blocks}"
        run_inline(recipe, work / f"fresh{number}", models)
        found, expected = digests(work / "run"), digests(work / f"fresh{number}")
        differing = {key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)}
        assert not differing, f"{edit.name}: {sorted(differing)[:5]} differ from those of a fresh run"
        assert run_inline(recipe, work / "run", models) == {}, edit.name


@pytest.mark.soak
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edited_run_is_like_a_fresh_one(base: Path, models: Path, tmp_path: Path, edit: Edit) -> None:
    check_edits(base, tmp_path, models, [edit])
