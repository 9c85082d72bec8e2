"""A network that looks at each cell four times, as it is and mirrored, and tells the mean.

No side of a cell is the better one for a network, but its answers differ with the side by chance; the mean has less of that.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import nn

from croplayer.models.networks.inference import CellFunction
from croplayer.models.networks.layers import layer_logits
from croplayer.models.networks.segmentation import SegmentationNetwork

MIRRORS = ((), (-1,), (-2,), (-2, -1))
"""Axes of the rows and columns that are turned round for each look."""
_SUREST = 1e-6


class Mirrored(nn.Module):
    """What inference asks of a network, computed as the mean of its probabilities over `MIRRORS`."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network
        self.gsd_m, self.precision = network.gsd_m, network.precision
        self.tells_boundaries = network.tells_boundaries
        self.compiled = None if network.compiled is None else _mirrored(network.compiled)
        self.train(network.training)

    @property
    def device(self) -> torch.device:
        """Where torch computes."""
        return self.network.device

    def normalise(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """As of the network."""
        return self.network.normalise(rgb, valid)

    def forward(self, pixels: torch.Tensor, *, with_boundaries: bool = False) -> torch.Tensor:
        """Logits, as of the network, of the mean of its probabilities; NaN where it fails."""
        looks = (layer_logits(self.network, pixels.flip(axes)).sigmoid().flip(axes) for axes in MIRRORS)
        mean = torch.stack([*looks]).mean(0).clamp(_SUREST, 1 - _SUREST).logit()
        return mean if with_boundaries else mean[:, 0]


@lru_cache(maxsize=1)
def mirrored(network: SegmentationNetwork) -> Mirrored:
    """A network that looks four times; for the same network the same, because it is made ready to predict once."""
    return Mirrored(network)


def _mirrored(compiled: CellFunction) -> CellFunction:
    """A function of cells as the mean over mirrors of another."""

    def predict(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
        looks = []
        for axes in MIRRORS:
            sides = tuple(axis + 3 for axis in axes)  # rows and columns of (n, h, w) and (n, h, w, 3) alike
            told = compiled(np.ascontiguousarray(np.flip(rgb, sides)), np.ascontiguousarray(np.flip(valid, sides)))
            looks.append(np.flip(told, axes))
        mean: np.ndarray = np.stack(looks).mean(axis=0)
        return mean

    return predict
