"""Overviews of maps and imagery: coarser pixels that are means of what is known below them.

The first level has pixels of 4 x 4 pixels. Its bytes tell the counts of these sixteen exactly, so every coarser level is
computed from it and equals the mean over the pixels themselves, whichever levels lie between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from stores.legends import CROPLAND, NEVER_PROCESSED, NO_IMAGERY, PROBABILITY_SCALE
from stores.levels import FIRST_FACTOR

_FIRST_PX = FIRST_FACTOR**2


class Overview(NamedTuple):
    """Some maps and the imagery of a place at coarser pixels."""

    area_fraction: np.ndarray
    """(maps, h, w) uint8: 0..250 = share of cropland 0..1 of the known pixels; where none is known, 254 if one of them has
    no imagery, else 255."""
    known_fraction: np.ndarray
    """(maps, h, w) uint8: 0..250 = share of known pixels 0..1; 250 only where all are known, 0 only where none is."""
    rgb: np.ndarray
    """(sources, h, w, 3) uint8: mean of the pixels that the source's mask knows, 0 where none is."""


def first_overview(masks: np.ndarray, rgb: np.ndarray) -> Overview:
    """The level of factor 4.

    Parameters
    ----------
    masks : (1 + sources, h, w) uint8 flags: the map, then the mask of each source; h and w are multiples of 4
    rgb : (sources, h, w, 3) uint8

    Raises ValueError for an edge that is no multiple of 4.
    """
    is_known = masks < NO_IMAGERY
    known = _sums(is_known, FIRST_FACTOR)
    crop = _sums(masks == CROPLAND, FIRST_FACTOR)
    lacks_imagery = _sums(masks == NO_IMAGERY, FIRST_FACTOR) > 0
    sums = _sums(rgb * is_known[1:, ..., None], FIRST_FACTOR)
    return _encoded(crop, known, _FIRST_PX, lacks_imagery, sums)


def coarser_overview(first: Overview, factor: int) -> Overview:
    """A level whose pixels are ``factor`` x ``factor`` of those of the level of factor 4.

    The shares equal those counted in the pixels; the imagery is the mean of the first level's, of which each pixel weighs
    as many pixels as are known in it. Raises ValueError where the factor does not divide an edge.
    """
    known = (first.known_fraction.astype(np.int64) * _FIRST_PX + PROBABILITY_SCALE // 2) // PROBABILITY_SCALE
    # Where nothing is known the share is a flag, which no pixel counts for.
    crop = (first.area_fraction.astype(np.int64) * known + PROBABILITY_SCALE // 2) // PROBABILITY_SCALE
    lacks_imagery = _sums(first.area_fraction == NO_IMAGERY, factor) > 0
    sums = _sums(first.rgb * known[1:, ..., None], factor)
    return _encoded(_sums(crop, factor), _sums(known, factor), _FIRST_PX * factor**2, lacks_imagery, sums)


def _encoded(
    crop: np.ndarray, known: np.ndarray, pixels: int, lacks_imagery: np.ndarray, rgb_sums: np.ndarray
) -> Overview:
    """A level from its counts: cropland and known pixels of each map, and sums of the known imagery."""
    is_known = known > 0
    unknown = np.where(lacks_imagery, NO_IMAGERY, NEVER_PROCESSED)
    fraction = np.where(is_known, _rounded(crop * PROBABILITY_SCALE, known), unknown)
    share = _rounded(known * PROBABILITY_SCALE, np.full_like(known, pixels))
    # A single pixel of a large one must not round to none or to all.
    share = np.where(is_known & (known < pixels), np.clip(share, 1, PROBABILITY_SCALE - 1), share)
    rgb = _rounded(rgb_sums, known[1:, ..., None])
    return Overview(fraction.astype(np.uint8), share.astype(np.uint8), rgb.astype(np.uint8))


def _rounded(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Whole means, halves rounded up; 0 where the count is 0."""
    return (2 * sums + counts) // np.maximum(2 * counts, 1)


def _sums(pixels: np.ndarray, factor: int) -> np.ndarray:
    """Sums of squares of pixels along the axes 1 and 2, int64."""
    height, width = pixels.shape[1:3]
    if height % factor or width % factor:
        raise ValueError(f"{height} x {width} pixels cannot be cut into squares of {factor} pixels")
    # Squares of 4 x 4 hold at most 4,080, the largest sum of sixteen bytes.
    small = np.uint16 if pixels.dtype.itemsize == 1 and factor == FIRST_FACTOR else np.int64
    rows: np.ndarray = pixels[:, ::factor].astype(small)
    for i in range(1, factor):
        rows += pixels[:, i::factor]
    sums: np.ndarray = rows[:, :, ::factor].astype(small)
    for i in range(1, factor):
        sums += rows[:, :, i::factor]
    return sums.astype(np.int64)
