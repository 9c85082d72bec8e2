"""What a training starts from: random weights, an encoder that learned on ImageNet, or weights that exist.

Weights that exist are a bundle, or a checkpoint of transformers in a folder or on a hub. A checkpoint may be of the encoder
alone, or of another task with the same encoder; heads that do not fit start at random.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.utils import logging as transformers_logging

from croplayer.models.bundles.bundle import WEIGHTS_NAME, read_checked, weights_of
from croplayer.models.bundles.catalogue import find_bundle, shipped_names
from croplayer.models.bundles.pretrained import checkpoint_weights, on_a_hub, weight_files
from croplayer.models.networks.architectures import ENCODERS, PUBLISHED_BACKBONES
from croplayer.models.networks.coverage_network import COVERAGE_ENCODER
from croplayer.models.networks.encoder_weights import IMAGENET, PUBLISHED, imagenet_weights
from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.manifest import (
    EARLIER_SCENES,
    RANDOM,
    STARTED_FROM,
    Manifest,
    bundle_digest,
    read_manifest,
)
from stores.near_names import did_you_mean


def start_manifest(start: str) -> Manifest | None:
    """The manifest of the bundle that a training starts from; None for random weights, ImageNet or a checkpoint."""
    folder = _bundle(start)
    return None if folder is None else read_manifest(folder)


def seen_scenes(start: str) -> frozenset[str]:
    """Names of the scenes that the bundle which a training starts from has learned from; none for other weights."""
    manifest = start_manifest(start)
    return manifest.seen_scenes if manifest else frozenset()


def check_unseen(start: str, names: Iterable[str], remedy: str = "") -> None:
    """Raise ValueError if scenes to be judged are among those that the start of a training has learned from.

    ``remedy`` is what else can be done about it than to judge other scenes or to start from other weights.
    """
    seen = sorted(seen_scenes(start).intersection(names))
    if seen:
        raise ValueError(
            f"'{start}', which the training starts from, has learned from {len(seen)} of the scenes to be judged, such as "
            f"'{seen[0]}', so their figures would be meaningless; judge other scenes, {remedy and f'{remedy}, '}or start from "
            "other weights"
        )


def origin_of(start: str) -> dict[str, Any]:
    """What the metrics of a bundle say of the model that its training started from.

    Returns
    -------
    for a bundle its name, training data and licence, and the scenes that it has seen; for a model of a hub its name and
    revision; nothing for other weights
    """
    manifest = start_manifest(start)
    if manifest is not None:
        words = {"name": start, "training_data": manifest.training_data, "licence": manifest.licence}
        return {STARTED_FROM: words, EARLIER_SCENES: sorted(manifest.seen_scenes)}
    origin = None if start in (RANDOM, IMAGENET) else on_a_hub(start)
    return {} if origin is None else {STARTED_FROM: origin._asdict()}


def start_digest(start: str, size: str) -> str:
    """What identifies the bytes that a training starts from, whatever their place is called.

    Parameters
    ----------
    start : as ``start_from`` takes it
    size : of the network to train

    Raises
    ------
    what ``start_from`` raises for weights that cannot be found.
    """
    if start == RANDOM:
        return RANDOM
    if start == IMAGENET:
        return PUBLISHED[size].sha256 if size in PUBLISHED else IMAGENET
    folder = _bundle(start)
    if folder is not None:
        return bundle_digest(folder)
    try:
        files = weight_files(start)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}{did_you_mean(start, shipped_names())}") from error
    states = [(path, path.stat()) for path in files]
    return _weights_digest(start, tuple((path, state.st_size, state.st_mtime_ns) for path, state in states))


@lru_cache(maxsize=32)
def _weights_digest(start: str, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Digest of a checkpoint in files of these sizes and times; needed several times for a training, and read once."""
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoint_weights(start).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def start_from(model: nn.Module, start: str, architecture: str, size: str) -> None:
    """Fill a model of random weights with what a training starts from.

    Parameters
    ----------
    model : changed in place
    start : "random", "imagenet", the name or folder of a bundle, or a checkpoint of transformers (a folder,
        or a name on a hub, owner/model or owner/model@revision)
    architecture, size : those of the model; the architecture is "resnet" for the network of coverage types

    Raises
    ------
    ValueError or FileNotFoundError, in one sentence, for weights that are missing or of another network.
    """
    if start == RANDOM:
        return
    folder = _bundle(start)
    if start == IMAGENET:
        state = _published(architecture, size)
    elif folder is None:
        state = _in_layout_of(model, architecture, checkpoint_weights(start))
    else:
        manifest, contents = read_checked(folder)
        if manifest.architecture != architecture:
            raise ValueError(
                f"'{start}' is a {manifest.architecture} for {manifest.kind}; a {architecture} cannot start from it"
            )
        state = weights_of(contents[WEIGHTS_NAME], folder)
    _fill(model, state, COVERAGE_ENCODER if architecture == COVERAGE else ENCODERS[architecture], start)


