"""OpenVINO graphs of networks, kept in the user's cache folder, because a conversion takes longer than many blocks.

A graph is found by what it was made of: the weights, the settings of the network, the shape of the pixels, the code of the
networks and the versions of the libraries. What was damaged, or cannot be read or written, is converted again.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import torch

from croplayer.models.bundles.whole_folders import write_whole_folder
from croplayer.models.networks.segmentation import SegmentationNetwork

GRAPH, WEIGHTS, DIGEST = "graph.xml", "graph.bin", "digest"
KEPT = 16
"""Graphs that are kept; those that were not used for longest are removed."""
LIBRARIES = ("openvino", "torch", "transformers")


def kept_graph(
    network: SegmentationNetwork,
    shape: tuple[int, int, int],
    convert: Callable[[], Any],
    home: Path | None = None,
) -> Any:
    """The ``openvino.Model`` of a network for a shape of pixels, from the cache or converted and kept there.

    Parameters
    ----------
    shape : (n, h, w) of the cells
    convert : makes the ``openvino.Model``, where none is kept
    home : folder of the graphs; None is that of the user's cache
    """
    import openvino

    home = home or platformdirs.user_cache_path("croplayer") / "openvino"
    folder = home / _key(network, shape)
    files = _read(folder)
    if files is None:
        files = _files(convert())
        with suppress(OSError):
            write_whole_folder(folder, {GRAPH: files[0], WEIGHTS: files[1], DIGEST: _digest(*files).encode()}, DIGEST)
            _remove_oldest(home)
    # Also a graph that was just made is read from its files: the last bits of the one in memory differ.
    return openvino.Core().read_model(*files)


def _key(network: SegmentationNetwork, shape: tuple[int, int, int]) -> str:
    settings = (
        network.architecture, network.size, network.classes, network.mean, network.std, network.temperature,
        network.tells_boundaries, shape, tuple(version(name) for name in LIBRARIES),
    )  # fmt: skip
    digest = hashlib.sha256(f"{settings}{_code_digest()}".encode())
    for name, tensor in network.model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


@cache
def _code_digest() -> str:
    """Digest of the code of all networks and of their graphs."""
    package = Path(__file__).parents[1]
    files = sorted([*package.glob("networks/*.py"), *package.glob("bundles/*.py")])
    return hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def _read(folder: Path) -> tuple[bytes, bytes] | None:
    """The graph and the weights of a folder; None where they are missing or are not what was written."""
    try:
        files = (folder / GRAPH).read_bytes(), (folder / WEIGHTS).read_bytes()
        if (folder / DIGEST).read_bytes() != _digest(*files).encode():
            return None
    except OSError:
        return None
    with suppress(OSError):
        (folder / DIGEST).touch()  # Its time says when it was used.
    return files


def _files(model: Any) -> tuple[bytes, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as scratch:
        openvino.save_model(model, Path(scratch) / GRAPH, compress_to_fp16=False)
        return (Path(scratch) / GRAPH).read_bytes(), (Path(scratch) / WEIGHTS).read_bytes()


def _digest(graph: bytes, weights: bytes) -> str:
    return hashlib.sha256(hashlib.sha256(graph).digest() + hashlib.sha256(weights).digest()).hexdigest()


def _remove_oldest(home: Path) -> None:
    used = sorted(home.glob(f"*/{DIGEST}"), key=lambda path: path.stat().st_mtime)
    for path in used[:-KEPT]:
        shutil.rmtree(path.parent, ignore_errors=True)
