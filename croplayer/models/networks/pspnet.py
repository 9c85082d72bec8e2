"""PSPNet: a dilated ResNet with a pyramid of pooled context (Zhao et al. 2017, CVPR, 2881-2890)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSemanticSegmentation, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from croplayer.models.networks.convolution import BasicBlock, Bottleneck, ConvNorm, initialise, resized_to


class PSPNetConfig(PreTrainedConfig):
    """Widths and depths of a PSPNet."""

    model_type = "pspnet"

    def __init__(
        self,
        depths: tuple[int, ...] | list[int] = (3, 4, 6, 3),
        width: int = 64,
        block: str = "bottleneck",
        pool_bins: tuple[int, ...] | list[int] = (1, 2, 3, 6),
        head_width: int = 512,
        auxiliary_width: int = 256,
        dropout: float = 0.1,
        **kwargs: Any,
    ) -> None:
        if block not in ("basic", "bottleneck"):
            raise ValueError(f"PSPNet field 'block' is '{block}'; expected 'basic' or 'bottleneck'")
        self.depths = list(depths)
        self.width = width
        self.block = block
        self.pool_bins = list(pool_bins)
        self.head_width = head_width
        self.auxiliary_width = auxiliary_width
        self.dropout = dropout
        super().__init__(**kwargs)


@dataclass
class PSPNetOutput(ModelOutput):
    """The output of a PSPNet."""

    logits: torch.FloatTensor | None = None
    """(n, classes, h / 8, w / 8)."""
    auxiliary_logits: torch.FloatTensor | None = None
    """(n, classes, h / 8, w / 8) from the stage before the last; in training only."""


def _stage(config: PSPNetConfig, inputs: int, width: int, depth: int, stride: int, dilation: int) -> nn.Sequential:
    expansion = 4 if config.block == "bottleneck" else 1
    block = Bottleneck if config.block == "bottleneck" else BasicBlock
    blocks: list[nn.Module] = []
    for i in range(depth):
        blocks.append(block(inputs, width, stride=stride if i == 0 else 1, dilation=dilation, expansion=expansion))
        inputs = width * expansion
    return nn.Sequential(*blocks)


class PyramidPooling(nn.Module):
    """The feature map concatenated with its averages over grids of 1, 2 x 2, 3 x 3 and 6 x 6 bins (paper section 3.2)."""

    def __init__(self, inputs: int, bins: list[int], width: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.Sequential(nn.AdaptiveAvgPool2d(b), ConvNorm(inputs, width)) for b in bins)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, c, h, w) to (n, c + bins * width, h, w), where ``bins`` is the number of grids."""
        return torch.cat([x, *(resized_to(pool(x), x) for pool in self.pools)], dim=1)


class PSPNetForSemanticSegmentation(PreTrainedModel):
    """PSPNet at an eighth of the resolution, with an auxiliary head in training."""

    config_class = PSPNetConfig
    base_model_prefix = "pspnet"
    main_input_name = "pixel_values"

    def __init__(self, config: PSPNetConfig) -> None:
        super().__init__(config)
        w, expansion = config.width, 4 if config.block == "bottleneck" else 1
        self.stem = nn.Sequential(
            ConvNorm(3, w // 2, 3, stride=2), ConvNorm(w // 2, w // 2, 3), ConvNorm(w // 2, w, 3), nn.MaxPool2d(3, 2, 1)
        )
        self.stage1 = _stage(config, w, w, config.depths[0], stride=1, dilation=1)
        self.stage2 = _stage(config, w * expansion, 2 * w, config.depths[1], stride=2, dilation=1)
        self.stage3 = _stage(config, 2 * w * expansion, 4 * w, config.depths[2], stride=1, dilation=2)
        self.stage4 = _stage(config, 4 * w * expansion, 8 * w, config.depths[3], stride=1, dilation=4)
        features = 8 * w * expansion
        self.pyramid = PyramidPooling(features, config.pool_bins, features // len(config.pool_bins))
        pooled = features + len(config.pool_bins) * (features // len(config.pool_bins))
        self.head = _head(pooled, config.head_width, config)
        self.auxiliary_head = _head(4 * w * expansion, config.auxiliary_width, config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)

    def forward(self, pixel_values: torch.Tensor) -> PSPNetOutput:
        """Logits (n, classes, h / 8, w / 8) of normalised pixels (n, 3, h, w)."""
        middle = self.stage3(self.stage2(self.stage1(self.stem(pixel_values))))
        logits = self.head(self.pyramid(self.stage4(middle)))
        auxiliary = self.auxiliary_head(middle) if self.training else None
        return PSPNetOutput(logits=logits, auxiliary_logits=auxiliary)


def _head(inputs: int, width: int, config: PSPNetConfig) -> nn.Sequential:
    return nn.Sequential(
        ConvNorm(inputs, width, 3), nn.Dropout2d(config.dropout), nn.Conv2d(width, int(config.num_labels or 0), 1)
    )


AutoConfig.register(PSPNetConfig.model_type, PSPNetConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(PSPNetConfig, PSPNetForSemanticSegmentation, exist_ok=True)
