"""Validation: a network on labelled scenes at their own resolution, next to the constant answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from croplayer.models.inference import predict_proba
from croplayer.models.scenes import LabelledScenes
from croplayer.models.scoring import MaskScore, score_mask
from croplayer.models.segmentation import SegmentationNetwork


def evaluate_scenes(network: SegmentationNetwork, scenes: LabelledScenes, threshold: float = 0.5) -> dict[str, Any]:
    """Agreement of a network with labelled scenes.

    Returns
    -------
    plain values: ``pooled`` (all pixels together), ``mean_of_scenes`` (IoU), ``by_scene``, and the
    constant answers ``all_field`` and ``no_field``, each with iou, boundary_iou, f1 and accuracy
    """
    names = ("model", "all_field", "no_field")
    totals = dict.fromkeys(names, MaskScore())
    by_scene: dict[str, Any] = {}
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        probability = predict_proba(network, arrays.rgb, ground_sample_distance_m=scene.gsd_m, valid=arrays.valid)
        answers = {
            "model": probability >= threshold,
            "all_field": np.ones_like(arrays.valid),
            "no_field": np.zeros_like(arrays.valid),
        }
        for name in names:
            score = score_mask(answers[name], arrays.field, arrays.valid)
            totals[name] = totals[name].plus(score)
            if name == "model":
                by_scene[scene.name] = score.figures() | {"ground_sample_distance_m": scene.gsd_m}
    known = [figures["iou"] for figures in by_scene.values() if figures["iou"] is not None]
    return {
        "split": "by scene",
        "threshold": threshold,
        "pooled": totals["model"].figures(),
        "mean_of_scenes": {"iou": round(float(np.mean(known)), 5) if known else None},
        "all_field": totals["all_field"].figures(),
        "no_field": totals["no_field"].figures(),
        "by_scene": by_scene,
    }
