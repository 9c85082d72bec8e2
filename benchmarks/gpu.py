"""How fast blocks are mapped on a CUDA device, and how far the probabilities are from those of a CPU.

    python -m benchmarks.gpu --json bench_gpu.json

Needs torch, transformers, numpy, numba, scipy and safetensors alone, so that it runs on a machine with little else. Seconds are
those of the clock: the smallest of the rounds, each over all blocks. ``--device cpu`` runs the same script on a CPU, to test it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import safetensors.torch
import torch

from croplayer.models.networks import cuda_cells
from croplayer.models.networks.architectures import build_from_config, config_from_dict
from croplayer.models.networks.cells import blended_halo_px
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.inference import predict_block, predict_cells
from croplayer.models.networks.manifest import read_manifest
from croplayer.models.networks.precision import BFLOAT16, FLOAT32, computing_in
from croplayer.models.networks.segmentation import SegmentationNetwork

SHIPPED = Path(__file__).parents[1] / "croplayer" / "models" / "shipped"
Block = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Print a table for each model, and write all as JSON if asked to."""
    arguments = _arguments()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print(
            "This machine has no CUDA device that torch can use, so nothing was measured; --device cpu tests the script."
        )
        return
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    found: dict[str, Any] = {"device": name, "torch": torch.__version__, "block_px": arguments.block_px, "models": {}}
    print(f"{name}, torch {torch.__version__}, blocks of {arguments.block_px} px")
    for model in arguments.model:
        found["models"][model] = _measured(model, device, arguments)
        if arguments.json:  # what is done is kept if the time is up
            arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", nargs="+", default=["default"], help="names of included models, or folders of bundles"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--block-px", type=int, default=2560)
    parser.add_argument("--cell-px", type=int, default=512)
    parser.add_argument("--blend-px", type=int, default=32)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-cells", type=int, nargs="+", default=[5, 9, 12, 18, 36])
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def loaded(model: str) -> SegmentationNetwork:
    """The segmentation network of a bundle, on the CPU; its digests are not checked, which needs more packages."""
    folder = SHIPPED / model if (SHIPPED / model).is_dir() else Path(model)
    manifest = read_manifest(folder)
    config = json.loads((folder / "config.json").read_text())
    bare = build_from_config(manifest.architecture, config_from_dict(manifest.architecture, config), seed=0)
    bare.load_state_dict(safetensors.torch.load_file(folder / "model.safetensors"))
    return SegmentationNetwork(
        manifest.architecture,
        manifest.size,
        bare,
        mean=manifest.mean,
        std=manifest.std,
        classes=manifest.classes,
        temperature=manifest.temperature,
    ).eval()


