from __future__ import annotations

import numpy as np
import pytest

from croplayer.models.bundles.bundle import load
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.training.cross_validation import cross_validate, train_cross_validated
from croplayer.models.training.evaluation import score_scenes, validation_figures
from croplayer.models.training.training import TrainingConfig, train_segmentation

CONFIG = TrainingConfig(architecture="pidnet", steps=3, crop_px=64, batch=2, gsd_m=(2.0, 3.0), threads=1)


def test_each_scene_is_judged_by_a_model_that_never_saw_it(painted_scenes, tmp_path):
    real, always = painted_scenes.subset(painted_scenes.names[:4]), painted_scenes.subset(painted_scenes.names[4:])
    folder = train_cross_validated(
        real, CONFIG, 2, tmp_path / "m", work=tmp_path / "work", training_data="-", licence="-", always=always
    )
    metrics = read_manifest(folder).metrics
    assert metrics["training_scenes"] == list(painted_scenes.names)
    figures = metrics["validation"]
    assert set(figures["by_scene"]) == set(real.names) == {name for fold in figures["folds"] for name in fold}
    for held in figures["folds"]:
        learn = real.subset([n for n in real.names if n not in held]).joined(always)
        alone = train_segmentation(learn, CONFIG, tmp_path / "one", work=tmp_path, training_data="-", licence="-")
        for score in score_scenes(load(alone), real.subset(held)):
            assert figures["by_scene"][score.scene]["iou"] == score.model.figures()["iou"]


def test_folds_that_are_there_are_not_trained_again(painted_scenes, tmp_path):
    first = cross_validate(painted_scenes, CONFIG, 2, tmp_path)
    seen = []
    assert cross_validate(painted_scenes, CONFIG, 2, tmp_path, on_step=lambda *report: seen.append(report)) == first
    assert not seen


def test_figures_pool_pixels_not_scenes(painted_scenes):
    from croplayer.models.networks.segmentation import build_segmenter

    network = build_segmenter("pidnet", "tiny", 0).eval()
    whole = validation_figures(score_scenes(network, painted_scenes))
    parts = [score_scenes(network, painted_scenes.subset([name])) for name in painted_scenes.names]
    assert validation_figures([score for part in parts for score in part]) == whole
    field = np.concatenate([a.field.ravel() for a in painted_scenes.read_all()])
    assert whole["all_field"]["iou"] == pytest.approx(field.mean(), abs=1e-5)


def test_sets_of_scenes_join_without_sharing(painted_scenes):
    one, two = painted_scenes.subset(painted_scenes.names[::2]), painted_scenes.subset(painted_scenes.names[1::2])
    assert one.joined(two).names == painted_scenes.names
    with pytest.raises(ValueError, match="is in both sets"):
        one.joined(one)
