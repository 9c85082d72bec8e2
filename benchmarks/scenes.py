"""Made-up inputs of the benchmark and of the kernels' tests. Synthetic, drawn from fixed seeds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage, spatial

BLOCK_PX = 2560


def parcel_mask(size: int = BLOCK_PX, parcels: int = 1800, specks: int = 2600, seed: int = 1) -> np.ndarray:
    """Fields with ragged borders, gaps of 1 to 3 px between them and specks: (size, size) bool."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:size, 0:size].astype(np.float32)
    for axis in (rows, cols):
        noise = rng.standard_normal((size // 8 + 2, size // 8 + 2)).astype(np.float32)
        axis += 60 * ndimage.zoom(ndimage.gaussian_filter(noise, 4), 8, order=1)[:size, :size]
        axis += 0.25 * rng.standard_normal((size, size)).astype(np.float32)
    seeds = spatial.cKDTree(rng.uniform(0, size, (parcels, 2)))
    distance, owner = seeds.query(np.column_stack([rows.ravel(), cols.ravel()]), k=2, workers=1)
    is_field = rng.random(parcels) < 0.6
    gap = 1.0 + 1.5 * rng.random(parcels)
    inside = distance[:, 1] - distance[:, 0] > gap[owner[:, 0]]
    mask: np.ndarray = (inside & is_field[owner[:, 0]]).reshape(size, size)
    at = rng.integers(0, size, (2, specks))
    mask[at[0], at[1]] ^= True
    return mask


def speckled_mask(size: int = BLOCK_PX, seed: int = 2) -> np.ndarray:
    """Small ragged regions everywhere, the dense case: (size, size) bool."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.standard_normal((size, size)).astype(np.float32), 3.0)
    noise += 0.012 * rng.standard_normal((size, size)).astype(np.float32)
    return np.asarray(noise > np.quantile(noise, 0.62))


def spiral_mask(size: int) -> np.ndarray:
    """A line one pixel wide that winds inwards with one pixel between its turns: (size, size) bool."""
    mask = np.zeros((size, size), bool)
    row, col, step_row, step_col = 0, -1, 0, 1
    length = size
    for turn in range(2 * size):
        for _ in range(length):
            row, col = row + step_row, col + step_col
            mask[row, col] = True
        step_row, step_col = step_col, -step_row
        if turn % 2 == 0:
            length -= 1 if turn == 0 else 2
        if length <= 0:
            break
    return mask


def small_masks() -> Iterator[tuple[str, np.ndarray]]:
    """Named masks on which connected-region code goes wrong first."""
    for size in (0, 1, 2, 3, 63, 64, 65, 130):
        yield f"empty {size}", np.zeros((size, size), bool)
        yield f"full {size}", np.ones((size, size), bool)
        yield f"checkerboard {size}", (np.indices((size, size)).sum(axis=0) % 2).astype(bool)
        yield f"diagonal {size}", np.eye(size, dtype=bool)
        yield f"crossed diagonals {size}", np.eye(size, dtype=bool) | np.eye(size, dtype=bool)[::-1]
        yield f"spiral {size}", spiral_mask(size)
        frame = np.ones((size, size), bool)
        frame[1:-1, 1:-1] = False
        yield f"frame {size}", frame
        yield f"rings {size}", (np.abs(np.indices((size, size)) - size // 2).max(axis=0) % 2).astype(bool)
        yield f"columns {size}", np.broadcast_to(np.arange(size) % 2 == 0, (size, size))
        yield f"rows as uint8 {size}", np.broadcast_to((np.arange(size) % 2)[:, None], (size, size)).astype(np.uint8)
    rng = np.random.default_rng(5)
    for share in (0.1, 0.4, 0.5, 0.6, 0.9):
        yield f"noise {share}", rng.random((97, 131)) < share
    noise = rng.random((120, 260)) < 0.55
    yield "not contiguous", noise[::2, ::2]
    yield "transposed", noise.T
    yield "no rows", np.zeros((0, 7), bool)
    yield "no columns", np.zeros((7, 0), np.uint8)


def farmland_rgb(size: int = BLOCK_PX, seed: int = 3) -> np.ndarray:
    """Fields of one colour each with soft texture and sensor noise: (size, size, 3) uint8."""
    rng = np.random.default_rng(seed)
    grid = rng.uniform(0, size, (size * size // 4000, 2))
    rows, cols = np.mgrid[0:size:4, 0:size:4]
    owner = spatial.cKDTree(grid).query(np.column_stack([rows.ravel(), cols.ravel()]))[1].reshape(rows.shape)
    colours = np.array([110, 115, 85]) + rng.normal(0, 28, (len(grid), 1)) + rng.normal(0, 14, (len(grid), 3))
    fields = colours[owner].repeat(4, axis=0).repeat(4, axis=1)[:size, :size]
    soft = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1.5)[..., None] * 25
    return np.clip(fields + soft + rng.normal(0, 3, (size, size, 3)), 0, 255).astype(np.uint8)


def field_scores(inside: np.ndarray, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """What a network would say of a mask of fields: scores of cropland and of boundaries, each (h, w) uint8, 0 to 250."""
    rng = np.random.default_rng(seed)
    near = ndimage.binary_dilation(~inside, iterations=2)
    scores = []
    for sure in (inside, near):
        soft = ndimage.gaussian_filter(sure.astype(np.float32), 1.5) + 0.05 * rng.standard_normal(inside.shape)
        scores.append(np.clip(250 * soft, 0, 250).astype(np.uint8))
    return scores[0], scores[1]


def mountain_dem(size: int = 3601, seed: int = 4) -> np.ndarray:
    """Ranges and valleys in whole metres: (size, size) int16."""
    rng = np.random.default_rng(seed)
    dem = np.zeros((size, size), np.float32)
    for step, height in ((512, 900.0), (128, 250.0), (32, 60.0), (8, 12.0)):
        knots = size // step + 4
        coarse = rng.standard_normal((knots, knots)).astype(np.float32)
        dem += height * ndimage.zoom(coarse, step, order=1)[:size, :size]
    return (dem + rng.normal(0, 1.5, dem.shape) + 1200).astype(np.int16)


def province_rings(size: int = BLOCK_PX, seed: int = 5) -> list[np.ndarray]:
    """A winding border that splits a raster into two zones: two closed rings of x and y in pixels."""
    rng = np.random.default_rng(seed)
    y = np.linspace(-0.2 * size, 1.2 * size, 400)
    x = size / 2 + np.cumsum(rng.normal(0, 0.01 * size, len(y)))
    border = np.column_stack([x, y])
    west = np.concatenate([border, [[-size, 1.2 * size], [-size, -0.2 * size]], border[:1]])
    east = np.concatenate([border, [[2 * size, 1.2 * size], [2 * size, -0.2 * size]], border[:1]])
    return [west, east]
