"""Masks of flags (0, 1, 254 no imagery): merged, measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from croplayer.kernels.regions import region_properties, summarise
from stores.columns import AREA_FRACTION, AREA_KM2, EULER_MEAN, KNOWN, SOLIDITY_MEAN
from stores.grid import BlockGrid, BlockIndex
from stores.legends import CROPLAND, NO_IMAGERY, NOT_CROPLAND, Integration
from stores.records import Value, finite


def integrated_mask(masks: Sequence[np.ndarray], choice: Integration, no_usable_imagery: bool) -> np.ndarray:
    """Flags of the integrated map.

    "Merge both" is cropland where either source sees it and not cropland where one sees none and the
    other sees none or has no imagery. "Neither" is not cropland where there is imagery; when no source's
    imagery was usable (clouds, snow, missing tiles) it is no imagery instead, because nothing is known.
    """
    if choice is Integration.ONLY_A:
        return masks[0]
    if choice is Integration.ONLY_B:
        return masks[1]
    if choice is Integration.MERGE_BOTH:
        return merged_mask(masks)
    known = (np.stack(masks) != NO_IMAGERY).any(axis=0)
    return np.where(known & ~np.bool_(no_usable_imagery), NOT_CROPLAND, NO_IMAGERY).astype(np.uint8)


def merged_mask(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Flags (h, w) of masks of flags merged: cropland where any sees it, no imagery where none has any."""
    stack = np.stack(masks)
    known = (stack != NO_IMAGERY).any(axis=0)
    crop = (stack == CROPLAND).any(axis=0)
    return np.where(crop, CROPLAND, np.where(known, NOT_CROPLAND, NO_IMAGERY)).astype(np.uint8)


def shape_features(mask: np.ndarray, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Area, area fraction, solidity and Euler number of a block's mask of flags, and the share of it that is known.

    Totals of a mask without cropland are 0 and means are missing; everything but ``known`` is missing without imagery.
    """
    known = mask != NO_IMAGERY
    crop = mask == CROPLAND
    if not known.any():
        names = (AREA_KM2, AREA_FRACTION, SOLIDITY_MEAN, "solidity_total", EULER_MEAN, "euler_total", "regions")
        return {KNOWN: 0.0, **dict.fromkeys(names)}
    summary = summarise(region_properties(crop))
    return {
        KNOWN: float(known.mean()),
        AREA_KM2: area_km2(crop, grid, block),
        AREA_FRACTION: float(crop.sum() / known.sum()),
        SOLIDITY_MEAN: finite(summary.solidity_mean),
        "solidity_total": finite(summary.solidity_total),
        EULER_MEAN: finite(summary.euler_mean),
        "euler_total": finite(summary.euler_total),
        "regions": int(summary.count),
    }


def area_km2(weight: np.ndarray, grid: BlockGrid, block: BlockIndex) -> float:
    """Area of a block's pixels weighted by ``weight`` (h, w), in km2 on the ellipsoid."""
    rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
    return float(weight.sum(axis=1, dtype=np.float64) @ rows / 1e6)
