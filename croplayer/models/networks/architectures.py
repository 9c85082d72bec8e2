"""The architectures by name and size: transformers models built from a configuration and a seed.

Sizes named as in the papers have the published widths and depths. "tiny" and "lite" are defined here for tests, for
small synthetic landscapes and for training on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
import transformers

from croplayer.models.networks.layers import CLASSES, COVERAGE

# The package alone is imported here: the modules of one of its architectures take seconds, and are imported when they are named.
if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_SEGFORMER: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 80, 128], "decoder_hidden_size": 64},
    "lite": {"depths": [2, 2, 2, 2], "hidden_sizes": [32, 64, 160, 256], "decoder_hidden_size": 64},
    "b0": {"depths": [2, 2, 2, 2], "hidden_sizes": [32, 64, 160, 256], "decoder_hidden_size": 256},
    "b1": {"depths": [2, 2, 2, 2], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 256},
    "b2": {"depths": [3, 4, 6, 3], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768},
    "b3": {"depths": [3, 4, 18, 3], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768},
    "b4": {"depths": [3, 8, 27, 3], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768},
    "b5": {"depths": [3, 6, 40, 3], "hidden_sizes": [64, 128, 320, 512], "decoder_hidden_size": 768},
}

_SEGFORMER_SPREAD = 0.1
"""Standard deviation of the random weights. With the library's 0.02 narrow blocks hardly contribute at the start."""

_SWIN: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"embed_dim": 24, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 4, 8], "window_size": 4},
    "lite": {"embed_dim": 32, "depths": [2, 2, 2, 2], "num_heads": [1, 2, 4, 8], "window_size": 4},
    "swin-tiny": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "swin-small": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
}

_SWIN_STAGES: Mapping[str, Any] = {"out_features": ["stage1", "stage2", "stage3", "stage4"]}

_MASK2FORMER_TINY: dict[str, Any] = {
    "feature_size": 32,
    "mask_feature_size": 32,
    "hidden_dim": 32,
    "encoder_feedforward_dim": 64,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "num_attention_heads": 4,
    "dim_feedforward": 64,
    "num_queries": 20,
    "train_num_points": 1024,
}
_MASK2FORMER: Mapping[str, Mapping[str, Any]] = {
    "tiny": _MASK2FORMER_TINY,
    "lite": _MASK2FORMER_TINY
    | {"feature_size": 64, "mask_feature_size": 64, "hidden_dim": 64, "dim_feedforward": 128, "num_queries": 100},
}
"""Others have the decoder of the paper. A window must not hold more fields than there are queries."""

_PIDNET: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"width": 12, "pyramid_width": 24, "head_width": 32},
    "lite": {
        "width": 16,
        "pyramid_width": 24,
        "head_width": 32,
        "pools": ((3, 2), (5, 2), (9, 4)),
        "pools_count_padding": False,
    },
    "s": {"width": 32},
    "m": {"width": 64, "context_depth": 4},
    "l": {"width": 64, "branch_depth": 3, "context_depth": 4, "pyramid_width": 112, "head_width": 256},
}

_PSPNET: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"depths": [1, 1, 1, 1], "width": 16, "block": "basic", "head_width": 32, "auxiliary_width": 16},
    "resnet-18": {"depths": [2, 2, 2, 2], "block": "basic", "head_width": 128, "auxiliary_width": 64},
    "resnet-50": {"depths": [3, 4, 6, 3]},
    "resnet-101": {"depths": [3, 4, 23, 3]},
}

_NARROW_DECODER: Mapping[str, Any] = {"decoder_widths": [64, 48, 32]}
"""A decoder of 96, 64 and 48 channels takes a fifth longer on a CPU."""

_UNET: Mapping[str, Mapping[str, Any]] = {
    "tiny": {
        "width_factor": 0.25,
        "depth_factor": 0.3,
        "stem_width": 8,
        "decoder_widths": [24, 16, 16],
        "fine_width": 8,
        "pyramid_width": 16,
    },
    "efficientnet-lite0": _NARROW_DECODER,
    "efficientnet-lite2": {"width_factor": 1.1, "depth_factor": 1.2, **_NARROW_DECODER},
}


def _labels() -> dict[str, Any]:
    return {"id2label": dict(enumerate(CLASSES)), "label2id": {name: i for i, name in enumerate(CLASSES)}}


