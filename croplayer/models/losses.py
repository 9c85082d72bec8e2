"""What training makes small: weighted cross-entropy and soft IoU of the cropland mask."""

from __future__ import annotations

import torch
from torch.nn import functional

from croplayer.legends import CROPLAND, NOT_CROPLAND
from croplayer.models.augmentation import Batch
from croplayer.models.segmentation import SegmentationNetwork, enlarge, query_logits

QUERY_LOSS_WEIGHT = 0.05
"""Weight of Mask2Former's own matching loss beside the loss of the map, which all architectures share."""

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
    """Loss of one batch; scalar float32 with a gradient.

    All architectures make the loss of the cropland map small; Mask2Former also learns each field as
    one of its queries.
    """
    pixels = ((batch.rgb - network.image_mean) / network.image_std) * batch.valid[:, None]
    weight = boundary_weights(batch.field, boundary_weight) * batch.valid
    if network.architecture != "mask2former":
        return mask_loss(network(pixels), batch.field, weight)
    masks, classes = query_labels(batch.parcels, network.model.config.num_queries)
    output = network.model(pixel_values=pixels, mask_labels=masks, class_labels=classes)
    shared = mask_loss(enlarge(query_logits(output), pixels.shape[-2:]), batch.field, weight)
    matching: torch.Tensor = output.loss.squeeze()
    return shared + QUERY_LOSS_WEIGHT * matching


def query_labels(parcels: torch.Tensor, most: int) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """What the queries of Mask2Former are matched with: one mask for each field, one for all else.

    Parameters
    ----------
    parcels : (n, h, w) int32, 0 outside all fields
    most : number of queries; of more fields the largest are kept

    Returns
    -------
    for each image (k, h, w) float32 masks and (k,) int64 classes
    """
    masks, classes = [], []
    for image in parcels:
        numbers, areas = image.unique(return_counts=True)
        fields = numbers[areas.argsort(descending=True, stable=True)]
        fields = fields[fields > 0][: most - 1]
        masks.append(torch.stack([image == 0, *(image == number for number in fields)]).float())
        classes.append(torch.tensor([NOT_CROPLAND] + [CROPLAND] * len(fields), device=parcels.device))
    return masks, classes
