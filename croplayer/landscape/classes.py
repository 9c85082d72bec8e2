"""Land-cover classes of the synthetic country and which of them are cropland."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class LandCover(IntEnum):
    """What lies at a point of the synthetic country."""

    UNKNOWN = 0
    WINTER_GRAIN = 1
    MAIZE = 2
    PADDY = 3
    VEGETABLES = 4
    OILSEED = 5
    FALLOW = 6
    GREENHOUSE = 7
    ORCHARD = 10
    WOODLAND = 11
    SHRUB = 12
    GRASSLAND = 13
    PARK = 14
    WETLAND = 15
    WATER = 20
    BOUNDARY = 21
    ROAD = 22
    BUILT = 23
    BARE = 24
    DUNE = 25

    @property
    def label(self) -> str:
        """The class in words, for legends."""
        return self.name.replace("_", " ").capitalize()

    @property
    def is_cropland(self) -> bool:
        """Whether the class is cropland by the map's definition: annual crops, fallow and greenhouses; no orchards."""
        return LandCover.WINTER_GRAIN <= self <= LandCover.GREENHOUSE

    @property
    def is_parcel(self) -> bool:
        """Whether the class comes in parcels with an id: cropland and orchards."""
        return self.is_cropland or self is LandCover.ORCHARD


def class_table(*classes: LandCover) -> np.ndarray:
    """Lookup table that is 1 for the given classes: (256,) uint8."""
    table = np.zeros(256, dtype=np.uint8)
    table[[int(c) for c in classes]] = 1
    return table


CROPLAND_CLASSES = tuple(c for c in LandCover if c.is_cropland)

IS_CROPLAND = class_table(*CROPLAND_CLASSES)
"""(256,) uint8: 1 where a land-cover code is cropland by the map's definition."""
