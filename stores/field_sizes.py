"""Classes of the size of fields, the same for the evaluation, the tables of units and the report."""

from __future__ import annotations

import numpy as np

SIZE_EDGES_HA = (0.5, 2.0, 5.0, 15.0)
"""A field of exactly such an area belongs to the larger class."""
SIZE_NAMES = ("under 0.5 ha", "0.5 to 2 ha", "2 to 5 ha", "5 to 15 ha", "from 15 ha")
SIZE_KEYS = ("under_0_5", "0_5_to_2", "2_to_5", "5_to_15", "from_15")
"""The classes in names of columns."""
MU_HA = 1 / 15
"""One mu, in ha."""


def size_class(area_ha: np.ndarray) -> np.ndarray:
    """Number of the size class of each field, from 0: (n,) int64."""
    return np.searchsorted(SIZE_EDGES_HA, area_ha, side="right")
