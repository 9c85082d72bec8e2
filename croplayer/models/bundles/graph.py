"""A segmentation network as one graph, from stored pixels to probabilities."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from croplayer.models.networks.cells import STRIDE_PX
from croplayer.models.networks.segmentation import SegmentationNetwork


class PixelsToProbability(nn.Module):
    """Stored pixels in, probabilities out, so that a graph carries its normalisation.

    ``forward`` maps (n, h, w, 3) uint8 and (n, h, w) bool (where there is imagery) to (n, h, w) float32
    in 0..1, or (n, 2, h, w) of a network that tells boundaries, theirs second; where the network fails, NaN.
    """

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Probabilities, float32, of pixels (n, h, w, 3) uint8 and (n, h, w) bool, where there is imagery."""
        pixels = self.network.normalise(rgb, valid)
        logits: torch.Tensor = self.network(pixels, with_boundaries=self.network.tells_boundaries)
        return logits.float().sigmoid()


def example_pixels(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, h, w, 3) uint8 and (n, h, w) bool to trace a network with; raises ValueError for sides not of 32 px."""
    n, h, w = shape
    if n < 1 or h % STRIDE_PX or w % STRIDE_PX or min(h, w) < STRIDE_PX:
        raise ValueError(
            f"the shape is {shape}; expected at least one image with sides that are multiples of {STRIDE_PX}"
        )
    generator = torch.Generator().manual_seed(0)
    rgb = torch.randint(0, 256, (n, h, w, 3), dtype=torch.uint8, generator=generator)
    return rgb, torch.ones((n, h, w), dtype=torch.bool)


def exported(graph: PixelsToProbability, example: tuple[torch.Tensor, torch.Tensor]) -> torch.export.ExportedProgram:
    """The ``torch.export`` program of a graph for the shape of its example."""
    # torch and transformers warn about their own insides while they trace.
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.export.export(graph, example)
