"""Training of the segmentation: one plain loop whose result depends on the configuration and the scenes alone.

The budget is steps, never time. Each step draws its batch from (seed, step), so a run continued from
a checkpoint ends with the same bytes as an undisturbed one. On CUDA the last bits may differ.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from croplayer.models.architectures import CLASSES, architecture_config
from croplayer.models.augmentation import Augmentation, Batch, SceneTensors, draw_batch, step_generator
from croplayer.models.bundle import write_bundle
from croplayer.models.checkpoint import load_checkpoint, save_checkpoint
from croplayer.models.evaluation import evaluate_scenes
from croplayer.models.inference import mixed_precision
from croplayer.models.losses import training_loss
from croplayer.models.manifest import Manifest
from croplayer.models.scenes import LabelledScenes
from croplayer.models.segmentation import BANDS, SegmentationNetwork, build_segmenter, pick_device

CURVE_NAME = "training.json"


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a training run depends on but the scenes."""

    architecture: str = "segformer"
    size: str = "tiny"
    steps: int = 1000
    """The budget."""
    crop_px: int = 256
    """Edge of the windows; a multiple of 32."""
    batch: int = 8
    """Windows per step."""
    learning_rate: float = 1e-3
    """Highest rate, reached after the warm-up; falls to zero along a cosine."""
    warmup_steps: int = 50
    weight_decay: float = 0.01
    seed: int = 0
    gsd_m: tuple[float, float] = (1.0, 5.0)
    """Range of ground sample distances that windows are brought to, in metres."""
    boundary_weight: float = 1.0
    """Additional weight of pixels near a field's edge."""
    average_decay: float = 0.99
    """The weights shipped are the running average of the weights with this decay per step."""
    checkpoint_every: int = 100
    """Steps between two checkpoints; 0 keeps none."""
    threads: int = 2
    """CPU threads of the run; fixed, because sums depend on it in the last bits."""
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        architecture_config(self.architecture, self.size)
        for name in ("steps", "batch", "crop_px", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"training field '{name}' is {getattr(self, name)}; expected at least 1")
        if self.crop_px % 32:
            raise ValueError(f"training field 'crop_px' is {self.crop_px}; expected a multiple of 32")
        if not 0 < self.gsd_m[0] <= self.gsd_m[1]:
            raise ValueError(f"training field 'gsd_m' is {self.gsd_m}; expected 0 < smallest <= largest metres")
        if not (self.learning_rate > 0 and 0 <= self.average_decay < 1 and self.checkpoint_every >= 0):
            raise ValueError(
                f"training fields learning_rate={self.learning_rate}, average_decay={self.average_decay}, "
                f"checkpoint_every={self.checkpoint_every}; expected above 0, 0..1 below 1, and 0 or more"
            )


class StepReport(NamedTuple):
    """What one step did."""

    step: int
    """Steps done, from 1."""
    steps: int
    """Steps in all."""
    loss: float
    learning_rate: float


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
    scenes : what it learns from
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
    with fixed_threads(config.threads):
        network, history = _fit(scenes, config, Path(work), on_step)
        metrics: dict[str, Any] = {"training_scenes": list(scenes.names)}
        if measured is not None:
            metrics["validation"] = dict(measured)
        if validation is not None and len(validation):
            metrics["validation"] = evaluate_scenes(network, validation)
    manifest = Manifest(
        kind="segmentation",
        architecture=config.architecture,
        size=config.size,
        classes=CLASSES,
        bands=BANDS,
        mean=network.mean,
        std=network.std,
        ground_sample_distance_m=config.gsd_m,
        training_data=training_data,
        licence=licence,
        metrics=metrics,
        recipe=recipe(config),
    )
    curve = (json.dumps(history) + "\n").encode()
    write_bundle(Path(folder), network.model, manifest, {CURVE_NAME: curve})
    checkpoint_path(Path(work), config, scenes).unlink(missing_ok=True)
    return Path(folder)


def recipe(config: TrainingConfig) -> dict[str, Any]:
    """The configuration as plain values."""
    return asdict(config) | {"augmentation": config.augmentation._asdict(), "gsd_m": list(config.gsd_m)}


