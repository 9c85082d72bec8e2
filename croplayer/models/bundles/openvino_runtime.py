"""Segmentation networks compiled by OpenVINO for CPUs; needs the extra ``openvino``.

The graph is handed to OpenVINO's PyTorch frontend directly, in memory: nothing is downloaded and nothing reported.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from croplayer.models.bundles.graph import PixelsToProbability, example_pixels, exported
from croplayer.models.bundles.kept_graphs import kept_graph
from croplayer.models.bundles.runtimes import OPENVINO_BF16, cpu_runtimes
from croplayer.models.networks.inference import CellFunction
from croplayer.models.networks.segmentation import SegmentationNetwork
from stores.extras import how_to_install


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise ValueError(f"the runtime openvino is not installed; {how_to_install('openvino')}") from error
    return openvino


def converted(graph: PixelsToProbability, example: tuple[torch.Tensor, torch.Tensor]) -> Any:
    """The ``openvino.Model`` of a graph for the shape of its example."""
    _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    program = exported(graph, example)
    with _quiet():
        decoder = TorchFXPythonDecoder.from_exported_program(program)
        frontend = FrontEndManager().load_by_framework("pytorch")
        loaded = frontend.load(decoder)
        return frontend.convert(loaded)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings and log lines that the frontend writes about operations this torch does not have."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def save(model: Any, path: Path) -> tuple[Path, Path]:
    """Write an ``openvino.Model`` as ``path`` and the weights beside it, in float32."""
    _openvino().save_model(model, path, compress_to_fp16=False)
    return path, path.with_suffix(".bin")


def compiled_cells(network: SegmentationNetwork, runtime: str) -> CellFunction:
    """A network as one function of cells, compiled for each shape when it first comes; graphs are kept for later processes.

    Parameters
    ----------
    network : on the CPU, in evaluation mode
    runtime : "openvino" computes in float32, "openvino-bf16" in bfloat16

    Returns
    -------
    function of (n, h, w, 3) uint8 and (n, h, w) bool to (n, layers, h, w) float32 in 0..1

    Raises
    ------
    ValueError when OpenVINO is not installed, or for bfloat16 on a CPU without it.
    """
    core = _openvino().Core()
    precision = "bf16" if runtime == OPENVINO_BF16 else "f32"
    if runtime not in cpu_runtimes():
        raise ValueError(f"this CPU has no bfloat16, which the runtime {runtime} computes in; choose openvino")
    graph = PixelsToProbability(network).eval()

    @lru_cache(maxsize=4)
    def request_for(n: int, h: int, w: int, threads: int) -> Any:
        model = kept_graph(network, (n, h, w), lambda: converted(graph, example_pixels((n, h, w))))
        settings = {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Processes that each pin their threads would pin them to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        return core.compile_model(model, "CPU", settings).create_infer_request()

    def predict(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
        n, h, w = valid.shape
        result: np.ndarray = request_for(n, h, w, torch.get_num_threads()).infer([rgb, valid])[0]
        return result.reshape(n, -1, h, w)

    return predict