def _segformer(size: str) -> PreTrainedConfig:
    return transformers.SegformerConfig(
        **_SEGFORMER[size],
        initializer_range=_SEGFORMER_SPREAD,
        num_attention_heads=[1, 2, 5, 8],
        drop_path_rate=0.0,
        classifier_dropout_prob=0.0,
        **_labels(),
    )


def _mask2former(size: str) -> PreTrainedConfig:
    swin = transformers.SwinConfig(**_SWIN[size], drop_path_rate=0.0, **_SWIN_STAGES)
    return transformers.Mask2FormerConfig(backbone_config=swin, **_MASK2FORMER.get(size, {}), **_labels())


def _own(name: str) -> Any:
    """A configuration or model of one of the own networks, as transformers know them."""
    from croplayer.models.networks import auto_classes

    return getattr(auto_classes, name)


_CONFIGS: Mapping[str, tuple[tuple[str, ...], Callable[[str], PreTrainedConfig]]] = {
    "segformer": (tuple(_SEGFORMER), _segformer),
    "mask2former": (tuple(_SWIN), _mask2former),
    "pidnet": (tuple(_PIDNET), lambda size: _own("PIDNetConfig")(**_PIDNET[size], **_labels())),
    "pspnet": (tuple(_PSPNET), lambda size: _own("PSPNetConfig")(**_PSPNET[size], **_labels())),
    "unet": (tuple(_UNET), lambda size: _own("UNetConfig")(**_UNET[size], **_labels())),
}

_BACKBONE = "model.pixel_level_module.encoder."
ENCODERS: Mapping[str, tuple[str, ...]] = {
    "segformer": ("segformer.",),
    "mask2former": (f"{_BACKBONE}swin.embeddings.", f"{_BACKBONE}swin.encoder."),
    "pidnet": ("stem.", "context"),
    "pspnet": ("stem.", "stage"),
    "unet": ("encoder.",),
}
"""How the names of the weights begin that see the image first. They may start from weights of others."""

PUBLISHED_BACKBONES: Mapping[str, tuple[str, str]] = {"mask2former": ("swin.", _BACKBONE)}
"""Of architectures whose encoder is published as a model of its own: how its names begin there, and in the whole model."""

MODEL_CLASSES: Mapping[str, Callable[[], type[PreTrainedModel]]] = {
    "segformer": lambda: transformers.SegformerForSemanticSegmentation,
    "mask2former": lambda: transformers.Mask2FormerForUniversalSegmentation,
    "pidnet": lambda: _own("PIDNetForSemanticSegmentation"),
    "pspnet": lambda: _own("PSPNetForSemanticSegmentation"),
    "unet": lambda: _own("UNetForSemanticSegmentation"),
}
"""What gives the transformers class of each architecture."""

ARCHITECTURES = tuple(_CONFIGS)


def sizes(architecture: str) -> tuple[str, ...]:
    """The sizes of an architecture; raises ValueError for an unknown architecture."""
    return _known(architecture)[0]


def _known(architecture: str) -> tuple[tuple[str, ...], Callable[[str], PreTrainedConfig]]:
    if architecture not in _CONFIGS:
        raise ValueError(f"architecture is '{architecture}'; expected one of {', '.join(ARCHITECTURES)}")
    return _CONFIGS[architecture]


def architecture_config(architecture: str, size: str) -> PreTrainedConfig:
    """The transformers configuration of an architecture and size, for the two classes.

    Raises ValueError for an unknown architecture or size.
    """
    names, make = _known(architecture)
    if size not in names:
        raise ValueError(f"size is '{size}'; expected one of {', '.join(names)} for {architecture}")
    return make(size)


def build_from_config(architecture: str, config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """A model with random weights. They depend on the seed alone; the global generator of torch is left unchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model_class(architecture)(config)


def model_class(architecture: str) -> type[PreTrainedModel]:
    """The transformers class of an architecture, that of the coverage type network among them.

    Raises KeyError for an unknown architecture.
    """
    return transformers.ResNetForImageClassification if architecture == COVERAGE else MODEL_CLASSES[architecture]()


def config_from_dict(architecture: str, values: Mapping[str, Any]) -> PreTrainedConfig:
    """The configuration of an architecture from the values of a ``config.json``."""
    config_class = model_class(architecture).config_class
    if config_class is None:
        raise TypeError(f"{model_class(architecture).__name__} declares no configuration class")
    config: PreTrainedConfig = config_class.from_dict(dict(values))
    return config
