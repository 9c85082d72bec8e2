"""What a mapped block costs in a run beside its network's bare forward passes, and how fast the passes are.

    python -m benchmarks.models --json bench_models.json

A block goes through a worker and its block process, as in a run, and the CPU seconds of the block process are counted. The
passes are made in this process. All on one thread; the smallest of the rounds, so that other work on the machine shows less.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.patchwork import Patchwork
from benchmarks.processes import BLOCK_PROCESS, looks
from croplayer.cube.whole_blocks import Cube
from croplayer.models import load_segmenter
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.bundles.runtimes import runtime_version
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.inference import predict_cells
from croplayer.models.networks.manifest import bundle_digest
from croplayer.models.networks.segmentation import SegmentationNetwork
from croplayer.tasks.segment import SegmentTask
from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep
from pipelines.recipe import Cluster
from stores.block_list import BlockList
from stores.columns import BOUNDARY_PROBABILITY
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange
from stores.run_folder import RunFolder

BLOCK = BlockIndex(1101, 5881)
CELL_PX = 512


def main() -> None:
    """Print the table, and write it as JSON if asked to."""
    arguments = _arguments()
    torch.set_num_threads(1)
    folder = find_bundle(arguments.model)
    result: dict[str, Any] = {"model": arguments.model, "block_px": arguments.block_px, "blend_px": arguments.blend_px}
    reference = None
    for runtime in arguments.runtime:
        network = load_segmenter(folder, runtime=runtime, device="cpu")
        with tempfile.TemporaryDirectory() as scratch:
            row, probability = _measure(network, folder, runtime, arguments, Path(scratch))
        if reference is None:
            reference = probability
        row["largest_difference"] = float(np.abs(probability.astype(int) - reference.astype(int)).max() / 250)
        result[runtime_version(runtime)] = row
        print(runtime_version(runtime))
        for name, value in row.items():
            print(f"  {name:<34}{value:>12.4g}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--runtime", nargs="+", default=["torch", "openvino"])
    parser.add_argument("--block-px", type=int, default=2560)
    parser.add_argument("--blend-px", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _measure(
    network: SegmentationNetwork, folder: Path, runtime: str, arguments: argparse.Namespace, scratch: Path
) -> tuple[dict[str, float], np.ndarray]:
    """Figures of one runtime, and the block's stored probabilities."""
    cube, task = _mosaicked(folder, runtime, arguments, scratch)
    across = arguments.block_px // CELL_PX + 1
    side = CELL_PX + 2 * arguments.blend_px
    rng = np.random.default_rng(0)
    cell = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8), np.ones((1, side, side), dtype=bool)
    window = rng.integers(0, 256, (1, CELL_PX, CELL_PX, 3), dtype=np.uint8), np.ones((1, CELL_PX, CELL_PX), dtype=bool)
    predicting = network if network.compiled is not None else prepared(network)
    windows = (2 * arguments.block_px // CELL_PX) ** 2

    def bare() -> None:
        for _ in range(across**2):
            _forward(predicting, *cell)

    def sliding() -> None:
        for _ in range(windows):
            predict_cells(predicting, *window)

    bare_s, sliding_s = _smallest([bare, sliding], arguments.rounds)
    block_s = _in_a_run(task, scratch, arguments.rounds)
    return {
        "cells of a block": across**2,
        "one cell, ms": 1000 * bare_s / across**2,
        "bare passes of a block, s": bare_s,
        "block in a run, s": block_s,
        "block / bare passes": block_s / bare_s,
        "sliding windows, 50 % overlap, s": sliding_s,
        "block / sliding windows": block_s / sliding_s,
        "pixels mapped per s": arguments.block_px**2 / block_s,
    }, cube.read_block("cropland_probability", BLOCK, Patchwork.name)


def _forward(network: SegmentationNetwork, rgb: np.ndarray, valid: np.ndarray) -> None:
    """The pass alone: normalised pixels to probability, nothing checked, nothing stored."""
    if network.compiled is not None:
        network.compiled(rgb, valid)
        return
    with torch.inference_mode():
        network(network.normalise(torch.from_numpy(rgb), torch.from_numpy(valid))).sigmoid()


def _mosaicked(folder: Path, runtime: str, arguments: argparse.Namespace, scratch: Path) -> tuple[Cube, SegmentTask]:
    """A cube of 3 x 3 blocks with imagery, and the task that maps the middle one."""
    grid, blocks = BlockGrid(arguments.block_px), BlockRange(BLOCK.row - 1, BLOCK.col - 1, 3, 3)
    digest = bundle_digest(folder)
    optional = (BOUNDARY_PROBABILITY,) if load_segmenter(folder, digest, runtime).tells_boundaries else ()
    CUBE.create(DurableStore(scratch / "cube.zarr"), "bench", grid, blocks, (Patchwork.name,), optional)
    cube, source = Cube.open(scratch / "cube.zarr"), Patchwork()
    around = [BlockIndex(BLOCK.row + i, BLOCK.col + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    for index in around:
        imagery = source.read(grid.window(index), grid)
        cube.write_block("rgb", index, imagery.rgb, source.name)
        cube.write_block("imagery_valid", index, imagery.valid, source.name)
    task = SegmentTask(
        cube, (source,), frozenset(around), str(folder), digest, CELL_PX, arguments.blend_px, 1, 0.5, runtime
    )
    return cube, task


def _in_a_run(task: SegmentTask, scratch: Path, rounds: int) -> float:
    """Smallest CPU seconds of the block process of a run's worker for a block, after a round that is not counted."""
    best = float("inf")
    with Workers(Cluster(workers=1)) as workers:
        for number in range(rounds + 1):
            step = BlockStep("segment", {"settings": f"round {number}"}, BlockList.of([BLOCK]), lambda _: task, 1)
            before = _block_process_s()
            result = run_step(step, StepLedgers(RunFolder(scratch)), workers)
            if result.failed:
                raise RuntimeError(result.failed[0].reason)
            if number:
                best = min(best, _block_process_s() - before)
    return best


def _block_process_s() -> float:
    return sum(look.cpu_s for look in looks(os.getpid()).values() if look.kind == BLOCK_PROCESS)


def _smallest(jobs: list[Callable[[], None]], rounds: int) -> list[float]:
    """Smallest CPU seconds of each job over some rounds in turn, after one that is not counted."""
    best = [float("inf")] * len(jobs)
    for round_number in range(rounds + 1):
        for i, job in enumerate(jobs):
            start = time.process_time()
            job()
            if round_number:
                best[i] = min(best[i], time.process_time() - start)
    return best


if __name__ == "__main__":
    main()
