"""PSPNet: a dilated ResNet with a pyramid of pooled context (Zhao et al. 2017, CVPR, 2881-2890)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from croplayer.models.networks.convolution import BasicBlock, Bottleneck, ConvNorm, resized_to


class PSPNetShape(NamedTuple):
    """Widths and depths of a PSPNet."""

    depths: Sequence[int]
    width: int
    block: str
    """"basic" or "bottleneck"."""
    pool_bins: Sequence[int]
    head_width: int
    auxiliary_width: int
    dropout: float
    num_labels: int


class PSPNetMaps(NamedTuple):
    """What a PSPNet tells."""

    logits: torch.Tensor
    """(n, classes, h / 8, w / 8)."""
    auxiliary_logits: torch.Tensor | None
    """(n, classes, h / 8, w / 8) from the stage before the last; in training only."""


def _stage(shape: PSPNetShape, inputs: int, width: int, depth: int, stride: int, dilation: int) -> nn.Sequential:
    expansion = 4 if shape.block == "bottleneck" else 1
    block = Bottleneck if shape.block == "bottleneck" else BasicBlock
    blocks: list[nn.Module] = []
    for i in range(depth):
        blocks.append(block(inputs, width, stride=stride if i == 0 else 1, dilation=dilation, expansion=expansion))
        inputs = width * expansion
    return nn.Sequential(*blocks)


class PyramidPooling(nn.Module):
    """The feature map concatenated with its averages over grids of 1, 2 x 2, 3 x 3 and 6 x 6 bins (paper section 3.2)."""

    def __init__(self, inputs: int, bins: Sequence[int], width: int) -> None:
        super().__init__()
        self.pools = nn.ModuleList(nn.Sequential(nn.AdaptiveAvgPool2d(b), ConvNorm(inputs, width)) for b in bins)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, c, h, w) to (n, c + bins * width, h, w), where ``bins`` is the number of grids."""
        return torch.cat([x, *(resized_to(pool(x), x) for pool in self.pools)], dim=1)


class PSPNet(nn.Module):
    """PSPNet at an eighth of the resolution, with an auxiliary head in training."""

    def lay_out(self, shape: PSPNetShape) -> None:
        """Add all layers; raises ValueError for an unknown kind of block."""
        if shape.block not in ("basic", "bottleneck"):
            raise ValueError(f"PSPNet field 'block' is '{shape.block}'; expected 'basic' or 'bottleneck'")
        w, expansion = shape.width, 4 if shape.block == "bottleneck" else 1
        self.stem = nn.Sequential(
            ConvNorm(3, w // 2, 3, stride=2), ConvNorm(w // 2, w // 2, 3), ConvNorm(w // 2, w, 3), nn.MaxPool2d(3, 2, 1)
        )
        self.stage1 = _stage(shape, w, w, shape.depths[0], stride=1, dilation=1)
        self.stage2 = _stage(shape, w * expansion, 2 * w, shape.depths[1], stride=2, dilation=1)
        self.stage3 = _stage(shape, 2 * w * expansion, 4 * w, shape.depths[2], stride=1, dilation=2)
        self.stage4 = _stage(shape, 4 * w * expansion, 8 * w, shape.depths[3], stride=1, dilation=4)
        features = 8 * w * expansion
        self.pyramid = PyramidPooling(features, shape.pool_bins, features // len(shape.pool_bins))
        pooled = features + len(shape.pool_bins) * (features // len(shape.pool_bins))
        self.head = _head(pooled, shape.head_width, shape)
        self.auxiliary_head = _head(4 * w * expansion, shape.auxiliary_width, shape)

    def forward(self, pixel_values: torch.Tensor) -> PSPNetMaps:
        """Logits (n, classes, h / 8, w / 8) of normalised pixels (n, 3, h, w)."""
        middle = self.stage3(self.stage2(self.stage1(self.stem(pixel_values))))
        logits = self.head(self.pyramid(self.stage4(middle)))
        auxiliary = self.auxiliary_head(middle) if self.training else None
        return PSPNetMaps(logits, auxiliary)


def _head(inputs: int, width: int, shape: PSPNetShape) -> nn.Sequential:
    return nn.Sequential(ConvNorm(inputs, width, 3), nn.Dropout2d(shape.dropout), nn.Conv2d(width, shape.num_labels, 1))
