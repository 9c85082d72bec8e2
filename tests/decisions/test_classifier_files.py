"""A fitted classifier as files: fitted on one region, applied to another, refused where it does not fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shared.made_up_blocks import SOURCES, made_up_blocks, reviews_of, true_correctness

from croplayer.decisions import classifier_files
from croplayer.decisions.classifier_files import CORRECTNESS, INTEGRATION, read_named, trees_path
from croplayer.decisions.correctness import decide_correctness
from croplayer.decisions.integration import decide_integration
from pipelines.recipe import Recipe
from pipelines.stages.decided import decision_sentences, write_decided
from stores.legends import DEFAULT_CLASSES, CorrectnessClasses
from stores.run_folder import RunFolder

RECIPE = Recipe.model_validate(
    {
        "name": "north", "title": "north", "edition": "2020", "region": {"bounds": (0, 0, 1, 1)},
        "segmentation": {"model": "landscape"},
        "sources": [{"name": name, "kind": "tiles", "template": "{z}/{x}/{y}"} for name in SOURCES],
    }
)  # fmt: skip


def elsewhere(count: int = 300) -> pd.DataFrame:
    """Other blocks, in another region."""
    table = made_up_blocks(count, seed=9)
    table["row"] += 500
    table["block"] = [f"r{r:04d}c{c:04d}" for r, c in zip(table.row, table.col, strict=True)]
    return table


def other_way_round(reviews: pd.DataFrame) -> pd.DataFrame:
    """Reviewers who took the other source than the rules do, so that only a classifier can follow them."""
    other = {"Only A": "Only B", "Only B": "Only A", "Merge both": "Neither", "Neither": "Merge both"}
    return reviews.replace({"integration": other})


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run that kept both classifiers."""
    folder = RunFolder(tmp_path_factory.mktemp("north"))
    table = made_up_blocks(300)
    reviews = other_way_round(reviews_of(table))
    correctness = decide_correctness(table, SOURCES, reviews, seed=0)
    written = write_decided(folder, CORRECTNESS, correctness, RECIPE)
    blocks = table.merge(correctness.table, on="block")
    integration = decide_integration(blocks, SOURCES, reviews, None, seed=0)
    written += write_decided(folder, INTEGRATION, integration, RECIPE)
    assert {p.name for p in written} >= {"correctness_classifier.json", "correctness_classifier_trees.json"}
    return folder


def test_what_is_written_is_what_is_loaded(run: RunFolder, tmp_path: Path) -> None:
    table = made_up_blocks(300)
    decided = decide_correctness(table, SOURCES, other_way_round(reviews_of(table)), seed=0)
    again = RunFolder(tmp_path)
    write_decided(again, CORRECTNESS, decided, RECIPE)
    for name in ("correctness_classifier.json", "correctness_classifier_trees.json"):
        assert again.table(name).read_bytes() == run.table(name).read_bytes()
    kept = read_named(run.root, CORRECTNESS, SOURCES, DEFAULT_CLASSES)
    names, matrix = decided.samples.names, decided.samples.matrix
    assert decided.ruling.classifier is not None
    np.testing.assert_array_equal(
        kept.classifier.predict(matrix, names), decided.ruling.classifier.predict(matrix, names)
    )
    assert kept.manifest.samples == 300 and kept.manifest.fitted_on == {"recipe": "north", "edition": "2020"}


def test_fitted_on_one_region_it_decides_another(run: RunFolder, tmp_path: Path) -> None:
    kept = read_named(run.table("correctness_classifier.json"), CORRECTNESS, SOURCES, DEFAULT_CLASSES)
    table = elsewhere()
    decided = decide_correctness(table, SOURCES, None, seed=0, given=kept)
    assert (decided.table.correctness_aster == true_correctness(table, "aster")).mean() > 0.9
    assert decided.table.correctness_confidence_aster.notna().all()
    assert decided.method.startswith(
        "XGBoost fitted elsewhere, to 300 samples of recipe north (2020) reviewed by people"
    )
    assert decided.method.endswith("no reviewed blocks measure it here")
    other = RunFolder(tmp_path)
    write_decided(other, CORRECTNESS, decided, RECIPE)
    assert not other.table("correctness_classifier.json").exists()
    method = pd.read_csv(other.table("correctness_method.csv")).iloc[0]
    assert method.accuracy == pytest.approx(kept.manifest.accuracy) and method.fitted == 300


