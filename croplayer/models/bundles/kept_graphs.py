"""OpenVINO graphs of networks, kept in the user's cache folder, because a conversion takes longer than many blocks.

A graph is found by what it was made of: the weights, the configuration and settings of the network, the shape of the pixels, the
code of the networks and the versions of the libraries. What was damaged, is of another user, or cannot be kept, is converted again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs
import torch

from croplayer.models.bundles.loaded_code import NETWORK_CODE
from croplayer.models.bundles.whole_folders import repair_all, write_whole_folder
from croplayer.models.networks.segmentation import SegmentationNetwork

GRAPH, WEIGHTS, DIGEST = "graph.xml", "graph.bin", "digest"
KEPT = 16
"""Graphs that are kept; those that were not used for longest are removed."""


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
            write_whole_folder(folder, {GRAPH: files[0], WEIGHTS: files[1], DIGEST: _digest(folder, *files)}, DIGEST)
            _remove_oldest(home)
    # Also a graph that was just made is read from its files: the last bits of the one in memory differ.
    return openvino.Core().read_model(*files)


def _key(network: SegmentationNetwork, shape: tuple[int, int, int]) -> str:
    import openvino

    # Networks that need transformers have imported it; for the others that would take longer than some blocks.
    libraries = openvino, torch, sys.modules.get("transformers")
    config: Any = network.model.config
    settings = (
        network.architecture, network.size, network.classes, network.mean, network.std, network.temperature,
        network.tells_boundaries, shape, json.dumps(config.to_dict(), sort_keys=True, default=str), repr(network.model),
        NETWORK_CODE, *(getattr(library, "__version__", "") for library in libraries),
    )  # fmt: skip
    digest = hashlib.sha256(repr(settings).encode())
    for name, tensor in network.model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(folder: Path) -> tuple[bytes, bytes] | None:
    """The graph and the weights of a folder; None where they are missing, of somebody else, or not what was written there."""
    try:
        if folder.stat().st_uid != os.getuid():
            return None
        files = (folder / GRAPH).read_bytes(), (folder / WEIGHTS).read_bytes()
        if (folder / DIGEST).read_bytes() != _digest(folder, *files):
            return None
    except OSError:
        return None
    with suppress(OSError):
        (folder / DIGEST).touch()  # Its time says when it was used.
    return files


def _files(model: Any) -> tuple[bytes, bytes]:
    import openvino

    try:
        with tempfile.TemporaryDirectory() as scratch:
            openvino.save_model(model, Path(scratch) / GRAPH, compress_to_fp16=False)
            return (Path(scratch) / GRAPH).read_bytes(), (Path(scratch) / WEIGHTS).read_bytes()
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"the graph of the network could not be written to a folder of its own in {tempfile.gettempdir()} ({error}); free "
            "some space there, or name another folder in the variable TMPDIR"
        ) from error


def _digest(folder: Path, graph: bytes, weights: bytes) -> bytes:
    """What the digest of a folder must be: of its name, which says what it is of, and of its files."""
    parts = folder.name.encode(), graph, weights
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest().encode()


def _remove_oldest(home: Path) -> None:
    """Remove what was not used for longest, and what killed processes left."""
    repair_all(home, DIGEST)
    used = sorted(home.glob(f"*/{DIGEST}"), key=lambda path: path.stat().st_mtime)
    for path in used[:-KEPT]:
        shutil.rmtree(path.parent, ignore_errors=True)