def fields(seed: int, side: int) -> Block:
    """Imagery of a block with its halo: rectangles of a colour with a texture, and a corner without imagery."""
    rng = np.random.default_rng(seed)
    size = 40 + 8 * seed
    patches = rng.integers(40, 200, (side // size + 1, side // size + 1, 3), dtype=np.uint8)
    rgb = patches.repeat(size, axis=0).repeat(size, axis=1)[:side, :side]
    valid = np.ones((side, side), dtype=bool)
    valid[: side // 8, : side // 8] = False
    return np.ascontiguousarray(rgb + rng.integers(0, 24, rgb.shape, dtype=np.uint8)), valid


def _measured(model: str, device: torch.device, arguments: argparse.Namespace) -> dict[str, Any]:
    """Rows of a model, printed one by one, and whether a cell depends on its place in a batch."""
    cell_px, blend_px = arguments.cell_px, arguments.blend_px
    halo_px = blended_halo_px(cell_px, blend_px)
    blocks = [fields(seed, arguments.block_px + 2 * halo_px) for seed in range(arguments.blocks)]
    network = loaded(model)
    sizes = {"cell_px": cell_px, "halo_px": halo_px, "blend_px": blend_px}
    start = time.perf_counter()
    reference = predict_block(network, *blocks[0], **sizes)
    result: dict[str, Any] = {
        "CPU float32, s": time.perf_counter() - start,
        "threads": torch.get_num_threads(),
        "rows": [],
    }
    print(
        f"\n{model}: {network.n_parameters / 1e6:.2f} M parameters, CPU float32 {result['CPU float32, s']:.2f} s a block"
    )
    network.to(device)
    is_cuda = device.type == "cuda"
    for precision in (FLOAT32, BFLOAT16) if is_cuda else (FLOAT32,):
        network.precision = precision
        for batch_cells in arguments.batch_cells:
            for uses_graph in (True, False) if is_cuda else (False,):
                with _graphs(uses_graph):
                    row = _row(network, blocks, reference, arguments.rounds, {**sizes, "batch_cells": batch_cells})
                    row |= _bare(network, batch_cells, cell_px, blend_px, arguments.rounds)
                row = {"precision": precision, "batch_cells": batch_cells, "graph": uses_graph} | row
                result["rows"].append(row)
                _print(row, is_first=len(result["rows"]) == 1)
        result[f"order of cells matters, {precision}"] = _order_matters(network, blocks[0], cell_px + 2 * blend_px)
        print(f"order of cells matters, {precision}: {result[f'order of cells matters, {precision}']}")
    return result


@contextmanager
def _graphs(are_used: bool) -> Iterator[None]:
    """Passes as CUDA graphs or kernel by kernel."""
    cuda_cells._kept.clear()
    with mock.patch.object(cuda_cells, "recorded", cuda_cells.recorded if are_used else lambda work: None):
        yield


def _row(
    network: SegmentationNetwork, blocks: list[Block], reference: np.ndarray, rounds: int, sizes: dict[str, int]
) -> dict[str, Any]:
    """Speed of ``predict_block``, and what it gives beside a CPU."""
    start = time.perf_counter()
    found = predict_block(network, *blocks[0], **sizes)
    first_s = time.perf_counter() - start
    is_repeated = np.array_equal(found, predict_block(network, *blocks[0], **sizes))
    seconds = _smallest(lambda: [predict_block(network, *block, **sizes) for block in blocks], rounds) / len(blocks)
    known = reference < 254
    off = np.abs(found[known].astype(int) - reference[known])
    return {
        "block, ms": 1000 * seconds,
        "Mpx/s": reference.size / seconds / 1e6,
        "first block, ms": 1000 * first_s,
        "largest difference": float(off.max() / 250),
        "off by more than 1/250": float((off > 1).mean()),
        "change sides": float(((found >= 125) != (reference >= 125))[known].mean()),
        "same bytes twice": is_repeated,
        "missing agrees": bool(np.array_equal(found == 254, reference == 254)),
    }


def _bare(network: SegmentationNetwork, batch_cells: int, cell_px: int, blend_px: int, rounds: int) -> dict[str, float]:
    """The passes alone, from normalised cells on the device to logits, in own pixels of a block."""
    side, device, fast = cell_px + 2 * blend_px, network.device, prepared(network)
    with torch.inference_mode(), computing_in(network.precision, device):
        rgb = torch.randint(0, 256, (batch_cells, side, side, 3), dtype=torch.uint8).to(device)
        cells = fast.normalise(rgb, torch.ones(rgb.shape[:3], dtype=torch.bool, device=device))
        graph = cuda_cells.recorded(lambda: fast(cells)) if device.type == "cuda" else None
        once = (lambda: fast(cells)) if graph is None else graph.replay
        repeats = 5 if device.type == "cuda" else 1
        seconds = _smallest(lambda: [once() for _ in range(repeats)], rounds) / repeats
    return {"pass, ms": 1000 * seconds, "pass, Mpx/s": batch_cells * cell_px**2 / seconds / 1e6}


def _order_matters(network: SegmentationNetwork, block: Block, side: int) -> bool:
    """Whether cells differ by a bit when the batch is turned round."""
    rgb, valid = (np.stack([a[k : k + side, 2 * k : 2 * k + side] for k in range(0, 40, 8)]) for a in block)
    turned = predict_cells(network, np.ascontiguousarray(rgb[::-1]), np.ascontiguousarray(valid[::-1]))
    return not np.array_equal(predict_cells(network, rgb, valid), turned[::-1])


def _smallest(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        _wait()
        start = time.perf_counter()
        work()
        _wait()
        best = min(best, time.perf_counter() - start)
    return best


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _print(row: dict[str, Any], is_first: bool) -> None:
    if is_first:
        print("  ".join(row))
    cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values())
    print("  ".join(c.rjust(len(name)) for name, c in zip(row, cells, strict=True)), flush=True)


if __name__ == "__main__":
    main()
