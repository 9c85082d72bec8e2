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