def test_reviews_measure_a_named_classifier_on_blocks_that_it_was_not_fitted_to(run: RunFolder) -> None:
    kept = read_named(run.root, CORRECTNESS, SOURCES, DEFAULT_CLASSES)
    table = pd.concat([made_up_blocks(300), elsewhere(100)], ignore_index=True)
    reviews = pd.concat([reviews_of(made_up_blocks(300)), reviews_of(elsewhere(100))], ignore_index=True)
    decided = decide_correctness(table, SOURCES, reviews, seed=0, given=kept)
    trial = decided.ruling.trial
    assert decided.judged is not None and trial is not None
    assert decided.judged.accuracy.split.tolist() == ["elsewhere"]
    assert decided.judged.accuracy.samples.tolist() == [100] and trial.table.samples.tolist() == [100, 100]
    assert set(decided.judged.held_out.block) == set(reviews_of(elsewhere(100)).block)
    own = decided.table[decided.table.block.isin(decided.judged.held_out.block)]
    assert decided.judged.accuracy.accuracy[0] == pytest.approx(
        np.mean([own[f"correctness_{s}"] == own[f"correctness_reviewed_{s}"] for s in SOURCES])
    )
    assert "beats simpler answers here: on 100 held-out samples" in decided.method


def test_what_does_not_fit_is_refused_in_a_sentence(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a classifier of the correctness; expected one of the integration"):
        read_named(run.table("correctness_classifier.json"), INTEGRATION, SOURCES, DEFAULT_CLASSES)
    own = CorrectnessClasses(("good", "bad"), ("good",))
    with pytest.raises(
        ValueError, match="was fitted to the classes TP, TN, FP, Noise, Artifacts; this run has good, bad"
    ):
        read_named(run.root, CORRECTNESS, SOURCES, own)
    with pytest.raises(FileNotFoundError, match="keeps one in tables/ only if it is better than the rules"):
        read_named(tmp_path, CORRECTNESS, SOURCES, DEFAULT_CLASSES)


def _signed(folder: Path, run: RunFolder, change: Callable[[Any], None]) -> Path:
    """The classifier with other trees, and a manifest that has their digest."""
    manifest = folder / "correctness_classifier.json"
    trees = json.loads(run.table("correctness_classifier_trees.json").read_bytes())
    change(trees)
    data = json.dumps(trees).encode()
    values = json.loads(run.table("correctness_classifier.json").read_bytes())
    values["trees_sha256"] = hashlib.sha256(data).hexdigest()
    manifest.write_text(json.dumps(values))
    trees_path(manifest).write_bytes(data)
    return manifest


def _tree(trees: Any) -> Any:
    return trees["learner"]["gradient_booster"]["model"]["trees"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda trees: _tree(trees)["left_children"].__setitem__(0, 10**6),
        lambda trees: _tree(trees)["left_children"].__setitem__(0, 0),
        lambda trees: _tree(trees)["split_indices"].__setitem__(0, 16),
        lambda trees: _tree(trees)["tree_param"].__setitem__("num_nodes", "1000000000"),
        lambda trees: _tree(trees)["categories_segments"].__setitem__(0, 10**6),
        lambda trees: trees["learner"]["learner_model_param"].__setitem__("num_class", "1000000000"),
        lambda trees: trees["learner"]["gradient_booster"]["model"]["tree_info"].__setitem__(0, 7),
        lambda trees: trees["learner"]["gradient_booster"].__setitem__("name", "dart"),
        lambda trees: trees["learner"]["gradient_booster"]["model"]["iteration_indptr"].__setitem__(1, 10**6),
        lambda trees: trees["learner"]["gradient_booster"]["model"]["cats"].__setitem__("enc", [{"offsets": [0, 9]}]),
        lambda trees: trees.__setitem__("learner", []),
    ],
)  # fmt: skip
def test_trees_that_point_outside_are_refused_before_they_are_used(
    change: Callable[[Any], None], run: RunFolder, tmp_path: Path
) -> None:
    read_named(_signed(tmp_path, run, lambda trees: None), CORRECTNESS, SOURCES, DEFAULT_CLASSES)
    with pytest.raises(ValueError, match="holds no whole trees of XGBoost for the features and classes"):
        read_named(_signed(tmp_path, run, change), CORRECTNESS, SOURCES, DEFAULT_CLASSES)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "features",
            [["slope_deg", []], ["elevation_m", []]],
            "was fitted to 2 features; the blocks of this run have 16",
        ),
        ("labels", list("abcde"), "was fitted to the classes a, b, c, d, e"),
        ("reviewer", "\x1b[31mme", "a field has a value that no fit writes"),
        ("classes", [0, 99], "a field has a value that no fit writes"),
        ("version", 2, "this croplayer reads 1"),
        ("kind", "integration", "is a classifier of the integration"),
        ("trees_sha256", "0" * 64, "does not match its digest"),
    ],
)
def test_manifests_that_say_other_things_are_refused(
    field: str, value: object, message: str, run: RunFolder, tmp_path: Path
) -> None:
    manifest = _signed(tmp_path, run, lambda trees: None)
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(values | {field: value}))
    with pytest.raises(ValueError, match=message):
        read_named(manifest, CORRECTNESS, SOURCES, DEFAULT_CLASSES)
    values["features"][0], values["features"][1] = values["features"][1], values["features"][0]
    manifest.write_text(json.dumps(values))
    with pytest.raises(
        ValueError, match="feature 1 of this run is 'elevation_m', the classifier was fitted to 'slope_deg'"
    ):
        read_named(manifest, CORRECTNESS, SOURCES, DEFAULT_CLASSES)


