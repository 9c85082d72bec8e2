"""Training of the coverage type network on a folder of labelled samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from croplayer.models.bundles.bundle import write_bundle
from croplayer.models.bundles.whole_folders import check_place, repair
from croplayer.models.networks.coverage_network import (
    COVERAGE_MEAN,
    COVERAGE_STD,
    CoverageNetwork,
    build_coverage_network,
    predict_coverage,
)
from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.manifest import MANIFEST_NAME, TRAINING_SCENES, Manifest
from croplayer.models.networks.segmentation import BANDS, pick_device
from croplayer.models.training.augmentation import step_generator
from croplayer.models.training.curve import CURVE_NAME, CURVE_PICTURE, curve_json, curve_picture
from croplayer.models.training.labelled_thumbnails import CoverageSamples, read_coverage_samples
from croplayer.models.training.start import check_unseen, origin_of, start_digest, start_from, start_manifest
from croplayer.models.training.training import fixed_threads
from croplayer.models.training.training_config import CoverageConfig, StepReport, learning_rate_at
from stores.legends import CoverageType


def split_samples(
    types: np.ndarray, scenes: tuple[str, ...], fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and validation samples; the same seed gives the same split.

    No scene is in both parts. Where each sample is its own scene, every class is split in the same proportion.
    Otherwise scenes are drawn until they hold ``fraction`` of the samples.

    Raises ValueError when a class is missing from a part.
    """
    rng = np.random.default_rng(seed)
    held = np.zeros(len(types), dtype=bool)
    if len(set(scenes)) == len(scenes):
        for t in CoverageType:
            index = rng.permutation(np.flatnonzero(types == t))
            held[index[: max(round(fraction * len(index)), 1)]] = True
    else:
        names = np.array(scenes)
        for name in rng.permutation(np.unique(names)):
            if held.mean() < fraction:
                held |= names == name
    for t in CoverageType:
        n, n_held = int((types == t).sum()), int((held & (types == t)).sum())
        if not 0 < n_held < n:
            raise ValueError(f"coverage type '{t.label}' has {n} samples, {n_held} for validation; expected both parts")
    return np.flatnonzero(~held), np.flatnonzero(held)


def train_coverage(
    samples: Path,
    config: CoverageConfig,
    folder: Path,
    *,
    training_data: str,
    licence: str,
    on_step: Callable[[StepReport], None] | None = None,
) -> Path:
    """Train the coverage type network and write its bundle.

    The manifest holds the accuracy, confusion matrix and expected calibration error on the validation part, and the
    number of samples of each class by origin.

    Parameters
    ----------
    samples : folder with ``images/`` and ``labels.csv``
    folder : folder of the bundle; an existing one is replaced
    training_data, licence : texts for the manifest
    on_step : called after each step

    Returns
    -------
    folder
    """
    check_place(Path(folder), MANIFEST_NAME)
    repair(Path(folder), MANIFEST_NAME)
    data = read_coverage_samples(samples)
    train, validation = split_samples(data.types, data.scenes, config.validation_fraction, config.seed)
    _check_start(config.start, {data.scenes[i] for i in validation})
    origin = origin_of(config.start)
    with fixed_threads(config.threads):
        network, history = _fit(data.thumbnails[train], data.types[train], config, on_step)
        probability = predict_coverage(network, data.thumbnails[validation])
        network.temperature = fit_temperature(np.log(probability.clip(1e-12)), data.types[validation])
        probability = predict_coverage(network, data.thumbnails[validation])
    manifest = Manifest(
        kind="coverage",
        architecture=COVERAGE,
        size=config.size,
        classes=tuple(t.label for t in CoverageType),
        bands=BANDS,
        mean=COVERAGE_MEAN,
        std=COVERAGE_STD,
        ground_sample_distance_m=config.gsd_m,
        training_data=training_data,
        licence=licence,
        metrics=_metrics(data, train, validation, probability)
        | {TRAINING_SCENES: sorted({data.scenes[i] for i in train})}
        | origin,
        recipe=asdict(config) | {"gsd_m": list(config.gsd_m), "start_digest": start_digest(config.start, config.size)},
        temperature=network.temperature,
    )
    extra = {CURVE_NAME: curve_json(history), CURVE_PICTURE: curve_picture(history)}
    return write_bundle(Path(folder), network.model, manifest, extra)


def _check_start(start: str, judged: set[str]) -> None:
    """Raise ValueError if the samples to be judged may be among those that the start has learned from."""
    check_unseen(start, judged)
    manifest = start_manifest(start)
    if manifest is not None and not manifest.seen_scenes:
        raise ValueError(
            f"'{start}' does not say which scenes it has learned from, so no figures could be told; start from a checkpoint of "
            "a ResNet, or from a coverage model that says so"
        )


