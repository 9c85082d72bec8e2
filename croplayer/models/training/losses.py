"""Training losses: weighted cross-entropy and soft IoU of the cropland mask, the losses of auxiliary heads, and what is kept of a start."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from croplayer.models.networks.queries import query_logits
from croplayer.models.networks.segmentation import SegmentationNetwork, class_logits, enlarge
from croplayer.models.training.augmentation import Batch
from croplayer.models.training.matching import matching_loss, query_labels

QUERY_LOSS_WEIGHT = 0.05
"""Weight of the matching loss of Mask2Former relative to the mask loss that all architectures share."""

AUXILIARY_WEIGHT = 0.4
"""Weight of the auxiliary heads of PSPNet and PIDNet (both papers), and of the boundaries of the U-Net."""

BELIEVED_EDGE = 0.8
"""Probability above which PIDNet takes a pixel for an edge (paper section 3.5)."""

BOUNDARY_REACH_PX = 3
"""Pixels on each side of a field's edge that the boundary weight applies to."""

BETWEEN_FIELDS_PX = 2
"""Pixels on each side of a line between two fields, or a field and other land, that are its boundary."""


class Kept(NamedTuple):
    """What a network that is trained further keeps of the one that it started from."""

    start: SegmentationNetwork
    """The network as it was, in evaluation mode; it is not trained."""
    weight: float
    """Of `kept_loss` in the whole loss."""
    trust: tuple[float, float] = (1.0, 1.0)
    """How much the start is believed where it maps other land, and where it maps cropland; 0 to 1 each."""


def grounds(batch: Batch) -> torch.Tensor:
    """Ground inside which edges are those of fields: (2, n, h, w) bool, of the windows and of the rectangles mixed into them.

    Where labelled ground ends, at the edge of the imagery or of a rectangle, nothing is known of a field's edge.
    """
    return torch.stack([batch.labelled & ~batch.mixed, batch.labelled & batch.mixed])


def boundary_weights(field: torch.Tensor, boundary_weight: float, ground: torch.Tensor) -> torch.Tensor:
    """Pixel weights (n, h, w) float32 for shares of field (n, h, w) in 0..1 on ``grounds`` (k, n, h, w).

    The weight is 1 + ``boundary_weight`` within BOUNDARY_REACH_PX of a field edge in the same ground and 1 elsewhere.
    """
    known = ground.float()
    near = _box_mean((field > 0.5) * known) / _box_mean(known).clamp_min(1e-6)
    return 1 + boundary_weight * (ground & (near > 0.001) & (near < 0.999)).any(0).float()


def _box_mean(values: torch.Tensor) -> torch.Tensor:
    """Mean (k, n, h, w) over the square of BOUNDARY_REACH_PX around each pixel; the border is repeated outwards."""
    reach, size = BOUNDARY_REACH_PX, 2 * BOUNDARY_REACH_PX + 1
    padded = functional.pad(values.flatten(0, 1)[:, None], (reach, reach, reach, reach), mode="replicate")
    rows = functional.avg_pool2d(padded, (size, 1), stride=1)
    return functional.avg_pool2d(rows, (1, size), stride=1).view_as(values)


def boundaries(parcels: torch.Tensor, ground: torch.Tensor) -> torch.Tensor:
    """The boundaries of fields, those between two fields that touch too: (n, h, w) float32, 0 or 1.

    ``parcels`` is (n, h, w) int32, 0 outside all fields, and ``ground`` what ``grounds`` gives. Where two fields meet, the
    outline of their union shows nothing.
    """
    numbers, size = parcels.float(), 2 * BETWEEN_FIELDS_PX + 1

    def highest(values: torch.Tensor) -> torch.Tensor:
        known = torch.where(ground, values, -torch.inf).flatten(0, 1)
        return functional.max_pool2d(known[:, None], size, 1, BETWEEN_FIELDS_PX).view(ground.shape)

    return (ground & (highest(numbers) != -highest(-numbers))).any(0).float()


