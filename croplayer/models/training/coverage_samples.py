"""Coverage type samples made from real labelled scenes.

Planting and Non-planting are unchanged crops of the scenes. Cloudy is real cloud, taken from labelled satellite images
and composited over a crop. Snow/Ice and Nodata are synthetic. The ``origin`` column states this for each sample.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from croplayer.files.array_files import read_arrays
from croplayer.models.networks.coverage_network import thumbnail
from croplayer.models.training.labelled_thumbnails import LABELS_NAME
from croplayer.models.training.scenes import LabelledScenes, SceneArrays
from stores.columns import COVERAGE_TYPE
from stores.legends import CoverageType

REAL = "real"
REAL_CLOUD = "real cloud composited"
SYNTHETIC = "synthetic"

CROP_PX = (256, 640)
"""Smallest and largest edge of the crops that samples are made from."""
NON_PLANTING_SHARE = 0.05
"""Non-planting samples have a smaller share of field."""
PLANTING_SHARE = 0.2
"""Planting samples have at least this share of field."""
CLOUDY_SHARE = 0.1
"""Cloudy samples have more than this share of cloud (paper section 2.2.2)."""

_SHADOW, _CLOUD = 0, 4
_TRIES = 400


class CloudScene(NamedTuple):
    """A labelled satellite image with clouds."""

    rgb: np.ndarray
    """(h, w, 3) float32 in 0..1, stretched so that the densest cloud is near white."""
    opacity: np.ndarray
    """(h, w) float32 in 0..1: 1 in cloud, 0 in clear sky, with a smooth transition."""
    shadow: np.ndarray
    """(h, w) float32 in 0..1: 1 in cloud shadow."""


class Sample(NamedTuple):
    """One labelled thumbnail."""

    rgb: np.ndarray
    """(128, 128, 3) uint8."""
    coverage_type: CoverageType
    origin: str
    scene: int
    """Index of the scene that the ground is cropped from."""


def make_coverage_samples(scenes: LabelledScenes, clouds: Path | None, out: Path, seed: int, per_class: int) -> Path:
    """Write a samples folder: ``images/*.png`` of 128 px and ``labels.csv`` (image, coverage_type, origin, scene).

    Parameters
    ----------
    scenes : real labelled scenes; their polygons decide Planting and Non-planting
    clouds : folder of ``*.npz`` with ``img`` (h, w, bands: blue, green, red first, reflectance) and
        ``msk`` (4 cloud, 0 shadow); None generates synthetic clouds, which ``origin`` states
    out : folder to write
    seed : the same seed gives the same samples
    per_class : number of samples of each of the five classes, at least 2

    Returns
    -------
    out
    """
    if per_class < 2:
        raise ValueError(f"per_class is {per_class}; expected at least 2")
    arrays = scenes.read_all()
    cloud_scenes = read_cloud_scenes(clouds) if clouds is not None else ()
    makers: dict[CoverageType, Callable[[np.random.Generator], Sample]] = {
        CoverageType.PLANTING: lambda rng: _planting(arrays, rng),
        CoverageType.NON_PLANTING: lambda rng: _non_planting(arrays, rng),
        CoverageType.CLOUDY: lambda rng: _cloudy(arrays, cloud_scenes, rng),
        CoverageType.SNOW_ICE: lambda rng: _snowy(arrays, rng),
        CoverageType.NODATA: lambda rng: _without_data(arrays, rng),
    }
    (out / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for coverage_type, make in makers.items():
        for i in range(per_class):
            sample = make(np.random.default_rng([seed, int(coverage_type), i]))
            name = f"{coverage_type.name.lower()}_{i:04d}.png"
            Image.fromarray(sample.rgb).save(out / "images" / name)
            rows.append((name, sample.coverage_type.label, sample.origin, scenes.names[sample.scene]))
    with (out / LABELS_NAME).open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(("image", COVERAGE_TYPE, "origin", "scene"))
        writer.writerows(rows)
    return out


def read_cloud_scenes(folder: Path) -> tuple[CloudScene, ...]:
    """The labelled cloud images of a folder; raises FileNotFoundError or ValueError naming the file and the field."""
    paths = sorted(Path(folder).glob("*.npz"))
    if not paths:
        raise FileNotFoundError(f"{folder} holds no *.npz with labelled clouds")
    return tuple(_read_cloud_scene(path) for path in paths)


def _read_cloud_scene(path: Path) -> CloudScene:
    image, mask = read_arrays(path, ("img", "msk"))
    mask = np.squeeze(mask)
    if image.ndim != 3 or image.shape[2] < 3 or mask.shape != image.shape[:2]:
        raise ValueError(f"{path} has 'img' {image.shape} and 'msk' {mask.shape}; expected (h, w, >= 3) and (h, w)")
    reflectance = np.nan_to_num(image[..., 2::-1].astype(np.float32))
    cloud = mask == _CLOUD
    if not cloud.any():
        raise ValueError(f"{path} has no pixel labelled {_CLOUD} (cloud) in 'msk'")
    rgb = np.clip(reflectance / np.percentile(reflectance[cloud], 98), 0, 1)
    grey = rgb.max(axis=2, keepdims=True)
    rgb = np.where(cloud[..., None], grey + 0.3 * (rgb - grey), rgb)
    soft = ndimage.gaussian_filter(cloud.astype(np.float32), 1.5)
    bright = np.clip(rgb.mean(axis=2) / 0.5, 0.35, 1)
    shadow = ndimage.gaussian_filter((mask == _SHADOW).astype(np.float32), 1.5)
    return CloudScene(rgb, soft * bright, shadow)


class _Crop(NamedTuple):
    """A square window of a scene."""

    scene: SceneArrays
    window: tuple[slice, slice]
    scene_index: int

    @property
    def field_share(self) -> float:
        """Share of the pixels that are inside a field, 0..1."""
        return float(self.scene.parcels[self.window].astype(bool).mean())

    def thumbnail(self) -> np.ndarray:
        """The crop reduced to (128, 128, 3) uint8."""
        return thumbnail(np.ascontiguousarray(self.scene.rgb[self.window]), self.scene.valid[self.window])


def _crop(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> _Crop:
    index = int(rng.integers(len(arrays)))
    scene = arrays[index]
    largest = min(CROP_PX[1], *scene.valid.shape)
    side = int(rng.integers(min(CROP_PX[0], largest), largest + 1))
    top, left = (int(rng.integers(0, n - side + 1)) for n in scene.valid.shape)
    return _Crop(scene, (slice(top, top + side), slice(left, left + side)), index)


def _planting(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> Sample:
    for _ in range(_TRIES):
        crop = _crop(arrays, rng)
        if crop.field_share >= PLANTING_SHARE:
            return Sample(crop.thumbnail(), CoverageType.PLANTING, REAL, crop.scene_index)
    raise ValueError(f"the scenes have no crop with {PLANTING_SHARE:.0%} field or more; expected cropland")


def _non_planting(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> Sample:
    """A crop with less than 5 % field; if random crops find none, a smaller window that has less."""
    for _ in range(_TRIES // 10):
        crop = _crop(arrays, rng)
        if crop.field_share < NON_PLANTING_SHARE:
            return Sample(crop.thumbnail(), CoverageType.NON_PLANTING, REAL, crop.scene_index)
    crop = _least_field(arrays, rng)
    return Sample(crop.thumbnail(), CoverageType.NON_PLANTING, REAL, crop.scene_index)


def _least_field(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> _Crop:
    """A random window of 192, 128 or 96 px with less than 5 % field, as large as the scenes allow."""
    for side in (192, 128, 96):
        for index in rng.permutation(len(arrays)):
            scene = arrays[index]
            step = side // 4
            corners = [
                (y, x)
                for y in range(0, scene.valid.shape[0] - side + 1, step)
                for x in range(0, scene.valid.shape[1] - side + 1, step)
            ]
            total = np.pad(scene.field.cumsum(0, dtype=np.int64).cumsum(1), ((1, 0), (1, 0)))
            y0, x0 = np.array(corners, dtype=np.int64).reshape(-1, 2).T
            inside = total[y0 + side, x0 + side] - total[y0, x0 + side] - total[y0 + side, x0] + total[y0, x0]
            shares = inside / side**2
            below = np.flatnonzero(shares < NON_PLANTING_SHARE)
            if len(below):
                y, x = corners[int(rng.choice(below))]
                return _Crop(scene, (slice(y, y + side), slice(x, x + side)), int(index))
    raise ValueError(f"the scenes have no window of 96 px with less than {NON_PLANTING_SHARE:.0%} field")


def _cloudy(arrays: tuple[SceneArrays, ...], clouds: tuple[CloudScene, ...], rng: np.random.Generator) -> Sample:
    crop = _crop(arrays, rng)
    rgb = crop.thumbnail()
    for _ in range(_TRIES):
        cover = _real_cloud(clouds[rng.integers(len(clouds))], rng) if clouds else _drawn_cloud(rng)
        if (cover.opacity > 0.5).mean() > CLOUDY_SHARE:
            ground = rgb / np.float32(255) * (1 - 0.55 * cover.shadow[..., None])
            veiled = ground * (1 - cover.opacity[..., None]) + cover.rgb * cover.opacity[..., None]
            shown = np.rint(veiled * 255).clip(0, 255).astype(np.uint8)
            return Sample(shown, CoverageType.CLOUDY, REAL_CLOUD if clouds else SYNTHETIC, crop.scene_index)
    raise ValueError(f"the cloud images have no window with more than {CLOUDY_SHARE:.0%} cloud")


def _real_cloud(scene: CloudScene, rng: np.random.Generator) -> CloudScene:
    side = int(rng.integers(96, min(320, *scene.opacity.shape) + 1))
    top, left = (int(rng.integers(0, n - side + 1)) for n in scene.opacity.shape)
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    window = (slice(top, top + side), slice(left, left + side))

    def shaped(values: np.ndarray) -> np.ndarray:
        turned = np.rot90(values[window], turns)
        turned = turned[:, ::-1] if mirrored else turned
        zoom = (128 / side, 128 / side, *(1,) * (values.ndim - 2))
        small: np.ndarray = ndimage.zoom(turned, zoom, order=1, grid_mode=True, mode="nearest")
        return small

    return CloudScene(*(shaped(values) for values in scene))


def _drawn_cloud(rng: np.random.Generator) -> CloudScene:
    field = _smooth_noise(rng, 24) + 0.4 * _smooth_noise(rng, 6)
    opacity = np.clip((field - rng.uniform(-0.8, 0.6)) / 0.8, 0, 1).astype(np.float32)
    rgb = np.repeat((0.85 + 0.05 * _smooth_noise(rng, 8))[..., None], 3, axis=2).clip(0, 1).astype(np.float32)
    return CloudScene(rgb, opacity, np.zeros_like(opacity))


def _smooth_noise(rng: np.random.Generator, sigma_px: float) -> np.ndarray:
    """(128, 128) float32 noise with mean 0 and spread 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal((128, 128)), sigma_px, mode="wrap")
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float32)


def _snowy(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> Sample:
    """Ground under snow: mostly white, with the relief of its brightness; dark objects show through."""
    crop = _crop(arrays, rng)
    rgb = crop.thumbnail()
    ground = rgb.astype(np.float32) / 255
    brightness = ground.mean(axis=2)
    depth = np.clip(rng.uniform(0.75, 0.97) + 0.08 * _smooth_noise(rng, 10), 0, 1)
    bare = brightness < np.percentile(brightness, rng.uniform(2, 15))
    depth = np.where(bare, depth * rng.uniform(0.1, 0.6), depth)[..., None]
    white = np.array([0.90, 0.93, 0.97], dtype=np.float32) * rng.uniform(0.85, 1.0)
    relief = 0.35 * (brightness - ndimage.gaussian_filter(brightness, 6))[..., None]
    shown = ground * (1 - depth) + (white + relief) * depth
    return Sample(
        np.rint(shown * 255).clip(0, 255).astype(np.uint8), CoverageType.SNOW_ICE, SYNTHETIC, crop.scene_index
    )


def _without_data(arrays: tuple[SceneArrays, ...], rng: np.random.Generator) -> Sample:
    """A placeholder of one colour, or a crop with missing strips or tiles."""
    crop = _crop(arrays, rng)
    rgb = crop.thumbnail()
    fill = np.array(_placeholder_colour(rng), dtype=np.uint8)
    kind = rng.integers(4)
    if kind == 0:
        rgb[:] = fill
    elif kind == 1:
        share = rng.uniform(0.15, 0.9)
        cut = round(128 * share)
        rgb = np.rot90(rgb, int(rng.integers(4))).copy()
        slope = np.rint(rng.uniform(-0.4, 0.4) * np.arange(128)).astype(int)
        rgb[np.arange(128)[:, None] < cut + slope[None, :]] = fill
    else:
        tile = int(rng.choice([16, 32, 43, 64]))
        n = -(-128 // tile)
        missing = rng.random((n, n)) < rng.uniform(0.3, 0.9)
        missing.flat[int(rng.integers(n * n))] = True
        rgb[np.kron(missing, np.ones((tile, tile), dtype=bool))[:128, :128]] = fill
    return Sample(rgb, CoverageType.NODATA, SYNTHETIC, crop.scene_index)


def _placeholder_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    choices = ((0, 0, 0), (0, 0, 0), (0, 0, 0), (255, 255, 255), (238, 238, 238), (204, 204, 204), (229, 227, 223))
    return choices[int(rng.integers(len(choices)))]
