"""Integer-hash noise: every value is a pure function of a seed and a place.

A random generator has a state and so an order; a hash has neither. The value at a lattice point is a hash of its
indices, values between points are interpolated, and any piece of the country can be made alone.

Floating-point code uses + - * / and square roots only. IEEE 754 rounds these the same way everywhere, which it does
not ask of sines or exponentials, so the same seed gives the same bytes on any machine.
"""

from __future__ import annotations

import numpy as np

from croplayer.landscape.kernel_cache import typed_kernel

# Odd constants with evenly spread bits. The golden ratio and two primes of xxHash tell two indices and a salt apart;
# the multipliers of `mix` are those of the 64-bit finalizer of MurmurHash3.
_A = np.uint64(0x9E3779B97F4A7C15)
_B = np.uint64(0xC2B2AE3D27D4EB4F)
_C = np.uint64(0x165667B19E3779F9)
_M1 = np.uint64(0xFF51AFD7ED558CCD)
_M2 = np.uint64(0xC4CEB9FE1A85EC53)
_S33 = np.uint64(33)
_S29 = np.uint64(29)
_S11 = np.uint64(11)
_TO_UNIT = 1.0 / 9007199254740992.0
"""2 to the power of -53: the 53 highest bits of a hash fill the fraction of a float64 exactly."""


@typed_kernel("uint64(uint64)")
def mix(h: np.uint64) -> np.uint64:
    """Scramble 64 bits, one to one: each bit of the argument flips about half of the bits of the result."""
    h ^= h >> _S33
    h *= _M1
    h ^= h >> _S29
    h *= _M2
    h ^= h >> _S33
    return h


@typed_kernel("uint64(uint64, int64, int64)")
def hash2(seed: np.uint64, i: int, j: int) -> np.uint64:
    """Hash of a lattice point; negative indices wrap around in 64 bits."""
    return mix(seed + np.uint64(i) * _A + np.uint64(j) * _B)


@typed_kernel("uint64(uint64, int64)")
def salted(seed: np.uint64, salt: int) -> np.uint64:
    """A seed for another purpose, independent of ``seed``."""
    return mix(seed ^ (np.uint64(salt) * _C))


@typed_kernel("float64(uint64)")
def unit(h: np.uint64) -> float:
    """The hash as a number in [0, 1)."""
    return float(h >> _S11) * _TO_UNIT


@typed_kernel("float64(uint64, int64)")
def draw(seed: np.uint64, salt: int) -> float:
    """A number in [0, 1) for a seed and a salt."""
    return unit(salted(seed, salt))


@typed_kernel("float64(float64, float64, float64)")
def smoothstep(low: float, high: float, value: float) -> float:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = (value - low) / (high - low)
    if t <= 0.0:
        return 0.0
    if t >= 1.0:
        return 1.0
    return t * t * (3.0 - 2.0 * t)


@typed_kernel("float64(uint64, float64)")
def noise1(seed: np.uint64, x: float) -> float:
    """Smooth value noise along a line, in [-1, 1]."""
    x0 = np.floor(x)
    i = int(x0)
    t = x - x0
    # Perlin's quintic fade: its first and second derivatives vanish at both ends, so no crease shows at the lattice.
    t = t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
    a = unit(hash2(seed, i, 0))
    b = unit(hash2(seed, i + 1, 0))
    return float(2.0 * (a + (b - a) * t) - 1.0)


@typed_kernel("float64(uint64, float64, float64)")
def _gradient(h: np.uint64, dx: float, dy: float) -> float:
    """A random gradient times the offset from its lattice point; two runs of 20 bits of the hash are its components."""
    gx = float((h >> np.uint64(8)) & np.uint64(0xFFFFF)) * (2.0 / 1048575.0) - 1.0
    gy = float((h >> np.uint64(36)) & np.uint64(0xFFFFF)) * (2.0 / 1048575.0) - 1.0
    return gx * dx + gy * dy


@typed_kernel("float64(uint64, float64, float64)")
def noise2(seed: np.uint64, x: float, y: float) -> float:
    """Smooth gradient noise in the plane, about in [-1, 1], mean 0."""
    x0 = np.floor(x)
    y0 = np.floor(y)
    i = int(x0)
    j = int(y0)
    dx = x - x0
    dy = y - y0
    tx = dx * dx * dx * (dx * (dx * 6.0 - 15.0) + 10.0)
    ty = dy * dy * dy * (dy * (dy * 6.0 - 15.0) + 10.0)
    a = _gradient(hash2(seed, i, j), dx, dy)
    b = _gradient(hash2(seed, i + 1, j), dx - 1.0, dy)
    c = _gradient(hash2(seed, i, j + 1), dx, dy - 1.0)
    d = _gradient(hash2(seed, i + 1, j + 1), dx - 1.0, dy - 1.0)
    top = a + (b - a) * tx
    low = c + (d - c) * tx
    # Stretched so that the values fill about [-1, 1].
    return float(1.9 * (top + (low - top) * ty))


@typed_kernel("float64(uint64, float64, float64, int64)")
def fbm(seed: np.uint64, x: float, y: float, octaves: int) -> float:
    """Sum of noise octaves, each half as large and twice as fine, about in [-1, 1]."""
    total = 0.0
    amplitude = 0.55
    for k in range(octaves):
        total += amplitude * noise2(seed + np.uint64(k) * _C, x, y)
        # Neither a factor of 2 nor a common origin: gradient noise is 0 at its lattice points, and those of all octaves
        # would coincide.
        x = x * 2.03 + 17.3
        y = y * 2.03 - 9.1
        amplitude *= 0.5
    return total
