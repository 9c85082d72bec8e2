"""Open water in rasters with near infrared, as ground that is known to be no field.

The labelled scenes of fields show hardly any water, and in red, green and blue a green lake looks much like a smooth field.
Near infrared tells them apart: water takes it up. The network itself sees red, green and blue alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from rasterio.enums import ColorInterp
from scipy import ndimage

from croplayer.models.training.scenes import MOST_SCENE_PIXELS, SCENE_DRIVERS, LabelledScenes, RepairReport, SceneArrays
from croplayer.sources.raster_file import check_georeference, open_raster

WATER_INDEX = 0.1
"""Least normalised difference of green and near infrared of open water (McFeeters 1996, doi 10.1080/01431169608948714; he
takes 0, which dark soil reaches as well)."""
DARK = 0.5
"""Highest near infrared of open water, as a share of the picture's median."""
FROM_SHORE_M = 10.0
"""Distance from the shore that is left without a label, in metres."""
SMALLEST_HA = 0.25

Side = Literal["west", "east"]


def open_water(rgb: np.ndarray, near_infrared: np.ndarray, valid: np.ndarray, gsd_m: float) -> np.ndarray:
    """Where there is open water, away from its shores.

    Parameters
    ----------
    rgb : (h, w, 3) uint8
    near_infrared : (h, w) uint8
    valid : (h, w) bool, where there is imagery
    gsd_m : ground sample distance in metres

    Returns
    -------
    (h, w) bool
    """
    if not valid.any():
        return np.zeros_like(valid)
    green, infrared = rgb[..., 1].astype(np.float32), near_infrared.astype(np.float32)
    index = (green - infrared) / np.maximum(green + infrared, 1)
    dark = infrared < DARK * np.median(infrared[valid])
    water = ndimage.binary_opening((index > WATER_INDEX) & dark & valid)
    labels, n = ndimage.label(water)
    large = np.bincount(labels.ravel(), minlength=n + 1) * gsd_m**2 >= SMALLEST_HA * 10_000
    large[0] = False
    away = ndimage.distance_transform_edt(large[labels])
    return np.asarray(away * gsd_m > FROM_SHORE_M)


@dataclass(frozen=True)
class WaterScene:
    """One half of a raster of red, green, blue and near infrared: its open water is no field, the rest has no label.

    Lakes across the middle of the raster belong to the west alone, so its two halves share none. Where rasters of several dates
    show one place, a lake that is one in a wet year and two in a dry one may still have a part in each half.
    """

    name: str
    path: Path
    gsd_m: float
    """Ground sample distance in metres."""
    side: Side

    @property
    def polygons(self) -> tuple[()]:
        """No fields."""
        return ()

    def read(self) -> SceneArrays:
        """Read pixels and labels; raises ValueError when the raster is not four bands of uint8."""
        rgb, water, valid = _read(self.path, self.gsd_m)
        middle = valid.shape[1] // 2
        if self.side == "east":
            water = water & ~_across(water, middle)
        half = np.s_[:, :middle] if self.side == "west" else np.s_[:, middle:]
        own = np.ascontiguousarray(valid[half])
        return SceneArrays(
            np.ascontiguousarray(rgb[half]), np.zeros(own.shape, np.int32), own, np.ascontiguousarray(water[half])
        )


def water_scenes(folder: Path, side: Side, every: int = 1, first: int = 0) -> LabelledScenes:
    """One half of rasters with near infrared, so that the other half can judge what was learned.

    Parameters
    ----------
    folder : north-up GeoTIFFs of red, green, blue and near infrared, uint8, in a CRS of metres
    side : which half of every raster
    every, first : of the rasters sorted by name, take one in ``every``, starting at ``first``

    Raises
    ------
    FileNotFoundError when there is no such folder; ValueError when it holds no such raster.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; expected rasters with near infrared")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (".tif", ".tiff"))
    if not paths:
        raise ValueError(f"{folder} holds no GeoTIFF; expected rasters with near infrared")
    scenes = []
    for path in paths[first::every]:
        with open_raster(path, SCENE_DRIVERS[path.suffix.lower()]) as raster:
            if raster.count != 4 or {*raster.dtypes} != {"uint8"}:
                raise ValueError(
                    f"{path} has {raster.count} bands of {raster.dtypes[0]}; expected red, green, blue and near infrared of uint8"
                )
            if raster.colorinterp[3] == ColorInterp.alpha:
                raise ValueError(
                    f"{path}: its fourth band says that it is alpha; expected near infrared, so if it is that, say so in the file "
                    "(gdal_edit -colorinterp_4 undefined)"
                )
            if raster.crs is None or not raster.crs.is_projected:
                raise ValueError(f"{path} has the CRS {raster.crs}; expected one in metres, so warp it first")
            if raster.width * raster.height > MOST_SCENE_PIXELS:
                raise ValueError(
                    f"{path} is {raster.width} x {raster.height} px; expected at most {MOST_SCENE_PIXELS} pixels; split it"
                )
            check_georeference(raster, None)
            metres = raster.crs.linear_units_factor[1]
            scenes.append(WaterScene(f"{path.stem}_{side}", path, abs(raster.transform.a) * metres, side))
    if not any(scene.read().labelled.any() for scene in scenes):
        raise ValueError(f"no open water was found in the {side} of the rasters of {folder}; expected some")
    return LabelledScenes(tuple(scenes), RepairReport((), ()))


def _across(water: np.ndarray, middle: int) -> np.ndarray:
    """The parts of lakes that lie on both sides of a column."""
    labels, _ = ndimage.label(water)
    shared = np.intersect1d(labels[:, middle - 1], labels[:, middle])
    return np.isin(labels, shared[shared > 0])


def learned_and_judged(folder: Path) -> tuple[LabelledScenes, LabelledScenes]:
    """The western halves of every second raster, to be learned from, and the eastern halves of all, to be judged."""
    return water_scenes(folder, "west", every=2), water_scenes(folder, "east")


@lru_cache(maxsize=2)
def _read(path: Path, gsd_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    with open_raster(path, SCENE_DRIVERS[path.suffix.lower()]) as raster:
        bands, valid = raster.read(), raster.dataset_mask() > 0
    rgb = np.ascontiguousarray(np.moveaxis(bands[:3], 0, -1))
    return rgb, open_water(rgb, bands[3], valid, gsd_m), valid
