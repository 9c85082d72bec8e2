"""Comparison of the architectures on the same scenes with the same budget (paper Table 6)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.bundles.whole_folders import repair
from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.manifest import MANIFEST_NAME, read_manifest
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import StepReport, TrainingConfig, checkpoint_path, train_segmentation
from stores.durable import write_durable

COMPARISON_NAME = "comparison.json"
MADE_OF = "made_of"
"""Key of a stored row: digests of its configuration, scenes and labels."""


class ComparisonRow(NamedTuple):
    """One row of the comparison: an architecture in one size."""

    architecture: str
    size: str
    n_parameters: int
    steps: int
    training_s: float
    """Duration of the training in seconds; depends on the machine and its load"""
    iou: float
    """Over all pixels of the validation scenes, 0..1; NaN where undefined, as are boundary_iou and f1"""
    boundary_iou: float
    f1: float
    px_per_s: float
    """Pixels mapped per second by ``predict_block``; depends on the machine and its load"""


def compare_architectures(
    train: LabelledScenes,
    validation: LabelledScenes,
    config: TrainingConfig,
    contestants: Iterable[tuple[str, str]],
    folder: Path,
    *,
    work: Path,
    training_data: str,
    licence: str,
    on_step: Callable[[str, StepReport], None] | None = None,
) -> tuple[ComparisonRow, ...]:
    """Train each architecture and size with the same configuration and score it on the same scenes.

    Every configuration is checked before the first training. Each row is written to ``comparison.json`` when it is there,
    and a row of the same configuration and scenes is read from there instead of being trained again.

    Parameters
    ----------
    train, validation : scenes to train on and to score
    config : configuration of every training; its architecture and size are replaced
    contestants : (architecture, size) of each model
    folder : bundles are written to ``folder/<architecture>-<size>``, the rows to ``folder/comparison.json``
    work : folder of checkpoints
    training_data, licence : texts for the manifests
    on_step : called after each step with "<architecture>-<size>" and the report

    Returns
    -------
    one row per contestant, in their order
    """
    configs = [replace(config, architecture=architecture, size=size) for architecture, size in contestants]
    named = {_made_of(work, own, train, validation): own for own in configs}
    known = _known_rows(folder / COMPARISON_NAME)
    rows = {key: known[key] for key, own in named.items() if key in known and _is_whole(folder / _name(own))}
    for key, own in named.items():
        if key in rows:
            continue
        training_s = _train(
            train, own, folder / _name(own), work=work, training_data=training_data, licence=licence,
            validation=validation, on_step=on_step,
        )  # fmt: skip
        rows[key] = _row(folder / _name(own), training_s, own.steps)
        stored = [rows[key]._asdict() | {MADE_OF: key} for key in named if key in rows]
        write_durable(folder / COMPARISON_NAME, (json.dumps(stored, indent=1) + "\n").encode())
    return tuple(rows[key] for key in named)


def _train(
    scenes: LabelledScenes,
    config: TrainingConfig,
    folder: Path,
    *,
    on_step: Callable[[str, StepReport], None] | None,
    **more: Any,
) -> float:
    """Train a contestant; returns the seconds until its last step ended."""
    start = ended = time.perf_counter()

    def report(step: StepReport) -> None:
        nonlocal ended
        ended = time.perf_counter()
        if on_step is not None:
            on_step(_name(config), step)

    train_segmentation(scenes, config, folder, on_step=report, **more)
    return ended - start


def _name(config: TrainingConfig) -> str:
    return f"{config.architecture}-{config.size}"


def _is_whole(folder: Path) -> bool:
    repair(folder, MANIFEST_NAME)
    return (folder / MANIFEST_NAME).is_file()


def _made_of(work: Path, config: TrainingConfig, *parts: LabelledScenes) -> str:
    """Digests of a configuration with the pixels and labels of scenes."""
    return " ".join(checkpoint_path(work, config, scenes).stem.removeprefix("checkpoint-") for scenes in parts)


def _known_rows(path: Path) -> dict[str, ComparisonRow]:
    """The rows of a comparison that was stopped, by what they were made of; none from a file that is not whole."""
    try:
        stored = json.loads(path.read_bytes())
        return {row.pop(MADE_OF): ComparisonRow(**row) for row in stored}
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _row(bundle: Path, training_s: float, steps: int) -> ComparisonRow:
    manifest, network = read_manifest(bundle), load_segmenter(bundle)
    pooled = {k: float("nan") if v is None else v for k, v in manifest.metrics["validation"]["pooled"].items()}
    return ComparisonRow(
        manifest.architecture,
        manifest.size,
        network.n_parameters,
        steps,
        training_s=round(training_s, 3),
        iou=pooled["iou"],
        boundary_iou=pooled["boundary_iou"],
        f1=pooled["f1"],
        px_per_s=round(measure_throughput(network)),
    )


def measure_throughput(
    network: SegmentationNetwork, *, cell_px: int = 512, halo_px: int = 64, batch_cells: int = 1, cells: int = 2
) -> float:
    """Pixels mapped per second on random noise of ``cells`` cells; a first pass warms up and is not timed."""
    shape = (cell_px + 2 * halo_px, cells * cell_px + 2 * halo_px)
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    valid = np.ones(shape, dtype=bool)

    def predict() -> None:
        predict_block(network, rgb, valid, cell_px=cell_px, halo_px=halo_px, batch_cells=batch_cells)

    predict()
    start = time.perf_counter()
    predict()
    return cells * cell_px**2 / (time.perf_counter() - start)
