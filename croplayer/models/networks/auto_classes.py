"""The own networks as models of transformers: to be trained, published and read by ``from_pretrained``.

They have the weights of the plain networks, in the same order and under the same names. What only predicts does without
them (`plain`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSemanticSegmentation, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from croplayer.models.networks.convolution import initialise
from croplayer.models.networks.efficientnet_lite import STEM_WIDTH
from croplayer.models.networks.pidnet import PIDNet, PIDNetShape
from croplayer.models.networks.pspnet import PSPNet, PSPNetShape
from croplayer.models.networks.unet import UNet, UNetShape

_POOLS = ((5, 2), (9, 4), (17, 8), (0, 0))
"""Windows and strides of the pyramid of PIDNet's paper."""

_Shape = TypeVar("_Shape", PIDNetShape, PSPNetShape, UNetShape)


class PIDNetConfig(PreTrainedConfig):
    """Widths and depths of a PIDNet: see ``PIDNetShape``."""

    model_type = "pidnet"

    def __init__(
        self,
        width: int = 32,
        branch_depth: int = 2,
        context_depth: int = 3,
        pyramid_width: int = 96,
        head_width: int = 128,
        pools: Sequence[tuple[int, int]] = _POOLS,
        pools_count_padding: bool = True,
        **kwargs: Any,
    ) -> None:
        """Defaults are those of PIDNet-S."""
        self.width = width
        self.branch_depth = branch_depth
        self.context_depth = context_depth
        self.pyramid_width = pyramid_width
        self.head_width = head_width
        self.pools = [list(pool) for pool in pools]
        self.pools_count_padding = pools_count_padding
        super().__init__(**kwargs)


class PSPNetConfig(PreTrainedConfig):
    """Widths and depths of a PSPNet: see ``PSPNetShape``."""

    model_type = "pspnet"

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        width: int = 64,
        block: str = "bottleneck",
        pool_bins: Sequence[int] = (1, 2, 3, 6),
        head_width: int = 512,
        auxiliary_width: int = 256,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        self.depths = list(depths)
        self.width = width
        self.block = block
        self.pool_bins = list(pool_bins)
        self.head_width = head_width
        self.auxiliary_width = auxiliary_width
        self.dropout = dropout
        super().__init__(**kwargs)


class UNetConfig(PreTrainedConfig):
    """Widths and depths of a U-Net: see ``UNetShape``."""

    model_type = "unet"

    def __init__(
        self,
        width_factor: float = 1.0,
        depth_factor: float = 1.0,
        stem_width: int = STEM_WIDTH,
        decoder_widths: Sequence[int] = (96, 64, 48),
        fine_width: int = 16,
        pyramid_width: int = 64,
        pool_windows: Sequence[int] = (3, 7, 13),
        drop_path: float = 0.1,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        """Defaults are those of the encoder Lite0."""
        self.width_factor = width_factor
        self.depth_factor = depth_factor
        self.stem_width = stem_width
        self.decoder_widths = list(decoder_widths)
        self.fine_width = fine_width
        self.pyramid_width = pyramid_width
        self.pool_windows = list(pool_windows)
        self.drop_path = drop_path
        self.dropout = dropout
        super().__init__(**kwargs)


def _shape(kind: type[_Shape], config: PreTrainedConfig) -> _Shape:
    values: dict[str, Any] = {name: getattr(config, name) for name in kind._fields}
    return kind(**(values | {"num_labels": int(config.num_labels or 0)}))


@dataclass
class PIDNetOutput(ModelOutput):
    """``PIDNetMaps`` as transformers returns it."""

    logits: torch.FloatTensor | None = None
    detail_logits: torch.FloatTensor | None = None
    boundary_logits: torch.FloatTensor | None = None


@dataclass
class PSPNetOutput(ModelOutput):
    """``PSPNetMaps`` as transformers returns it."""

    logits: torch.FloatTensor | None = None
    auxiliary_logits: torch.FloatTensor | None = None


@dataclass
class UNetOutput(ModelOutput):
    """``UNetMaps`` as transformers returns it."""

    logits: torch.FloatTensor | None = None
    boundary_logits: torch.FloatTensor | None = None


class PIDNetForSemanticSegmentation(PIDNet, PreTrainedModel):
    """PIDNet with its three heads."""

    config_class = PIDNetConfig
    base_model_prefix = "pidnet"
    main_input_name = "pixel_values"

    def __init__(self, config: PIDNetConfig) -> None:
        super().__init__(config)
        self.lay_out(_shape(PIDNetShape, config))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)

    def forward(self, pixel_values: torch.Tensor) -> PIDNetOutput:  # type: ignore[override]
        """Logits (n, classes, h / 8, w / 8) of normalised pixels (n, 3, h, w)."""
        return PIDNetOutput(**super().forward(pixel_values)._asdict())


class PSPNetForSemanticSegmentation(PSPNet, PreTrainedModel):
    """PSPNet with its auxiliary head."""

    config_class = PSPNetConfig
    base_model_prefix = "pspnet"
    main_input_name = "pixel_values"

    def __init__(self, config: PSPNetConfig) -> None:
        super().__init__(config)
        self.lay_out(_shape(PSPNetShape, config))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)

    def forward(self, pixel_values: torch.Tensor) -> PSPNetOutput:  # type: ignore[override]
        """Logits (n, classes, h / 8, w / 8) of normalised pixels (n, 3, h, w)."""
        return PSPNetOutput(**super().forward(pixel_values)._asdict())


class UNetForSemanticSegmentation(UNet, PreTrainedModel):
    """U-Net with its two heads."""

    config_class = UNetConfig
    base_model_prefix = "unet"
    main_input_name = "pixel_values"

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.lay_out(_shape(UNetShape, config))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)

    def forward(self, pixel_values: torch.Tensor) -> UNetOutput:  # type: ignore[override]
        """Logits of normalised pixels (n, 3, h, w); h and w are multiples of 32."""
        return UNetOutput(**super().forward(pixel_values)._asdict())


AutoConfig.register(PIDNetConfig.model_type, PIDNetConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(PIDNetConfig, PIDNetForSemanticSegmentation, exist_ok=True)
AutoConfig.register(PSPNetConfig.model_type, PSPNetConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(PSPNetConfig, PSPNetForSemanticSegmentation, exist_ok=True)
AutoConfig.register(UNetConfig.model_type, UNetConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(UNetConfig, UNetForSemanticSegmentation, exist_ok=True)
