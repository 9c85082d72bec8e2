"""What the queries of a Mask2Former tell of each pixel: cropland, and where the ground goes from one query to another.

A query that was taught one field covers that field and nothing beyond. So two neighbouring pixels are of one field as far as
one query covers both, and what is left of that is a score of boundaries like that of a network with a head for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from stores.legends import CROPLAND

APART_PX = 2
"""Pixels on each side of a pixel that its two sides are looked at."""
_SMALLEST_SHARE = 1e-6
_SUREST = 1e-4
"""Boundaries are told between this probability and one minus it, so that logits are finite."""


def query_logits(output: Any, cropland: tuple[int, ...] = (CROPLAND,)) -> torch.Tensor:
    """Cropland logits from class and mask queries: shares sum_q softmax(class)[q, c] x sigmoid(mask)[q].

    The library's own post-processing resizes masks to a fixed size; here they keep the cell's. Shares of several classes
    of cropland, or of several others, are added.
    """
    classes = output.class_queries_logits.float().softmax(-1)[..., :-1]
    masks = output.masks_queries_logits.float().sigmoid()
    shares = torch.einsum("nqc,nqhw->nchw", classes, masks) + _SMALLEST_SHARE
    if shares.shape[1] == 2:
        return shares[:, cropland[0]].log() - shares[:, 1 - cropland[0]].log()
    others = [i for i in range(shares.shape[1]) if i not in cropland]
    return shares[:, list(cropland)].sum(1).log() - shares[:, others].sum(1).log()


def query_boundaries(output: Any, cropland: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    """Logits (n, h, w) float32 of whether a pixel lies between two fields, or a field and other land.

    Each pixel is shared out among the queries that say cropland, and all others together, by class times mask. What no query
    covers on both sides of a pixel, to the left and right or above and below, is the probability of a boundary: one minus
    the sum over queries of the smaller of the two shares. It is 0 where both sides are shared out alike, however unsurely.

    Parameters
    ----------
    output : class and mask queries of a Mask2Former
    cropland : indices of the classes that are cropland
    shape : h and w of the logits
    """
    classes = output.class_queries_logits.float().softmax(-1)[..., :-1]
    masks = output.masks_queries_logits.float().sigmoid()
    fields = classes[..., list(cropland)].sum(-1)
    others = torch.einsum("nq,nqhw->nhw", classes.sum(-1) - fields, masks)[:, None]
    shares = torch.cat([fields[..., None, None] * masks, others + _SMALLEST_SHARE], dim=1)
    shares = shares / shares.sum(1, keepdim=True)
    across, down = (torch.zeros(len(shares), 1, *shape, device=shares.device) for _ in range(2))
    # One query after the other: together, at full size, they would take gigabytes.
    for share in shares.split(1, dim=1):
        around = functional.pad(
            functional.interpolate(share, size=tuple(shape), mode="bilinear", align_corners=False),
            (APART_PX, APART_PX, APART_PX, APART_PX),
            mode="replicate",
        )
        rows, columns = around[..., APART_PX:-APART_PX, :], around[..., APART_PX:-APART_PX]
        across = across + torch.minimum(rows[..., : -2 * APART_PX], rows[..., 2 * APART_PX :])
        down = down + torch.minimum(columns[..., : -2 * APART_PX, :], columns[..., 2 * APART_PX :, :])
    apart = 1 - torch.minimum(across, down)[:, 0]
    return apart.clamp(_SUREST, 1 - _SUREST).logit()
