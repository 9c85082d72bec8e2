"""The maps of a block against a map taken as true: labels of a reviewer, and figures of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from croplayer.measures.boundary import boundary_agreement
from croplayer.measures.judgement import best_integration, mask_correctness
from croplayer.measures.masks import merged_mask
from stores.columns import boundary_columns, map_column
from stores.legends import CROPLAND, MERGE_BOTH, NO_IMAGERY
from stores.records import Value


def reference_labels(reference: np.ndarray, masks: dict[str, np.ndarray]) -> dict[str, Value]:
    """Correctness of each source's mask and the best integration, by a reference.

    Parameters
    ----------
    reference : (h, w) flags of the reference; pixels about which it knows nothing count as empty everywhere
    masks : (h, w) flags of each source; pixels without imagery count as not cropland
    """
    known, truth = reference != NO_IMAGERY, reference == CROPLAND
    has_imagery = {s: bool((mask != NO_IMAGERY).any()) for s, mask in masks.items()}
    labels: dict[str, Value] = dict.fromkeys([*(map_column("correctness", s) for s in masks), "integration"])
    if not known.any() or not any(has_imagery.values()):
        return labels
    crops = {s: (mask == CROPLAND) & known for s, mask in masks.items()}
    for source, crop in crops.items():
        if has_imagery[source]:
            labels[map_column("correctness", source)] = mask_correctness(truth, crop).label
    if len(crops) == 2:
        a, b = crops.values()
        merged = merged_mask(list(masks.values())) == CROPLAND
        labels["integration"] = best_integration(truth, a, b, merged & known).label
    else:
        (only,) = crops.values()
        labels["integration"] = best_integration(truth, only, np.zeros_like(only), only).label
    return labels


def reference_values(
    maps: dict[str, np.ndarray], sources: Sequence[str], reference: np.ndarray, width_px: int
) -> dict[str, Value]:
    """Per map the boundary counts and what the mask is worth; per block the best integration.

    Parameters
    ----------
    maps : masks of flags (h, w) by name, those of the sources among them
    reference : flags of the reference (h, w)

    Returns
    -------
    ``boundary_both_MAP`` and ``boundary_any_MAP`` in pixels; ``true_correctness_MAP`` (label) and
    ``best_integration`` (label), both missing where less than half of the block is known to map and reference.
    """
    truth = reference == CROPLAND
    values: dict[str, Value] = {}
    known_of = {name: (mask != NO_IMAGERY) & (reference != NO_IMAGERY) for name, mask in maps.items()}
    for name, mask in maps.items():
        known, crop = known_of[name], mask == CROPLAND
        counts = boundary_agreement(crop, truth, known, width_px)
        values |= dict(zip(boundary_columns(name), counts, strict=True))
        judged = mask_correctness(truth & known, crop & known).label if known.mean() >= 0.5 else None
        values[map_column("true_correctness", name)] = judged
    if len(sources) == 2:
        known = known_of[MERGE_BOTH]
        masks = [(maps[s] == CROPLAND) & known for s in sources]
        best = best_integration(truth & known, masks[0], masks[1], (maps[MERGE_BOTH] == CROPLAND) & known)
        values["best_integration"] = best.label if known.mean() >= 0.5 else None
    return values