def _metrics(
    data: CoverageSamples, train: np.ndarray, validation: np.ndarray, probability: np.ndarray
) -> dict[str, Any]:
    truth, predicted = data.types[validation], probability.argmax(axis=1)
    confusion = np.zeros((len(CoverageType), len(CoverageType)), dtype=np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    origins = pd.crosstab(pd.Series([CoverageType(t).label for t in data.types]), pd.Series(data.origins)).to_dict(
        orient="index"
    )
    return {
        "split": "by scene" if len(set(data.scenes)) < len(data.scenes) else "by sample, each class alike",
        "n_training": len(train),
        "n_validation": len(validation),
        "accuracy": round(float((truth == predicted).mean()), 5),
        "confusion_rows_truth": confusion.tolist(),
        "expected_calibration_error": round(calibration_error(probability, truth), 5),
        "samples_by_origin": {k: {o: int(n) for o, n in v.items() if n} for k, v in origins.items()},
    }


def calibration_error(probability: np.ndarray, types: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error: mean gap between confidence and accuracy over equal bins of confidence.

    Bins are weighted by their samples.

    Parameters
    ----------
    probability : (n, k) float, rows sum to 1
    types : (n,) true class of each row

    Returns
    -------
    float in 0..1
    """
    confidence, right = probability.max(axis=1), probability.argmax(axis=1) == types
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[which == b].sum() - right[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(types))


def fit_temperature(logits: np.ndarray, types: np.ndarray) -> float:
    """The temperature in 0.25..10 with the highest likelihood of the labels (Guo et al. 2017, ICML).

    As in Platt scaling, one more sample of every class is assumed, so that a small set without errors does not lead to
    probabilities of 0 and 1.

    Parameters
    ----------
    logits : (n, k) float
    types : (n,) true class of each row
    """
    candidates = np.geomspace(0.25, 10, 161)
    n_classes = logits.shape[1]
    counts = np.bincount(types, minlength=n_classes)[types][:, None]
    target = torch.from_numpy((np.eye(n_classes)[types] * counts + 1) / (counts + n_classes))
    scores = torch.from_numpy(logits.astype(np.float64))
    losses = [float(functional.cross_entropy(scores / t, target)) for t in candidates]
    return round(float(candidates[int(np.argmin(losses))]), 4)


def _fit(
    thumbnails: np.ndarray, types: np.ndarray, config: CoverageConfig, on_step: Callable[[StepReport], None] | None
) -> tuple[CoverageNetwork, list[dict[str, float]]]:
    device = pick_device()
    network = build_coverage_network(config.size, config.seed).train()
    start_from(network.model, config.start, COVERAGE, config.size)
    network.to(device)
    groups = [torch.from_numpy(np.flatnonzero(types == t)) for t in CoverageType]
    images, labels = torch.from_numpy(thumbnails), torch.from_numpy(types)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    history = []
    for step in range(config.steps):
        generator = step_generator(config.seed, step)
        index = _draw_evenly(groups, config.batch, generator)
        rgb = _changed(images[index], generator).to(device)
        rate = learning_rate_at(step, config.steps, config.warmup_steps, config.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = functional.cross_entropy(network(network.normalise(rgb)), labels[index].to(device), label_smoothing=0.02)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ValueError(
                f"training step {step + 1} gave loss {value}; expected a finite one, so lower the learning rate of "
                f"{config.learning_rate}"
            )
        history.append({"step": step + 1, "loss": round(value, 6), "learning_rate": rate})
        if on_step is not None:
            on_step(StepReport(step + 1, config.steps, value, rate))
    return network.eval(), history


def _draw_evenly(groups: list[torch.Tensor], n: int, generator: torch.Generator) -> torch.Tensor:
    which = torch.randint(0, len(groups), (n,), generator=generator)
    place = torch.rand(n, generator=generator, dtype=torch.float64)
    return torch.stack(
        [groups[g][int(p * len(groups[g]))] for g, p in zip(which.tolist(), place.tolist(), strict=True)]
    )


def _changed(rgb: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Random flips, quarter turns and brightness of (n, 128, 128, 3) uint8."""
    changed = []
    for image in rgb:
        turn = int(torch.randint(0, 8, (), generator=generator))
        image = torch.rot90(image, turn % 4, (0, 1))
        image = image.flip(1) if turn >= 4 else image
        gain = 0.8 + 0.4 * float(torch.rand((), generator=generator))
        changed.append((image.float() * gain).clamp_(0, 255).round_().to(torch.uint8))
    return torch.stack(changed)