def test_files_that_are_too_large_are_not_read(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = _signed(tmp_path, run, lambda trees: None)
    monkeypatch.setattr(classifier_files, "LARGEST_TREES", 1000)
    with pytest.raises(ValueError, match=r"_trees\.json has [\d,]+ bytes; expected at most 1,000"):
        read_named(manifest, CORRECTNESS, SOURCES, DEFAULT_CLASSES)


def test_other_sources_are_refused_by_an_integration(run: RunFolder) -> None:
    path = run.table("integration_classifier.json")
    values = json.loads(path.read_text())
    fitted = tuple(values["sources"])
    kept = read_named(path, INTEGRATION, SOURCES, DEFAULT_CLASSES)
    assert fitted == SOURCES and kept.manifest.kind == INTEGRATION
    for other in (SOURCES[::-1], ("autumn", "summer")):
        with pytest.raises(ValueError, match="was fitted to the sources aster, borealis, in this order; this run has"):
            read_named(path, INTEGRATION, other, DEFAULT_CLASSES)


def test_a_run_says_in_a_sentence_what_decided(run: RunFolder, tmp_path: Path) -> None:
    assert list(decision_sentences(run)) == [
        "correctness was decided by XGBoost on 300 samples reviewed by people",
        "integration was decided by XGBoost on 150 samples reviewed by people",
    ]
    table = made_up_blocks(60)
    quiet = RunFolder(tmp_path)
    write_decided(quiet, CORRECTNESS, decide_correctness(table, SOURCES, None, seed=0), RECIPE)
    assert list(decision_sentences(quiet)) == []
