"""Cross-validation by scene, and training on all scenes with the figures of the cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.bundles.whole_folders import repair
from croplayer.models.networks.manifest import MANIFEST_NAME
from croplayer.models.training.evaluation import SceneScore, score_scenes, validation_figures
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.start import check_unseen
from croplayer.models.training.training import (
    HOLD_OUT_NONE,
    StepReport,
    TrainingConfig,
    checkpoint_path,
    train_segmentation,
)


def cross_validate(
    scenes: LabelledScenes,
    config: TrainingConfig,
    n_folds: int,
    work: Path,
    *,
    always: LabelledScenes | None = None,
    on_step: Callable[[str, StepReport], None] | None = None,
) -> dict[str, Any]:
    """Score every scene with a model of the same configuration that was not trained on it.

    Parameters
    ----------
    scenes : split into folds by scene, with the seed of ``config``; each is validated once
    n_folds : number of folds, each with a model of its own
    work : folder of the checkpoints and the models of the folds; folds that the same code trained are not trained again
    always : scenes that every fold is trained on and none is validated on, such as synthetic ones
    on_step : called after each step with the name of the fold and the report

    Returns
    -------
    ``validation_figures`` of all scenes together, with ``folds``: the names of the scenes held out of each fold
    """
    check_unseen(config.start, scenes.names, f"leave out the folds and {HOLD_OUT_NONE}")
    scores: list[SceneScore] = []
    folds = scenes.folds(n_folds, config.seed)
    for k, (learn, held) in enumerate(folds, start=1):
        learn = learn if always is None else learn.joined(always)
        folder = work / checkpoint_path(work, config, learn).stem.replace("checkpoint", "fold")
        repair(folder, MANIFEST_NAME)
        if not (folder / MANIFEST_NAME).exists():
            train_segmentation(
                learn, config, folder, work=work, training_data=f"fold {k} of {n_folds}", licence="not for use",
                on_step=None if on_step is None else _named(f"fold {k} of {n_folds}", on_step),
            )  # fmt: skip
        scores += score_scenes(load_segmenter(folder), held)
    split = f"{n_folds}-fold cross-validation by scene, seed {config.seed}"
    parts = [list(held.names) for _, held in folds]
    return validation_figures(scores, split, parts=parts) | {"folds": parts}


def train_cross_validated(
    scenes: LabelledScenes,
    config: TrainingConfig,
    n_folds: int,
    folder: Path,
    *,
    work: Path,
    training_data: str,
    licence: str,
    always: LabelledScenes | None = None,
    water: LabelledScenes | None = None,
    on_step: Callable[[str, StepReport], None] | None = None,
) -> Path:
    """Write a bundle that is trained on all scenes and holds the figures of ``cross_validate``.

    The weights of the bundle were trained on every scene. The figures are those of models of the same configuration
    that were not. Arguments and result are those of ``cross_validate`` and ``train_segmentation``.
    """
    figures = cross_validate(scenes, config, n_folds, work, always=always, on_step=on_step)
    return train_segmentation(
        scenes if always is None else scenes.joined(always), config, folder, work=work, training_data=training_data,
        licence=licence, measured=figures, water=water, on_step=None if on_step is None else _named("all scenes", on_step),
    )  # fmt: skip


def _named(name: str, on_step: Callable[[str, StepReport], None]) -> Callable[[StepReport], None]:
    return lambda report: on_step(name, report)
