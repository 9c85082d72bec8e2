"""PIDNet: three branches for detail (P), context (I) and boundaries (D) (Xu et al. 2023, CVPR, 19529-19539).

Sizes S, M and L have the paper's depths and widths. The boundary branch decides, pixel
by pixel, between the detail branch at edges and the context branch inside fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn

from croplayer.models.networks.convolution import BasicBlock, Bottleneck, ConvNorm, NormConv, resized_to


class PIDNetShape(NamedTuple):
    """Widths and depths of a PIDNet."""

    width: int
    branch_depth: int
    context_depth: int
    pyramid_width: int
    head_width: int
    pools: Sequence[Sequence[int]]
    """Windows and strides of the pyramid's means at a 64th of the resolution; a window of 0 is the whole map."""
    pools_count_padding: bool
    """Whether the means include the zeros beyond the edge of the image and so depend on its size, as in the paper's network."""
    num_labels: int

    @property
    def is_large(self) -> bool:
        """Whether the network is built like PIDNet-L: deeper branches, serial pyramid, full fusion."""
        return self.branch_depth > 2


class PIDNetMaps(NamedTuple):
    """What a PIDNet tells."""

    logits: torch.Tensor
    """(n, classes, h / 8, w / 8)."""
    detail_logits: torch.Tensor | None
    """(n, classes, h / 8, w / 8) of the detail branch; in training only."""
    boundary_logits: torch.Tensor | None
    """(n, 1, h / 8, w / 8) of the boundary branch; in training only."""


def _layer(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, depth: int, stride: int = 1
) -> nn.Sequential:
    """A sequence of blocks; the last one has no ReLU after its sum."""
    expansion = 2 if block is Bottleneck else 1
    blocks: list[nn.Module] = []
    for i in range(depth):
        last = i == depth - 1
        blocks.append(block(inputs, width, stride=stride if i == 0 else 1, expansion=expansion, relu=not last))
        inputs = width * expansion
    return nn.Sequential(*blocks)


class PixelAttention(nn.Module):
    """Pag: adds context to the detail branch where the two agree (paper section 3.2)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.of_detail = ConvNorm(channels, width, relu=False)
        self.of_context = ConvNorm(channels, width, relu=False)

    def forward(self, detail: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Mix detail (n, c, h, w) with context (n, c, h', w'); the result has the shape of ``detail``."""
        agreement = self.of_detail(detail) * resized_to(self.of_context(context), detail)
        share = agreement.sum(dim=1, keepdim=True).sigmoid()
        mixed: torch.Tensor = (1 - share) * detail + share * resized_to(context, detail)
        return mixed


