"""Single fields from the queries of Mask2Former, in place of one semantic map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from croplayer.models.networks.precision import computing_in
from croplayer.models.networks.segmentation import SegmentationNetwork


class Parcels(NamedTuple):
    """The fields found in one image."""

    labels: np.ndarray
    """(h, w) int32: 0 outside all fields, 1..n the fields."""
    scores: np.ndarray
    """(n,) float32 in 0..1: probability that the query is cropland times the mean of its mask."""


def predict_parcels(
    model: SegmentationNetwork, rgb: np.ndarray, valid: np.ndarray, *, lowest_score: float = 0.5, smallest_px: int = 16
) -> Parcels:
    """Fields of one image; each pixel belongs to the query with the highest score there.

    Parameters
    ----------
    model : a Mask2Former
    rgb : (h, w, 3) uint8; both sides are multiples of 32
    valid : (h, w) bool, where there is imagery; other pixels are in no field
    lowest_score : fields with a lower score are left out
    smallest_px : fields with fewer pixels are left out

    Raises
    ------
    ValueError when the model is not a Mask2Former.
    """
    if model.architecture != "mask2former":
        raise ValueError(f"the model is a {model.architecture}; single fields need a mask2former")
    device = model.device
    with torch.inference_mode(), computing_in(model.precision, device):
        pixels = model.normalise(torch.from_numpy(rgb[None]).to(device), torch.from_numpy(valid[None]).to(device))
        output = model.model(pixel_values=pixels)
        classes = output.class_queries_logits[0].float().softmax(-1)
        masks = torch.nn.functional.interpolate(
            output.masks_queries_logits.float(), size=valid.shape, mode="bilinear", align_corners=False
        )[0].sigmoid()
        claims = (classes[:, :-1].amax(-1)[:, None, None] * masks).cpu().numpy()
    owner = claims.argmax(axis=0)
    is_field = np.isin(classes[:, :-1].argmax(-1).cpu().numpy(), model.cropland)
    masks_np, chances = masks.cpu().numpy(), classes[:, list(model.cropland)].sum(-1).cpu().numpy()
    labels, scores = np.zeros(valid.shape, dtype=np.int32), []
    for query in np.flatnonzero(is_field):
        own = (owner == query) & (masks_np[query] > 0.5) & valid
        if own.sum() < smallest_px:
            continue
        score = chances[query] * masks_np[query][own].mean()
        if score >= lowest_score:
            scores.append(score)
            labels[own] = len(scores)
    return Parcels(labels, np.array(scores, dtype=np.float32))
