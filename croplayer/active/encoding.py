"""What a network sees in windows: to tell which look alike, where it does not agree with itself, and what it maps there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from croplayer.active.choosing import NetworkView
from croplayer.active.newer_map import NewerMap
from croplayer.models.bundles.kinds import load_segmenter
from croplayer.models.networks.inference import predict_image
from croplayer.models.networks.window_features import PLAIN, window_features
from croplayer.models.training.training import fixed_threads
from stores.legends import PROBABILITY_SCALE

STRIDE_PX = 32
"""Networks take images whose edges are multiples of this."""
DIGITS = 3
"""Decimals of the features; further ones depend on the machine."""


def network_view(model: Path, edge: int) -> NetworkView | None:
    """How a segmentation model sees windows of an edge in pixels; None for windows that it cannot take.

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

    def turned(rgb: np.ndarray, valid: np.ndarray) -> float:
        straight = predict_image(network, rgb, valid)
        half_turned = predict_image(network, rgb[::-1, ::-1].copy(), valid[::-1, ::-1].copy())[::-1, ::-1]
        if not valid.any():
            return np.nan
        change = np.abs(straight[valid].astype(np.int16) - half_turned[valid])
        return round(float(change.mean()) / PROBABILITY_SCALE, DIGITS)

    return NetworkView(encode, turned)


def newer_map(
    model: Path, number: int, threads: int, threshold: float, choices: Mapping[str, tuple[int, bool]]
) -> NewerMap:
    """The map that the segmentation model of a round makes of windows of any size.

    Parameters
    ----------
    number : of the round
    threads : CPU threads; the last bits of the probabilities depend on them
    threshold, choices : those of the run, see `NewerMap`

    Raises FileNotFoundError or ValueError for a missing or damaged bundle.
    """
    network = load_segmenter(model, device="cpu")

    def probability(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
        with fixed_threads(threads):
            return predict_image(network, rgb, valid)

    return NewerMap(number, probability, threshold, choices)
