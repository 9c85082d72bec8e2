"""The right answer to the block decisions: the correctness of a mask, and the best integration."""

from __future__ import annotations

import math

import numpy as np

from croplayer.measures.agreement import mask_agreement
from stores.legends import EMPTY_SHARE, Correctness, Integration

GOOD_IOU = 0.5
GOOD_PRECISION = 0.5
SPECKLED_EDGES = 0.5
"""A mask is noise when more than this share of its pixels lies on its edge."""


def mask_iou(truth: np.ndarray, mask: np.ndarray) -> float:
    """Intersection over union of two (h, w) 0/1 masks; 1 when both are empty."""
    counts = mask_agreement(mask.astype(bool), truth.astype(bool))
    return 1.0 if math.isnan(counts.iou) else counts.iou


def mask_correctness(truth: np.ndarray, mask: np.ndarray) -> Correctness:
    """Correctness of a block's mask, given the truth.

    Parameters
    ----------
    truth, mask : (h, w) 0/1, the true and the mapped cropland of the block

    Returns
    -------
    TN both empty (below EMPTY_SHARE), TP an IoU of GOOD_IOU or more, NOISE a speckled mask,
    FP a mask that is mostly not cropland, ARTIFACTS anything else (large parts missing)
    """
    truth, mask = truth.astype(bool), mask.astype(bool)
    if truth.shape != mask.shape:
        raise ValueError(f"truth has shape {truth.shape} and mask {mask.shape}; expected the same block")
    mapped = mask.mean()
    if mapped < EMPTY_SHARE and truth.mean() < EMPTY_SHARE:
        return Correctness.TN
    if mask_iou(truth, mask) >= GOOD_IOU:
        return Correctness.TP
    if mapped < EMPTY_SHARE:
        return Correctness.ARTIFACTS
    inner = mask[1:-1, 1:-1]
    whole = inner & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    if inner.any() and 1.0 - whole.sum() / inner.sum() > SPECKLED_EDGES:
        return Correctness.NOISE
    return Correctness.FP if (truth & mask).sum() / mask.sum() < GOOD_PRECISION else Correctness.ARTIFACTS


def best_integration(
    truth: np.ndarray, mask_a: np.ndarray, mask_b: np.ndarray, merged: np.ndarray | None = None
) -> Integration:
    """The choice between two masks of a block that comes nearest to the truth by IoU.

    Parameters
    ----------
    truth, mask_a, mask_b : (h, w) 0/1
    merged : (h, w) 0/1, what merging both gives; their union if not given

    Returns
    -------
    the best choice; of equals the first of Neither, Only A, Only B, Merge both. Neither (an empty
    block) scores 1 on an empty truth and 0 on any other.
    """
    merged = mask_a.astype(bool) | mask_b.astype(bool) if merged is None else merged
    scores = {
        Integration.NEITHER: mask_iou(truth, np.zeros_like(truth)),
        Integration.ONLY_A: mask_iou(truth, mask_a),
        Integration.ONLY_B: mask_iou(truth, mask_b),
        Integration.MERGE_BOTH: mask_iou(truth, merged),
    }
    return max(scores, key=lambda choice: scores[choice])
