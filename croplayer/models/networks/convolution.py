"""Convolutional parts that PSPNet and PIDNet share.

What nobody else sees is changed in place: fresh memory for every layer costs a sixth of a forward pass on a CPU.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch normalisation and, optionally, ReLU."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, dilation: int = 1, relu: bool = True
    ) -> None:
        padding = dilation * (kernel // 2)
        parts = [
            nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        super().__init__(*parts, *([nn.ReLU(inplace=True)] if relu else []))


class NormConv(nn.Sequential):
    """Batch normalisation, ReLU and convolution without bias, in this order."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, groups: int = 1) -> None:
        super().__init__(
            nn.BatchNorm2d(inputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False),
        )


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al. 2016, CVPR)."""

    expansion = 1

    def __init__(
        self, inputs: int, width: int, *, stride: int = 1, dilation: int = 1, expansion: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        outputs = width * expansion
        self.inside = nn.Sequential(
            ConvNorm(inputs, width, 3, stride=stride, dilation=dilation),
            ConvNorm(width, outputs, 3, dilation=dilation, relu=False),
        )
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, width * expansion, h / stride, w / stride), rounded up."""
        total: torch.Tensor = self.inside(x)
        total += self.shortcut(x)
        return functional.relu_(total) if self.relu else total


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions around a shortcut; the outputs are ``expansion`` times the width."""

    def __init__(
        self, inputs: int, width: int, *, stride: int = 1, dilation: int = 1, expansion: int = 4, relu: bool = True
    ) -> None:
        super().__init__()
        outputs = width * expansion
        self.inside = nn.Sequential(
            ConvNorm(inputs, width),
            ConvNorm(width, width, 3, stride=stride, dilation=dilation),
            ConvNorm(width, outputs, relu=False),
        )
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.relu = relu

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, width * expansion, h / stride, w / stride), rounded up."""
        total: torch.Tensor = self.inside(x)
        total += self.shortcut(x)
        return functional.relu_(total) if self.relu else total


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return ConvNorm(inputs, outputs, stride=stride, relu=False)


def resized_to(x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Resize (n, c, h, w) bilinearly to the height and width of another tensor."""
    return functional.interpolate(x, size=other.shape[-2:], mode="bilinear", align_corners=False)


def initialise(module: nn.Module) -> None:
    """Initialise a convolution after He, a batch normalisation with weights 1 and biases 0; others are left unchanged."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
