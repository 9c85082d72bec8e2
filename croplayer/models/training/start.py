"""What a training starts from: random weights, an encoder that learned on ImageNet, or weights that exist.

Weights that exist are a bundle, or a checkpoint of transformers in a folder or on a hub. A checkpoint may be of the encoder
alone, or of another task with the same encoder; heads that do not fit start at random.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PreTrainedModel

from croplayer.models.bundles.bundle import WEIGHTS_NAME, read_checked, weights_of
from croplayer.models.bundles.catalogue import find_bundle
from croplayer.models.bundles.pretrained import checkpoint_weights
from croplayer.models.networks.architectures import ENCODERS
from croplayer.models.networks.encoder_weights import IMAGENET, PUBLISHED, imagenet_weights
from croplayer.models.networks.manifest import RANDOM, Manifest, bundle_digest, read_manifest


def start_manifest(start: str) -> Manifest | None:
    """The manifest of the bundle that a training starts from; None for random weights, ImageNet or a checkpoint."""
    folder = _bundle(start)
    return None if folder is None else read_manifest(folder)


def start_digest(start: str, architecture: str, size: str) -> str:
    """What identifies the bytes that a training starts from, whatever their place is called.

    Raises what ``start_weights`` raises for weights that cannot be found.
    """
    if start == RANDOM:
        return RANDOM
    if start == IMAGENET:
        return PUBLISHED[size].sha256 if size in PUBLISHED else IMAGENET
    folder = _bundle(start)
    if folder is not None:
        return bundle_digest(folder)
    state = checkpoint_weights(start)
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(name.encode())
        digest.update(state[name].contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def start_from(model: PreTrainedModel, start: str, architecture: str, size: str) -> None:
    """Fill a model of random weights with what a training starts from.

    Parameters
    ----------
    model : changed in place
    start : "random", "imagenet", the name or folder of a bundle, or a checkpoint of transformers (a folder, a name on a hub)
    architecture, size : those of the model

    Raises
    ------
    ValueError or FileNotFoundError, in one sentence, for weights that are missing or of another network.
    """
    if start == RANDOM:
        return
    if start == IMAGENET:
        if architecture != "unet":
            raise ValueError(
                f"a {architecture} has no ImageNet weights here; start from a checkpoint of it (a folder, or a name on a hub), "
                "or train a unet"
            )
        published = {f"encoder.{name}": tensor for name, tensor in imagenet_weights(size).items()}
        _fill(model, published, ENCODERS[architecture], start)
        return
    folder = _bundle(start)
    if folder is None:
        _fill(model, _named_alike(model, checkpoint_weights(start)), ENCODERS[architecture], start)
        return
    manifest, contents = read_checked(folder)
    if (manifest.kind, manifest.architecture) != ("segmentation", architecture):
        raise ValueError(
            f"'{start}' is a {manifest.architecture} for {manifest.kind}; a {architecture} for segmentation cannot start from it"
        )
    _fill(model, weights_of(contents[WEIGHTS_NAME], folder), ENCODERS[architecture], start)


def _bundle(start: str) -> Path | None:
    if start in (RANDOM, IMAGENET):
        return None
    try:
        return find_bundle(start)
    except FileNotFoundError:
        return None


def _named_alike(model: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights under the names of the model. A checkpoint of the encoder alone lacks the name of its place in the model."""
    wanted = model.state_dict().keys()
    best: dict[str, torch.Tensor] = dict(state)
    for name in wanted:
        parts = name.split(".")
        for i in range(1, len(parts)):
            if ".".join(parts[i:]) in state:
                place = ".".join(parts[:i]) + "."
                moved = {place + key: tensor for key, tensor in state.items()}
                if len(moved.keys() & wanted) > len(best.keys() & wanted):
                    best = moved
    return best


def _fill(model: PreTrainedModel, state: Mapping[str, torch.Tensor], encoder: tuple[str, ...], start: str) -> None:
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    missing = sorted(name for name in own if name.startswith(encoder) and name not in fitting)
    if missing:
        found = f"has it as {tuple(state[missing[0]].shape)}" if missing[0] in state else "lacks it"
        raise ValueError(
            f"'{start}' does not fit: the encoder to train needs '{missing[0]}' of {tuple(own[missing[0]].shape)}, and it "
            f"{found}; choose the architecture and size of those weights"
        )
    if not all(bool(torch.isfinite(t).all()) for t in fitting.values() if t.is_floating_point()):
        raise ValueError(f"'{start}' holds weights that are NaN or infinite")
    model.load_state_dict(fitting, strict=False)
    fresh = sorted(own.keys() - fitting.keys())
    if fresh:
        logging.getLogger("croplayer").info("start: %d weights start at random, such as %s", len(fresh), fresh[0])
