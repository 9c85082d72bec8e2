"""What the network of a run sees in windows, to tell which look alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from croplayer.active.choosing import Encoder
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.window_features import PLAIN, window_features

STRIDE_PX = 32
"""Networks take images whose edges are multiples of this."""
DIGITS = 3
"""Decimals of the features; further ones depend on the machine."""


def network_encoder(model: Path, edge: int) -> Encoder | None:
    """The encoder of a segmentation model for windows of an edge in pixels; None for windows that it cannot take.

    Raises FileNotFoundError or ValueError for a missing or damaged bundle.
    """
    side = edge // STRIDE_PX * STRIDE_PX
    if side < 2 * STRIDE_PX:
        return None
    network = load_segmenter(model, device="cpu")

    def encode(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
        rgb, valid = rgb[:, :side, :side], valid[:, :side, :side].copy()
        valid[~valid.any(axis=(1, 2))] = True  # a window without imagery looks like a black one
        return np.asarray(window_features(network, rgb, valid)[:, PLAIN:].round(DIGITS))

    return encode
