"""A U-Net on an EfficientNet-Lite encoder: cropland and the boundaries of fields (Ronneberger et al. 2015, MICCAI).

The encoder may start from weights that learned on ImageNet; see ``encoder_weights``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSemanticSegmentation, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from croplayer.models.networks.convolution import ConvNorm, initialise, resized_to
from croplayer.models.networks.efficientnet_lite import STEM_WIDTH, EfficientNetLite, scaled_stages


class UNetConfig(PreTrainedConfig):
    """Widths and depths of a U-Net."""

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
        """Defaults are those of the encoder Lite0.

        ``decoder_widths`` are channels at the strides 16, 8 and 4, ``fine_width`` those at stride 2. ``pool_windows`` are
        the windows of the pyramid's means at stride 32.
        """
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


@dataclass
class UNetOutput(ModelOutput):
    """The output of a U-Net."""

    logits: torch.FloatTensor | None = None
    """(n, classes, h / 2, w / 2)."""
    boundary_logits: torch.FloatTensor | None = None
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


class UNetForSemanticSegmentation(PreTrainedModel):
    """U-Net with one head for the classes and one for the boundaries of fields."""

    config_class = UNetConfig
    base_model_prefix = "unet"
    main_input_name = "pixel_values"

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        stages = scaled_stages(config.width_factor, config.depth_factor)
        self.encoder = EfficientNetLite(stages, config.stem_width, config.drop_path)
        at2, at4, at8, at16, at32 = self.encoder.channels
        wide, middle, narrow = config.decoder_widths
        self.pyramid = LocalPyramid(at32, config.pyramid_width, wide, config.pool_windows)
        self.at16 = DecoderStep(wide, at16, wide)
        self.at8 = DecoderStep(wide, at8, middle)
        self.at4 = DecoderStep(middle, at4, narrow)
        self.at2 = FineStep(narrow, at2, config.fine_width)
        self.dropout = nn.Dropout2d(config.dropout)
        self.head = nn.Conv2d(narrow, int(config.num_labels or 0), 1)
        self.fine_head = nn.Conv2d(config.fine_width, int(config.num_labels or 0), 1)
        self.boundary_head = nn.Conv2d(config.fine_width, 1, 1)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        initialise(module)

    def forward(self, pixel_values: torch.Tensor) -> UNetOutput:
        """Logits of normalised pixels (n, 3, h, w); h and w are multiples of 32."""
        at2, at4, at8, at16, at32 = self.encoder(pixel_values)
        coarse = self.at4(self.at8(self.at16(self.pyramid(at32), at16), at8), at4)
        fine = self.at2(coarse, at2)
        logits = resized_to(self.head(self.dropout(coarse)), fine) + self.fine_head(fine)
        return UNetOutput(logits=logits, boundary_logits=self.boundary_head(fine))


AutoConfig.register(UNetConfig.model_type, UNetConfig, exist_ok=True)
AutoModelForSemanticSegmentation.register(UNetConfig, UNetForSemanticSegmentation, exist_ok=True)
