"""Corrections by hand: polygons that add cropland to the map or remove it, each with its author, reason and date."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from croplayer.vector.zones import zones_of_pixels
from stores.grid import CRS, BlockGrid, BlockIndex, PixelWindow

ID_DIGITS = 12


class Action(StrEnum):
    """What a correction does."""

    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True)
class HandCorrection:
    """A polygon that a person burns into the map."""

    action: Action
    author: str
    reason: str
    date: str
    """When it was decided: YYYY-MM-DD, or YYYY-MM-DDTHH:MM:SS in UTC."""
    outline: BaseGeometry
    """Polygon in EPSG:4326."""
    feature: int
    """Its place in the file, from 1."""

    @cached_property
    def id(self) -> str:
        """Hexadecimal digits that tell it from all others, wherever it stands in its file."""
        parts = (self.action, self.author, self.reason, self.date, self.outline.wkb_hex)
        return hashlib.sha256(repr(tuple(map(str, parts))).encode()).hexdigest()[:ID_DIGITS]

    @property
    def words(self) -> dict[str, str]:
        """What its row says, and its id."""
        return {
            "id": self.id,
            "action": str(self.action),
            "author": self.author,
            "reason": self.reason,
            "date": self.date,
        }


def by_block(
    corrections: Sequence[HandCorrection], blocks: Sequence[BlockIndex], grid: BlockGrid
) -> dict[BlockIndex, tuple[HandCorrection, ...]]:
    """The corrections that touch each of some blocks, in the order in which they are applied; blocks without any are left out."""
    if not corrections or not len(blocks):
        return {}
    boxes = shapely.box(*np.array([grid.bounds(block) for block in blocks]).T)
    outlines = np.array([c.outline for c in corrections], dtype=object)
    pairs = shapely.STRtree(boxes).query(outlines, predicate="intersects").T
    found: dict[BlockIndex, list[HandCorrection]] = {}
    for place, row in sorted(pairs.tolist()):
        found.setdefault(blocks[row], []).append(corrections[place])
    return {block: tuple(own) for block, own in found.items()}


def corrections_of_pixels(corrections: Sequence[HandCorrection], window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Place in the sequence of the correction that each pixel takes: (h, w) int32, -1 where none holds its centre.

    Of several that hold it, the last one in the sequence counts.
    """
    import geopandas as gpd  # its import takes as long as a block, and few blocks are corrected

    return zones_of_pixels(gpd.GeoDataFrame(geometry=[c.outline for c in corrections], crs=CRS), window, grid)
