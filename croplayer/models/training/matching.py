"""The matching loss of Mask2Former: each field, and the background, is matched with one query.

Cheng et al. 2022, CVPR, 1290-1299. The loss of the library does not handle missing pixels; here they count neither in
the matching nor in the loss.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional

from stores.legends import CROPLAND, NOT_CROPLAND


class QueryLabels(NamedTuple):
    """The masks that the queries of one image are matched with."""

    masks: torch.Tensor
    """(k, cells) float32: share of each cell of the mask grid in the mask, 0..1."""
    classes: torch.Tensor
    """(k,) int64."""
    weight: torch.Tensor
    """(cells,) float32: share of each cell that has imagery."""


def query_labels(parcels: torch.Tensor, valid: torch.Tensor, most: int, grid: tuple[int, int]) -> list[QueryLabels]:
    """One mask for each field and one for the background, on the grid of the predicted masks.

    Parameters
    ----------
    parcels : (n, h, w) int32, 0 outside all fields
    valid : (n, h, w) bool; a pixel without imagery is in no mask
    most : number of queries; if there are more fields, the largest are kept
    grid : rows and columns of the predicted masks
    """
    labels = []
    for image, known in zip(parcels, valid, strict=True):
        numbers, areas = image[known].unique(return_counts=True)
        fields = numbers[areas.argsort(descending=True, stable=True)]
        fields = fields[fields > 0][: most - 1]
        masks = torch.stack([image == 0, *(image == number for number in fields)]) & known
        shares = functional.adaptive_avg_pool2d(torch.cat([masks, known[None]]).float(), grid).flatten(1)
        weight = shares[-1]
        classes = torch.tensor([NOT_CROPLAND] + [CROPLAND] * len(fields), device=parcels.device)
        labels.append(QueryLabels(shares[:-1] / weight.clamp_min(1e-6), classes, weight))
    return labels


def matching_loss(output: Any, labels: list[QueryLabels], config: Any) -> torch.Tensor:
    """Class, mask and dice loss of matched queries, summed over the decoder's layers: scalar float32.

    Parameters
    ----------
    output : output of Mask2FormerForUniversalSegmentation with its auxiliary logits
    labels : one per image, on the grid of the predicted masks
    config : configuration with ``class_weight``, ``mask_weight``, ``dice_weight`` and ``no_object_weight``
    """
    layers = [
        {"class_queries_logits": output.class_queries_logits, "masks_queries_logits": output.masks_queries_logits}
    ]
    layers += output.auxiliary_logits or []
    total = torch.zeros((), device=output.class_queries_logits.device)
    for layer in layers:
        classes, masks = layer["class_queries_logits"].float(), layer["masks_queries_logits"].float().flatten(2)
        total = total + sum(_image_loss(*image, config) for image in zip(classes, masks, labels, strict=True)) / len(
            labels
        )
    return total


def _image_loss(classes: torch.Tensor, masks: torch.Tensor, labels: QueryLabels, config: Any) -> torch.Tensor:
    """Loss of one image: (q, classes + 1) and (q, cells) logits against its labels."""
    entropy, dice = _pairwise(masks, labels)
    cost = config.mask_weight * entropy + config.dice_weight * dice
    cost = cost - config.class_weight * classes.softmax(-1)[:, labels.classes]
    rows, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    nothing = classes.shape[-1] - 1
    wanted = torch.full((len(classes),), nothing, device=classes.device)
    wanted[torch.as_tensor(rows, device=wanted.device)] = labels.classes[torch.as_tensor(columns, device=wanted.device)]
    weights = torch.ones(nothing + 1, device=classes.device)
    weights[nothing] = config.no_object_weight
    right_class = functional.cross_entropy(classes, wanted, weights)
    return (
        config.class_weight * right_class
        + config.mask_weight * entropy[rows, columns].mean()
        + config.dice_weight * dice[rows, columns].mean()
    )


def _pairwise(masks: torch.Tensor, labels: QueryLabels) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy and dice loss of every query with every label, over cells with imagery: (q, k) each."""
    weight = labels.weight
    known = weight.sum().clamp_min(1e-6)
    inside, outside = functional.softplus(-masks) * weight, functional.softplus(masks) * weight
    entropy = (inside @ labels.masks.T + outside @ (1 - labels.masks).T) / known
    shares = masks.sigmoid() * weight
    both = shares @ labels.masks.T
    either = shares.sum(1)[:, None] + (labels.masks * weight).sum(1)[None]
    return entropy, 1 - (2 * both + 1) / (either + 1)
