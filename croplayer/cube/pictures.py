"""The map of a region as colours, from the level of the cube's overviews that a picture needs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import xarray as xr
import zarr

from croplayer.cube.behind import Behind, cube_behind, map_behind
from croplayer.cube.lattice import IN_REGION, imagery_of, region_of, window_of
from croplayer.cube.overviews import LevelCube, level_cubes
from croplayer.cube.whole_blocks import Cube
from stores.block_list import BlockList
from stores.columns import AREA_FRACTION, IMAGERY_VALID, RGB
from stores.finished import finished_blocks, finished_squares
from stores.foreign_cube import Layout, check_arrays
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import CROPLAND, FLAG_COLOURS, NEVER_PROCESSED, NO_IMAGERY, NOT_CROPLAND, PROBABILITY_SCALE
from stores.levels import blocks_of_square, factor_for, squares_of
from stores.overviews import GROUP, KNOWN_FRACTION
from stores.places import has_key, open_store
from stores.run_folder import RunFolder
from stores.step_memory import OVERVIEWS


class Shares(NamedTuple):
    """A map at coarser pixels."""

    grid: BlockGrid
    """Lattice of the level."""
    window: PixelWindow
    """What was read of it, before it was thinned."""
    area_fraction: np.ndarray
    """(h, w) uint8: 0..250, 254 no imagery, 255 never processed or not finished."""
    known_fraction: np.ndarray
    """(h, w) uint8: 0..250; 0 where nothing is finished."""
    is_inside: np.ndarray
    """(h, w) bool: whether the centre of a pixel lies in the region of the dataset."""

    @property
    def colours(self) -> np.ndarray:
        """(h, w, 4) float 0..1: the mean of the colours of the pixels below each, clear outside of the region."""
        from matplotlib.colors import to_rgb

        of = {flag: np.array(to_rgb(colour)) for flag, colour in FLAG_COLOURS.items()}
        is_known = self.known_fraction[..., None] > 0
        crop = np.where(is_known, self.area_fraction[..., None] / PROBABILITY_SCALE, 0)
        known = self.known_fraction[..., None] / PROBABILITY_SCALE
        # Where some pixels are known, the others count as without imagery: which of both they are is not told.
        never = ~is_known & (self.area_fraction[..., None] == NEVER_PROCESSED)
        unknown = np.where(never, of[NEVER_PROCESSED], of[NO_IMAGERY])
        mixed = known * (crop * of[CROPLAND] + (1 - crop) * of[NOT_CROPLAND]) + (1 - known) * unknown
        return np.concatenate([mixed, self.is_inside[..., None]], axis=2)

    @property
    def flags(self) -> set[int]:
        """Flags of the pixels that the colours are means of, as far as the shares tell."""
        fraction, known = self.area_fraction[self.is_inside], self.known_fraction[self.is_inside]
        found = {
            CROPLAND: (known > 0) & (fraction > 0),
            NOT_CROPLAND: (known > 0) & (fraction < PROBABILITY_SCALE),
            NO_IMAGERY: (fraction == NO_IMAGERY) | ((known > 0) & (known < PROBABILITY_SCALE)),
            NEVER_PROCESSED: fraction == NEVER_PROCESSED,
        }
        return {flag for flag, where in found.items() if where.any()}


class QuickLook(NamedTuple):
    """Imagery at coarser pixels."""

    grid: BlockGrid
    """Lattice of the level."""
    window: PixelWindow
    """What was read of it, before it was thinned."""
    colours: np.ndarray
    """(h, w, 4) uint8: red, green, blue and 255 where something is shown, 0 outside of the region and without imagery."""


def shares_of(dataset: xr.Dataset, source: str | None, most_px: int) -> Shares | None:
    """A map of a dataset from the overviews behind it, thinned to at most about ``most_px`` pixels along an edge.

    Parameters
    ----------
    source : a source's own map; None is the integrated one

    Returns None where the pixels of the cube are to be drawn: it has no overviews, the picture has no fewer pixels than
    they, or the map is not the cube's own.
    """
    part = _part_of(dataset, map_behind(dataset, source), most_px)
    if part is None:
        return None
    layer = 0 if source is None else 1 + part.each.cube.sources.index(source)
    fraction, known = part.read(AREA_FRACTION, layer), part.read(KNOWN_FRACTION, layer)
    fraction[~part.is_finished], known[~part.is_finished] = NEVER_PROCESSED, 0
    return Shares(part.each.cube.grid, part.window, fraction, known, part.is_inside)


def quick_look_of(dataset: xr.Dataset, source: str, most_px: int) -> QuickLook | None:
    """The imagery of a source of a dataset, likewise: the mean of the pixels that the source's mask knows.

    Raises ValueError when the dataset has no such source.
    """
    imagery_of(dataset, source)
    part = _part_of(dataset, cube_behind(dataset), most_px)
    if part is None:
        return None
    place = part.each.cube.sources.index(source)
    is_shown = part.is_finished & part.is_inside & (part.read(KNOWN_FRACTION, 1 + place) > 0)
    colours = np.concatenate([part.read(RGB, place), np.where(is_shown, np.uint8(255), np.uint8(0))[..., None]], axis=2)
    return QuickLook(part.each.cube.grid, part.window, colours)


def thinned_imagery(dataset: xr.Dataset, source: str, most_px: int) -> np.ndarray:
    """Every so many pixels of the imagery of a source of a dataset: (h, w, 4) uint8 as in `QuickLook`."""
    imagery = imagery_of(dataset, source)
    step = max(1, max(imagery.sizes["y"], imagery.sizes["x"]) // most_px)
    thin = imagery.isel(y=slice(None, None, step), x=slice(None, None, step)).compute()
    is_shown = thin[IMAGERY_VALID].to_numpy()
    if IN_REGION in thin.coords:
        is_shown = is_shown & thin[IN_REGION].to_numpy()
    clear = np.where(is_shown, np.uint8(255), np.uint8(0))[..., None]
    return np.concatenate([thin[RGB].transpose("y", "x", "band").to_numpy(), clear], axis=2)


class _Part(NamedTuple):
    """The part of a level that shows a dataset, of which every so many pixels are looked at."""

    each: LevelCube
    window: PixelWindow
    step: int
    is_finished: np.ndarray
    """(h, w) bool, thinned."""
    is_inside: np.ndarray
    """(h, w) bool, thinned: whether the centre of a pixel lies in the region of the dataset."""

    def read(self, name: str, place: int) -> np.ndarray:
        """A layer or source of an array, thinned."""
        return self.each.read(name, self.window, place)[:: self.step, :: self.step].copy()


def _part_of(dataset: xr.Dataset, behind: Behind | None, most_px: int) -> _Part | None:
    if IN_REGION in dataset.coords and region_of(dataset) is None:
        return None
    if behind is None or not has_key(behind.cube, f"{behind.edition}/{GROUP}/zarr.json"):
        return None
    try:
        window = window_of(dataset)
    except ValueError:  # thinned or turned
        return None
    cube = behind.open()
    levels = {each.level.factor: each for each in level_cubes(cube)}
    factor = factor_for(levels, max(window.height, window.width), most_px)
    if factor == 1:
        return None
    each, part = levels[factor], _coarser(window, factor)
    _check(each)
    step = max(1, max(part.height, part.width) // most_px)
    thin = np.s_[::step, ::step]
    is_inside = _inside(dataset, each.cube.grid, part)
    return _Part(each, part, step, _finished(behind, cube, each, part)[thin], is_inside[thin])


def _check(each: LevelCube) -> None:
    """Raise SchemaError for a level that does not fit its edition or is too large to decode; a cube may be anyone's."""
    cube = each.cube
    group = zarr.open_group(open_store(cube.path, read_only=True), path=cube.edition, mode="r", use_consolidated=False)
    check_arrays(group, Layout(cube.grid, cube.blocks, cube.sources), f"'{cube.edition}' of {cube.path}")


