"""Comparison of the architectures on the same scenes with the same budget (paper Table 6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.training import StepReport, TrainingConfig, train_segmentation


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

    Parameters
    ----------
    train, validation : scenes to train on and to score
    config : configuration of every training; its architecture and size are replaced
    contestants : (architecture, size) of each model
    folder : bundles are written to ``folder/<architecture>-<size>``
    work : folder of checkpoints
    training_data, licence : texts for the manifests
    on_step : called after each step with "<architecture>-<size>" and the report

    Returns
    -------
    one row per contestant, in their order
    """
    rows = []
    for architecture, size in contestants:
        own = replace(config, architecture=architecture, size=size)
        name = f"{architecture}-{size}"

        start = ended = time.perf_counter()

        def report(step: StepReport, name: str = name) -> None:
            nonlocal ended
            ended = time.perf_counter()
            if on_step is not None:
                on_step(name, step)

        train_segmentation(
            train, own, folder / name, work=work, training_data=training_data, licence=licence,
            validation=validation, on_step=report,
        )  # fmt: skip
        rows.append(_row(folder / name, ended - start, own.steps))
    return tuple(rows)


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
