"""What counts as a change, and how much ground around a block that takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stores.grid import BlockGrid, PixelWindow

HECTARE_M2 = 10_000.0
WEAK_MARGIN = 0.1
"""Least difference of the probabilities of the two editions around the core of a change."""


@dataclass(frozen=True)
class ChangeRules:
    """When a difference of two maps is a change of the ground.

    Raises ValueError for a number outside of its range.
    """

    margin: float = 0.7
    """Least difference of the two editions' cropland probabilities in the core of a change, 0 to 1; 0 takes every
    difference of the maps."""
    reach_m: float = 80.0
    """Pixels this near to a core belong to the change from a difference of WEAK_MARGIN on. Metres."""
    tolerance_m: float = 10.0
    """A margin of cropland that moved by less than this is no change; 0 takes every move. Metres."""
    min_area_ha: float = 0.1
    """A connected change of one kind that is smaller is no change; 0 takes every pixel. Hectares."""
    max_shift_m: float = 15.0
    """A block whose imagery lies further from that of the earlier edition is not compared. Metres."""
    buffer_m: float = 20.0
    """Stable ground within this distance of a change is a stratum of its own when a sample is drawn. Metres."""

    def __post_init__(self) -> None:
        limits = {
            "margin": 1.0,
            "reach_m": 200.0,
            "tolerance_m": 200.0,
            "min_area_ha": 10.0,
            "max_shift_m": 200.0,
            "buffer_m": 500.0,
        }
        for name, most in limits.items():
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise ValueError(f"{name} is {value}; expected a number from 0 to {most:g}")

    @property
    def weak_margin(self) -> float:
        """Least difference of the probabilities around a core."""
        return min(WEAK_MARGIN, self.margin)

    def margins(self, window: PixelWindow, grid: BlockGrid) -> Margins:
        """The pixels around a window that decide its changes; raises ValueError when they reach beyond the next block."""
        near = window.grown(grid.block_px)
        width, height = pixel_m(near.row, near.height, grid)
        patch = math.ceil(self.min_area_ha * HECTARE_M2 / (min(width) * height))
        opening = 2 * math.floor(self.tolerance_m / 2 / min(*width, height))
        beside = (math.ceil(distance / min(*width, height)) for distance in (self.reach_m, self.buffer_m))
        found = Margins(patch, opening, *beside)
        if found.total > grid.block_px:
            raise ValueError(
                f"min_area_ha is {self.min_area_ha}: a change of that size can reach {found.total} pixels beyond a block, "
                f"and blocks have {grid.block_px}; give a smaller one"
            )
        return found


@dataclass(frozen=True)
class Margins:
    """Pixels around a block that decide its changes."""

    patch: int
    """A patch with a pixel in the block that is seen to reach this far is not too small."""
    opening: int
    reach: int
    buffer: int

    @property
    def total(self) -> int:
        """All of them together; the least area is asked for twice, of cores and of what belongs to them."""
        return 2 * self.patch + self.opening + self.reach + self.buffer


def pixel_m(row: int, count: int, grid: BlockGrid) -> tuple[tuple[float, float], float]:
    """Widths of the pixels in the first and the last of ``count`` rows of the lattice, and their height, metres."""
    top = max(row, 0)
    bottom = min(row + count, 180 * grid.px_per_degree) - 1
    height = METRES_PER_DEGREE * grid.px_deg
    first, last = (float(grid.pixel_area_m2(at, 1)[0]) / height for at in (top, max(bottom, top)))
    return (first, last), height


METRES_PER_DEGREE = 111_195.0
"""Along a meridian, for a sphere of the Earth's volume; the ellipsoid's differs by at most 0.6 %."""
