"""Comparison of the architectures on the same scenes with the same budget (paper Table 6)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.bundles.whole_folders import only_one, repair
from croplayer.models.judging.comparison_file import (
    COMPARISON_NAME,
    Comparison,
    ComparisonRow,
    Contestant,
    Figures,
    read_comparison,
    write_comparison,
)
from croplayer.models.networks.cells import cells_at_once
from croplayer.models.networks.inference import predict_block
from croplayer.models.networks.manifest import MANIFEST_NAME, RANDOM, read_manifest
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.models.training.scenes import LabelledScenes
from croplayer.models.training.start import check_unseen
from croplayer.models.training.training import (
    StepReport,
    TrainingConfig,
    checkpoint_path,
    device_words,
    train_segmentation,
)
from croplayer.models.training.training_code import training_code

_FAILURES = (ValueError, OSError, RuntimeError, MemoryError)
"""What a training fails of, memory of a device among it; other errors are mistakes in the code and end the comparison."""


def compare_architectures(
    train: LabelledScenes,
    validation: LabelledScenes,
    config: TrainingConfig,
    contestants: Iterable[Contestant],
    folder: Path,
    *,
    work: Path,
    training_data: str,
    licence: str,
    on_step: Callable[[Contestant, StepReport], None] | None = None,
    on_failure: Callable[[Contestant, str], None] | None = None,
) -> Comparison:
    """Train each contestant with the same configuration and score it on the same scenes.

    Every configuration is checked before the first training. Each row is written to ``comparison.json`` when it is there.
    A finished row of an earlier call in the same folder is read from there instead of being trained again, and stays there
    when its contestant is not named. A contestant that fails gets a row that says why unless it has a finished one, and the
    others go on.

    Parameters
    ----------
    train, validation : scenes to train on and to score
    config : configuration of every training; architecture, size and start are replaced, and the encoder of a contestant that
        starts from random weights learns at the full rate
    contestants : the networks
    folder : bundles are written to ``folder/<Contestant.folder_name>``, the rows to ``folder/comparison.json``
    work : folder of checkpoints
    training_data, licence : texts for the manifests
    on_step : called after each step
    on_failure : called with the reason when a contestant has failed

    Returns
    -------
    the comparison, with one row per contestant in their order, and after these the finished rows of earlier calls

    Raises
    ------
    ValueError for a wrong configuration, without a scene to score, and for a folder with finished rows of other scenes, another
    budget or other code;
    BlockingIOError if another process compares in the same folder.
    """
    if not len(validation):
        raise ValueError("no scene is held out to score the networks on; a comparison needs at least two scenes")
    configs = {contestant: _own(config, contestant) for contestant in contestants}
    budget = {name: value for name, value in config.plain().items() if name not in Contestant._fields}
    data = hashlib.sha256(f"{train.digest} {validation.digest}".encode()).hexdigest()
    asked = Comparison(training_data, len(train), len(validation), budget, (), data, training_code())
    with only_one(folder / f".{COMPARISON_NAME}.lock", "a comparison in this folder"):
        table = _Table(folder / COMPARISON_NAME, asked, tuple(configs), _finished_rows(folder, asked), on_failure)
        missing = {}
        for contestant, own in configs.items():
            try:
                check_unseen(contestant.start, validation.names)
                made_of = _made_of(work, own, train)
            except _FAILURES as error:
                table.failed(contestant, error)
                continue
            known = table.rows.get(contestant)
            if known is None or known.made_of != made_of or not _is_whole(folder / contestant.folder_name):
                missing[contestant] = made_of
        for contestant, made_of in missing.items():
            place = folder / contestant.folder_name
            try:
                training_s = _train(
                    contestant, train, configs[contestant], place, work=work, training_data=training_data, licence=licence,
                    validation=validation, on_step=on_step,
                )  # fmt: skip
                table.rows[contestant] = ComparisonRow(contestant, _figures(place, training_s), made_of=made_of)
            except _FAILURES as error:
                table.failed(contestant, error)
            table.write()
        return table.write()


@dataclass(frozen=True)
class _Table:
    """The rows of a comparison as they become known, and their file."""

    path: Path
    asked: Comparison
    """Without rows"""
    named: tuple[Contestant, ...]
    rows: dict[Contestant, ComparisonRow]
    """At first the finished rows of earlier calls"""
    on_failure: Callable[[Contestant, str], None] | None

    def failed(self, contestant: Contestant, error: BaseException) -> None:
        """Tell why a contestant failed; a finished row that it has from an earlier call stays."""
        reason = " ".join(str(error).split()) or type(error).__name__
        self.rows.setdefault(contestant, ComparisonRow(contestant, None, reason))
        if self.on_failure is not None:
            self.on_failure(contestant, reason)

    def write(self) -> Comparison:
        """Write the file: the rows of those that were named in their order, and then the others."""
        order = dict.fromkeys((*self.named, *self.rows))
        comparison = self.asked._replace(rows=tuple(self.rows[each] for each in order if each in self.rows))
        write_comparison(self.path, comparison)
        return comparison


def _own(config: TrainingConfig, contestant: Contestant) -> TrainingConfig:
    rate = 1.0 if contestant.start == RANDOM else config.encoder_rate
    return replace(config, **contestant._asdict(), encoder_rate=rate)


def _train(
    contestant: Contestant,
    scenes: LabelledScenes,
    config: TrainingConfig,
    folder: Path,
    *,
    on_step: Callable[[Contestant, StepReport], None] | None,
    **more: Any,
) -> float:
    """Train a contestant; returns the seconds until its last step ended, NaN for a training that went on from a checkpoint."""
    start = ended = time.perf_counter()
    first = 0

    def report(step: StepReport) -> None:
        nonlocal ended, first
        ended, first = time.perf_counter(), first or step.step
        if on_step is not None:
            on_step(contestant, step)

    train_segmentation(scenes, config, folder, on_step=report, **more)
    return ended - start if first == 1 else float("nan")


def _is_whole(folder: Path) -> bool:
    repair(folder, MANIFEST_NAME)
    return (folder / MANIFEST_NAME).is_file()


def _made_of(work: Path, config: TrainingConfig, scenes: LabelledScenes) -> str:
    """Digest of a configuration with what it starts from, the code, and the pixels and labels of scenes."""
    return checkpoint_path(work, config, scenes).stem.removeprefix("checkpoint-")


def _finished_rows(folder: Path, asked: Comparison) -> dict[Contestant, ComparisonRow]:
    """Finished rows of earlier calls; raises ValueError if they are of another comparison or the file is damaged."""
    try:
        earlier = read_comparison(folder / COMPARISON_NAME)
    except FileNotFoundError:
        return {}
    finished = {row.contestant: row for row in earlier.rows if row.figures}
    other = earlier.differs_from(asked)
    if finished and other:
        raise ValueError(
            f"{folder / COMPARISON_NAME} is a comparison of {other}; rows of two comparisons are not mixed, so give another "
            "folder, or remove that one"
        )
    return finished


def _figures(bundle: Path, training_s: float) -> Figures:
    manifest, network = read_manifest(bundle), load_segmenter(bundle)
    pooled = {k: float("nan") if v is None else v for k, v in manifest.metrics["validation"]["pooled"].items()}
    return Figures(
        network.n_parameters,
        training_s=round(training_s, 3),
        iou=pooled["iou"],
        boundary_iou=pooled["boundary_iou"],
        f1=pooled["f1"],
        px_per_s=round(measure_throughput(network)),
        device=device_words(network.device),
        ended=datetime.now(UTC).date().isoformat(),
    )


def measure_throughput(
    network: SegmentationNetwork, *, cell_px: int = 512, halo_px: int = 64, rounds: int = 3
) -> float:
    """Pixels mapped per second on random noise, with as many cells at once as a run sends; the quickest of some rounds."""
    batch_cells = cells_at_once(network.device.type)
    cells = max(batch_cells, 2)
    shape = (cell_px + 2 * halo_px, cells * cell_px + 2 * halo_px)
    rgb = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    valid = np.ones(shape, dtype=bool)

    def predict() -> None:
        predict_block(network, rgb, valid, cell_px=cell_px, halo_px=halo_px, batch_cells=batch_cells)

    def seconds() -> float:
        start = time.perf_counter()
        predict()
        return time.perf_counter() - start

    predict()  # warms up
    return cells * cell_px**2 / min(seconds() for _ in range(rounds))
