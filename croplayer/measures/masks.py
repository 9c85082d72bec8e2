"""Masks of flags (0, 1, 254 no imagery): merged, measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from croplayer.kernels.flags import merged_flags, row_counts
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
    known = reduce(np.logical_or, (mask != NO_IMAGERY for mask in masks))
    return np.where(known & ~np.bool_(no_usable_imagery), NOT_CROPLAND, NO_IMAGERY).astype(np.uint8)


def merged_mask(masks: Sequence[np.ndarray]) -> np.ndarray:
    """Flags (h, w) uint8 of masks of flags merged: cropland where any sees it, no imagery where none has any."""
    merged = masks[0]
    for mask in masks[1:] or masks:
        merged = merged_flags(merged, mask, CROPLAND, NO_IMAGERY)
    return merged


def has_data(mask: np.ndarray) -> bool:
    """Whether a mask of flags (h, w) says something anywhere."""
    # Of most masks the first pixel tells.
    return bool((mask.size and mask[0, 0] != NO_IMAGERY) or (mask != NO_IMAGERY).any())


def shape_features(mask: np.ndarray, grid: BlockGrid, block: BlockIndex) -> dict[str, Value]:
    """Area, area fraction, solidity and Euler number of a block's mask of flags, and the share of it that is known.

    Totals of a mask without cropland are 0 and means are missing; everything but ``known`` is missing without imagery.
    """
    known_px = mask.size - int(row_counts(mask, NO_IMAGERY).sum())
    if not known_px:
        names = (AREA_KM2, AREA_FRACTION, SOLIDITY_MEAN, "solidity_total", EULER_MEAN, "euler_total", "regions")
        return {KNOWN: 0.0, **dict.fromkeys(names)}
    crop_rows = row_counts(mask, CROPLAND)
    summary = summarise(region_properties(mask == CROPLAND))
    return {
        KNOWN: known_px / mask.size,
        AREA_KM2: rows_km2(crop_rows, grid, block),
        AREA_FRACTION: float(crop_rows.sum() / known_px),
        SOLIDITY_MEAN: finite(summary.solidity_mean),
        "solidity_total": finite(summary.solidity_total),
        EULER_MEAN: finite(summary.euler_mean),
        "euler_total": finite(summary.euler_total),
        "regions": int(summary.count),
    }


def rows_km2(counts: np.ndarray, grid: BlockGrid, block: BlockIndex) -> float:
    """Area of a block's pixels, of which there are (h,) in each row, in km2 on the ellipsoid."""
    rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px)
    return float(counts.astype(np.float64) @ rows / 1e6)
