"""What would be redone and why, in words: for a recipe, an input, a model, a file and a block that changed."""

from __future__ import annotations

import itertools
import re
import shutil
from pathlib import Path

import pytest
from shared.built_steps import built_step
from shared.commands import croplayer

from pipelines.explain import Reason, explain, sentences
from pipelines.recipe_files import load_recipe
from pipelines.run import Run
from pipelines.status import lines, status_of
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.records import BlockRecord, Status
from stores.run_folder import RunFolder
from stores.run_log import read_run_log
from stores.step_memory import BlocksDone


@pytest.fixture
def out(finished_small_run: Path, tmp_path: Path) -> Path:
    """A copy of a finished run."""
    shutil.copytree(finished_small_run, tmp_path / "run")
    return tmp_path / "run"


def due(recipe: Path, out: Path, models: Path) -> dict[str, Reason]:
    """The steps that would be done, by name."""
    run = Run(load_recipe(recipe, out), out, models)
    return {reason.step: reason for reason in explain(run) if reason.left}


def edited(recipe: Path, out: Path, old: str, new: str) -> Path:
    text = recipe.read_text(encoding="utf-8")
    assert old in text
    path = out.parent / "edited.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_nothing_would_be_done_in_a_finished_run(small_recipe: Path, models: Path, out: Path) -> None:
    assert due(small_recipe, out, models) == {}
    files = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    told = croplayer("explain", small_recipe, "-o", out, models=models)
    assert told.stdout == "nothing would be done: everything is up to date\n"
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == files


def test_a_changed_setting_is_told_with_its_values_and_what_follows(
    small_recipe: Path, models: Path, out: Path
) -> None:
    text = small_recipe.read_text(encoding="utf-8")
    (part,) = re.findall(r"\[segmentation\]\n", text)
    found = due(edited(small_recipe, out, part, f"{part}threshold = 0.52\n"), out, models)
    assert found["segment"].sentences == ("the threshold changed from 0.5 to 0.52",)
    assert found["segment"].left == "4 of 4 blocks"
    assert {"describe", "judge", "decide", "integrate", "report"} <= set(found["segment"].later)
    assert not {"mosaic", "assess"} & ({*found} | set(found["segment"].later))
    (line,) = [line for line in sentences(list(found.values())) if line.startswith("segment:")]
    assert re.match(
        r"segment: the threshold changed from 0.5 to 0.52; 4 of 4 blocks would be done, and with it up to \d+ later steps \(",
        line,
    )


def test_what_explain_tells_is_what_a_run_does(small_recipe: Path, models: Path, out: Path) -> None:
    recipe = edited(small_recipe, out, "[segmentation]\n", "[segmentation]\nthreshold = 0.52\n")
    found = due(recipe, out, models)
    told = {*found, *(name for reason in found.values() for name in reason.later)}
    begun_before = len(list(read_run_log(out / "run.log")))
    croplayer("run", recipe, "-o", out, models=models)
    told_now = list(read_run_log(out / "run.log"))[begun_before:]
    done = {line.step for line in told_now if line.event == "ended" and line.step != "run"}
    # A rule of several steps is told by its own name while it waits.
    assert {re.sub(r"_(\d+|[A-Z]\w*)$", "", step) for step in done} <= {re.sub(r"_\d+$", "", step) for step in told}
    assert {"segment", "describe", "integrate"} <= done and not {"mosaic", "assess"} & done


def test_other_imagery_is_told_by_its_source(small_recipe: Path, models: Path, out: Path) -> None:
    text = small_recipe.read_text(encoding="utf-8")
    (first,) = re.findall(r"\[\[sources\]\]\nname = \"aster\"\n", text) or [""]
    assert first
    found = due(edited(small_recipe, out, first, f'{first}placeholders = ["{"0" * 64}"]\n'), out, models)
    assert found["mosaic"].sentences == ("the way of reading the imagery of aster changed",)


