"""Training of the segmentation. The result depends on the configuration and the scenes alone.

The length of a training is given in steps, not in time. The batch of a step depends on the seed and the step, so on a CPU a
run continued from a checkpoint ends with the same bytes as an uninterrupted one. On CUDA sums are added in changing order, and
the differences grow with every step: two equal runs give two models of the same kind, not the same weights. With
``torchrun``, several processes share each batch, and their number is part of the configuration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.bundles.familiarity_file import FAMILIARITY_NAME, familiarity_bytes
from croplayer.models.bundles.whole_folders import check_place, only_one, repair
from croplayer.models.networks.familiarity import Familiarity
from croplayer.models.networks.layers import HAS_QUERIES
from croplayer.models.networks.manifest import (
    MANIFEST_NAME,
    STOPPING_SCENES,
    TRAINING_SCENES,
)
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.curve import (
    CURVE_NAME,
    CURVE_PICTURE,
    RELIABILITY_PICTURE,
    curve_json,
    curve_picture,
    reliability_picture,
)
from croplayer.models.training.described import describe_scenes
from croplayer.models.training.evaluation import evaluate_scenes, score_scenes, validation_figures, water_figures
from croplayer.models.training.fitting import fit
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.start import check_unseen, origin_of, start_digest
from croplayer.models.training.torchrun import ALONE, TorchrunGroup, joined_group
from croplayer.models.training.training_code import training_code
from croplayer.models.training.training_config import StepReport, TrainingConfig
from stores.durable import PARTIAL

__all__ = ["StepReport", "TrainingConfig", "checkpoint_path", "fixed_threads", "train_segmentation"]

HOLD_OUT_NONE = "hold out none (--validation 0, in a recipe validation_fraction = 0)"
"""What can be done where the start of a training has learned from the scenes that are held out."""


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
    water: LabelledScenes | None = None,
    unlabelled: LabelledScenes | None = None,
    on_step: Callable[[StepReport], None] | None = None,
) -> Path:
    """Train from ``config.start`` and write a bundle with its training curve, its description of the scenes and its figures.

    Parameters
    ----------
    scenes : training scenes; with ``config.patience`` some of them are held out to decide when to stop
    config : everything else that the training depends on
    folder : folder of the bundle; an existing one is replaced
    work : folder of checkpoints; a run of the same configuration, scenes and code continues from there
    training_data, licence : texts for the manifest
    validation : scenes that the metrics of the manifest are measured on, at their own resolution
    measured : ``validation_figures`` measured otherwise, such as by a cross-validation of the same configuration
    water : scenes of open water, none of them trained on, for the figures of ``water_figures``
    unlabelled : scenes without a label, on which ``config.keep`` keeps what the start maps; they are not among the training scenes
    on_step : called after each step; an exception that it raises ends the run, which can continue from its checkpoint

    Returns
    -------
    folder

    Raises
    ------
    ValueError for scenes or a configuration that cannot train; BlockingIOError if another process trains the same;
    FileExistsError if the folder is taken by something else than a bundle.
    """
    _check_scenes(scenes, validation, config.start)
    origin = origin_of(config.start)
    check_place(Path(folder), MANIFEST_NAME)
    learn, stopping = _split_for_stopping(scenes, config)
    with fixed_threads(config.threads), joined_group() as group, ExitStack() as held:
        if config.batch % group.count:
            raise ValueError(f"training field 'batch' is {config.batch}; expected a multiple of {group.count} workers")
        config.check_batch(group.count)
        checkpoint = checkpoint_path(Path(work), config, scenes, group, unlabelled)
        recipe = _recipe(config, group)  # before the training, since what it starts from may be replaced meanwhile
        if group.leads:
            held.enter_context(only_one(checkpoint.with_suffix(".lock"), "the same training"))
            _tidy(Path(folder), checkpoint)
        network, history = fit(
            learn, stopping, config, checkpoint, group, on_step if group.leads else None, unlabelled
        )  # fmt: skip
        if group.leads:
            precision = _rounded_to(network, config.stored_as)
            metrics = _metrics(network, learn, stopping, validation, measured, water) | origin
            manifest = network.described(
                gsd_m=config.gsd_m,
                training_data=training_data,
                licence=licence,
                metrics=metrics,
                recipe=recipe | {"device": device_words(network.device)},
                temperature=network.temperature,
                instances=network.architecture == HAS_QUERIES,
            )
            described = describe_scenes(network.eval(), learn, config.gsd_m)
            extra = _further_files(history, metrics, described)
            write_bundle(Path(folder), network.model, manifest, extra, precision)
            checkpoint.unlink(missing_ok=True)
        group.wait()
    return Path(folder)


def _further_files(
    history: Sequence[dict[str, float]], metrics: Mapping[str, Any], described: Familiarity | None
) -> dict[str, bytes]:
    """The files of a bundle beside its weights: curve, reliability and description, as far as there are any."""
    files = {CURVE_NAME: curve_json(history), CURVE_PICTURE: curve_picture(history)}
    if calibration := metrics.get("validation", {}).get("calibration"):
        files[RELIABILITY_PICTURE] = reliability_picture(calibration)
    if described is not None:
        files[FAMILIARITY_NAME] = familiarity_bytes(described)
    return files


def _recipe(config: TrainingConfig, group: TorchrunGroup) -> dict[str, Any]:
    started = {"start_digest": start_digest(config.start, config.size)}
    return config.plain() | started | {"workers": group.count}


def _rounded_to(network: SegmentationNetwork, stored_as: str) -> torch.dtype:
    """Round the weights to the type that they are stored in, so that the figures are those of the stored model."""
    precision: torch.dtype = getattr(torch, stored_as)
    for tensor in network.model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(precision))
    return precision


def _tidy(folder: Path, checkpoint: Path) -> None:
    """Remove what killed trainings of the same model left; this process holds the lock of the checkpoint."""
    repair(folder, MANIFEST_NAME)
    for path in checkpoint.parent.glob(f".{checkpoint.name}.*{PARTIAL}"):
        path.unlink(missing_ok=True)


def _check_scenes(scenes: LabelledScenes, validation: LabelledScenes | None, start: str) -> None:
    if not len(scenes):
        raise ValueError("there is no scene to train on; expected at least one")
    scenes.check_labels()
    shared = sorted(set(scenes.names) & set(validation.names)) if validation is not None else []
    if shared:
        raise ValueError(f"scene '{shared[0]}' is both in training and in validation; split by scene")
    check_unseen(start, validation.names if validation is not None else (), HOLD_OUT_NONE)


def _metrics(
    network: SegmentationNetwork,
    learn: LabelledScenes,
    stopping: LabelledScenes | None,
    validation: LabelledScenes | None,
    measured: Mapping[str, Any] | None,
    water: LabelledScenes | None,
) -> dict[str, Any]:
    """Names of the scenes that were used, and the figures that there are. The network gets its temperature."""
    metrics: dict[str, Any] = {TRAINING_SCENES: list(learn.names)}
    if stopping is not None:
        metrics[STOPPING_SCENES] = list(stopping.names)
    if measured is not None:
        metrics["validation"] = dict(measured)
    if validation is not None and len(validation):
        metrics["validation"] = validation_figures(score_scenes(network, validation))
    network.temperature = metrics.get("validation", {}).get("calibration", {}).get("temperature", 1.0)
    if validation is not None and len(validation) and network.temperature != 1:
        # Stored levels are rounded, so a temperature moves some pixels over the threshold.
        kept = metrics["validation"]["calibration"]
        metrics["validation"] = evaluate_scenes(network, validation) | {"calibration": kept}
    if water is not None:
        metrics["open_water"] = water_figures(network, water)
    return metrics


def _split_for_stopping(scenes: LabelledScenes, config: TrainingConfig) -> tuple[LabelledScenes, LabelledScenes | None]:
    if not config.patience:
        return scenes, None
    if len(scenes) < 2:
        raise ValueError(
            f"there are {len(scenes)} scenes; early stopping needs at least 2, one of them to decide when to stop, so add "
            "scenes or set patience to 0"
        )
    return scenes.split_by_scene(config.stopping_fraction, config.seed)


def device_words(device: torch.device) -> str:
    """What a model was trained on, for its manifest."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Set the number of CPU threads of torch in this context, and restore it afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checkpoint_path(
    work: Path,
    config: TrainingConfig,
    scenes: LabelledScenes,
    group: TorchrunGroup = ALONE,
    unlabelled: LabelledScenes | None = None,
) -> Path:
    """File of a run's state, named by a digest of the configuration, scenes, code and number of processes."""
    parts = _recipe(config, group) | {"scenes": scenes.digest, "code": training_code()}
    if unlabelled is not None:
        parts["unlabelled"] = unlabelled.digest
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    return work / f"checkpoint-{digest.hexdigest()[:16]}.safetensors"
