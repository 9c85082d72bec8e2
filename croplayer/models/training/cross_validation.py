"""Cross-validation by scene, and the model of all scenes that carries its figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from croplayer.models import load_segmenter
from croplayer.models.networks.manifest import MANIFEST_NAME
from croplayer.models.training.evaluation import SceneScore, score_scenes, validation_figures
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import StepReport, TrainingConfig, checkpoint_path, train_segmentation


def cross_validate(
    scenes: LabelledScenes,
    config: TrainingConfig,
    n_folds: int,
    work: Path,
    *,
    always: LabelledScenes | None = None,
    on_step: Callable[[str, StepReport], None] | None = None,
) -> dict[str, Any]:
    """Agreement with every scene of a model of the same configuration that never saw it.

    Parameters
    ----------
    scenes : split into folds by scene, with the seed of ``config``; each is validated once
    n_folds : number of models that are trained
    work : folder of checkpoints and of the folds' models; folds that are there are not trained again
    always : scenes that every fold learns from and none is validated on, such as synthetic ones

    Returns
    -------
    ``validation_figures`` of all scenes together, with ``folds``: the scenes held out of each
    """
    scores: list[SceneScore] = []
    folds = scenes.folds(n_folds, config.seed)
    for k, (learn, held) in enumerate(folds, start=1):
        learn = learn if always is None else learn.joined(always)
        folder = work / checkpoint_path(work, config, learn).stem.replace("checkpoint", "fold")
        if not (folder / MANIFEST_NAME).exists():
            train_segmentation(
                learn, config, folder, work=work, training_data=f"fold {k} of {n_folds}", licence="not for use",
                on_step=None if on_step is None else _named(f"fold {k} of {n_folds}", on_step),
            )  # fmt: skip
        scores += score_scenes(load_segmenter(folder), held)
    split = f"{n_folds}-fold cross-validation by scene, seed {config.seed}"
    return validation_figures(scores, split) | {"folds": [list(held.names) for _, held in folds]}


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
    on_step: Callable[[str, StepReport], None] | None = None,
) -> Path:
    """Write a bundle trained on all scenes whose figures are those of ``cross_validate``.

    The shipped weights saw every scene; the figures are of models of the same configuration that did not.
    Arguments and result as for ``cross_validate`` and ``train_segmentation``.
    """
    figures = cross_validate(scenes, config, n_folds, work, always=always, on_step=on_step)
    return train_segmentation(
        scenes if always is None else scenes.joined(always), config, folder, work=work, training_data=training_data,
        licence=licence, measured=figures, on_step=None if on_step is None else _named("all scenes", on_step),
    )  # fmt: skip


def _named(name: str, on_step: Callable[[str, StepReport], None]) -> Callable[[StepReport], None]:
    return lambda report: on_step(name, report)