def test_a_failed_block_and_a_lost_file_are_told(small_recipe: Path, models: Path, out: Path) -> None:
    ledger = Ledger(out / "ledger/describe.jsonl")
    fingerprint, record = next(ledger.newest())
    ledger.append(fingerprint, [BlockRecord(record.block, Status.FAILED, reason="memory")])
    (out / "tables/levels.csv").unlink()
    found = due(small_recipe, out, models)
    assert found["describe"].left == "1 of 4 blocks"
    assert found["describe"].sentences == ("blocks of it failed, or their files are missing or have another size",)


def test_a_run_s_folder_stands_for_its_recipe(small_recipe: Path, models: Path, out: Path) -> None:
    told = croplayer("explain", out, "segment", models=models)
    assert told.stdout == "nothing would be done: everything is up to date\n"
    wrong = croplayer("explain", out, "segmant", models=models, check=False)
    assert wrong.returncode == 2 and "has no step 'segmant'; it has" in wrong.stderr


def test_plan_of_a_run_tells_what_would_be_redone(small_recipe: Path, models: Path, out: Path) -> None:
    (out / "tables/levels.csv").unlink()
    told = croplayer("plan", small_recipe, "-o", out, models=models)
    assert "levels: its files are missing or have another size; its tables would be made" in told.stdout


def test_status_of_a_finished_and_of_a_stopped_run(models: Path, out: Path) -> None:
    found = status_of(RunFolder(out))
    assert found.state == "finished" and found.since is not None
    steps = {step.step: step for step in found.steps}
    assert (steps["segment"].blocks, steps["segment"].done, steps["segment"].left, steps["segment"].failed) == (
        4,
        4,
        0,
        0,
    )
    names = [step.step for step in found.steps]
    assert names.index("mosaic") < names.index("segment") < names.index("integrate") < names.index("report")
    ledger = Ledger(out / "ledger/describe.jsonl")
    fingerprint, record = next(ledger.newest())
    ledger.append(fingerprint, [BlockRecord(record.block, Status.FAILED, reason="memory")])
    RunFolder(out).memory.forget(["describe"])
    found = status_of(RunFolder(out))
    (describe,) = [step for step in found.steps if step.step == "describe"]
    assert found.state == "stopped"
    assert (describe.done, describe.left, describe.failed, describe.is_open) == (3, 1, 1, True)
    told = croplayer("status", out, models=models).stdout
    assert f"{out}: stopped, since " in told and re.search(r"describe +open +4 +3 +1 +1", told)


def test_status_of_no_run_is_a_sentence(models: Path, tmp_path: Path) -> None:
    told = croplayer("status", tmp_path, models=models, check=False)
    assert told.returncode == 2 and told.stderr == f"croplayer: {tmp_path} holds no run: it has no recipe.toml\n"


def test_the_log_tells_what_happened_in_its_order(out: Path) -> None:
    said = list(read_run_log(out / "run.log"))
    assert (said[0].step, said[0].event) == ("run", "began") and (said[-1].step, said[-1].event) == ("run", "ended")
    assert said[-1].text.startswith("finished after ")
    told = [(line.step, line.event) for line in said]
    assert told.index(("segment", "began")) < told.index(("segment", "ended")) < told.index(("describe", "began"))
    assert all(a.time <= b.time for a, b in itertools.pairwise(said))


def test_a_part_of_a_run_is_not_a_finished_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.recipe.write_text('name = "x"\ntitle = "x"\n', encoding="utf-8")
    folder.memory.finish("mosaic", "f", BlocksDone(4, folder.ledger("mosaic")))
    folder.memory.end()
    assert status_of(folder).state == "stopped"
    folder.memory.finish("report", "f", [])
    folder.memory.end()
    assert status_of(folder).state == "finished"


def test_many_exports_are_one_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for i in range(20):
        folder.memory.finish(f"export_{i}", "f", [])
    folder.memory.begin("export_3", "f")
    told = list(lines(status_of(folder)))
    assert [line for line in told if line.startswith("export")] == [
        "export           open       files of 20 units, 1 of them not finished"
    ]


