from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.bundles.whole_folders import only_one
from croplayer.models.judging import comparison
from croplayer.models.judging.comparison import compare_architectures
from croplayer.models.judging.comparison_file import (
    Comparison,
    ComparisonRow,
    Contestant,
    Figures,
    read_comparison,
    write_comparison,
)
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.segmentation import build_segmenter
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import TrainingConfig

CONFIG = TrainingConfig(steps=2, crop_px=64, batch=2, gsd_m=(2.0, 2.0), threads=1, encoder_rate=0.5)


def compare(painted_scenes, folder, contestants, config=CONFIG, **more):
    train, validation = painted_scenes.split_by_scene(0.2, seed=0)
    return compare_architectures(
        train, validation, config, [Contestant.of(text) for text in contestants], folder, work=folder / "work",
        training_data="painted rectangles", licence="-", **more,
    )  # fmt: skip


def test_contestants_get_the_same_budget(painted_scenes, tmp_path):
    names = ["segformer-tiny", "pidnet-tiny", "pspnet-tiny"]
    comparison = compare(painted_scenes, tmp_path, names)
    assert [row.contestant for row in comparison.rows] == [Contestant.of(name) for name in names]
    assert (comparison.n_training, comparison.n_validation, comparison.budget["steps"]) == (5, 1, 2)
    for row, name in zip(comparison.rows, names, strict=True):
        figures, manifest = row.figures, read_manifest(tmp_path / name)
        assert 0 < figures.n_parameters < 1.1e6 and figures.training_s > 0 and figures.px_per_s > 0
        assert np.isclose(manifest.metrics["validation"]["pooled"]["iou"], figures.iou, equal_nan=True)
        # Random encoders learn at the full rate.
        assert {k: manifest.recipe[k] for k in ("architecture", "steps", "batch", "encoder_rate")} == {
            "architecture": row.contestant.architecture, "steps": 2, "batch": 2, "encoder_rate": 1.0
        }  # fmt: skip
    assert read_comparison(tmp_path) == read_comparison(tmp_path / "comparison.json") == comparison


def test_a_contestant_says_what_it_starts_from(painted_scenes, tmp_path):
    learned = build_segmenter("pidnet", "tiny", seed=7)
    learned.model.save_pretrained(tmp_path / "theirs")
    names = ["pidnet-tiny", f"pidnet-tiny:{tmp_path / 'theirs'}"]
    rows = compare(painted_scenes, tmp_path / "out", names).rows
    manifests = [read_manifest(tmp_path / "out" / row.contestant.folder_name) for row in rows]
    assert [m.recipe["start"] for m in manifests] == ["random", str(tmp_path / "theirs")]
    assert [m.recipe["encoder_rate"] for m in manifests] == [1.0, 0.5]
    assert manifests[0].files["model.safetensors"] != manifests[1].files["model.safetensors"]
    assert rows[1].contestant.title == f"pidnet tiny from {tmp_path / 'theirs'}"


def test_one_that_fails_is_named_and_the_others_go_on(painted_scenes, tmp_path):
    learned = build_segmenter("pspnet", "tiny", seed=7)
    learned.model.save_pretrained(tmp_path / "pspnet")
    names = ["segformer-tiny:nowhere", f"pidnet-tiny:{tmp_path / 'pspnet'}", "pidnet-tiny"]
    told = []
    comparison = compare(
        painted_scenes, tmp_path / "out", names, on_failure=lambda who, reason: told.append((who.title, reason))
    )
    missing, other, whole = comparison.rows
    assert missing.figures is None and "nowhere is neither a folder nor the name of a model" in missing.failure
    assert other.figures is None and "does not fit: the encoder to train needs" in other.failure
    assert whole.figures is not None and not whole.failure
    assert told == [(row.contestant.title, row.failure) for row in (missing, other)]
    stored = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert [row.get("failure", "") for row in stored] == [missing.failure, other.failure, ""]
    assert read_comparison(tmp_path / "out") == comparison


def test_a_start_that_has_seen_the_scenes_to_score_is_no_contestant(painted_scenes, tmp_path):
    _, validation = painted_scenes.split_by_scene(0.2, seed=0)
    network = build_segmenter("pidnet", "tiny", seed=7)
    for name, scenes in (("knows", [*validation.names, "other"]), ("new", ["other"])):
        manifest = network.described(
            gsd_m=(1.0, 2.0), training_data="-", licence="-", metrics={"training_scenes": scenes}
        )
        write_bundle(tmp_path / name, network.model, manifest)
    names = [f"pidnet-tiny:{tmp_path / name}" for name in ("knows", "new")]
    knows, new = compare(painted_scenes, tmp_path / "out", names).rows
    assert f"has learned from 1 of the scenes to be judged, such as '{validation.names[0]}'" in knows.failure
    assert new.figures and not new.failure


def test_what_failed_is_tried_again_and_what_is_there_is_kept(painted_scenes, tmp_path):
    place = tmp_path / "theirs"
    names = ["pidnet-tiny", f"pspnet-tiny:{place}"]
    first = compare(painted_scenes, tmp_path / "out", names)
    assert first.rows[1].failure
    build_segmenter("pspnet", "tiny", seed=7).model.save_pretrained(place)
    trained = []
    second = compare(
        painted_scenes, tmp_path / "out", names, on_step=lambda who, report: trained.append(who.architecture)
    )
    assert set(trained) == {"pspnet"}
    assert second.rows[0] == first.rows[0] and second.rows[1].figures


