"""Tileable ground textures, each with a pyramid of averages.

Texture must fade as pixels grow, as it does for a camera. Averaging it over each pixel would be slow, so a pixel reads
the level of the pyramid whose texels are nearest to its own size.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from croplayer.landscape import draws
from croplayer.landscape.kernel_cache import kernel
from croplayer.landscape.noise import hash2, salted, unit

SIZE = 512
"""Texels along an edge; a texel of level 0 is 1 m."""

LEVELS = 6
SPREAD = 0.24
"""Standard deviation of every texture at level 0."""

GRAIN, MOTTLE, CANOPY, ROUGH = range(4)
N_TEXTURES = 4


@kernel
def _wrapped(seed: np.uint64, x: float, y: float, period: int) -> float:
    """Value noise that repeats after ``period`` lattice steps, in [0, 1)."""
    i = int(np.floor(x))
    j = int(np.floor(y))
    tx = x - i
    ty = y - j
    tx = tx * tx * (3.0 - 2.0 * tx)
    ty = ty * ty * (3.0 - 2.0 * ty)
    a = unit(hash2(seed, i % period, j % period))
    b = unit(hash2(seed, (i + 1) % period, j % period))
    c = unit(hash2(seed, i % period, (j + 1) % period))
    d = unit(hash2(seed, (i + 1) % period, (j + 1) % period))
    top = a + (b - a) * tx
    return top + (c + (d - c) * tx - top) * ty


@kernel
def _fill(seed: np.uint64, grain: np.ndarray, mottle: np.ndarray, canopy: np.ndarray, rough: np.ndarray) -> None:
    n = grain.shape[0]
    for r in range(n):
        for c in range(n):
            grain[r, c] = (
                0.6 * unit(hash2(salted(seed, draws.GRAIN_FINE), c, r))
                + 0.4 * _wrapped(salted(seed, draws.GRAIN_COARSE), c / 2.0, r / 2.0, n // 2)
                - 0.5
            )
            total = 0.0
            step = 128.0
            weight = 0.42
            for k in range(5):
                total += weight * (
                    _wrapped(salted(seed, draws.MOTTLE_OCTAVE + k), c / step, r / step, int(n / step)) - 0.5
                )
                step *= 0.5
                weight *= 0.72
            mottle[r, c] = total
            total = 0.0
            step = 16.0
            weight = 0.5
            for k in range(4):
                total += weight * (
                    _wrapped(salted(seed, draws.ROUGH_OCTAVE + k), c / step, r / step, int(n / step)) - 0.5
                )
                step *= 0.5
                weight *= 0.7
            rough[r, c] = total
            canopy[r, c] = _crown(salted(seed, draws.CROWN), c + 0.5, r + 0.5, 8.0, n // 8)


@kernel
def _crown(seed: np.uint64, x: float, y: float, spacing: float, period: int) -> float:
    """Brightness of a canopy: the nearest crown as a lit dome, dark between crowns, about -0.5 to 0.5."""
    ci = int(np.floor(x / spacing))
    cj = int(np.floor(y / spacing))
    best = -0.55
    for i in range(ci - 1, ci + 2):
        for j in range(cj - 1, cj + 2):
            own = hash2(seed, i % period, j % period)
            sx = (i + 0.15 + 0.7 * unit(salted(own, draws.CROWN_X))) * spacing
            sy = (j + 0.15 + 0.7 * unit(salted(own, draws.CROWN_Y))) * spacing
            radius = spacing * (0.38 + 0.32 * unit(salted(own, draws.CROWN_RADIUS)))
            dx = (x - sx) / radius
            dy = (y - sy) / radius
            d = dx * dx + dy * dy
            if d < 1.0:
                dome = (
                    0.45 * (1.0 - d)
                    - 0.3 * (dx + dy) * 0.7
                    + 0.25 * (unit(salted(own, draws.CROWN_BRIGHTNESS)) - 0.5)
                    - 0.1
                )
                best = max(best, dome)
    return best


@lru_cache(maxsize=4)
def texture_pyramids(seed: int) -> np.ndarray:
    """All textures of a seed.

    Returns
    -------
    (N_TEXTURES, LEVELS, SIZE, SIZE) int8, brightness in 1/127; level k holds 2**k m texels,
    repeated to the full size, so a texel index is taken modulo SIZE at every level.
    """
    base = np.zeros((N_TEXTURES, SIZE, SIZE))
    _fill(np.uint64(seed), base[GRAIN], base[MOTTLE], base[CANOPY], base[ROUGH])
    base -= base.mean(axis=(1, 2), keepdims=True)
    base *= SPREAD / base.std(axis=(1, 2), keepdims=True)
    out = np.zeros((N_TEXTURES, LEVELS, SIZE, SIZE), dtype=np.int8)
    level = base
    for k in range(LEVELS):
        repeated = np.tile(level, (1, 2**k, 2**k))
        out[:, k] = np.clip(np.rint(repeated * 127), -127, 127).astype(np.int8)
        level = 0.25 * (level[:, ::2, ::2] + level[:, 1::2, ::2] + level[:, ::2, 1::2] + level[:, 1::2, 1::2])
    return out
