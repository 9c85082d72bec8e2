"""The population that a sample is drawn from: every mapped pixel, its class and its admin unit.

A pixel lies in a cell: its unit, and in it one of the kinds of ground of a `Ground`. For a map these are its two classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd

from croplayer.cube.whole_blocks import Cube
from croplayer.vector.zones import BORDER, OUTSIDE, zones_of_blocks, zones_of_pixels
from stores.block_list import BlockList
from stores.grid import BlockIndex
from stores.legends import CROPLAND, INTEGRATED, NO_IMAGERY

CLASSES = ("not cropland", "cropland")
"""The map's classes by code."""


@dataclass(frozen=True)
class Ground:
    """The kinds of ground that a sample distinguishes."""

    classes: tuple[str, ...]
    """What a label can say, by code"""
    strata: tuple[str, ...]
    """What is drawn from separately"""
    class_of: tuple[int, ...]
    """Class of each kind on the map"""
    stratum_of: tuple[int, ...]
    """Stratum of each kind"""

    @property
    def kinds(self) -> int:
        """How many there are."""
        return len(self.class_of)


MAP_GROUND = Ground(CLASSES, CLASSES, (0, 1), (0, 1))
"""Of a map: its classes are the strata."""

OUT_OF_FRAME = -1
"""Cell of a pixel that is in no unit or that the map knows nothing about."""


@dataclass(frozen=True)
class Population:
    """Pixels of an integrated map in cells: unit times kind of ground; a cell is ``kinds * unit + kind``."""

    cube: Cube
    blocks: tuple[BlockIndex, ...]
    units: gpd.GeoDataFrame | None
    """Admin units with the column adcode; None for the mapped region as one."""

    @property
    def ground(self) -> Ground:
        """The kinds of ground."""
        return MAP_GROUND

    def kinds(self, block: BlockIndex) -> np.ndarray:
        """Kind of ground of each pixel of a block, (h, w) int16; OUT_OF_FRAME where the map says nothing."""
        mask = self.cube.read_block(INTEGRATED, block)
        return np.where(mask < NO_IMAGERY, mask == CROPLAND, OUT_OF_FRAME).astype(np.int16)

    @property
    def unit_codes(self) -> tuple[str, ...]:
        """Code of every unit; one empty code without units."""
        return ("",) if self.units is None else tuple(self.units.adcode)

    def zones(self) -> np.ndarray:
        """Unit of each block as in `zones_of_blocks`: (n,) int32; 0 everywhere without units."""
        if self.units is None:
            return np.zeros(len(self.blocks), np.int32)
        return zones_of_blocks(self.units, self.blocks)

    def cells(self, block: BlockIndex, zone: int) -> tuple[np.ndarray, np.ndarray]:
        """Cell of each pixel of a block, (h, w) int32, and the unit of each, OUTSIDE for none."""
        kinds = self.kinds(block)
        if zone == BORDER:
            assert self.units is not None
            unit = zones_of_pixels(self.units, self.cube.grid.window(block), self.cube.grid)
        else:
            unit = np.full(kinds.shape, zone, np.int32)
        known = (kinds != OUT_OF_FRAME) & (unit != OUTSIDE)
        return np.where(known, self.ground.kinds * unit + kinds, OUT_OF_FRAME).astype(np.int32), unit


@dataclass(frozen=True)
class Frame:
    """A population and the area of its parts."""

    population: Population
    zones: np.ndarray
    """(n,) int32, unit of each block, BORDER or OUTSIDE"""
    cell_km2: np.ndarray
    """(n, cells) float64, area of every cell in every block"""
    unknown_km2: float
    """Area in the units about which the map says nothing; it is not in the population."""

    @property
    def unit_class_km2(self) -> np.ndarray:
        """Area by unit and class of the map: (units, classes) float64."""
        ground = self.population.ground
        kinds = self.cell_km2.sum(axis=0).reshape(-1, ground.kinds)
        out = np.zeros((len(kinds), len(ground.classes)))
        for kind, code in enumerate(ground.class_of):
            out[:, code] += kinds[:, kind]
        return out


def measure_frame(population: Population, progress: Iterable[int] | None = None) -> Frame:
    """Measure every part of a population to the pixel; reads the map once.

    Parameters
    ----------
    progress : the numbers of the blocks, for a bar that wraps them; None counts silently

    Raises ValueError when the map knows nothing there.
    """
    zones = population.zones()
    n_cells = population.ground.kinds * len(population.unit_codes)
    cell_km2 = np.zeros((len(population.blocks), n_cells))
    unknown = 0.0
    grid = population.cube.grid
    for i in progress if progress is not None else range(len(population.blocks)):
        if zones[i] == OUTSIDE:
            continue
        block = population.blocks[i]
        cells, unit = population.cells(block, int(zones[i]))
        rows = grid.pixel_area_m2(block.row * grid.block_px, grid.block_px) / 1e6
        for cell in np.unique(cells):
            area = float((cells == cell).sum(axis=1) @ rows)
            if cell != OUT_OF_FRAME:
                cell_km2[i, cell] = area
        unknown += float(((cells == OUT_OF_FRAME) & (unit != OUTSIDE)).sum(axis=1) @ rows)
    if cell_km2.sum() == 0:
        raise ValueError("the map knows nothing about this region, so no sample can be drawn; map it first")
    return Frame(population, zones, cell_km2, unknown)


def strata_of(frame: Frame, by_unit: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the strata and the stratum of each cell, (cells,) int64: those of the ground, in each unit or in all."""
    codes, ground = frame.population.unit_codes, frame.population.ground
    in_each = np.tile(ground.stratum_of, len(codes))
    if not by_unit:
        return ground.strata, in_each
    names = tuple(f"{code} {name}".strip() for code in codes for name in ground.strata)
    return names, in_each + len(ground.strata) * np.repeat(np.arange(len(codes)), ground.kinds)


def stratum_km2(frame: Frame, stratum_of_cell: np.ndarray, strata: Sequence[str]) -> np.ndarray:
    """Area of each stratum: (k,) float64."""
    return np.bincount(stratum_of_cell, frame.cell_km2.sum(axis=0), len(strata))


def changed_points(cube: Cube, finished: BlockList, points: pd.DataFrame) -> int:
    """At how many points of a sample the map is not what it was when they were drawn.

    Parameters
    ----------
    finished : blocks whose pixels are the map's
    points : lon, lat, block and mapped (0 or 1) of every point
    """
    changed = 0
    for name, group in points.groupby("block"):
        block = BlockIndex.parse(str(name))
        if block not in finished:
            changed += len(group)
            continue
        window = cube.grid.window(block)
        pixels = np.array([cube.grid.pixel_at(*point) for point in zip(group.lon, group.lat, strict=True)])
        rows, cols = (pixels - (window.row, window.col)).T
        changed += int((cube.read_block(INTEGRATED, block)[rows, cols] != group.mapped).sum())
    return changed
