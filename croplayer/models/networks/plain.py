"""Networks from a configuration as plain torch modules, which is all that predicting needs.

Importing transformers takes longer than the work on many blocks, so it is imported only for networks that are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from croplayer.models.networks.layers import COVERAGE
from croplayer.models.networks.pidnet import PIDNet, PIDNetShape
from croplayer.models.networks.pspnet import PSPNet, PSPNetShape
from croplayer.models.networks.resnet import ResNet, ResNetShape
from croplayer.models.networks.unet import UNet, UNetShape

_PLAIN: Mapping[str, tuple[type[Any], type[Any]]] = {
    "pidnet": (PIDNet, PIDNetShape),
    "pspnet": (PSPNet, PSPNetShape),
    "unet": (UNet, UNetShape),
    COVERAGE: (ResNet, ResNetShape),
}
"""The class of each network that needs no transformers, and of its shape."""


class PlainConfig:
    """The ``config.json`` of a plain network."""

    def __init__(self, architecture: str, values: Mapping[str, Any]) -> None:
        self._architecture, self._values = architecture, dict(values)
        self.num_labels = len(values["id2label"])

    def to_dict(self) -> dict[str, Any]:
        """Its values."""
        return dict(self._values)

    def to_json_string(self, use_diff: bool = True) -> str:
        """What transformers writes of it."""
        from croplayer.models.networks.architectures import config_from_dict

        return str(config_from_dict(self._architecture, self._values).to_json_string(use_diff=use_diff))


def network_of(architecture: str, values: Mapping[str, Any]) -> nn.Module:
    """The network that a configuration describes, with random weights; the global generator of torch is left unchanged.

    A plain module where the network is one of ours and its configuration is whole, as in every bundle; otherwise a model of
    transformers, which knows defaults. Both have the same weights under the same names, a ``config``, and predict the same.

    Raises ValueError for an unknown architecture, and anything for a configuration of none.
    """
    shape = _shape(architecture, values)
    if shape is None:
        from croplayer.models.networks.architectures import build_from_config, config_from_dict

        return build_from_config(architecture, config_from_dict(architecture, values), seed=0)
    network: nn.Module = _PLAIN[architecture][0]()
    with torch.random.fork_rng(devices=[]):
        network.lay_out(shape)  # type: ignore[operator]
    network.config = PlainConfig(architecture, values)  # type: ignore[assignment]
    return network


def check_segments(architecture: str, origin: str) -> None:
    """Raise ValueError, naming ``origin``, for an architecture that no segmentation network has."""
    if architecture in _PLAIN and architecture != COVERAGE:
        return
    from croplayer.models.networks.architectures import MODEL_CLASSES

    if architecture not in MODEL_CLASSES:
        known = ", ".join(MODEL_CLASSES)
        raise ValueError(f"{origin} holds architecture '{architecture}'; expected one of {known}")


def _shape(architecture: str, values: Mapping[str, Any]) -> Any:
    """The shape of a plain network; None where only transformers can tell it."""
    if architecture not in _PLAIN or not isinstance(values.get("id2label"), Mapping) or "num_labels" in values:
        return None
    if architecture == COVERAGE and values.get("hidden_act") != "relu":
        return None
    kind = _PLAIN[architecture][1]
    known = {**values, "num_labels": len(values["id2label"])}
    return kind(*(known[name] for name in kind._fields)) if known.keys() >= set(kind._fields) else None