def _bundle(start: str) -> Path | None:
    if start in (RANDOM, IMAGENET):
        return None
    try:
        return find_bundle(start)
    except FileNotFoundError:
        return None


def _published(architecture: str, size: str) -> dict[str, torch.Tensor]:
    if architecture != "unet":
        raise ValueError(
            f"a {architecture} has no ImageNet weights here, only a unet has; start from a checkpoint of it (a folder, or a "
            "name on a hub)"
        )
    return {f"encoder.{name}": tensor for name, tensor in imagenet_weights(size).items()}


def _in_layout_of(model: nn.Module, architecture: str, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a checkpoint under the names of the model, which are not those that checkpoints are published with.

    Weights that the model lacks, or has in another shape, are there without values.
    """
    if architecture in PUBLISHED_BACKBONES:
        state = _within(state, *PUBLISHED_BACKBONES[architecture])
    kind: Any = type(model)
    with torch.random.fork_rng(devices=[]), _silent():
        loaded, told = kind.from_pretrained(
            None, config=model.config, state_dict=dict(state), dtype=torch.float32, ignore_mismatched_sizes=True,
            output_loading_info=True,
        )  # fmt: skip
    shapes = {name: shape for name, shape, *_ in told["mismatched_keys"]} | dict.fromkeys(told["unexpected_keys"], (0,))
    known: dict[str, torch.Tensor] = loaded.state_dict()
    kept = known.keys() - set(told["missing_keys"]) - shapes.keys()
    return {name: known[name] for name in kept} | {
        name: torch.empty(shape, device="meta") for name, shape in shapes.items()
    }


def _within(state: Mapping[str, torch.Tensor], prefix: str, place: str) -> dict[str, torch.Tensor]:
    """Weights of a published backbone under their names within a whole model; those of a whole model unchanged."""
    if any(name.startswith(place) for name in state):
        return dict(state)
    if not any(name.startswith(prefix) for name in state):
        return {place + name: tensor for name, tensor in state.items()}
    return {
        place + name.removeprefix(prefix) if name.startswith(prefix) else name: tensor for name, tensor in state.items()
    }


@contextmanager
def _silent() -> Iterator[None]:
    """No table of the weights that a checkpoint lacks, and no progress bar; what is wrong is told in one sentence."""
    before, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)
        if had_bar:
            transformers_logging.enable_progress_bar()


def _fill(model: nn.Module, state: Mapping[str, torch.Tensor], encoder: tuple[str, ...], start: str) -> None:
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    # Older checkpoints lack the counters of batch norms, which nothing is computed with.
    needed = [name for name, tensor in own.items() if name.startswith(encoder) and tensor.is_floating_point()]
    missing = sorted(set(needed) - fitting.keys())
    if missing:
        found = f"has it as {tuple(state[missing[0]].shape)}" if missing[0] in state else "lacks it"
        raise ValueError(
            f"'{start}' does not fit: the encoder to train needs '{missing[0]}' of {tuple(own[missing[0]].shape)}, and it "
            f"{found}; choose the architecture and size of those weights"
        )
    beyond = sorted(name for name in state.keys() - own.keys() if name.startswith(encoder))
    if beyond:
        raise ValueError(
            f"'{start}' does not fit: it has '{beyond[0]}', and the encoder to train has no such weight; choose the "
            "architecture and size of those weights"
        )
    if not all(bool(torch.isfinite(t).all()) for t in fitting.values() if t.is_floating_point()):
        raise ValueError(f"'{start}' holds weights that are NaN or infinite")
    model.load_state_dict(fitting, strict=False)
    fresh = sorted(own.keys() - fitting.keys())
    if fresh:
        logging.getLogger("croplayer").info("start: %d weights start at random, such as %s", len(fresh), fresh[0])
