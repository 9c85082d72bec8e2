"""Open water as scenes to learn from: near infrared tells it, so no label is drawn by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds
from scipy import ndimage

from croplayer.models.scenes import LabelledScenes, RepairReport, SceneArrays, ground_sample_distance_m

Bounds = tuple[float, float, float, float]
"""west, south, east, north in degrees."""

WATER_INDEX = 0.1
"""Smallest (green - nir) / (green + nir) of water."""
NARROWEST_M = 25.0
"""Water narrower than this is left without a label."""
SHORE_M = 10.0
"""Width of the strip along a shore that is left without a label."""


@dataclass(frozen=True)
class WaterScene:
    """A raster of red, green, blue and near infrared within bounds: water is not cropland, the rest is not known."""

    name: str
    path: Path
    gsd_m: float
    """Ground sample distance in metres."""
    bounds: Bounds

    def read(self) -> SceneArrays:
        """Pixels and labels; raises ValueError when the raster has no near infrared, or none of it is in the bounds."""
        with rasterio.open(self.path) as raster:
            if raster.count < 4 or raster.dtypes[0] != "uint8" or raster.colorinterp[3] == ColorInterp.alpha:
                raise ValueError(
                    f"{self.path} has {raster.count} bands of {raster.dtypes[0]}; "
                    "expected red, green, blue and near infrared of uint8"
                )
            window = _window(raster, self.bounds)
            bands = raster.read([1, 2, 3, 4], window=window)
            valid = raster.dataset_mask(window=window) > 0
        rgb = np.ascontiguousarray(np.moveaxis(bands[:3], 0, -1))
        labelled = water_mask(bands[1], bands[3], valid, self.gsd_m)
        return SceneArrays(rgb, np.zeros(valid.shape, dtype=np.int32), valid, labelled)


def water_scenes(paths: Iterable[Path], bounds: Bounds) -> LabelledScenes:
    """Scenes of the open water of rasters within bounds.

    Parameters
    ----------
    paths : rasters of red, green, blue and near infrared, uint8; a scene is named by its file without the ending
    bounds : west, south, east, north in degrees

    Raises
    ------
    ValueError for two rasters of one name, or a raster without CRS.
    """
    scenes = []
    for path in map(Path, paths):
        with rasterio.open(path) as raster:
            if raster.crs is None:
                raise ValueError(f"{path} has no CRS; it cannot be held against bounds in degrees")
            scenes.append(WaterScene(path.stem, path, ground_sample_distance_m(raster, path), bounds))
    names = [scene.name for scene in scenes]
    if len(set(names)) < len(names):
        raise ValueError(f"two of the rasters with water are called '{max(names, key=names.count)}'")
    return LabelledScenes(tuple(sorted(scenes, key=lambda s: s.name)), RepairReport((), ()))


def water_mask(green: np.ndarray, nir: np.ndarray, valid: np.ndarray, gsd_m: float) -> np.ndarray:
    """Where there is open water for sure.

    Water is darker in near infrared than the image's own division into dark and bright (Otsu), and greener
    than it is bright in near infrared (McFeeters 1996, NDWI). Shores and narrow water are left out.

    Parameters
    ----------
    green, nir : (h, w) uint8
    valid : (h, w) bool, where there is imagery
    gsd_m : ground sample distance in metres

    Returns
    -------
    (h, w) bool, false where there is no imagery
    """
    g, n = green.astype(np.float32), nir.astype(np.float32)
    index = (g - n) / np.maximum(g + n, 1)
    dark = valid & (index > WATER_INDEX) & (nir <= _division(nir[valid]))
    narrow, shore = (max(round(m / gsd_m), 1) for m in (NARROWEST_M, SHORE_M))
    wide = ndimage.binary_opening(dark, np.ones((narrow, narrow), dtype=bool))
    water: np.ndarray = ndimage.binary_erosion(wide, np.ones((3, 3), dtype=bool), iterations=shore, border_value=1)
    return water & valid


def _division(values: np.ndarray) -> int:
    """The value of uint8 up to which one class reaches when two classes differ most (Otsu 1979)."""
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below, total = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    between = (total[-1] * below - total * below[-1]) ** 2 / np.maximum(below * (below[-1] - below), 1)
    return int(np.argmax(between))


def _window(raster: rasterio.DatasetReader, bounds: Bounds) -> Window:
    """Whole pixels of a raster whose centres lie in the box around bounds; raises ValueError when there is none."""
    west, south, east, north = transform_bounds("EPSG:4326", raster.crs, *bounds)
    asked = from_bounds(west, south, east, north, raster.transform)
    left, top = math.ceil(asked.col_off - 0.5), math.ceil(asked.row_off - 0.5)
    right, bottom = round(asked.col_off + asked.width), round(asked.row_off + asked.height)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, raster.width), min(bottom, raster.height)
    if right <= left or bottom <= top:
        raise ValueError(f"{raster.name} has no pixel in the bounds {list(bounds)}")
    return Window(left, top, right - left, bottom - top)
