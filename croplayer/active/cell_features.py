"""Small squares of imagery in numbers, so that a quick learner can tell cropland from other land."""

from __future__ import annotations

import numpy as np
import torch

from croplayer.models.networks.encoder_features import encoder_maps
from croplayer.models.networks.folding import prepared
from croplayer.models.networks.precision import FLOAT32, computing_in
from croplayer.models.networks.window_features import EncodingNetwork

CELL_PX = 8
"""Edge of a cell in pixels."""
WIDE_CELLS = 4
"""Edge in cells of the squares whose colour and texture a cell also has; the stride of the encoder's deepest map, 32 px."""
PLAIN = 11
"""Numbers of colour and texture; they come first."""


def cell_features(network: EncodingNetwork, rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Colour, texture and what the encoder sees of each cell of an image.

    Parameters
    ----------
    rgb : (h, w, 3) uint8, h and w multiples of 32
    valid : (h, w) bool

    Returns
    -------
    (h / 8, w / 8, PLAIN + c) float32: means and standard deviations of red, green and blue (0..1), the means of the 32 px around,
    the mean gradient of grey in the cell and in the 32 px around, then the channels of `encoder_maps`. NaN for cells of which less
    than half have imagery.
    """
    network = prepared(network)
    with torch.inference_mode(), computing_in(FLOAT32, network.device):
        pixels = network.normalise(
            torch.from_numpy(np.ascontiguousarray(rgb[None])).to(network.device),
            torch.from_numpy(np.ascontiguousarray(valid[None])).to(network.device),
        )
        maps = [m[0].cpu().numpy() for m in encoder_maps(network.architecture, network.model, pixels)]
    rows, cols = rgb.shape[0] // CELL_PX, rgb.shape[1] // CELL_PX
    seen = [_enlarged(np.moveaxis(m, 0, -1), rows, cols) for m in maps]
    found = np.concatenate([_plain(rgb), *seen], axis=2).astype(np.float32)
    known = _means(valid.astype(np.float32)[..., None], CELL_PX)[..., 0]
    found[known < 0.5] = np.nan
    return found


def _plain(rgb: np.ndarray) -> np.ndarray:
    """(h / 8, w / 8, PLAIN) float64."""
    colour = rgb / 255.0
    grey = colour.mean(axis=2)
    gradient = np.zeros_like(grey)
    gradient[:, 1:] += np.abs(np.diff(grey, axis=1))
    gradient[1:] += np.abs(np.diff(grey, axis=0))
    mean = _means(colour, CELL_PX)
    spread = np.sqrt(np.maximum(_means(colour**2, CELL_PX) - mean**2, 0))
    rough = _means(gradient[..., None], CELL_PX)
    wide = [_enlarged(_means(v, CELL_PX * WIDE_CELLS), *mean.shape[:2]) for v in (colour, gradient[..., None])]
    return np.concatenate([mean, spread, wide[0], rough, wide[1]], axis=2)


def _means(values: np.ndarray, edge: int) -> np.ndarray:
    """Means (h / edge, w / edge, c) of squares of (h, w, c)."""
    h, w, c = values.shape
    return values.reshape(h // edge, edge, w // edge, edge, c).mean(axis=(1, 3))


def _enlarged(values: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """Values (h, w, c) repeated to (rows, cols, c)."""
    return values.repeat(rows // values.shape[0], axis=0).repeat(cols // values.shape[1], axis=1)
