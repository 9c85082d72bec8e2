"""A model as a folder: weights, configuration and a manifest that says what they are and are worth.

``model.safetensors`` and ``config.json`` are what transformers' ``from_pretrained`` reads;
``manifest.json`` pins their digests, and ``manifest.sha256`` its own. Every byte is checked against its digest before a parser sees
it, from the same read, so a damaged, swapped or half-written model is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from croplayer.models.bundles import loaded_code  # noqa: F401  (it digests the networks' code when that is loaded)
from croplayer.models.bundles.card import CARD_NAME, MLM_NAME, mlm_json, model_card
from croplayer.models.bundles.runtimes import CUDA, OF_TORCH, TORCH, TORCH_BF16, runtime_version
from croplayer.models.bundles.whole_folders import write_whole_folder
from croplayer.models.networks.coverage_network import CoverageNetwork
from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.limits import check_config, check_layout, parsed_json
from croplayer.models.networks.manifest import MANIFEST_NAME, MANIFEST_SUM_NAME, Manifest, manifest_bytes, manifest_sum
from croplayer.models.networks.plain import check_segments, network_of
from croplayer.models.networks.segmentation import SegmentationNetwork, pick_device
from stores import __version__

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
LARGEST_FILE = 16 * 2**30
"""Largest file of a bundle that is read, in bytes."""


def write_bundle(
    folder: Path,
    model: nn.Module,
    manifest: Manifest,
    extra: Mapping[str, bytes] | None = None,
    precision: torch.dtype = torch.float32,
) -> Path:
    """Write a bundle in one step (`whole_folders`). A model card and STAC fields are written beside the weights.

    Parameters
    ----------
    folder : where the bundle goes; an existing bundle is replaced, another folder is refused
    model : its weights and configuration
    manifest : ``files`` and ``versions`` are filled in here
    extra : further files by name, digested too (for example a training curve)
    precision : floating point type that weights are stored in; they are loaded as float32

    Returns
    -------
    folder
    """
    import transformers

    check_finite(model, folder)
    config: Any = model.config
    versions = {"croplayer": __version__, "torch": torch.__version__, "transformers": transformers.__version__}
    manifest = replace(manifest, versions=versions)
    contents: dict[str, bytes] = {
        WEIGHTS_NAME: safetensors.torch.save(_unshared_weights(model, precision), metadata={"format": "pt"}),
        CONFIG_NAME: config.to_json_string(use_diff=False).encode(),
        CARD_NAME: model_card(manifest).encode(),
        MLM_NAME: mlm_json(manifest, sum(p.numel() for p in model.parameters())),
        **(extra or {}),
    }
    files = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
    contents[MANIFEST_NAME] = replace(manifest, files=files).to_json()
    contents[MANIFEST_SUM_NAME] = manifest_sum(contents[MANIFEST_NAME])
    write_whole_folder(folder, contents, MANIFEST_NAME)
    return folder


def _unshared_weights(model: nn.Module, precision: torch.dtype) -> dict[str, torch.Tensor]:
    """The state as contiguous CPU tensors of their own, in the order of their names."""
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in sorted(model.state_dict().items())}
    return {name: tensor.to(precision) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def read_checked(folder: Path, digest: str | None = None) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and the bytes of each file it names, all equal to their digests.

    Raises
    ------
    FileNotFoundError when a file is absent; ValueError when bytes and digests disagree or
    ``digest`` is not the bundle's.
    """
    stored = manifest_bytes(folder)
    found = hashlib.sha256(stored).hexdigest()
    if digest is not None and found != digest:
        raise ValueError(
            f"model bundle {folder} has digest {found}; expected {digest}: it is another or a changed model"
        )
    manifest = Manifest.from_json(stored, folder / MANIFEST_NAME)
    contents = {}
    for name in (WEIGHTS_NAME, CONFIG_NAME, *sorted(set(manifest.files) - {WEIGHTS_NAME, CONFIG_NAME})):
        if name not in manifest.files or Path(name).name != name:
            raise ValueError(f"{folder / MANIFEST_NAME} field 'files' has no digest for a plain file name '{name}'")
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(f"model bundle {folder} lacks {name}")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{path} is a link to a file outside the bundle; copy the file there")
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError(f"{path} has {path.stat().st_size:,} bytes; expected at most {LARGEST_FILE:,}")
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != manifest.files[name]:
            raise ValueError(
                f"{path} does not match its digest in {MANIFEST_NAME}; the model is damaged or was changed"
            )
        contents[name] = data
    return manifest, contents


def check_finite(model: nn.Module, origin: Path) -> None:
    """Raise ValueError when a weight is NaN or infinite."""
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"model {origin}: weight '{name}' holds NaN or infinity")


