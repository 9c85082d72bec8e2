"""The training loop of the segmentation: steps, running average, checkpoints, early stopping."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from croplayer.models.networks.architectures import ENCODERS
from croplayer.models.networks.inference import mixed_precision, predict_image
from croplayer.models.networks.segmentation import SegmentationNetwork, build_segmenter, pick_device
from croplayer.models.training.augmentation import Batch, SceneTensors, draw_batch, step_generator
from croplayer.models.training.checkpoint import Best, load_checkpoint, save_checkpoint
from croplayer.models.training.evaluation import score_scenes, validation_figures
from croplayer.models.training.losses import Kept, training_loss
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.start import start_from, start_manifest
from croplayer.models.training.torchrun import TorchrunGroup
from croplayer.models.training.training_config import StepReport, TrainingConfig, learning_rate_at
from stores.legends import PROBABILITY_SCALE

History = list[dict[str, float]]


def fit(
    scenes: LabelledScenes,
    stopping: LabelledScenes | None,
    config: TrainingConfig,
    checkpoint: Path,
    group: TorchrunGroup,
    on_step: Callable[[StepReport], None] | None,
    unlabelled: LabelledScenes | None = None,
) -> tuple[SegmentationNetwork, History]:
    """Train a network from ``config.start``, or continue from an existing checkpoint.

    Parameters
    ----------
    scenes : training scenes
    stopping : scenes whose IoU ends the training when it stops rising; None trains all steps
    checkpoint : file that stores the state of the run
    group : the processes that share the batches
    on_step : called after each step
    unlabelled : scenes without a label, on which ``config.keep`` keeps what the start maps; half of each batch is drawn from them

    Returns
    -------
    the network with its averaged weights (those of the best evaluation, if there were any), and the curve
    """
    device = pick_device()
    known = start_manifest(config.start)
    normalised = {} if known is None else {"mean": known.mean, "std": known.std}
    network = build_segmenter(config.architecture, config.size, config.seed, **normalised)
    start_from(network.model, config.start, config.architecture, config.size)
    network.to(device)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.gsd_m = config.gsd_m
    if config.keeps_statistics:
        for module in network.model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
    if config.keep and known is None:
        raise ValueError(
            f"'{config.start}' maps nothing that a training could keep; start from a bundle, or set 'keep' to 0"
        )
    kept = None
    if config.keep:
        begun = copy.deepcopy(network).eval().requires_grad_(False)
        kept = Kept(begun, config.keep, trust_of(begun, scenes))
    average = {name: tensor.detach().clone() for name, tensor in network.model.state_dict().items()}
    optimizer = _optimizer(network, config)
    drawn_from = [_tensors(part, device) for part in (scenes, unlabelled) if part is not None and len(part)]
    follow = _Follower(network.model, average)
    done, history, best = 0, History(), Best()
    if checkpoint.exists():
        done, history, best = load_checkpoint(checkpoint, network.model, average, optimizer)
    if best.waited(done, config.look_every) < config.patience or stopping is None:
        for step, batches in enumerate(_batches(drawn_from, config, done, group), start=done):
            rate = learning_rate_at(step, config.steps, config.warmup_steps, config.learning_rate)
            loss = _step(network, optimizer, batches, rate, config, step, group, kept)
            follow(min(config.average_decay, (step + 1) / (step + 10)))
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


def trust_of(network: SegmentationNetwork, scenes: LabelledScenes) -> tuple[float, float]:
    """Share of the labelled pixels on which a network is right where it maps other land, and where it maps cropland: 0 to 1 each.

    One pixel is added to each side as half right, so a side without any is trusted by half. A scene that is shown several times counts as
    often.
    """
    counted = np.zeros((2, 2))
    known: dict[bytes, np.ndarray] = {}  # a picture that is shown several times is mapped once
    for arrays in scenes.read_all():
        pixels = arrays.rgb.tobytes()
        if pixels not in known:
            known[pixels] = predict_image(network, arrays.rgb, arrays.valid)
        probability = known[pixels]
        is_cropland = probability >= PROBABILITY_SCALE / 2
        labelled = arrays.labelled & (probability <= PROBABILITY_SCALE)
        for side in (0, 1):
            own = labelled & (is_cropland == side)
            counted[side] += own.sum(), (own & (arrays.field == side)).sum()
    other, cropland = ((right + 0.5) / (pixels + 1) for pixels, right in counted.tolist())
    return other, cropland


def _stopping_record(iou: float | None) -> dict[str, float]:
    return {} if iou is None else {"stopping_iou": round(iou, 6)}


def _iou(network: SegmentationNetwork, average: dict[str, torch.Tensor], scenes: LabelledScenes) -> float:
    averaged = copy.deepcopy(network).eval()
    averaged.model.load_state_dict(average, strict=True)
    iou = validation_figures(score_scenes(averaged, scenes))["pooled"]["iou"]
    return float(iou) if iou is not None else 0.0


def _tensors(scenes: LabelledScenes, device: torch.device) -> list[SceneTensors]:
    read = zip(scenes.scenes, scenes.read_all(), strict=True)
    return [SceneTensors.from_arrays(arrays, scene.gsd_m, device) for scene, arrays in read]


def _batches(
    drawn_from: list[list[SceneTensors]], config: TrainingConfig, done: int, group: TorchrunGroup
) -> Iterator[tuple[Batch, ...]]:
    """The batches of this process for the remaining steps; each is drawn while the step before it is computed.

    ``drawn_from`` holds the labelled scenes and, where there are any, those without a label.
    """
    n = config.batch // group.count
    counts = (n,) if len(drawn_from) == 1 else (n - n // 2, n // 2)
    device = drawn_from[0][0].rgb.device
    # Drawing waits for small copies. In a stream of its own it does not wait for the step that is computed meanwhile.
    drawing = torch.cuda.Stream(device) if device.type == "cuda" else None

    def draw(step: int) -> tuple[Batch, ...]:
        drawn = []
        with torch.cuda.stream(drawing):
            for k in range(config.accumulation):
                place = (step * config.accumulation + k) * group.count + group.rank
                generator = step_generator(config.seed, place)
                parts = [
                    draw_batch(scenes, count, config.crop_px, config.gsd_m, config.augmentation, generator)
                    for scenes, count in zip(drawn_from, counts, strict=True)
                    if count
                ]
                drawn.append(parts[0] if len(parts) == 1 else Batch(*(torch.cat(c) for c in zip(*parts, strict=True))))
        if drawing is not None:
            drawing.synchronize()
        return tuple(drawn)

    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(config.threads,)) as pool:
        coming = pool.submit(draw, done)
        for step in range(done, config.steps):
            batches = coming.result()
            coming = pool.submit(draw, step + 1)
            yield batches


def _optimizer(network: SegmentationNetwork, config: TrainingConfig) -> torch.optim.Optimizer:
    """Biases and normalisations do not decay; the encoder's rate is a share of that of the rest."""
    named = dict(network.model.named_parameters())
    encoder = {name for name in named if config.encoder_rate < 1 and name.startswith(ENCODERS[config.architecture])}
    groups: list[dict[str, Any]] = []
    for part, share in ((named.keys() - encoder, 1.0), (encoder, config.encoder_rate)):
        own = [p for name, p in named.items() if name in part]
        for many, decay in ((True, config.weight_decay), (False, 0.0)):
            groups.append({"params": [p for p in own if (p.ndim > 1) == many], "weight_decay": decay, "share": share})
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def _step(
    network: SegmentationNetwork,
    optimizer: torch.optim.Optimizer,
    batches: tuple[Batch, ...],
    rate: float,
    config: TrainingConfig,
    step: int,
    group: TorchrunGroup,
    kept: Kept | None = None,
) -> float:
    for options in optimizer.param_groups:
        options["lr"] = rate * options["share"]
    device = network.device
    optimizer.zero_grad(set_to_none=True)
    value = 0.0
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(step_generator(config.seed, step).initial_seed())
        for batch in batches:
            with mixed_precision(device, on_cpu=config.precision == "bfloat16"):
                loss = training_loss(network, Batch(*(t.to(device) for t in batch)), config.boundary_weight, kept)
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


class _Follower:
    """Moves the running average of weights and statistics after a model, in few kernels; counters are copied."""

    def __init__(self, model: torch.nn.Module, average: dict[str, torch.Tensor]) -> None:
        pairs = [(average[name], tensor) for name, tensor in model.state_dict().items()]
        self._numbers = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def __call__(self, decay: float) -> None:
        """Keep ``decay`` of the average and take the rest from the model."""
        followed, models = (list(side) for side in zip(*self._numbers, strict=True))
        get_ema_multi_avg_fn(decay)(followed, models, None)
        for counted, counter in self._counters:
            counted.copy_(counter)
