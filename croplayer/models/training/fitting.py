"""The training loop of the segmentation: steps, running average, checkpoints, early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from croplayer.models.networks.inference import mixed_precision
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter, pick_device
from croplayer.models.training.augmentation import Batch, SceneTensors, draw_batch, step_generator
from croplayer.models.training.checkpoint import Best, load_checkpoint, save_checkpoint
from croplayer.models.training.evaluation import score_scenes, validation_figures
from croplayer.models.training.losses import training_loss
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.torchrun import TorchrunGroup
from croplayer.models.training.training_config import StepReport, TrainingConfig, learning_rate_at

History = list[dict[str, float]]


def fit(
    scenes: LabelledScenes,
    stopping: LabelledScenes | None,
    config: TrainingConfig,
    checkpoint: Path,
    group: TorchrunGroup,
    on_step: Callable[[StepReport], None] | None,
) -> tuple[SegmentationNetwork, History]:
    """Train a network from random weights, or continue from an existing checkpoint.

    Parameters
    ----------
    scenes : training scenes
    stopping : scenes whose IoU ends the training when it stops rising; None trains all steps
    checkpoint : file that stores the state of the run
    group : the processes that share the batches
    on_step : called after each step

    Returns
    -------
    the network with its averaged weights (those of the best evaluation, if there were any), and the curve
    """
    device = pick_device()
    network = build_segmenter(config.architecture, config.size, config.seed).to(device).train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.gsd_m = config.gsd_m
    average = {name: tensor.detach().clone() for name, tensor in network.model.state_dict().items()}
    optimizer = _optimizer(network, config)
    tensors = [SceneTensors.from_arrays(a, s.gsd_m) for s, a in zip(scenes.scenes, scenes.read_all(), strict=True)]
    done, history, best = 0, History(), Best()
    if checkpoint.exists():
        done, history, best = load_checkpoint(checkpoint, network.model, average, optimizer)
    if best.waited(done, config.look_every) < config.patience or stopping is None:
        for step, batches in enumerate(_batches(tensors, config, done, group), start=done):
            rate = learning_rate_at(step, config.steps, config.warmup_steps, config.learning_rate)
            loss = _step(network, optimizer, batches, rate, config, step, group)
            _update_average(average, network, min(config.average_decay, (step + 1) / (step + 10)))
            iou = None
            if stopping is not None and (step + 1) % config.look_every == 0:
                iou = group.agree(_iou(network, average, stopping) if group.leads else 0.0, device)
                if iou > best.iou:
                    best = Best(iou, step + 1, {name: tensor.clone() for name, tensor in average.items()})
            history.append({"step": step + 1, "loss": round(loss, 6), "learning_rate": rate} | _stopping_record(iou))
            due = config.checkpoint_every and (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps
            if due and group.leads:
                save_checkpoint(checkpoint, step + 1, history, network.model, average, optimizer, best)
            if on_step is not None:
                on_step(StepReport(step + 1, config.steps, loss, rate, iou))
            if stopping is not None and best.waited(step + 1, config.look_every) >= config.patience:
                break
    network.model.load_state_dict(best.weights or average, strict=True)
    return network.eval(), history


def _stopping_record(iou: float | None) -> dict[str, float]:
    return {} if iou is None else {"stopping_iou": round(iou, 6)}


def _iou(network: SegmentationNetwork, average: dict[str, torch.Tensor], scenes: LabelledScenes) -> float:
    averaged = copy.deepcopy(network).eval()
    averaged.model.load_state_dict(average, strict=True)
    iou = validation_figures(score_scenes(averaged, scenes))["pooled"]["iou"]
    return float(iou) if iou is not None else 0.0


def _batches(
    scenes: list[SceneTensors], config: TrainingConfig, done: int, group: TorchrunGroup
) -> Iterator[tuple[Batch, ...]]:
    """The batches of this process for the remaining steps; each is drawn while the step before it is computed."""
    n = config.batch // group.count

    def draw(step: int) -> tuple[Batch, ...]:
        drawn = []
        for k in range(config.accumulation):
            place = (step * config.accumulation + k) * group.count + group.rank
            generator = step_generator(config.seed, place)
            drawn.append(draw_batch(scenes, n, config.crop_px, config.gsd_m, config.augmentation, generator))
        return tuple(drawn)

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(config.threads,)) as pool:
        coming = pool.submit(draw, done)
        for step in range(done, config.steps):
            batches = coming.result()
            coming = pool.submit(draw, step + 1)
            yield batches


def _optimizer(network: SegmentationNetwork, config: TrainingConfig) -> torch.optim.Optimizer:
    parameters = list(network.model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _step(
    network: SegmentationNetwork,
    optimizer: torch.optim.Optimizer,
    batches: tuple[Batch, ...],
    rate: float,
    config: TrainingConfig,
    step: int,
    group: TorchrunGroup,
) -> float:
    for options in optimizer.param_groups:
        options["lr"] = rate
    device = network.device
    optimizer.zero_grad(set_to_none=True)
    value = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(step_generator(config.seed, step).initial_seed())
        for batch in batches:
            with mixed_precision(device, on_cpu=config.precision == "bfloat16"):
                loss = training_loss(network, Batch(*(t.to(device) for t in batch)), config.boundary_weight)
            loss = loss / len(batches)
            loss.backward()
            value += float(loss.detach())
    parameters = list(network.model.parameters())
    group.average_gradients(parameters)
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    if not math.isfinite(value):
        raise ValueError(
            f"training step {step + 1} gave loss {value}; expected a finite one, so lower the learning rate of "
            f"{config.learning_rate}"
        )
    return value


@torch.no_grad()
def _update_average(average: dict[str, torch.Tensor], network: SegmentationNetwork, decay: float) -> None:
    """Update the running average of the weights; counters are copied."""
    for name, tensor in network.model.state_dict().items():
        if tensor.is_floating_point():
            average[name].lerp_(tensor, 1 - decay)
        else:
            average[name].copy_(tensor)
