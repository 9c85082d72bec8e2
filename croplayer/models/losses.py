"""What training makes small: weighted cross-entropy and soft IoU of the cropland mask."""

from __future__ import annotations

import torch
from torch.nn import functional

from croplayer.models.augmentation import Batch
from croplayer.models.segmentation import SegmentationNetwork

BOUNDARY_REACH_PX = 3
"""Pixels on each side of a field's edge that the boundary weight applies to."""


def boundary_weights(field: torch.Tensor, boundary_weight: float) -> torch.Tensor:
    """1 + ``boundary_weight`` near field edges, 1 elsewhere: (n, h, w) float32 for (n, h, w) shares in 0..1."""
    inside = (field > 0.5).float()
    near = _box_mean(inside)
    return 1 + boundary_weight * ((near > 0.001) & (near < 0.999)).float()


def _box_mean(values: torch.Tensor) -> torch.Tensor:
    """Mean over the square of BOUNDARY_REACH_PX around each pixel, the edge repeated."""
    reach, size = BOUNDARY_REACH_PX, 2 * BOUNDARY_REACH_PX + 1
    padded = functional.pad(values[:, None], (reach, reach, reach, reach), mode="replicate")
    rows = functional.avg_pool2d(padded, (size, 1), stride=1)
    return functional.avg_pool2d(rows, (1, size), stride=1)[:, 0]


def mask_loss(logits: torch.Tensor, field: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted binary cross-entropy plus one minus the soft IoU, over the batch.

    Parameters
    ----------
    logits : (n, h, w) float32 of cropland
    field : (n, h, w) float32, share of the pixel that is field
    weight : (n, h, w) float32, 0 where there is no label

    Returns
    -------
    scalar float32
    """
    total = weight.sum().clamp_min(1.0)
    entropy = (functional.binary_cross_entropy_with_logits(logits, field, reduction="none") * weight).sum() / total
    probability = logits.sigmoid() * weight
    both = (probability * field).sum()
    either = (probability + field * weight).sum() - both
    return entropy + 1 - (both + 1) / (either + 1)


def training_loss(network: SegmentationNetwork, batch: Batch, boundary_weight: float) -> torch.Tensor:
    """Loss of one batch; scalar float32 with a gradient."""
    pixels = ((batch.rgb - network.image_mean) / network.image_std) * batch.valid[:, None]
    weight = boundary_weights(batch.field, boundary_weight) * batch.valid
    return mask_loss(network(pixels), batch.field, weight)
