"""Pictures of items as RGBA arrays, north up: the imagery of a source, its map, and the land around."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import rasterio

from croplayer.active.page.items import Item, Work
from croplayer.active.project import LabelProject
from croplayer.active.rounds.shown import ShownMasks
from croplayer.active.tasks import Task
from croplayer.cube.whole_blocks import Cube
from stores.columns import IMAGERY_VALID, RGB
from stores.grid import PixelWindow
from stores.legends import CROPLAND, INTEGRATED

LARGEST_PX = 1024
"""Longest edge of a picture; larger windows are shown with fewer pixels."""
AROUND_PX = 768
"""The same for the land around."""
NO_IMAGERY = (120, 130, 140, 255)
FILL = (255, 214, 0, 40)
LINE = (255, 214, 0, 255)
HALO = (0, 0, 0, 150)
"""Cropland of a map: yellow with a thin dark line outside, which shows on bright and on dark imagery."""
KEPT = 12


class Picture(NamedTuple):
    """An image and the place that it shows."""

    rgba: np.ndarray
    """(h, w, 4) uint8, north up."""
    window: PixelWindow
    """Pixels of the lattice that it shows."""


@dataclass(frozen=True)
class Pictures:
    """Reads pictures of a project and of the run that it was made from."""

    project: LabelProject
    cube: Cube | None
    """None where the run is not on this machine: then only the pictures of tasks are there."""

    def imagery(self, item: Item, source: str) -> Picture:
        """The imagery of an item; grey where there is none.

        Raises FileNotFoundError or OSError when it is neither in the project nor in the run.
        """
        if item.work == Work.FIELDS:
            return _task_picture(self.project, item, source)
        return _from_cube(self._cube(), item.window, source, LARGEST_PX)

    def around(self, item: Item, source: str) -> Picture | None:
        """The land around an item, one edge of its window on each side; None without the run."""
        if self.cube is None:
            return None
        return _from_cube(self.cube, item.window.grown(item.window.height), source, AROUND_PX)

    def map(self, item: Item, source: str, shown: str = "") -> Picture | None:
        """Cropland in the window of an item; None where there is no map or it must not be seen.

        That is the integrated map for tasks, whose polygons it is made of. For blocks it is the source's own mask.

        Parameters
        ----------
        shown : which masks of a block, by `ShownMasks.name`; empty for the newest
        """
        if item.work == Work.POINTS or self.cube is None:
            return None
        if item.work == Work.BLOCKS:
            return _mask_picture(ShownMasks.of(self.project, self.cube).masks(item.subject, shown)[source], item.window)
        return _map_picture(self.cube, item.window)

    def _cube(self) -> Cube:
        if self.cube is None:
            raise FileNotFoundError(f"the run {self.project.run} is not on this machine, so blocks cannot be shown")
        return self.cube


@lru_cache(KEPT)
def _task_picture(project: LabelProject, item: Item, source: str) -> Picture:
    path = project.picture(Task(item.subject, item.window, "", "", 0, ""), source)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; take it back from a copy of the folder")
    with rasterio.open(path) as file:
        bands = file.read()
        window = PixelWindow(*project.grid.pixel_at(*file.xy(0, 0)), file.height, file.width)
    return Picture(_coloured(np.moveaxis(bands[:3], 0, -1), bands[3] > 0), window)


@lru_cache(KEPT)
def _from_cube(cube: Cube, wanted: PixelWindow, source: str, largest: int) -> Picture:
    window = wanted.common(cube.blocks.window(cube.grid))
    if window.is_empty:
        raise FileNotFoundError(f"the run's map does not reach to pixel {tuple(wanted[:2])}")
    step = -(-max(window.height, window.width) // largest)
    # Whole steps only, so that a pixel of the picture is a square of pixels of the lattice.
    window = window._replace(height=window.height // step * step, width=window.width // step * step)
    rgb, valid = cube.read_window(RGB, window, source), cube.read_window(IMAGERY_VALID, window, source)
    shape = (window.height // step, step, window.width // step, step)
    mean = rgb.reshape(*shape, 3).mean(axis=(1, 3), dtype=np.float32).round().astype(np.uint8)
    return Picture(_coloured(mean, np.asarray(valid.reshape(shape).any(axis=(1, 3)))), window)


@lru_cache(KEPT)
def _map_picture(cube: Cube, window: PixelWindow) -> Picture:
    return _mask_picture(cube.read_window(INTEGRATED, window), window)


def _mask_picture(mask: np.ndarray, window: PixelWindow) -> Picture:
    step = -(-max(window.height, window.width) // LARGEST_PX)
    window = window._replace(height=window.height // step * step, width=window.width // step * step)
    mask = mask[: window.height, : window.width]
    shape = (window.height // step, step, window.width // step, step)
    return Picture(outlined((mask == CROPLAND).reshape(shape).mean(axis=(1, 3)) >= 0.5), window)


def outlined(cropland: np.ndarray) -> np.ndarray:
    """Cropland as a layer over imagery: (h, w, 4) uint8 of a light fill, a bright edge and a dark line outside.

    Parameters
    ----------
    cropland : (h, w) bool
    """
    padded = np.pad(cropland, 1, mode="edge")
    beside = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    inner = cropland & ~np.logical_and.reduce(beside)
    outer = ~cropland & np.logical_or.reduce(beside)
    layer = np.zeros((*cropland.shape, 4), np.uint8)
    for where, colour in ((cropland, FILL), (inner, LINE), (outer, HALO)):
        layer[where] = colour
    return layer


def _coloured(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    rgba = np.concatenate([rgb, np.full((*valid.shape, 1), 255, np.uint8)], axis=-1)
    rgba[~valid] = NO_IMAGERY
    return np.ascontiguousarray(rgba)


def as_words(rgba: np.ndarray) -> np.ndarray:
    """A picture as bokeh draws it: (h, w) uint32, the southern row first."""
    return np.ascontiguousarray(rgba[::-1]).view(np.uint32).reshape(rgba.shape[:2])
