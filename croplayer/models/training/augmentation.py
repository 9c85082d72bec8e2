"""Training batches: windows of labelled scenes at a random ground sample distance, with random changes.

All random numbers of a step come from one generator on the CPU, so the batch depends on the seed and the step alone. Windows
are drawn on the device that the scenes lie on.
"""

from __future__ import annotations

import io
import math
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from croplayer.models.training.scenes import SceneArrays
from croplayer.models.training.training_config import Augmentation

LARGEST_TURN_DEGREES = 12.0
"""Largest turn of a window beside its quarter turns."""
MIXED_SIDES = (0.3, 0.75)
"""Smallest and largest side of a rectangle that is mixed in, as shares of the side of the window."""

MIXED_PARCELS = 2**20
"""Added to the numbers of fields that are mixed in; scenes have fewer fields than that."""


class SceneTensors(NamedTuple):
    """One scene in memory."""

    rgb: torch.Tensor
    """(3, h, w) uint8, a view of (h, w, 3) memory."""
    parcels: torch.Tensor
    """(h, w) int32, 0 outside all fields."""
    valid: torch.Tensor
    """(h, w) bool, where there is imagery."""
    labelled: torch.Tensor
    """(h, w) bool, where it is known whether there is a field."""
    gsd_m: float
    """Ground sample distance in metres."""

    @classmethod
    def from_arrays(cls, arrays: SceneArrays, gsd_m: float, device: torch.device) -> SceneTensors:
        """The scene as tensors on a device; on the CPU they share the memory of ``arrays``."""
        rgb = torch.from_numpy(arrays.rgb).permute(2, 0, 1)
        parcels, valid, labelled = (torch.from_numpy(values).to(device) for values in arrays[1:])
        return cls(rgb.to(device), parcels, valid, labelled, gsd_m)