def test_a_step_that_waits_is_explained_by_its_rule(small_recipe: Path, models: Path, out: Path) -> None:
    recipe = edited(small_recipe, out, "[segmentation]\n", "[segmentation]\nthreshold = 0.52\n")
    told = croplayer("explain", recipe, "aggregate_1", "-o", out, models=models)
    assert told.stdout.startswith("segment: the threshold changed")


def test_a_recipe_that_the_cube_refuses_is_refused_before_anything_is_written(
    small_recipe: Path, models: Path, out: Path
) -> None:
    recipe = edited(small_recipe, out, "bounds = [114.0, 34.0, 114.1, 34.1]", "bounds = [114.0, 34.0, 114.1, 34.05]")
    before = (out / "recipe.toml").read_bytes()
    for command in ("plan", "explain", "run"):
        told = croplayer(command, recipe, "-o", out, models=models, check=False)
        assert told.returncode == 2 and "has another layout" in told.stderr and "rows is 2, expected 1" in told.stderr
    assert (out / "recipe.toml").read_bytes() == before


def test_a_damaged_file_of_the_cube_stays_named_when_the_run_goes_on(
    small_recipe: Path, models: Path, out: Path
) -> None:
    damaged = out / "cube.zarr/2020/source/c/0"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    croplayer("run", small_recipe, "-o", out, models=models)
    told = croplayer("verify", out, models=models, check=False)
    assert told.returncode == 1 and str(damaged) in told.stdout


def test_the_order_of_products_is_part_of_their_tables(small_recipe: Path, models: Path, out: Path) -> None:
    text = small_recipe.read_text(encoding="utf-8")
    (first,) = re.findall(r"\[\[products\]\]\n(?:.+\n)+", text)
    second = re.sub(r'name = "\w+"', 'name = "other"', first)
    made_of = []
    for products in (first + second, second + first):
        recipe = edited(small_recipe, out, first, products)
        run = Run(load_recipe(recipe, out), out, models)
        made_of.append([built_step(run, name).fingerprint for name in ("compare", "compare_tables")])
    # The order of the columns of both follows the recipe.
    assert made_of[0][0] != made_of[1][0] and made_of[0][1] != made_of[1][1]


def test_status_finds_the_results_of_settings_that_came_back(tmp_path: Path) -> None:
    folder, block = RunFolder(tmp_path), BlockIndex(1100, 5900)
    ledger = Ledger(folder.ledger("compare"))
    for fingerprint in ("first", "second"):
        ledger.append(fingerprint, [BlockRecord(block)])
    folder.memory.finish("compare", "first", BlocksDone(1, ledger.path))
    (compare,) = status_of(folder).steps
    assert (compare.done, compare.left, compare.failed) == (1, 0, 0)


def test_explain_needs_a_run_and_names_the_folder_that_it_looked_in(
    small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    told = croplayer("explain", small_recipe, "-o", tmp_path / "nowhere", models=models, check=False)
    assert told.returncode == 2
    assert told.stderr == f"croplayer: {tmp_path}/nowhere holds no run to compare with; name its folder with --out\n"


def test_the_recipe_in_the_folder_of_a_run_stands_for_it(models: Path, out: Path) -> None:
    told = croplayer("explain", out / "recipe.toml", models=models)
    assert told.stdout == "nothing would be done: everything is up to date\n"
    told = croplayer("plan", out / "recipe.toml", models=models)
    assert f"{out}, which holds a run" in told.stdout and "nothing: everything is up to date" in told.stdout


def test_a_changed_title_is_told_by_its_key(small_recipe: Path, models: Path, out: Path) -> None:
    found = due(edited(small_recipe, out, "A small synthetic country", "Another title"), out, models)
    assert found.keys() == {"report"}
    assert found["report"].sentences == ("the recipe title changed from A small synthetic country to Another title",)
