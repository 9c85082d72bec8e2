"""A finished run whose inputs or settings were edited: the bytes of a fresh run, and no more work than needed."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import hypothesis
import pytest
from hypothesis import strategies as st
from PIL import Image, ImageOps
from shared.edits import EDITS, Edit, middle_tile
from shared.run_files import digests
from shared.small_recipes import recipe_without_training
from soak.crash_points import Inline

from croplayer.cube.opening import open_cube
from croplayer.files.change_times import YOUNG_NS
from croplayer.tasks.mosaic import MosaicTask
from pipelines.engine import execute
from pipelines.engine.cluster import Workers
from pipelines.engine.run_log import RunLog
from pipelines.engine.walk import run_rules
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from stores.finished import MissingBlocksError
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.records import BlockRecord, Status
from stores.step_memory import STEPS_OF_CUBE

BY_BLOCK = ("mosaic", "compare", "aggregate")


def run_inline(
    recipe: Path, out: Path, models: Path, *, recheck: bool = False, window: type[Inline] = Inline
) -> dict[str, int]:
    """Run everything but the report in this process; the number of blocks or files made, by step that did something."""
    run = Run(load_recipe(recipe, out), out, models)
    run.check()
    rules = [rule for rule in run.rules if rule.stage != "report"]
    workers = Workers(run.recipe.cluster)
    with mock.patch.object(execute, "_Window", window):
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
        assert edit.needed <= rules, f"{edit.name}: {sorted(edit.needed - rules)} were not done again"
        blocks = {step: n for step, n in worked.items() if step.startswith(BY_BLOCK) and "tables" not in step}
        assert all(n <= edit.blocks for n in blocks.values()), f"{edit.name}: {blocks}"
        run_inline(recipe, work / f"fresh{number}", models)
        found, expected = digests(work / "run"), digests(work / f"fresh{number}")
        # A block that left the region stays in the cube.
        foreign = {key for key in found.keys() - expected.keys() if not key.startswith("cube.zarr/")}
        differing = foreign | {key for key in expected if found.get(key) != expected[key]}
        assert not differing, f"{edit.name}: {sorted(differing)[:5]} differ from those of a fresh run"
        assert run_inline(recipe, work / "run", models) == {}, edit.name


@pytest.mark.soak
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edited_run_is_like_a_fresh_one(base: Path, models: Path, tmp_path: Path, edit: Edit) -> None:
    check_edits(base, tmp_path, models, [edit])


@hypothesis.settings(
    max_examples=5, suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate]
)
@hypothesis.given(edits=st.lists(st.sampled_from(EDITS), min_size=1, max_size=3, unique_by=lambda edit: edit.name))
@pytest.mark.slow
def test_edits_one_after_the_other_leave_the_bytes_of_a_fresh_run(base: Path, models: Path, edits: list[Edit]) -> None:
    with tempfile.TemporaryDirectory() as work:
        check_edits(base, Path(work), models, edits)


def test_names_that_tables_and_classifiers_quote_are_those_of_the_recipe(
    base: Path, models: Path, tmp_path: Path
) -> None:
    """Of the reference that reviews come from, and of the recipe whose blocks a classifier is fitted to."""
    shutil.copytree(base / "country", tmp_path / "country")
    recipe, out = tmp_path / "recipe.toml", tmp_path / "run"
    text = recipe_without_training(tmp_path / "country")
    text += "\n[decisions]\nreview_from_reference = true\nsample_deg = 0.05\n"
    recipe.write_text(text, encoding="utf-8")
    run_inline(recipe, out, models)
    assert "'truth'" in (out / "tables/reviews.csv").read_text()
    recipe.write_text(text.replace('name = "truth"', 'name = "verity"'), encoding="utf-8")
    assert "review" not in run_inline(recipe, out, models)
    assert "'verity'" in (out / "tables/reviews.csv").read_text()
    recipe.write_text(recipe.read_text(encoding="utf-8").replace('name = "small"', 'name = "other"'), encoding="utf-8")
    assert {"judge", "decide"} <= run_inline(recipe, out, models).keys()


def test_a_recheck_reads_everything_and_redoes_nothing(base: Path, models: Path, tmp_path: Path) -> None:
    """Without one a file that changed behind the times of its record would not be seen."""
    shutil.copytree(base / "country", tmp_path / "country")
    recipe, out = tmp_path / "recipe.toml", tmp_path / "run"
    recipe.write_text(recipe_without_training(tmp_path / "country"), encoding="utf-8")
    run_inline(recipe, out, models)
    time.sleep(2 * YOUNG_NS / 1e9)
    assert run_inline(recipe, out, models) == {}
    ledger = Ledger(out / "ledger/mosaic.jsonl")
    before = ledger.path.read_bytes()
    assert run_inline(recipe, out, models, recheck=True) == {}
    assert ledger.path.read_bytes() == before
    fingerprint, record = next(ledger.newest())
    assert record.seen and record.read
    ledger.append(fingerprint, [replace(record, read={record.block.name: "0" * 32})])
    assert "mosaic" not in run_inline(recipe, out, models)
    assert run_inline(recipe, out, models, recheck=True)["mosaic"] == 1


def test_a_block_that_is_about_to_be_rewritten_is_not_finished_for_a_reader(
    base: Path, models: Path, tmp_path: Path
) -> None:
    """A tile changes; the run is killed when its block is sent to a worker, and the tile is put back."""
    for name in ("country", "run"):
        shutil.copytree(base / name, tmp_path / name)
    out, recipe = tmp_path / "run", tmp_path / "recipe.toml"
    recipe.write_text(recipe_without_training(tmp_path / "country"), encoding="utf-8")
    run_inline(recipe, out, models)
    expected = digests(out)
    tile = middle_tile(tmp_path / "country")
    first = tile.read_bytes()
    ImageOps.mirror(Image.open(tile)).save(tile)

    class Killed(Inline):
        def records(self) -> Iterator[list[BlockRecord]]:
            if isinstance(self._step.task_for(self._blocks), MosaicTask):
                raise KeyboardInterrupt
            yield from super().records()

    open_cube(out, strict=True)
    with pytest.raises(KeyboardInterrupt):
        run_inline(recipe, out, models, window=Killed)
    with pytest.raises(MissingBlocksError, match="no finished 'mosaic'"):
        open_cube(out, strict=True)
    assert all(_voided(out, step) for step in STEPS_OF_CUBE)
    tile.write_bytes(first)
    assert not {"mosaic", "segment", "integrate"} & run_inline(recipe, out, models).keys()
    open_cube(out, strict=True)
    assert digests(out) == expected


def _voided(out: Path, step: str) -> list[BlockIndex]:
    """The blocks whose record of a step was voided last."""
    newest = Ledger(out / f"ledger/{step}.jsonl").newest()
    return [record.block for _, record in newest if record.status is Status.VOID]