class Batch(NamedTuple):
    """The windows and labels of one batch."""

    rgb: torch.Tensor
    """(n, 3, c, c) float32 in 0..1."""
    field: torch.Tensor
    """(n, c, c) float32: share of the pixel inside a field, 0..1."""
    parcels: torch.Tensor
    """(n, c, c) int32: number of the polygon at the pixel's centre, no two in a window alike; 0 outside."""
    valid: torch.Tensor
    """(n, c, c) bool: where there is imagery."""
    labelled: torch.Tensor
    """(n, c, c) bool: where it is known whether there is a field; a part of ``valid``."""
    mixed: torch.Tensor
    """(n, c, c) bool: inside the rectangle that was mixed in from another window."""


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random generator of one step; it depends on ``seed`` and ``step`` alone."""
    state = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state >> 1)


def draw_batch(
    scenes: list[SceneTensors],
    n: int,
    crop_px: int,
    gsd_m: tuple[float, float],
    augmentation: Augmentation,
    generator: torch.Generator,
) -> Batch:
    """Draw ``n`` windows of ``crop_px`` pixels, each from a random scene with the same chance for all.

    The ground sample distance of a window is log-uniform in ``gsd_m`` (metres), as far as the scene is large enough.
    """
    parts = [_draw_window(scenes, crop_px, gsd_m, augmentation, generator) for _ in range(n)]
    batch = Batch(*(torch.stack(column) for column in zip(*parts, strict=True)))
    return _mixed(batch, augmentation.mix, generator) if augmentation.mix > 0 else batch


def _mixed(batch: Batch, share: float, generator: torch.Generator) -> Batch:
    """Replace a rectangle in a share of the windows by that of the next window of the batch, labels included."""
    n, _, side, _ = batch.rgb.shape
    mixed = Batch(*(values.clone() for values in batch))
    for i in range(n):
        if _uniform(generator, 0, 1) >= share:
            continue
        h, w = (round(side * _uniform(generator, *MIXED_SIDES)) for _ in range(2))
        top, left = _integer(generator, 0, side - h), _integer(generator, 0, side - w)
        place = (..., slice(top, top + h), slice(left, left + w))
        for target, values in zip(mixed, batch, strict=True):
            target[i][place] = values[(i + 1) % n][place]
        mixed.mixed[i][place] = True
        mixed.parcels[i][place] += MIXED_PARCELS * (mixed.parcels[i][place] > 0)
    return mixed


def _draw_window(
    scenes: list[SceneTensors],
    crop_px: int,
    gsd_m: tuple[float, float],
    augmentation: Augmentation,
    generator: torch.Generator,
) -> Batch:
    scene = scenes[_integer(generator, 0, len(scenes) - 1)]
    height, width = scene.valid.shape
    gsd = math.exp(_uniform(generator, math.log(gsd_m[0]), math.log(gsd_m[1])))
    largest = max(min(height, width), round(crop_px * gsd_m[0] / scene.gsd_m), 1)
    side = min(max(round(crop_px * gsd / scene.gsd_m), 1), largest)
    turn = _turn(augmentation.turned, generator)
    reach = abs(math.cos(turn)) + abs(math.sin(turn))
    side, around_px = round(side * reach), round(crop_px * reach)
    top = _integer(generator, 0, max(height - side, 0))
    left = _integer(generator, 0, max(width - side, 0))
    window = (slice(top, top + side), slice(left, left + side))
    parcels = _filled(scene.parcels[window], side)
    smooth = [
        _resized(_filled(scene.rgb[(slice(None), *window)], side), around_px),
        _resized((parcels > 0).to(torch.uint8).mul_(255)[None], around_px),
        *(_resized(_filled(f[window], side).to(torch.uint8).mul_(255)[None], around_px) for f in scene[2:4]),
    ]
    centres = ((torch.arange(around_px, device=parcels.device) + 0.5) * (side / around_px)).long()
    nearest = parcels[centres][:, centres]
    if turn:
        smooth = [_rotated(values, turn, crop_px, "bilinear") for values in smooth]
        nearest = _rotated(nearest[None].float(), turn, crop_px, "nearest")[0].int()
    quarter_turns, mirrored = _integer(generator, 0, 3), _integer(generator, 0, 1) == 1
    rgb, share, valid, labelled, nearest = (_turned(t, quarter_turns, mirrored) for t in (*smooth, nearest))
    known, told = valid[0] > 0.99, labelled[0] > 0.99
    return Batch(_changed(rgb, augmentation, generator), share[0], nearest, known, told, torch.zeros_like(told))


def _turn(share: float, generator: torch.Generator) -> float:
    """Radians that a window is turned by."""
    if share == 0 or _uniform(generator, 0, 1) >= share:
        return 0.0
    return math.radians(_uniform(generator, -LARGEST_TURN_DEGREES, LARGEST_TURN_DEGREES))


def _rotated(values: torch.Tensor, turn: float, size: int, mode: str) -> torch.Tensor:
    """The middle (c, size, size) of (c, h, h) values, turned."""
    scale = size / values.shape[-1]
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    theta = torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0]]], device=values.device)
    grid = functional.affine_grid(theta, [1, len(values), size, size], align_corners=False)
    return functional.grid_sample(values[None], grid, mode=mode, align_corners=False)[0]


def _integer(generator: torch.Generator, low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def _filled(window: torch.Tensor, side: int) -> torch.Tensor:
    """A window that extends beyond its scene, padded with zeros (no imagery) to ``side``."""
    missing_rows, missing_cols = side - window.shape[-2], side - window.shape[-1]
    if missing_rows == 0 and missing_cols == 0:
        return window
    return functional.pad(window, (0, missing_cols, 0, missing_rows))


def _resized(window: torch.Tensor, size: int) -> torch.Tensor:
    """(c, h, w) uint8 reduced by averaging or enlarged to (c, size, size) float32 in 0..1."""
    if window.shape[-1] != size:
        if window.device.type != "cpu":
            window = window.float()
        window = functional.interpolate(window[None], size=(size, size), mode="bilinear", antialias=True)[0]
    return window.contiguous().float().div_(255)


def _turned(window: torch.Tensor, quarter_turns: int, mirrored: bool) -> torch.Tensor:
    turned = torch.rot90(window, quarter_turns, (-2, -1))
    return turned.flip(-1) if mirrored else turned


def _changed(rgb: torch.Tensor, augmentation: Augmentation, generator: torch.Generator) -> torch.Tensor:
    """Random colour, haze, blur, noise and compression of a (3, h, w) window in 0..1."""
    k = augmentation.colour
    gain = torch.tensor([_uniform(generator, 1 - 0.1 * k, 1 + 0.1 * k) for _ in range(3)]).view(3, 1, 1).to(rgb.device)
    contrast = _uniform(generator, 1 - 0.3 * k, 1 + 0.3 * k)
    brightness = _uniform(generator, -0.12 * k, 0.12 * k)
    saturation = _uniform(generator, 1 - 0.4 * k, 1 + 0.4 * k)
    gamma = math.exp(_uniform(generator, -0.3 * k, 0.3 * k))
    grey = rgb.mean(dim=0, keepdim=True)
    rgb = (grey + (rgb - grey) * saturation) * gain
    mean = rgb.mean()
    rgb = ((rgb - mean) * contrast + mean + brightness).clamp_(0, 1).pow(gamma)
    if _uniform(generator, 0, 1) < augmentation.haze:
        veil = _uniform(generator, 0.05, 0.4)
        rgb = rgb * (1 - veil) + veil * _uniform(generator, 0.7, 1.0)
    if _uniform(generator, 0, 1) < augmentation.blur:
        rgb = _blurred(rgb, _uniform(generator, 0.4, 1.3))
    if _uniform(generator, 0, 1) < augmentation.noise:
        rgb = rgb + _normal(rgb, generator) * _uniform(generator, 0.005, 0.03)
    rgb = rgb.clamp_(0, 1)
    if _uniform(generator, 0, 1) < augmentation.jpeg:
        rgb = _compressed(rgb, _integer(generator, 40, 95))
    return rgb


def _normal(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Normal numbers of the shape and on the device of a tensor; on CUDA they come from the device, which has them sooner."""
    if like.device.type == "cpu":
        return torch.randn(like.shape, generator=generator)
    on_device = torch.Generator(like.device).manual_seed(_integer(generator, 0, 2**62))
    return torch.randn(like.shape, generator=on_device, device=like.device)


def _compressed(rgb: torch.Tensor, quality: int) -> torch.Tensor:
    pixels = rgb.mul(255).round_().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "JPEG", quality=quality)
    decoded = np.array(Image.open(encoded))
    return torch.from_numpy(decoded).to(rgb.device).permute(2, 0, 1).float().div_(255)


def _blurred(rgb: torch.Tensor, sigma_px: float) -> torch.Tensor:
    offsets = torch.arange(-3, 4, dtype=torch.float32, device=rgb.device)
    kernel = torch.exp(-0.5 * (offsets / sigma_px) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, 7).expand(3, 1, 1, 7)
    padded = functional.pad(rgb[None], (3, 3, 3, 3), mode="reflect")
    across = functional.conv2d(padded, kernel, groups=3)
    return functional.conv2d(across, kernel.transpose(2, 3), groups=3)[0]
