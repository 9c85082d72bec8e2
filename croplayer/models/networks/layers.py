"""The layers that a network tells of each pixel: cropland, and the boundaries of fields where its architecture has them.

Loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

CLASSES = ("not cropland", "cropland")
"""Class names by index; index 1 is cropland."""
COVERAGE = "resnet"
"""Architecture of the coverage type network."""
TELL_BOUNDARIES = ("unet",)
"""Architectures that have a head for boundaries: their output has ``boundary_logits`` (n, 1, h, w) when they predict: whether a field's boundary is near."""
HAS_QUERIES = "mask2former"
"""Architecture whose queries, taught one field each, tell boundaries too: where the ground goes from one query to another."""


class Layered(Protocol):
    """A network that tells one layer or two."""

    @property
    def tells_boundaries(self) -> bool:
        """Whether it tells the boundaries of fields as well as cropland."""

    def __call__(self, pixels: torch.Tensor, *, with_boundaries: bool = False) -> torch.Tensor:
        """Logits from normalised pixels, float32: (n, h, w) of cropland; with boundaries (n, 2, h, w), theirs second."""


def layer_count(network: Layered) -> int:
    """Layers that a network tells: 1, cropland, or 2, cropland and boundaries."""
    return 2 if network.tells_boundaries else 1


def layer_logits(network: Layered, pixels: torch.Tensor) -> torch.Tensor:
    """Logits of all layers that a network tells, from one pass: (n, layers, h, w) float32, cropland first."""
    return network(pixels, with_boundaries=True) if network.tells_boundaries else network(pixels)[:, None]
