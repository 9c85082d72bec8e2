"""The coverage type network: a ResNet applied to a thumbnail of a block."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import nn

from croplayer.kernels.averages import add_rows
from croplayer.models.networks.manifest import Manifest
from croplayer.models.networks.precision import FLOAT32, computing_in
from stores.legends import CoverageType

THUMBNAIL_PX = 128
COVERAGE_MEAN = (0.5, 0.5, 0.5)
COVERAGE_STD = (0.25, 0.25, 0.25)
_BATCH = 64

_SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"embedding_size": 16, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1], "layer_type": "basic"},
    "resnet-18": {
        "embedding_size": 64,
        "hidden_sizes": [64, 128, 256, 512],
        "depths": [2, 2, 2, 2],
        "layer_type": "basic",
    },
    "resnet-34": {
        "embedding_size": 64,
        "hidden_sizes": [64, 128, 256, 512],
        "depths": [3, 4, 6, 3],
        "layer_type": "basic",
    },
    "resnet-50": {
        "embedding_size": 64,
        "hidden_sizes": [256, 512, 1024, 2048],
        "depths": [3, 4, 6, 3],
        "layer_type": "bottleneck",
    },
}
COVERAGE_SIZES = tuple(_SIZES)
COVERAGE_ENCODER = ("resnet.",)
"""How the names of all weights begin but those of the head."""


class CoverageNetwork(nn.Module):
    """A ResNet from (n, 3, 128, 128) normalised pixels to (n, 5) float32 calibrated logits, one per CoverageType."""

    def __init__(
        self,
        model: nn.Module,
        size: str,
        temperature: float = 1.0,
        manifest: Manifest | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.size = size
        self.temperature = temperature
        self.manifest = manifest

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.model.parameters()).device

    def normalise(self, rgb: torch.Tensor) -> torch.Tensor:
        """Normalise (n, h, w, 3) uint8 to (n, 3, h, w) float32, the input of `forward`."""
        mean = torch.tensor(COVERAGE_MEAN, device=rgb.device).view(1, 3, 1, 1)
        std = torch.tensor(COVERAGE_STD, device=rgb.device).view(1, 3, 1, 1)
        return rgb.permute(0, 3, 1, 2).float().div(255).sub(mean).div(std)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits (n, 5) float32, divided by the temperature, of normalised pixels (n, 3, h, w) float32."""
        logits: torch.Tensor = self.model(pixel_values=pixels).logits
        return logits.float() / self.temperature


def build_coverage_network(size: str, seed: int) -> CoverageNetwork:
    """A coverage type network with random weights from a seed; raises ValueError for an unknown size."""
    if size not in _SIZES:
        raise ValueError(f"size is '{size}'; expected one of {', '.join(COVERAGE_SIZES)}")
    from transformers import ResNetConfig, ResNetForImageClassification

    labels = {int(t): t.label for t in CoverageType}
    config = ResNetConfig(**_SIZES[size], id2label=labels, label2id={v: k for k, v in labels.items()})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CoverageNetwork(ResNetForImageClassification(config), size)


def thumbnail(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """A block reduced to 128 x 128 px by area averaging.

    Parameters
    ----------
    rgb : (h, w, 3) uint8, at least 1 x 1 px
    valid : (h, w) bool; invalid pixels count as black

    Returns
    -------
    (128, 128, 3) uint8
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"rgb is {rgb.dtype} {rgb.shape}; expected uint8 (h, w, 3)")
    if valid.shape != rgb.shape[:2]:
        raise ValueError(f"valid has shape {valid.shape}; expected {rgb.shape[:2]}")
    h, w = valid.shape
    shown = rgb if valid.all() else rgb * valid[..., None]
    weights = _area_weights(h)
    rows = np.zeros((THUMBNAIL_PX, w * 3), np.float32)
    add_rows(np.ascontiguousarray(shown).reshape(h, w * 3), weights.indptr, weights.indices, weights.data, rows)
    columns = rows.reshape(THUMBNAIL_PX, w, 3).transpose(1, 0, 2).reshape(w, THUMBNAIL_PX * 3)
    small = (_area_weights(w) @ columns).reshape(THUMBNAIL_PX, THUMBNAIL_PX, 3).transpose(1, 0, 2)
    return np.ascontiguousarray(np.rint(small).clip(0, 255), dtype=np.uint8)


@lru_cache(maxsize=16)
def _area_weights(size: int) -> sparse.csr_array:
    """(128, size) float32: share of each source pixel in each target pixel; rows sum to 1."""
    edges = np.arange(THUMBNAIL_PX + 1) * (size / THUMBNAIL_PX)
    pixel = np.arange(size)
    low = np.maximum(edges[:-1, None], pixel)
    high = np.minimum(edges[1:, None], pixel + 1)
    weights = np.clip(high - low, 0, None)
    return sparse.csr_array((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def predict_coverage(model: CoverageNetwork, thumbnails: np.ndarray) -> np.ndarray:
    """Calibrated probability of each coverage type.

    Parameters
    ----------
    thumbnails : (n, 128, 128, 3) uint8

    Returns
    -------
    (n, 5) float32 in 0..1, rows sum to 1, in the order of CoverageType

    Raises
    ------
    ValueError for a wrong shape, or when the network returns NaN or infinity.
    """
    if thumbnails.shape[1:] != (THUMBNAIL_PX, THUMBNAIL_PX, 3) or thumbnails.dtype != np.uint8:
        raise ValueError(
            f"thumbnails are {thumbnails.dtype} {thumbnails.shape}; expected uint8 (n, {THUMBNAIL_PX}, {THUMBNAIL_PX}, 3)"
        )
    rows = [np.zeros((0, len(CoverageType)), dtype=np.float32)]
    with torch.inference_mode(), computing_in(FLOAT32, model.device):
        for start in range(0, len(thumbnails), _BATCH):
            pixels = model.normalise(torch.from_numpy(thumbnails[start : start + _BATCH]).to(model.device))
            logits = model(pixels)
            if not bool(torch.isfinite(logits).all()):
                raise ValueError("the coverage network returned NaN or infinite logits; its weights are damaged")
            rows.append(logits.softmax(-1).cpu().numpy())
    return np.concatenate(rows)