def test_finished_rows_that_are_not_named_again_stay(painted_scenes, tmp_path):
    first = compare(painted_scenes, tmp_path, ["pidnet-tiny", "segformer-tiny:nowhere"])
    trained = []
    second = compare(
        painted_scenes, tmp_path, ["pspnet-tiny"], on_step=lambda who, report: trained.append(who.architecture)
    )
    assert set(trained) == {"pspnet"}
    assert [row.contestant.title for row in second.rows] == ["pspnet tiny", "pidnet tiny"]
    assert second.rows[1] == first.rows[0] and read_comparison(tmp_path) == second
    names = ["pidnet-tiny", "pspnet-tiny"]
    third = compare(painted_scenes, tmp_path, names, on_step=lambda who, report: pytest.fail("trained again"))
    assert third.rows == second.rows[::-1]


def test_a_finished_row_outlives_a_start_that_is_gone(painted_scenes, tmp_path):
    place = tmp_path / "theirs"
    build_segmenter("pidnet", "tiny", seed=7).model.save_pretrained(place)
    first = compare(painted_scenes, tmp_path / "out", [f"pidnet-tiny:{place}"])
    place.rename(tmp_path / "elsewhere")
    told = []
    again = compare(
        painted_scenes, tmp_path / "out", [f"pidnet-tiny:{place}"], on_failure=lambda who, reason: told.append(reason)
    )
    assert again.rows == first.rows and len(told) == 1 and "is neither a folder" in told[0]


def other_budget(scenes):
    return replace(CONFIG, steps=3), scenes


def other_labels(scenes):
    first, *others = scenes.scenes
    fewer = replace(first, polygons=first.polygons[:1])
    assert fewer.polygons != first.polygons
    return CONFIG, LabelledScenes((fewer, *others), scenes.report)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_budget, r"another budget \(steps 2, here 3\)"),
        (other_labels, "other scenes or labels, or another split of them"),
        (lambda scenes: (CONFIG, scenes), "trainings by another version of croplayer"),
    ],
)
def test_rows_of_another_comparison_are_never_mixed_in(change, said, painted_scenes, tmp_path, monkeypatch):
    compare(painted_scenes, tmp_path, ["pidnet-tiny"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    config, scenes = change(painted_scenes)
    if (config, scenes) == (CONFIG, painted_scenes):
        monkeypatch.setattr(comparison, "training_code", lambda: "newer")
    with pytest.raises(
        ValueError, match=f"comparison.json is a comparison of {said}.*; rows of two comparisons are not mixed"
    ):
        compare(scenes, tmp_path, ["pidnet-tiny"], config=config)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    (tmp_path / "comparison.json").unlink()
    assert compare(scenes, tmp_path, ["pidnet-tiny"], config=config).rows[0].figures


def test_one_scene_is_too_few_to_compare_on(painted_scenes, tmp_path):
    with pytest.raises(
        ValueError, match="no scene is held out to score the networks on; a comparison needs at least two"
    ):
        compare(painted_scenes.subset(painted_scenes.names[:1]), tmp_path, ["pidnet-tiny"])
    assert not list(tmp_path.iterdir())


def test_only_one_process_compares_in_a_folder(painted_scenes, tmp_path):
    with only_one(tmp_path / ".comparison.json.lock", "this"), pytest.raises(BlockingIOError, match="another process"):
        compare(painted_scenes, tmp_path, ["pidnet-tiny"])


def test_mistakes_in_the_code_are_no_row(painted_scenes, tmp_path):
    def wrong(who, report):
        raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        compare(painted_scenes, tmp_path, ["pidnet-tiny"], on_step=wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pidnet-s", ("pidnet", "s", "random")),
        ("pspnet-resnet-50", ("pspnet", "resnet-50", "random")),
        ("unet-efficientnet-lite2:imagenet", ("unet", "efficientnet-lite2", "imagenet")),
        ("segformer-b0:nvidia/mit-b0", ("segformer", "b0", "nvidia/mit-b0")),
        ("segformer-b0:C:/models/a", ("segformer", "b0", "C:/models/a")),
    ],
)
def test_contestants_are_read(text, expected):
    assert Contestant.of(text) == expected
    assert "/" not in Contestant.of(text).folder_name


@pytest.mark.parametrize("text", ["pidnet", "pidnet-", "-s", "pidnet-s:", ":imagenet", ""])
def test_contestants_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="expected ARCHITECTURE-SIZE"):
        Contestant.of(text)


def test_starts_of_one_name_get_folders_of_their_own():
    names = {Contestant("segformer", "b0", start).folder_name for start in ("a/model", "b/model", "random", "a_model")}
    assert len(names) == 4


def test_undefined_measures_are_null_in_the_file(tmp_path):
    figures = Figures(10, 1.5, 0.5, math.nan, 0.25, 1e6, "CPU", "2026-11-26")
    row = ComparisonRow(Contestant("pidnet", "s"), figures, made_of="a b")
    write_comparison(tmp_path / "comparison.json", Comparison("-", 3, 1, {"steps": 2}, (row,)))
    assert json.loads((tmp_path / "comparison.json").read_text())["rows"][0]["boundary_iou"] is None
    (found,) = read_comparison(tmp_path).rows
    assert math.isnan(found.figures.boundary_iou) and found.figures._replace(boundary_iou=0) == figures._replace(
        boundary_iou=0
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 3}', '[{"architecture": "pidnet"}]'])
def test_other_files_are_no_comparison(text, tmp_path):
    (tmp_path / "comparison.json").write_text(text)
    with pytest.raises(ValueError, match="is no comparison of"):
        read_comparison(tmp_path)
    with pytest.raises(FileNotFoundError, match="`croplayer models compare` writes it"):
        read_comparison(tmp_path / "nowhere.json")
