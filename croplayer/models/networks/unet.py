"""A U-Net on an EfficientNet-Lite encoder: cropland and the boundaries of fields (Ronneberger et al. 2015, MICCAI).

The encoder may start from weights that learned on ImageNet; see ``encoder_weights``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from croplayer.models.networks.convolution import ConvNorm, resized_to
from croplayer.models.networks.efficientnet_lite import EfficientNetLite, scaled_stages


class UNetShape(NamedTuple):
    """Widths and depths of a U-Net."""

    width_factor: float
    depth_factor: float
    stem_width: int
    decoder_widths: Sequence[int]
    """Channels at the strides 16, 8 and 4."""
    fine_width: int
    """Channels at stride 2."""
    pyramid_width: int
    pool_windows: Sequence[int]
    """Windows of the pyramid's means at stride 32."""
    drop_path: float
    dropout: float
    num_labels: int


class UNetMaps(NamedTuple):
    """What a U-Net tells."""

    logits: torch.Tensor
    """(n, classes, h / 2, w / 2)."""
    boundary_logits: torch.Tensor
    """(n, 1, h / 2, w / 2): whether the boundary of a field is near."""


class LocalPyramid(nn.Module):
    """Context at several scales: means over windows that leave out what lies beyond the image."""

    def __init__(self, inputs: int, width: int, outputs: int, windows: Sequence[int]) -> None:
        super().__init__()
        self.reduce = ConvNorm(inputs, width)
        self.scales = nn.ModuleList(ConvNorm(width, width) for _ in windows)
        self.mix = ConvNorm((1 + len(windows)) * width, outputs)
        self.windows = tuple(windows)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (n, inputs, h, w) to (n, outputs, h, w)."""
        x = self.reduce(x)
        means = [functional.avg_pool2d(x, size, 1, size // 2, count_include_pad=False) for size in self.windows]
        scales = [scale(mean) for scale, mean in zip(self.scales, means, strict=True)]
        mixed: torch.Tensor = self.mix(torch.cat([x, *scales], dim=1))
        return mixed


class DecoderStep(nn.Module):
    """Joins a coarse map with the encoder's map of half its stride."""

    def __init__(self, coarse: int, skip: int, width: int) -> None:
        super().__init__()
        self.skip = ConvNorm(skip, width)
        self.join = nn.Sequential(ConvNorm(coarse + width, width, 3), ConvNorm(width, width, 3))

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Map (n, coarse, h, w) and (n, skip, 2 h, 2 w) to (n, width, 2 h, 2 w)."""
        joined: torch.Tensor = self.join(torch.cat([resized_to(coarse, skip), self.skip(skip)], dim=1))
        return joined


class FineStep(nn.Module):
    """The last step, at half the resolution: few channels, because every one of them is a large map."""

    def __init__(self, coarse: int, skip: int, width: int) -> None:
        super().__init__()
        self.reduce = ConvNorm(coarse, width)
        self.skip = ConvNorm(skip, width)
        self.join = ConvNorm(2 * width, width, 3)

    def forward(self, coarse: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        """Map (n, coarse, h, w) and (n, skip, 2 h, 2 w) to (n, width, 2 h, 2 w)."""
        joined: torch.Tensor = self.join(torch.cat([resized_to(self.reduce(coarse), skip), self.skip(skip)], dim=1))
        return joined


class UNet(nn.Module):
    """U-Net with one head for the classes and one for the boundaries of fields."""

    def lay_out(self, shape: UNetShape) -> None:
        """Add all layers."""
        stages = scaled_stages(shape.width_factor, shape.depth_factor)
        self.encoder = EfficientNetLite(stages, shape.stem_width, shape.drop_path)
        at2, at4, at8, at16, at32 = self.encoder.channels
        wide, middle, narrow = shape.decoder_widths
        self.pyramid = LocalPyramid(at32, shape.pyramid_width, wide, shape.pool_windows)
        self.at16 = DecoderStep(wide, at16, wide)
        self.at8 = DecoderStep(wide, at8, middle)
        self.at4 = DecoderStep(middle, at4, narrow)
        self.at2 = FineStep(narrow, at2, shape.fine_width)
        self.dropout = nn.Dropout2d(shape.dropout)
        self.head = nn.Conv2d(narrow, shape.num_labels, 1)
        self.fine_head = nn.Conv2d(shape.fine_width, shape.num_labels, 1)
        self.boundary_head = nn.Conv2d(shape.fine_width, 1, 1)

    def forward(self, pixel_values: torch.Tensor) -> UNetMaps:
        """Logits of normalised pixels (n, 3, h, w); h and w are multiples of 32."""
        at2, at4, at8, at16, at32 = self.encoder(pixel_values)
        coarse = self.at4(self.at8(self.at16(self.pyramid(at32), at16), at8), at4)
        fine = self.at2(coarse, at2)
        logits = resized_to(self.head(self.dropout(coarse)), fine) + self.fine_head(fine)
        return UNetMaps(logits, self.boundary_head(fine))
