"""What the model drew in a task's window, to be corrected rather than drawn anew."""

from __future__ import annotations

import hashlib

import geopandas as gpd
import numpy as np
import shapely

from croplayer.active.newer_map import NewerMap
from croplayer.active.tasks import FieldClass, Origin, Task
from croplayer.active.windows import pixel_m
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.outlines import field_outlines
from croplayer.kernels.basins import regions_of_equal
from stores.columns import FIELD
from stores.grid import CRS, BlockGrid, PixelWindow
from stores.legends import CROPLAND, INTEGRATED

TOLERANCE_PX = 0.75
"""Tolerance of the outlines in pixels: without the staircases of pixels there are few vertices to move."""
FEWEST_PX = 4
"""Smaller regions are noise; a person is not asked to delete them."""
SHAPE_DIGITS = 16


def prefilled(cube: Cube, task: Task, newer: NewerMap | None = None) -> gpd.GeoDataFrame:
    """The model's polygons in a task's window as rows of the layer ``fields``.

    They are the fields of a run that has told them apart, and beside them, or where it has not, connected regions of cropland of
    the integrated map. With a newer map they are connected regions of its cropland, because it tells no fields apart.
    """
    mask = cube.read_window(INTEGRATED, task.window) if newer is None else newer.mask(cube, task.window)
    cropland = mask == CROPLAND
    has_fields = newer is None and cube.has_array(FIELD)
    pieces = cube.read_window(FIELD, task.window).astype(np.int32) if has_fields else np.int32(0)
    numbers, _ = regions_of_equal(np.where(cropland, pieces + 1, 0))
    geometry = outlines_of(numbers.astype(np.int64), task.window, cube.grid)
    return gpd.GeoDataFrame(
        {
            "class": FieldClass.CROPLAND.value,
            "origin": Origin.MODEL.value,
            "task": task.id,
            "note": "",
            "as_mapped": [shape_digest(shape) for shape in geometry],
        },
        geometry=geometry,
        crs=CRS,
    )


def outlines_of(numbers: np.ndarray, window: PixelWindow, grid: BlockGrid) -> np.ndarray:
    """Outlines (n,) in EPSG:4326 of the numbered regions or fields of a window, each in one 4-connected part.

    Parameters
    ----------
    numbers : (h, w) int64, 0 where there is none; those of fewer than `FEWEST_PX` pixels are left out
    """
    _, inverse, count = np.unique(numbers, return_inverse=True, return_counts=True)
    kept = np.where(count[inverse.reshape(numbers.shape)] < FEWEST_PX, 0, numbers)
    if not kept.any():
        return np.array([], object)
    metres = pixel_m(window, grid)
    return np.asarray(field_outlines(kept, window, grid, TOLERANCE_PX * metres).geometries)


def shape_digest(shape: shapely.Geometry) -> str:
    """Short digest of a polygon's vertices, in any order and as one or several parts.

    A model's polygon with another one than it had when it was written was changed by a person.
    """
    parts = shapely.get_parts(shape)
    shape = shapely.normalize(parts[0] if len(parts) == 1 else shape)
    return hashlib.sha256(shapely.to_wkb(shape, byte_order=1, output_dimension=2)).hexdigest()[:SHAPE_DIGITS]