def weights_of(data: bytes, folder: Path) -> dict[str, torch.Tensor]:
    """The weights by name in the bytes of a file of safetensors; raises ValueError, naming ``folder``, for other bytes."""
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{folder / WEIGHTS_NAME} is no file of safetensors: {error}") from error


def load_weights(model: nn.Module, weights: Mapping[str, torch.Tensor], origin: Path) -> None:
    """Fill a model with the weights of a bundle; every weight must be there, finite and of its shape."""
    try:
        model.load_state_dict(weights, strict=True)
    except RuntimeError as error:
        raise ValueError(f"{origin} does not fit its configuration: {error}") from error
    check_finite(model, origin)


def load(
    folder: Path | str, digest: str | None = None, device: torch.device | str | None = None, runtime: str = TORCH
) -> SegmentationNetwork | CoverageNetwork:
    """The network of a bundle, ready to predict.

    Parameters
    ----------
    folder : the bundle
    digest : ``bundle_digest`` it must have; None takes the bundle as it is
    device : where the network goes; None is the CUDA device where there is one, else the CPU
    runtime : one of ``RUNTIMES``: what computes a segmentation. OpenVINO stays on the CPU; "torch-bf16" needs a CUDA device

    Returns
    -------
    SegmentationNetwork or CoverageNetwork in evaluation mode, with its ``manifest``

    Raises
    ------
    FileNotFoundError or ValueError, in one sentence, for a missing, damaged, swapped or unknown bundle.
    """
    folder = Path(folder)
    manifest, contents = read_checked(folder, digest)
    weights = weights_of(contents[WEIGHTS_NAME], folder)
    network = _build(manifest, parsed_json(contents[CONFIG_NAME], str(folder / CONFIG_NAME)), weights, folder)
    load_weights(network.model, weights, folder)
    network.eval()
    if not isinstance(network, SegmentationNetwork):
        return network.to(_available(device))
    if runtime in OF_TORCH:
        network.precision = OF_TORCH[runtime]
        return network.to(_available(device, runtime))
    from croplayer.models.bundles.openvino_runtime import compiled_cells

    runtime_version(runtime)
    return network.with_cells_by(compiled_cells(network, runtime))


def _available(device: torch.device | str | None, runtime: str = TORCH) -> torch.device:
    """A device that this machine has and a runtime of torch can use; None is the CUDA device where there is one."""
    found = _present(device)
    if runtime != TORCH_BF16:
        return found
    if found.type != CUDA:
        raise ValueError(f"the runtime {runtime} computes on CUDA devices only; use runtime '{TORCH}' on a CPU")
    with torch.cuda.device(found):
        if not torch.cuda.is_bf16_supported(including_emulation=False):
            raise ValueError(
                f"{torch.cuda.get_device_name()} has no bfloat16, which {runtime} computes in; use '{TORCH}'"
            )
    return found


def _present(device: torch.device | str | None) -> torch.device:
    if device is None:
        return pick_device()
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ValueError(
            "this machine has no CUDA device that torch can use; work on machines that have one, or say device = 'cpu' to "
            "compute on CPUs"
        )
    return torch.device(device)


def _build(
    manifest: Manifest, config: dict[str, Any], weights: Mapping[str, torch.Tensor], folder: Path
) -> SegmentationNetwork | CoverageNetwork:
    """The network a manifest describes, without its weights; nothing is built that the weights are not of."""
    check_config(config, str(folder / CONFIG_NAME))
    if manifest.kind == "coverage":
        check_layout(COVERAGE, config, weights, str(folder), exact=True)
        return CoverageNetwork(network_of(COVERAGE, config), manifest.size, manifest.temperature, manifest)
    check_segments(manifest.architecture, str(folder))
    check_layout(manifest.architecture, config, weights, str(folder), exact=True)
    model = network_of(manifest.architecture, config)
    described: Any = model.config
    if described.num_labels != len(manifest.classes):
        raise ValueError(
            f"{folder}: the manifest names {len(manifest.classes)} classes, the model has {described.num_labels}"
        )
    return SegmentationNetwork(
        manifest.architecture,
        manifest.size,
        model,
        mean=manifest.mean,
        std=manifest.std,
        gsd_m=manifest.ground_sample_distance_m,
        classes=manifest.classes,
        manifest=manifest,
        temperature=manifest.temperature,
    )


@lru_cache(maxsize=4)
def load_cached(
    folder: Path | str, digest: str, runtime: str = TORCH, device: torch.device | str | None = None
) -> SegmentationNetwork | CoverageNetwork:
    """``load``, once per process for each path, digest, runtime and device."""
    return load(folder, digest, device, runtime)