@contextmanager
def fixed_threads(threads: int) -> Iterator[None]:
    """Give torch a number of CPU threads and restore the caller's afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def checkpoint_path(work: Path, config: TrainingConfig, scenes: LabelledScenes) -> Path:
    """Where a run keeps its state: named by a digest of the configuration, the pixels and the labels."""
    digest = hashlib.sha256(json.dumps(recipe(config), sort_keys=True).encode())
    for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True):
        digest.update(f"{scene.name} {scene.gsd_m}".encode())
        for array in arrays:
            digest.update(array.data)
    return work / f"checkpoint-{digest.hexdigest()[:16]}.safetensors"


def learning_rate_at(step: int, steps: int, warmup_steps: int, highest: float) -> float:
    """Rate of step 0..steps-1: linear warm-up (at most a tenth of the steps), then a cosine that ends at zero."""
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return highest * (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(steps - warmup, 1)
    return highest * 0.5 * (1 + math.cos(math.pi * progress))


def _fit(
    scenes: LabelledScenes, config: TrainingConfig, work: Path, on_step: Callable[[StepReport], None] | None
) -> tuple[SegmentationNetwork, list[dict[str, float]]]:
    device = pick_device()
    network = build_segmenter(config.architecture, config.size, config.seed).to(device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: tensor.detach().clone() for name, tensor in network.model.state_dict().items()}
    optimizer = _optimizer(network, config)
    tensors = [
        SceneTensors.from_arrays(arrays, scene.gsd_m)
        for scene, arrays in zip(scenes.scenes, scenes.read_all(), strict=True)
    ]
    checkpoint = checkpoint_path(work, config, scenes)
    done, history = 0, list[dict[str, float]]()
    if checkpoint.exists():
        done, history = load_checkpoint(checkpoint, network.model, average, optimizer)
    for step, batch in enumerate(_batches(tensors, config, done), start=done):
        rate = learning_rate_at(step, config.steps, config.warmup_steps, config.learning_rate)
        loss = _step(network, optimizer, batch, rate, config, step)
        _follow(average, network, min(config.average_decay, (step + 1) / (step + 10)))
        history.append({"step": step + 1, "loss": round(loss, 6), "learning_rate": rate})
        if config.checkpoint_every and (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps:
            save_checkpoint(checkpoint, step + 1, history, network.model, average, optimizer)
        if on_step is not None:
            on_step(StepReport(step + 1, config.steps, loss, rate))
    network.model.load_state_dict(average, strict=True)
    network.gsd_m = config.gsd_m
    return network.eval(), history


def _batches(scenes: list[SceneTensors], config: TrainingConfig, done: int) -> Iterator[Batch]:
    """The batches of the steps still to do, each drawn while the step before it is computed."""

    def draw(step: int) -> Batch:
        generator = step_generator(config.seed, step)
        return draw_batch(scenes, config.batch, config.crop_px, config.gsd_m, config.augmentation, generator)

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(config.threads,)) as pool:
        coming = pool.submit(draw, done)
        for step in range(done, config.steps):
            batch = coming.result()
            coming = pool.submit(draw, step + 1)
            yield batch


def _optimizer(network: SegmentationNetwork, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = list(network.model.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _step(
    network: SegmentationNetwork,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    rate: float,
    config: TrainingConfig,
    step: int,
) -> float:
    for group in optimizer.param_groups:
        group["lr"] = rate
    device = network.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(step_generator(config.seed, step).initial_seed())
        with mixed_precision(device):
            loss = training_loss(network, Batch(*(t.to(device) for t in batch)), config.boundary_weight)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
    torch.nn.utils.clip_grad_norm_(network.model.parameters(), 1.0)
    optimizer.step()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ValueError(
            f"training step {step + 1} gave loss {value}; lower the learning rate of {config.learning_rate}"
        )
    return value


@torch.no_grad()
def _follow(average: dict[str, torch.Tensor], network: SegmentationNetwork, decay: float) -> None:
    for name, tensor in network.model.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - decay)
        else:
            average[name].copy_(tensor)