def mask_loss(logits: torch.Tensor, field: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted binary cross-entropy plus one minus the soft IoU, over the whole batch.

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


def kept_loss(
    logits: torch.Tensor, start: torch.Tensor, ground: torch.Tensor, trust: torch.Tensor | float = 1.0
) -> torch.Tensor:
    """How far a network has left what it started from (learning without forgetting: Li and Hoiem 2016, ECCV).

    Parameters
    ----------
    logits, start : (n, h, w) float32 of the network and of its start
    ground : (n, h, w) bool, where they are compared
    trust : (n, h, w) float32 or one number, weight of the start at each pixel, 0 to 1

    Returns
    -------
    scalar float32: mean over the ground of the weighted Kullback-Leibler divergence of the start's probabilities from those of the network, in nats; 0 where both
    are the same, and without any ground
    """
    probability = start.sigmoid()
    entropy = functional.binary_cross_entropy_with_logits
    divergence = entropy(logits, probability, reduction="none") - entropy(start, probability, reduction="none")
    return (divergence * trust * ground).sum() / ground.sum().clamp_min(1)


def training_loss(
    network: SegmentationNetwork, batch: Batch, boundary_weight: float, kept: Kept | None = None
) -> torch.Tensor:
    """Loss of one batch; scalar float32 with a gradient.

    All architectures minimise the mask loss of the cropland map. Mask2Former adds the matching loss of its queries,
    PIDNet the losses of its detail and boundary heads, PSPNet that of its auxiliary head, the U-Net that of its boundaries.
    With ``kept`` the map and boundaries on imagery without a label are those of the start, as far as its weight goes.
    """
    pixels = ((batch.rgb - network.image_mean) / network.image_std) * batch.valid[:, None]
    ground = grounds(batch)
    weight = boundary_weights(batch.field, boundary_weight, ground) * batch.labelled
    if network.architecture == "mask2former":
        output = network.model(pixel_values=pixels, output_auxiliary_logits=True)
        told = [enlarge(query_logits(output), pixels.shape[-2:])]
        shared = mask_loss(told[0], batch.field, weight)
        config: Any = network.model.config
        grid = output.masks_queries_logits.shape[-2:]
        labels = query_labels(batch.parcels, batch.labelled, config.num_queries, grid)
        return shared + QUERY_LOSS_WEIGHT * matching_loss(output, labels, config) + _left(told, pixels, batch, kept)
    output = network.model(pixel_values=pixels)

    def map_loss(logits: torch.Tensor) -> torch.Tensor:
        return mask_loss(enlarge(class_logits(logits), pixels.shape[-2:]), batch.field, weight)

    told = [enlarge(class_logits(output.logits), pixels.shape[-2:])]
    loss = mask_loss(told[0], batch.field, weight)
    if network.architecture == "pspnet":
        loss = loss + AUXILIARY_WEIGHT * map_loss(output.auxiliary_logits)
    if network.architecture == "pidnet":
        edges = enlarge(output.boundary_logits[:, 0].float(), pixels.shape[-2:])
        loss = loss + AUXILIARY_WEIGHT * map_loss(output.detail_logits)
        loss = loss + boundary_loss(edges, told[0], batch)
    if network.architecture == "unet":
        edges = enlarge(output.boundary_logits[:, 0].float(), pixels.shape[-2:])
        loss = loss + AUXILIARY_WEIGHT * mask_loss(edges, boundaries(batch.parcels, ground), batch.labelled.float())
        told.append(edges)
    return loss + _left(told, pixels, batch, kept)


def _left(told: list[torch.Tensor], pixels: torch.Tensor, batch: Batch, kept: Kept | None) -> torch.Tensor | float:
    """The weighted `kept_loss` of cropland and, where a network tells them, of boundaries."""
    if kept is None:
        return 0.0
    with torch.no_grad():
        start = kept.start(pixels, with_boundaries=kept.start.tells_boundaries)
    starts = start.unbind(1) if start.ndim == 4 else (start,)
    ground = batch.valid & ~batch.labelled
    trust = torch.where(starts[0] >= 0, kept.trust[1], kept.trust[0])
    loss = kept_loss(told[0], starts[0], ground, trust)
    for edges, start_edges in zip(told[1:], starts[1:], strict=True):
        loss = loss + AUXILIARY_WEIGHT * kept_loss(edges, start_edges, ground, trust)
    return kept.weight * loss


def boundary_loss(edges: torch.Tensor, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The boundary terms of PIDNet: loss of the edges, and of the map where edges are predicted (paper section 3.5).

    Parameters
    ----------
    edges : (n, h, w) float32 logits of the boundary head
    logits : (n, h, w) float32 of cropland

    Returns
    -------
    scalar float32: cross-entropy of the edges with both classes balanced, plus the cross-entropy of the map over pixels
    whose edge probability is above BELIEVED_EDGE
    """
    truth = (boundary_weights(batch.field, 1.0, grounds(batch)) > 1).float() * batch.labelled
    share = truth.sum() / batch.labelled.sum().clamp_min(1)
    balance = torch.where(truth > 0, 1 - share, share) * batch.labelled
    entropy = functional.binary_cross_entropy_with_logits(edges, truth, reduction="none")
    found = (entropy * balance).sum() / balance.sum().clamp_min(1)
    believed = (edges.detach().sigmoid() > BELIEVED_EDGE) * batch.labelled
    wrong = functional.binary_cross_entropy_with_logits(logits, batch.field, reduction="none")
    return found + (wrong * believed).sum() / believed.sum().clamp_min(1)
