"""What a map of fields got wrong, to look at."""

from __future__ import annotations

import numpy as np

from croplayer.measures.boundary import boundary_band

DRAWN = (255, 220, 0)
FALSE = (230, 40, 40)
MISSED = (50, 90, 240)
OUTLINE_PX = 4
"""Width of the outline of drawn fields."""
VEIL = 0.65
"""Share of the colour where something is wrong."""


def error_picture(rgb: np.ndarray, drawn: np.ndarray, mapped: np.ndarray) -> np.ndarray:
    """Three views side by side: the imagery, drawn fields outlined in yellow, and the errors.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    drawn, mapped : (h, w) bool, fields

    Returns
    -------
    (h, 3 w, 3) uint8; among the errors red is mapped but not drawn, blue drawn but not mapped
    """
    outlined, errors = rgb.copy(), rgb.copy()
    outlined[boundary_band(drawn, OUTLINE_PX)] = DRAWN
    for wrong, colour in ((mapped & ~drawn, FALSE), (drawn & ~mapped, MISSED)):
        errors[wrong] = (1 - VEIL) * errors[wrong] + VEIL * np.array(colour)
    return np.concatenate([rgb, outlined, errors], axis=1)
