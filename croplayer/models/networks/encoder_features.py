"""What the encoder of a network sees in a window: its deepest map of features, averaged."""

from __future__ import annotations

import torch
from torch import nn

_RELU_BETWEEN = ("context1", "context2", "context3", "context4", "context5")


def deepest_features(architecture: str, model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """The encoder's deepest map, averaged over each image.

    Parameters
    ----------
    architecture : one of ``architectures.ARCHITECTURES``
    model : the transformers model of a `SegmentationNetwork`
    pixels : (n, 3, h, w) float32, normalised; h and w are multiples of 32

    Returns
    -------
    (n, c) float32. The decoder and the heads are not computed.
    """
    return _deepest(architecture, model, pixels).float().mean(dim=(2, 3))


def _deepest(architecture: str, model: nn.Module, pixels: torch.Tensor) -> torch.Tensor:
    """(n, c, h', w') of the modules that ``architectures.ENCODERS`` names."""
    part = model.get_submodule
    if architecture == "unet":
        maps: tuple[torch.Tensor, ...] = part("encoder")(pixels)
        return maps[-1]
    if architecture == "segformer":
        last: torch.Tensor = part("segformer")(pixel_values=pixels).last_hidden_state
        return last
    if architecture == "mask2former":
        stages: tuple[torch.Tensor, ...] = part("model.pixel_level_module.encoder")(pixels).feature_maps
        return stages[-1]
    if architecture == "pspnet":
        for name in ("stem", "stage1", "stage2", "stage3", "stage4"):
            pixels = part(name)(pixels)
        return pixels
    if architecture == "pidnet":
        pixels = part("stem")(pixels)
        for name in _RELU_BETWEEN[:-1]:
            pixels = part(name)(pixels).relu()
        deepest: torch.Tensor = part(_RELU_BETWEEN[-1])(pixels)
        return deepest
    raise ValueError(f"nothing says what the encoder of the architecture '{architecture}' is")


def encoder_maps(architecture: str, model: nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
    """The encoder's maps of strides 8, 16 and 32, or its deepest map alone where the architecture has no such maps.

    Parameters
    ----------
    architecture, model, pixels : as for `deepest_features`

    Returns
    -------
    Each (n, c, h / stride, w / stride) float32
    """
    if architecture != "unet":
        return [_deepest(architecture, model, pixels).float()]
    maps: tuple[torch.Tensor, ...] = model.get_submodule("encoder")(pixels)
    return [found.float() for found in maps[2:]]