class _Pool(nn.Sequential):
    """Average over a window (or the whole map) and reduce the channels."""

    def __init__(self, inputs: int, width: int, window: int, stride: int, counts_padding: bool) -> None:
        local = window > 0
        pool = nn.AvgPool2d(window, stride, window // 2, False, counts_padding) if local else nn.AdaptiveAvgPool2d(1)
        super().__init__(pool, NormConv(inputs, width))


def _pools(inputs: int, shape: PIDNetShape) -> nn.ModuleList:
    width, counts_padding = shape.pyramid_width, shape.pools_count_padding
    return nn.ModuleList(_Pool(inputs, width, window, stride, counts_padding) for window, stride in shape.pools)


class ParallelPyramid(nn.Module):
    """PAPPM: context at several scales, processed side by side (paper section 3.3)."""

    def __init__(self, inputs: int, shape: PIDNetShape, outputs: int) -> None:
        super().__init__()
        width, n = shape.pyramid_width, len(shape.pools)
        self.own = NormConv(inputs, width)
        self.pools = _pools(inputs, shape)
        self.process = NormConv(n * width, n * width, 3, groups=n)
        self.compress = NormConv((n + 1) * width, outputs)
        self.shortcut = NormConv(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w)."""
        own = self.own(x)
        scales = [resized_to(pool(x), x) + own for pool in self.pools]
        mixed = torch.cat([own, self.process(torch.cat(scales, dim=1))], dim=1)
        result: torch.Tensor = self.compress(mixed) + self.shortcut(x)
        return result


class SerialPyramid(nn.Module):
    """DAPPM: context at several scales, each added to the one before (Hong et al. 2021, arXiv 2101.06085)."""

    def __init__(self, inputs: int, shape: PIDNetShape, outputs: int) -> None:
        super().__init__()
        width, n = shape.pyramid_width, len(shape.pools)
        self.own = NormConv(inputs, width)
        self.pools = _pools(inputs, shape)
        self.process = nn.ModuleList(NormConv(width, width, 3) for _ in range(n))
        self.compress = NormConv((n + 1) * width, outputs)
        self.shortcut = NormConv(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w)."""
        scales = [self.own(x)]
        for pool, process in zip(self.pools, self.process, strict=True):
            scales.append(process(resized_to(pool(x), x) + scales[-1]))
        result: torch.Tensor = self.compress(torch.cat(scales, dim=1)) + self.shortcut(x)
        return result


class LightFusion(nn.Module):
    """Light-Bag: detail at boundaries, context elsewhere, with two 1 x 1 convolutions (paper section 3.4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_detail = ConvNorm(channels, channels, relu=False)
        self.of_context = ConvNorm(channels, channels, relu=False)

    def forward(self, detail: torch.Tensor, context: torch.Tensor, boundary: torch.Tensor) -> torch.Tensor:
        """Fuse three maps of one shape (n, c, h, w); ``boundary`` holds logits."""
        edge = boundary.sigmoid()
        fused: torch.Tensor = self.of_detail((1 - edge) * context + detail) + self.of_context(context + edge * detail)
        return fused


class FullFusion(nn.Module):
    """Bag: detail at boundaries, context elsewhere, with one 3 x 3 convolution (paper section 3.4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = NormConv(channels, channels, 3)

    def forward(self, detail: torch.Tensor, context: torch.Tensor, boundary: torch.Tensor) -> torch.Tensor:
        """Fuse three maps of one shape (n, c, h, w); ``boundary`` holds logits."""
        edge = boundary.sigmoid()
        fused: torch.Tensor = self.mix(edge * detail + (1 - edge) * context)
        return fused


class _Head(nn.Sequential):
    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__(
            NormConv(inputs, width, 3), nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Conv2d(width, outputs, 1)
        )


class PIDNet(nn.Module):
    """PIDNet with its three heads; the detail and boundary heads are used in training only."""

    def lay_out(self, shape: PIDNetShape) -> None:
        """Add all layers."""
        w, m, n, labels = shape.width, shape.branch_depth, shape.context_depth, shape.num_labels
        self.stem = nn.Sequential(
            *(nn.Conv2d(3, w, 3, 2, 1), nn.BatchNorm2d(w), nn.ReLU(inplace=True)),
            *(nn.Conv2d(w, w, 3, 2, 1), nn.BatchNorm2d(w), nn.ReLU(inplace=True)),
        )
        self.context1 = _layer(BasicBlock, w, w, m)
        self.context2 = _layer(BasicBlock, w, 2 * w, m, 2)
        self.context3 = _layer(BasicBlock, 2 * w, 4 * w, n, 2)
        self.context4 = _layer(BasicBlock, 4 * w, 8 * w, n, 2)
        self.context5 = _layer(Bottleneck, 8 * w, 8 * w, 2, 2)
        self.reduce3 = ConvNorm(4 * w, 2 * w, relu=False)
        self.reduce4 = ConvNorm(8 * w, 2 * w, relu=False)
        self.attend3 = PixelAttention(2 * w, w)
        self.attend4 = PixelAttention(2 * w, w)
        self.detail3 = _layer(BasicBlock, 2 * w, 2 * w, m)
        self.detail4 = _layer(BasicBlock, 2 * w, 2 * w, m)
        self.detail5 = _layer(Bottleneck, 2 * w, 2 * w, 1)
        if shape.is_large:
            self.boundary3 = _layer(BasicBlock, 2 * w, 2 * w, 1)
            self.boundary4 = _layer(BasicBlock, 2 * w, 2 * w, 1)
            self.difference3 = ConvNorm(4 * w, 2 * w, 3, relu=False)
            self.pyramid: nn.Module = SerialPyramid(16 * w, shape, 4 * w)
            self.fusion: nn.Module = FullFusion(4 * w)
        else:
            self.boundary3 = _layer(BasicBlock, 2 * w, w, 1)
            self.boundary4 = _layer(Bottleneck, w, w, 1)
            self.difference3 = ConvNorm(4 * w, w, 3, relu=False)
            self.pyramid = ParallelPyramid(16 * w, shape, 4 * w)
            self.fusion = LightFusion(4 * w)
        self.difference4 = ConvNorm(8 * w, 2 * w, 3, relu=False)
        self.boundary5 = _layer(Bottleneck, 2 * w, 2 * w, 1)
        self.detail_head = _Head(2 * w, shape.head_width, labels)
        self.boundary_head = _Head(2 * w, w, 1)
        self.head = _Head(4 * w, shape.head_width, labels)

    def forward(self, pixel_values: torch.Tensor) -> PIDNetMaps:
        """Logits (n, classes, h / 8, w / 8) of normalised pixels (n, 3, h, w)."""
        relu = nn.functional.relu
        relu_ = nn.functional.relu_
        context = relu_(self.context2(relu_(self.context1(self.stem(pixel_values)))))
        detail, boundary = self.detail3(context), self.boundary3(context)
        context = relu_(self.context3(context))
        detail = self.attend3(detail, self.reduce3(context))
        boundary = boundary + resized_to(self.difference3(context), boundary)
        detail_logits = self.detail_head(detail) if self.training else None
        context = relu_(self.context4(context))
        detail, boundary = self.detail4(relu(detail)), self.boundary4(relu(boundary))
        detail = self.attend4(detail, self.reduce4(context))
        boundary = boundary + resized_to(self.difference4(context), boundary)
        boundary_logits = self.boundary_head(boundary) if self.training else None
        detail, boundary = self.detail5(relu(detail)), self.boundary5(relu(boundary))
        context = resized_to(self.pyramid(self.context5(context)), detail)
        logits = self.head(self.fusion(detail, context, boundary))
        return PIDNetMaps(logits, detail_logits, boundary_logits)
