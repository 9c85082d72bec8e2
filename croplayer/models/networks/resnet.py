"""ResNet as a classifier (He et al. 2016, CVPR, 770-778), its weights named as in transformers' ``ResNetForImageClassification``.

Coverage types are trained with that class and told with this one, which predicts the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn


class ResNetShape(NamedTuple):
    """Widths and depths of a ResNet."""

    num_channels: int
    embedding_size: int
    """Channels of the stem."""
    hidden_sizes: Sequence[int]
    """Channels of each stage."""
    depths: Sequence[int]
    """Blocks of each stage."""
    layer_type: str
    """Blocks of two convolutions, "basic", or of three, "bottleneck"."""
    downsample_in_first_stage: bool
    downsample_in_bottleneck: bool
    """Whether the first convolution of a bottleneck has the stride, and not the second."""
    num_labels: int


class ResNetScores(NamedTuple):
    """What the classifier tells."""

    logits: torch.Tensor
    """(n, classes)."""


class _Convolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, relu: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.normalization = nn.BatchNorm2d(outputs)
        self.activation: nn.Module = nn.ReLU() if relu else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.activation(self.normalization(self.convolution(x)))
        return mapped


class _Block(nn.Module):
    """Two or three convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, shape: ResNetShape, *, early: bool) -> None:
        super().__init__()
        is_same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if is_same else _Shortcut(inputs, outputs, stride)
        if shape.layer_type == "bottleneck":
            narrow, (first, second) = outputs // 4, (stride, 1) if early else (1, stride)
            parts = [_Convolution(inputs, narrow, 1, first), _Convolution(narrow, narrow, 3, second)]
            parts.append(_Convolution(narrow, outputs, 1, relu=False))
        else:
            parts = [_Convolution(inputs, outputs, 3, stride), _Convolution(outputs, outputs, 3, relu=False)]
        self.layer = nn.Sequential(*parts)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.layer(x) + self.shortcut(x)).relu()


class _Shortcut(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.normalization = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.normalization(self.convolution(x))
        return mapped


class _Stage(nn.Module):
    def __init__(self, inputs: int, outputs: int, depth: int, stride: int, shape: ResNetShape) -> None:
        super().__init__()
        first = _Block(inputs, outputs, stride, shape, early=shape.downsample_in_bottleneck)
        others = (_Block(outputs, outputs, 1, shape, early=False) for _ in range(depth - 1))
        self.layers = nn.Sequential(first, *others)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.layers(x)
        return mapped


class _Encoder(nn.Module):
    def __init__(self, shape: ResNetShape) -> None:
        super().__init__()
        widths = [shape.embedding_size, *shape.hidden_sizes]
        strides = [2 if shape.downsample_in_first_stage else 1, *[2] * (len(shape.hidden_sizes) - 1)]
        self.stages = nn.Sequential(
            *(_Stage(widths[i], widths[i + 1], shape.depths[i], stride, shape) for i, stride in enumerate(strides))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mapped: torch.Tensor = self.stages(x)
        return mapped


class _Features(nn.Module):
    def __init__(self, shape: ResNetShape) -> None:
        super().__init__()
        self.embedder = nn.ModuleDict({"embedder": _Convolution(shape.num_channels, shape.embedding_size, 7, 2)})
        self.encoder = _Encoder(shape)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        stem = nn.functional.max_pool2d(self.embedder["embedder"](x), 3, 2, 1)
        return nn.functional.adaptive_avg_pool2d(self.encoder(stem), 1)


class ResNet(nn.Module):
    """From (n, channels, h, w) normalised pixels to (n, classes) logits."""

    def lay_out(self, shape: ResNetShape) -> None:
        """Add all layers; raises ValueError for an unknown kind of block."""
        if shape.layer_type not in ("basic", "bottleneck"):
            raise ValueError(f"ResNet field 'layer_type' is '{shape.layer_type}'; expected 'basic' or 'bottleneck'")
        self.resnet = _Features(shape)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(shape.hidden_sizes[-1], shape.num_labels))

    def forward(self, pixel_values: torch.Tensor) -> ResNetScores:
        """Logits of normalised pixels."""
        return ResNetScores(self.classifier(self.resnet(pixel_values)))
