"""Validation of a network on labelled scenes at their own resolution, compared with constant answers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from croplayer.measures.agreement import MaskScore
from croplayer.measures.boundary import score_mask
from croplayer.models.networks.inference import predict_proba
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.calibration import LEVELS, calibration_figures, level_counts
from croplayer.models.training.scenes import LabelledScenes

THRESHOLD = 0.5
"""Probability from which a pixel counts as cropland."""


class SceneScore(NamedTuple):
    """Counts of one scene for the mask of the network and for the two constant answers."""

    scene: str
    gsd_m: float
    """Ground sample distance in metres."""
    model: MaskScore
    all_field: MaskScore
    no_field: MaskScore
    levels: np.ndarray
    """(251, 2) int64: pixels by stored level of probability and label (``level_counts``)."""


def score_scenes(
    network: SegmentationNetwork, scenes: LabelledScenes, threshold: float = THRESHOLD
) -> tuple[SceneScore, ...]:
    """Agreement of a network with each labelled scene, at the resolution of the scene.

    ``threshold`` is the probability, 0..1, from which a pixel is cropland. Pixels without imagery or label do not count.
    """
    scores = []
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        probability = predict_proba(network, arrays.rgb, ground_sample_distance_m=scene.gsd_m, valid=arrays.valid)
        answers = (probability >= threshold, np.ones_like(arrays.valid), np.zeros_like(arrays.valid))
        model, every, none = (score_mask(answer, arrays.field, arrays.labelled) for answer in answers)
        levels = level_counts(probability, arrays.field, arrays.labelled)
        scores.append(SceneScore(scene.name, scene.gsd_m, model, every, none, levels))
    return tuple(scores)


def validation_figures(
    scores: Iterable[SceneScore],
    split: str = "by scene",
    threshold: float = THRESHOLD,
    parts: Sequence[Collection[str]] = (),
) -> dict[str, Any]:
    """The figures of a manifest for scenes that were not used in training.

    Parameters
    ----------
    scores : of every scene
    split, threshold : how the scenes were held out, and the probability from which a pixel is cropland
    parts : names of the scenes that one model each was scored on, such as folds; empty where there is one model

    Returns
    -------
    dict of plain values: ``split``, ``threshold``, ``pooled`` (all pixels together), ``mean_of_scenes`` (IoU),
    ``by_scene``, the constant answers ``all_field`` and ``no_field``, each with iou, boundary_iou, f1
    and accuracy, and ``calibration`` (``calibration_figures``)
    """
    scores = sorted(scores, key=lambda score: score.scene)
    totals = {name: MaskScore() for name in ("model", "all_field", "no_field")}
    for score in scores:
        totals = {name: total + getattr(score, name) for name, total in totals.items()}
    by_scene = {s.scene: s.model.figures() | {"ground_sample_distance_m": s.gsd_m} for s in scores}
    known = [figures["iou"] for figures in by_scene.values() if figures["iou"] is not None]
    return {
        "split": split,
        "threshold": threshold,
        "pooled": totals["model"].figures(),
        "mean_of_scenes": {"iou": round(float(np.mean(known)), 5) if known else None},
        "all_field": totals["all_field"].figures(),
        "no_field": totals["no_field"].figures(),
        "by_scene": by_scene,
        "calibration": _calibration(scores, parts),
    }


def _calibration(scores: Sequence[SceneScore], parts: Sequence[Collection[str]]) -> dict[str, Any]:
    chosen = parts or [[score.scene for score in scores]]
    nothing = np.zeros((LEVELS, 2), np.int64)
    return calibration_figures([sum((s.levels for s in scores if s.scene in part), nothing) for part in chosen])


def water_figures(network: SegmentationNetwork, water: LabelledScenes, threshold: float = THRESHOLD) -> dict[str, Any]:
    """How much open water a network maps as cropland.

    Parameters
    ----------
    water : scenes whose labelled pixels are all open water (``open_water.water_scenes``)
    threshold : probability, 0..1, from which a pixel is cropland

    Returns
    -------
    ``mapped_as_cropland``, the share of all water pixels, 0..1, None without any; ``pixels``; and the share ``by_scene``
    """
    counts = {}
    for scene, arrays in zip(water.scenes, water.read_all(), strict=True):
        probability = predict_proba(network, arrays.rgb, ground_sample_distance_m=scene.gsd_m, valid=arrays.valid)
        counts[scene.name] = int((probability[arrays.labelled] >= threshold).sum()), int(arrays.labelled.sum())
    return water_table(counts)


def water_table(counts: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """The figures of ``water_figures`` from the pixels mapped as cropland and all water pixels by scene."""
    mapped, pixels = (sum(pair[i] for pair in counts.values()) for i in (0, 1))
    return {
        "mapped_as_cropland": round(mapped / pixels, 5) if pixels else None,
        "pixels": pixels,
        "by_scene": {name: round(m / n, 5) if n else None for name, (m, n) in counts.items()},
    }


def evaluate_scenes(
    network: SegmentationNetwork, scenes: LabelledScenes, threshold: float = THRESHOLD
) -> dict[str, Any]:
    """``validation_figures`` of a network on labelled scenes, its probabilities taken as they are.

    Of its calibration only ``expected_error`` is told: a temperature that is fitted on the scenes that are judged would flatter.
    """
    figures = validation_figures(score_scenes(network, scenes, threshold), threshold=threshold)
    return figures | {"calibration": {"expected_error": figures["calibration"]["before"]}}