def _coarser(window: PixelWindow, factor: int) -> PixelWindow:
    """The pixels of a level that a window touches."""
    row, col = window.row // factor, window.col // factor
    return PixelWindow(row, col, -(-window.row_stop // factor) - row, -(-window.col_stop // factor) - col)


def _finished(behind: Behind, cube: Cube, each: LevelCube, window: PixelWindow) -> np.ndarray:
    """Whether each pixel of a window of a level is finished: (h, w) bool; all of a cube without ledgers."""
    is_finished = np.ones((window.height, window.width), bool)
    if behind.run is None:
        return is_finished
    folder, blocks = RunFolder(Path(behind.run)), BlockList.under(window, each.cube.grid.block_px)
    grid = each.cube.grid
    if each.level.part_blocks == 1:
        for block in blocks.without(finished_blocks(folder, cube.path, cube.edition, OVERVIEWS, blocks)):
            is_finished[window.common(grid.window(block)).slices_in(window)] = False
        return is_finished
    squares = squares_of(blocks)
    for square in squares.without(finished_squares(folder, cube.path, cube.edition, squares)):
        inside = blocks_of_square(square)
        first, last = grid.window(inside[0]), grid.window(inside[-1])
        whole = PixelWindow(first.row, first.col, last.row_stop - first.row, last.col_stop - first.col)
        is_finished[window.common(whole).slices_in(window)] = False
    return is_finished


def _inside(dataset: xr.Dataset, grid: BlockGrid, window: PixelWindow) -> np.ndarray:
    """Whether the centre of each pixel of a level lies in the region of a dataset: (h, w) bool."""
    from croplayer.vector.zones import pixels_inside

    region = region_of(dataset)
    if region is None:
        return np.ones((window.height, window.width), bool)
    return pixels_inside(gpd.GeoDataFrame(geometry=[region], crs=CRS), window, grid)
