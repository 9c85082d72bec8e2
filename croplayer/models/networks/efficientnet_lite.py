"""EfficientNet-Lite as an encoder: feature maps at five strides (Tan & Le 2019, ICML; the "Lite" variants of its authors).

The variants for small devices have no squeeze and excitation, and ReLU6 instead of swish. Their head and classifier are
left out here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

STEM_WIDTH = 32
"""Channels after the first convolution, in every published variant."""
STRIDES = (2, 4, 8, 16, 32)
"""Strides of the feature maps."""
_STATISTICS_MOMENTUM = 0.05
_LEFT_OUT = ("_conv_head", "_bn1", "_fc")


class Stage(NamedTuple):
    """Blocks of one width; the first of them has the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


_STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
_LAST_OF_STRIDE = (0, 1, 2, 4, 6)
"""The stages whose results are the feature maps: the last of each stride."""


def scaled_stages(width_factor: float, depth_factor: float) -> tuple[Stage, ...]:
    """The stages of a variant: widths rounded to multiples of 8, numbers of blocks rounded up, first and last stage 1."""
    return tuple(
        stage._replace(
            width=_rounded_width(stage.width, width_factor),
            repeats=stage.repeats if i in (0, len(_STAGES) - 1) else math.ceil(stage.repeats * depth_factor),
        )
        for i, stage in enumerate(_STAGES)
    )


def _rounded_width(width: int, factor: float) -> int:
    scaled = width * factor
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SameConv(nn.Conv2d):
    """Convolution without bias, padded as TensorFlow's "SAME" does for sides that the stride divides.

    With a stride of 2 it pads less above and to the left than below and to the right, which the pretrained weights expect.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        beyond = kernel - stride
        even = beyond % 2 == 0
        super().__init__(inputs, outputs, kernel, stride, beyond // 2 if even else 0, groups=groups, bias=False)
        self.around = None if even else (beyond // 2, beyond - beyond // 2) * 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h / stride, w / stride)."""
        return super().forward(x if self.around is None else functional.pad(x, self.around))


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=_STATISTICS_MOMENTUM)


class InvertedBottleneck(nn.Module):
    """Expansion, depthwise convolution and projection (Sandler et al. 2018, CVPR), with a shortcut where shapes agree."""

    def __init__(self, inputs: int, stage: Stage, stride: int, drop: float) -> None:
        super().__init__()
        inner = inputs * stage.expansion
        expand = [nn.Conv2d(inputs, inner, 1, bias=False), _norm(inner), nn.ReLU6(inplace=True)]
        self.expand = nn.Sequential(*expand) if stage.expansion > 1 else nn.Identity()
        self.depthwise = nn.Sequential(
            SameConv(inner, inner, stage.kernel, stride, groups=inner), _norm(inner), nn.ReLU6(inplace=True)
        )
        self.project = nn.Sequential(nn.Conv2d(inner, stage.width, 1, bias=False), _norm(stage.width))
        self.has_shortcut = stride == 1 and inputs == stage.width
        self.drop = drop
        """Share of the samples of a training batch that skip the block (stochastic depth, Huang et al. 2016, ECCV)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, width, h / stride, w / stride)."""
        y: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        if not self.has_shortcut:
            return y
        if self.training and self.drop > 0:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            y = y * (kept.to(y.dtype) / (1 - self.drop))
        return x + y


class EfficientNetLite(nn.Module):
    """The encoder; ``channels`` are the widths of its five feature maps.

    Parameters
    ----------
    stages : see ``scaled_stages``
    stem_width : channels after the first convolution
    drop : stochastic depth of the last block; it grows in proportion up to there
    """

    def __init__(self, stages: tuple[Stage, ...], stem_width: int, drop: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(SameConv(3, stem_width, 3, 2), _norm(stem_width), nn.ReLU6(inplace=True))
        total = sum(stage.repeats for stage in stages)
        blocks: list[nn.Module] = []
        last_blocks, inputs = [], stem_width
        for stage in stages:
            for i in range(stage.repeats):
                blocks.append(
                    InvertedBottleneck(inputs, stage, stage.stride if i == 0 else 1, drop * len(blocks) / total)
                )
                inputs = stage.width
            last_blocks.append(len(blocks) - 1)
        self.blocks = nn.ModuleList(blocks)
        self.channels = tuple(stages[i].width for i in _LAST_OF_STRIDE)
        self._ends = frozenset(last_blocks[i] for i in _LAST_OF_STRIDE)

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Feature maps (n, channels[k], h / STRIDES[k], w / STRIDES[k]) of normalised pixels (n, 3, h, w)."""
        x = self.stem(pixels)
        maps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self._ends:
                maps.append(x)
        return maps


def renamed_weights(published: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of the published PyTorch port under the names of ``EfficientNetLite``; head and classifier are left out."""
    parts = {"_depthwise_conv": "depthwise.0", "_bn1": "depthwise.1", "_project_conv": "project.0", "_bn2": "project.1"}
    parts |= {"_expand_conv": "expand.0", "_bn0": "expand.1"}
    renamed = {}
    for name, tensor in published.items():
        if name.startswith(_LEFT_OUT):
            continue
        if name.startswith("_conv_stem"):
            renamed[name.replace("_conv_stem", "stem.0")] = tensor
        elif name.startswith("_bn0"):
            renamed[name.replace("_bn0", "stem.1")] = tensor
        else:
            _, number, part, leaf = name.split(".")
            renamed[f"blocks.{number}.{parts[part]}.{leaf}"] = tensor
    return renamed
