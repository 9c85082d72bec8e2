from __future__ import annotations

import numpy as np

from croplayer.models.judging.comparison import compare_architectures
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.training.training import TrainingConfig


def test_contestants_get_the_same_budget(painted_scenes, tmp_path):
    train, validation = painted_scenes.split_by_scene(0.2, seed=0)
    config = TrainingConfig(steps=2, crop_px=64, batch=2, gsd_m=(2.0, 2.0), threads=1)
    contestants = [("segformer", "tiny"), ("pidnet", "tiny"), ("pspnet", "tiny")]
    rows = compare_architectures(
        train, validation, config, contestants, tmp_path / "models", work=tmp_path, training_data="-", licence="-"
    )
    assert [(r.architecture, r.size) for r in rows] == contestants
    assert {r.steps for r in rows} == {2}
    assert all(0 < r.n_parameters < 1.1e6 and r.training_s > 0 and r.px_per_s > 0 for r in rows)
    for row in rows:
        manifest = read_manifest(tmp_path / "models" / f"{row.architecture}-{row.size}")
        assert np.isclose(manifest.metrics["validation"]["pooled"]["iou"], row.iou, equal_nan=True)
        assert manifest.recipe["architecture"] == row.architecture
