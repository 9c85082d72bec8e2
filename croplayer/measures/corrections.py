"""Corrections by hand on a mask of flags: applied, and taken back."""

from __future__ import annotations

import numpy as np

from stores.legends import CROPLAND, NO_IMAGERY, NOT_CROPLAND, Correction

_ADDS = {
    NOT_CROPLAND: Correction.ADDED,
    CROPLAND: Correction.CONFIRMED_CROPLAND,
    NO_IMAGERY: Correction.ADDED_WITHOUT_IMAGERY,
}
_REMOVES = {
    NOT_CROPLAND: Correction.CONFIRMED_NOT_CROPLAND,
    CROPLAND: Correction.REMOVED,
    NO_IMAGERY: Correction.REMOVED_WITHOUT_IMAGERY,
}
"""What a correction does to a pixel, by what the map showed there."""


def corrected_mask(mask: np.ndarray, added: np.ndarray, removed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A map with corrections by hand: ground without imagery is known where a person drew it.

    Parameters
    ----------
    mask : (h, w) uint8, flags of the integrated map: 0, 1, 254 no imagery
    added, removed : (h, w) bool, pixels that people drew as cropland and as other land; no pixel is both

    Returns
    -------
    The corrected flags (h, w) uint8, and what was done to each pixel (h, w) uint8, `stores.legends.Correction`
    """
    done = np.full(mask.shape, Correction.NONE, np.uint8)
    for drawn, codes in ((added, _ADDS), (removed, _REMOVES)):
        for before, code in codes.items():
            done[drawn & (mask == before)] = code
    corrected = mask.copy()
    corrected[added], corrected[removed] = CROPLAND, NOT_CROPLAND
    return corrected, done


def uncorrected_mask(mask: np.ndarray, done: np.ndarray) -> np.ndarray:
    """The map before it was corrected: (h, w) uint8; the inverse of `corrected_mask`."""
    before = mask.copy()
    for codes in (_ADDS, _REMOVES):
        for flag, code in codes.items():
            before[done == code] = flag
    return before
