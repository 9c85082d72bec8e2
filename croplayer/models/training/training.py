"""Training of the segmentation: one plain loop whose result depends on the configuration and the scenes alone.

The budget is steps, never time. Each step draws its batch from (seed, step), so a run continued from
a checkpoint ends with the same bytes as an undisturbed one. On CUDA the last bits may differ. Started
with ``torchrun``, several processes share each batch; their number is then part of the configuration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.training.curve import CURVE_NAME, CURVE_PICTURE, curve_json, curve_picture
from croplayer.models.training.evaluation import evaluate_scenes
from croplayer.models.training.fitting import fit
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.torchrun import Workers, joined_workers
from croplayer.models.training.training_config import StepReport, TrainingConfig

__all__ = ["StepReport", "TrainingConfig", "checkpoint_path", "fixed_threads", "train_segmentation"]


def train_segmentation(
    scenes: LabelledScenes,
    config: TrainingConfig,
    folder: Path,
    *,
    work: Path,
    training_data: str,
    licence: str,
    validation: LabelledScenes | None = None,
    measured: Mapping[str, Any] | None = None,
    on_step: Callable[[StepReport], None] | None = None,
) -> Path:
    """Train from random weights and write a bundle with its curve and its validation figures.

    Parameters
    ----------
    scenes : what it learns from; with ``config.patience`` a part of them decides when to stop instead
    config : everything else it depends on
    folder : where the bundle goes
    work : folder of checkpoints; a run of the same configuration and scenes continues from there
    training_data, licence : for the manifest
    validation : scenes that the metrics in the manifest are measured on, at their own resolution
    measured : ``validation_figures`` from elsewhere, such as a cross-validation of the same configuration
    on_step : called after each step; an exception from it stops the run after its last checkpoint

    Returns
    -------
    folder
    """
    if not len(scenes):
        raise ValueError("there is no scene to train on")
    shared = sorted(set(scenes.names) & set(validation.names)) if validation is not None else []
    if shared:
        raise ValueError(f"scene '{shared[0]}' is both in training and in validation; split by scene")
    learn, stopping = _split_for_stopping(scenes, config)
    with fixed_threads(config.threads), joined_workers() as workers:
        if config.batch % workers.count:
            raise ValueError(
                f"training field 'batch' is {config.batch}; expected a multiple of {workers.count} workers"
            )
        checkpoint = checkpoint_path(Path(work), config, scenes, workers)
        network, history = fit(learn, stopping, config, checkpoint, workers, on_step if workers.leads else None)
        if workers.leads:
            metrics: dict[str, Any] = {"training_scenes": list(learn.names)}
            if stopping is not None:
                metrics["stopping_scenes"] = list(stopping.names)
            if measured is not None:
                metrics["validation"] = dict(measured)
            if validation is not None and len(validation):
                metrics["validation"] = evaluate_scenes(network, validation)
            manifest = network.described(
                gsd_m=config.gsd_m,
                training_data=training_data,
                licence=licence,
                metrics=metrics,
                recipe=config.plain() | {"workers": workers.count},
            )
            extra = {CURVE_NAME: curve_json(history), CURVE_PICTURE: curve_picture(history)}
            write_bundle(Path(folder), network.model, manifest, extra)
            checkpoint.unlink(missing_ok=True)
        workers.wait()
    return Path(folder)


def _split_for_stopping(scenes: LabelledScenes, config: TrainingConfig) -> tuple[LabelledScenes, LabelledScenes | None]:
    if not config.patience:
        return scenes, None
    if len(scenes) < 2:
        raise ValueError(
            "early stopping needs at least 2 scenes, one of them to decide when to stop; set patience to 0"
        )
    return scenes.split_by_scene(config.stopping_fraction, config.seed)


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Give torch a number of CPU threads and restore the caller's afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checkpoint_path(work: Path, config: TrainingConfig, scenes: LabelledScenes, workers: Workers | None = None) -> Path:
    """Where a run keeps its state: named by a digest of the configuration, the pixels, the labels and the workers."""
    values = config.plain() | {"workers": 1 if workers is None else workers.count}
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        digest.update(f"{scene.name} {scene.gsd_m}".encode())
        for array in arrays:
            digest.update(array.data)
    return work / f"checkpoint-{digest.hexdigest()[:16]}.safetensors"
