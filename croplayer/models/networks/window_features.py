"""Windows of imagery in numbers: colour, texture and what the encoder of a network sees."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import nn

from croplayer.models.networks.encoder_features import deepest_features
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.precision import FLOAT32, computing_in

WINDOW_M = 500.0
"""Edge of a window on the ground at the network's own pixel, metres."""
_STRIDE_PX, _SMALLEST_PX = 32, 64
KNOWN_SHARE = 0.9
"""Share of a window's pixels with imagery that it takes to be described."""
COARSE_PX = 4
"""Edge of the means that the coarser of the two textures is told from."""
PLAIN = 8
"""Numbers of colour and texture; they come first."""
_SMALLEST_ENERGY = 1e-6


class EncodingNetwork(Protocol):
    """What the features ask of a network; `SegmentationNetwork` is one."""

    @property
    def architecture(self) -> str:
        """One of ``architectures.ARCHITECTURES``."""

    @property
    def model(self) -> nn.Module:
        """Its transformers model."""

    @property
    def device(self) -> torch.device:
        """Where torch computes."""

    def normalise(self, rgb: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """(n, 3, h, w) float32 from (n, h, w, 3) uint8 pixels and (n, h, w) bool."""


def window_edge_px(gsd_m: tuple[float, float]) -> int:
    """Edge of the windows of a network in pixels: ``WINDOW_M`` at the middle of its range of pixels, a multiple of 32."""
    middle = float(np.sqrt(gsd_m[0] * gsd_m[1]))
    return max(_SMALLEST_PX, round(WINDOW_M / middle / _STRIDE_PX) * _STRIDE_PX)


def places_of_windows(valid: np.ndarray, edge_px: int, most_along: int) -> list[tuple[slice, slice]]:
    """Windows spread evenly over an image, none over another, that are covered by imagery.

    Parameters
    ----------
    valid : (h, w) bool
    edge_px : edge of a window
    most_along : largest number of windows along a row or a column

    Returns
    -------
    rows and columns of each; none for an image smaller than a window
    """
    rows, cols = (_starts(size, edge_px, most_along) for size in valid.shape)
    places = [(slice(y, y + edge_px), slice(x, x + edge_px)) for y in rows for x in cols]
    return [place for place in places if valid[place].mean() >= KNOWN_SHARE]


def _starts(size: int, edge_px: int, most: int) -> list[int]:
    """Starts of windows in the middles of equal parts."""
    count = min(size // edge_px, most)
    return [round((i + 0.5) * size / count - edge_px / 2) for i in range(count)]


def window_features(network: EncodingNetwork, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Colour, texture and encoder of windows.

    Parameters
    ----------
    rgb : (n, h, w, 3) uint8, h and w multiples of 32
    valid : (n, h, w) bool

    Returns
    -------
    (n, PLAIN + c) float64: means and standard deviations of red, green and blue in 0..1 over the pixels with imagery; logarithms of
    the mean squared gradient of grey at 1 px and at ``COARSE_PX``; the mean of each channel of the encoder's deepest map
    """
    network = prepared(network)
    with torch.inference_mode(), computing_in(FLOAT32, network.device):
        pixels = network.normalise(
            torch.from_numpy(np.ascontiguousarray(rgb)).to(network.device),
            torch.from_numpy(np.ascontiguousarray(valid)).to(network.device),
        )
        seen = deepest_features(network.architecture, network.model, pixels).cpu().numpy()
    plain = [_plain(*window) for window in zip(rgb, valid, strict=True)]
    return np.hstack([np.array(plain), seen.astype(np.float64)])


def _plain(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(PLAIN,) float64 of one window with imagery."""
    known = rgb[valid] / 255.0
    grey = np.where(valid, rgb.mean(axis=2) / 255.0, known.mean())
    h, w = (size // COARSE_PX * COARSE_PX for size in grey.shape)
    coarse = grey[:h, :w].reshape(h // COARSE_PX, COARSE_PX, w // COARSE_PX, COARSE_PX).mean(axis=(1, 3))
    texture = [np.log(_gradient_energy(image) + _SMALLEST_ENERGY) for image in (grey, coarse)]
    return np.concatenate([known.mean(axis=0), known.std(axis=0), texture])


def _gradient_energy(grey: np.ndarray) -> float:
    """Mean squared difference between neighbours along rows and columns."""
    return float((np.diff(grey, axis=0) ** 2).mean() + (np.diff(grey, axis=1) ** 2).mean())
