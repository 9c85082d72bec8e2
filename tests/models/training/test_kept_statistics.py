"""A training that goes on from a network may keep the statistics of its batch norms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import TrainingConfig, train_segmentation

TEXTS = {"training_data": "painted rectangles (synthetic)", "licence": "none"}


def test_weights_learn_and_statistics_stay(painted_scenes: LabelledScenes, tmp_path: Path) -> None:
    config = TrainingConfig(architecture="pidnet", steps=4, crop_px=64, batch=2, gsd_m=(2.0, 3.0), threads=1)
    start = train_segmentation(painted_scenes, config, tmp_path / "start", work=tmp_path / "a", **TEXTS)
    begun = load_segmenter(start).model.state_dict()
    is_statistic = {name for name in begun if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert is_statistic
    for keeps in (True, False):
        further = replace(config, start=str(start), keeps_statistics=keeps, average_decay=0.0)
        made = train_segmentation(painted_scenes, further, tmp_path / str(keeps), work=tmp_path / "b", **TEXTS)
        state = load_segmenter(made).model.state_dict()
        same = {name for name in begun if torch.equal(state[name], begun[name])}
        assert (is_statistic <= same) == keeps and len(begun.keys() - same - is_statistic) > 10
        assert read_manifest(made).recipe.get("keeps_statistics", False) is keeps
    assert "keeps_statistics" not in read_manifest(start).recipe
