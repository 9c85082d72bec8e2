"""Runs with few reviews, and runs that name a classifier of another region."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
from shared.commands import croplayer
from shared.made_up_blocks import SOURCES, made_up_blocks, reviews_of

from croplayer.decisions.correctness import decide_correctness
from pipelines.recipe_files import load_recipe
from pipelines.stages.decided import write_decided
from stores.run_folder import RunFolder


def test_few_reviews_leave_the_rules_and_the_run_says_so(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, recipe, reviews = tmp_path / "out", tmp_path / "recipe.toml", tmp_path / "reviews.csv"
    shutil.copytree(finished, out)
    ruled = pd.read_parquet(out / "tables/correctness.parquet").set_index("block")
    reviews.write_text("block,correctness_aster\n" + "".join(f"{block},TP\n" for block in ruled.index[:3]))
    text = small_recipe.read_text(encoding="utf-8")
    recipe.write_text(f'{text}\n[decisions]\nreviews = ["{reviews}"]\n', encoding="utf-8")
    done = croplayer("run", recipe, "-o", out, "--until", "report", models=models)
    sentence = "3 samples reviewed by people are all of the class TP, so no classifier can be fitted and tried"
    assert f"correctness was decided by rules ({sentence})" in done.stdout.splitlines()[-3]
    assert done.stdout.splitlines()[-2] == f"report: {out / 'report.html'}"
    again = croplayer("evaluate", recipe, "-o", out, models=models)
    assert f"report: {out / 'report.html'}, as `croplayer run` made it last" in again.stdout.splitlines()
    decided = pd.read_parquet(out / "tables/correctness.parquet").set_index("block")
    for source in SOURCES:
        assert decided[f"correctness_{source}"].equals(ruled[f"correctness_{source}"])
    assert decided.correctness_reviewed_aster[:3].tolist() == ["TP"] * 3
    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.count(sentence) == 1 and "No reviewed samples were given" not in report.split("Integration")[0]
    assert croplayer("verify", out, models=models).returncode == 0


def test_a_classifier_of_another_region_is_named_in_a_recipe(
    finished: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, recipe, other = tmp_path / "out", tmp_path / "recipe.toml", RunFolder(tmp_path / "other")
    shutil.copytree(finished, out)
    made_up = made_up_blocks(300)
    fitted = decide_correctness(made_up, SOURCES, reviews_of(made_up), seed=0)
    write_decided(other, "correctness", fitted, load_recipe(small_recipe, out))
    text = small_recipe.read_text(encoding="utf-8")
    recipe.write_text(f'{text}\n[decisions]\ncorrectness_model = "{other.root}"\n', encoding="utf-8")
    done = croplayer("run", recipe, "-o", out, "--until", "integrate", models=models)
    assert "correctness was decided by XGBoost fitted elsewhere, to 300 samples of recipe small (2020)" in done.stdout
    decided = pd.read_parquet(out / "tables/correctness.parquet")
    assert decided.correctness_confidence_aster.notna().all()
    assert "nothing to do" in croplayer("run", recipe, "-o", out, "--until", "integrate", models=models).stdout
    other.table("correctness_classifier_trees.json").write_bytes(b"{}")
    refused = croplayer("run", recipe, "-o", out, models=models, check=False)
    assert refused.returncode == 2 and "does not match its digest in correctness_classifier.json" in refused.stderr
