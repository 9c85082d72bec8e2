"""Thin-cloud features and seams equal their definitions written out in numpy, and tell bad imagery from good."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scenes import farmland_rgb
from croplayer.kernels.haze import Haze, haze
from croplayer.kernels.stitch import Seam, strongest_seam
from croplayer.landscape.country import Country
from stores.grid import BlockGrid, BlockIndex

SIDE = 480


def plain_haze(rgb: np.ndarray, valid: np.ndarray) -> Haze:
    lowest, veiled = [], []
    for y in range(0, rgb.shape[0] - 15, 16):
        for x in range(0, rgb.shape[1] - 15, 16):
            patch = rgb[y : y + 16, x : x + 16].astype(float) / 255
            if not valid[y : y + 16, x : x + 16].all():
                continue
            colour = patch.mean(axis=(0, 1))
            saturation = (colour.max() - colour.min()) / max(colour.max(), 1 / 255)
            smooth = np.abs(np.diff(patch, axis=0)).mean() <= 0.02
            lowest.append(patch.min())
            veiled.append(patch.min() >= 0.35 and saturation <= 0.25 and smooth)
    return Haze(float(np.median(lowest)), float(np.mean(veiled))) if lowest else Haze(math.nan, math.nan)


def plain_strengths(rgb: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Strength of each vertical line."""
    rows, cols = rgb.shape[0] // 16, rgb.shape[1] // 4
    cells = rgb[: rows * 16, : cols * 4].astype(float).reshape(rows, 16, cols, 4, 3).mean(axis=(1, 3))
    known = valid[: rows * 16, : cols * 4].reshape(rows, 16, cols, 4).all(axis=(1, 3))
    size = np.full(cols, np.nan)
    for line in range(1, cols - 1):
        both = known[:, line - 1] & known[:, line + 1]
        if both.any() and 2 * both.sum() >= rows:
            size[line] = np.abs(np.median((cells[:, line + 1] - cells[:, line - 1])[both], axis=0)).mean()
    usual = [np.nan if np.isnan(s) else np.nanmedian(size[max(k - 8, 0) : k + 9]) for k, s in enumerate(size)]
    return size - np.array(usual)


def plain_seam(rgb: np.ndarray, valid: np.ndarray) -> float:
    strengths = [*plain_strengths(rgb, valid), *plain_strengths(rgb.swapaxes(0, 1), valid.T)]
    known = [s for s in strengths if not np.isnan(s)]
    return max(known) if known else math.nan


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 150), st.integers(0, 150), st.sampled_from([0.0, 0.001, 0.02]))
def test_equal_their_definitions(seed: int, height: int, width: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    rgb = np.clip(rng.normal(rng.integers(20, 220), rng.integers(1, 30), (height, width, 3)), 0, 255).astype(np.uint8)
    valid = rng.random((height, width)) >= missing
    np.testing.assert_allclose(haze(rgb, valid), plain_haze(rgb, valid), rtol=1e-12)
    np.testing.assert_allclose(strongest_seam(rgb, valid).strength, plain_seam(rgb, valid), atol=1e-9)


def test_a_seam_is_found_where_it_is() -> None:
    rgb = farmland_rgb(640)
    clean = strongest_seam(rgb).strength
    for line in (202, 402):
        stitched = rgb.astype(int)
        stitched[:, line:] += 12
        seam = strongest_seam(np.clip(stitched, 0, 255).astype(np.uint8))
        assert seam.strength > 3 * clean and abs(seam.position_px - line) <= 4 and seam.orientation == "vertical"
        turned = strongest_seam(np.clip(stitched, 0, 255).astype(np.uint8).swapaxes(0, 1))
        assert turned == Seam(seam.strength, seam.position_px, "horizontal")


def test_nothing_is_known_without_imagery() -> None:
    rgb, valid = np.zeros((80, 80, 3), np.uint8), np.zeros((80, 80), bool)
    assert all(math.isnan(v) for v in haze(rgb, valid))
    assert math.isnan(strongest_seam(rgb, valid).strength) and strongest_seam(rgb, valid).orientation is None


@pytest.mark.parametrize("measure", [haze, strongest_seam])
def test_bad_input_is_named(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(TypeError, match="rgb is float64"):
        measure(np.zeros((32, 32, 3)))
    with pytest.raises(ValueError, match="valid has shape"):
        measure(np.zeros((32, 32, 3), np.uint8), np.zeros((32, 31), bool))


@lru_cache(maxsize=1)
def pictures() -> list[tuple[np.ndarray, np.ndarray]]:
    """Blocks of the synthetic country as both sources show them."""
    country, grid, found = Country(1), BlockGrid(SIDE), []
    for row, col in ((1085, 5866), (1093, 5885), (1101, 5903), (1112, 5873), (1120, 5894), (1131, 5910)):
        window = grid.window(BlockIndex(row, col))
        lon, lat = grid.longitudes(window.col, SIDE), grid.latitudes(window.row, SIDE)
        nodes = country.nodes(lon, lat, per_degree=900)
        both = [country.render(source, lon, lat, nodes=nodes) for source in ("aster", "borealis")]
        if all(valid.all() for _, valid in both):
            found.append((both[0][0], both[1][0]))
    return found


def separation(bad: list[float], good: list[float]) -> float:
    """Chance that bad imagery measures more than good (the area under the ROC curve)."""
    return float(np.mean([(b > g) + 0.5 * (b == g) for b in bad for g in good]))


def test_haze_tells_veiled_blocks_of_the_country() -> None:
    clear = [rgb for pair in pictures() for rgb in pair]
    veiled = [(rgb + (np.array([178.0, 188.0, 200.0]) - rgb) * 0.45).astype(np.uint8) for rgb in clear]
    assert len(clear) >= 6
    for bad, good in zip(veiled, clear, strict=True):
        assert haze(bad).dark_channel >= haze(good).dark_channel
    assert separation([haze(b).dark_channel for b in veiled], [haze(g).dark_channel for g in clear]) > 0.8


def test_seams_tell_stitched_blocks_of_the_country() -> None:
    clean, stitched = [], []
    for one, other in pictures():
        mixed = np.concatenate([one[:, : SIDE // 2], other[:, SIDE // 2 :]], axis=1)
        # Four pixels for each, as there are in a block of 2,560.
        clean += [strongest_seam(rgb.repeat(4, axis=0).repeat(4, axis=1)).strength for rgb in (one, other)]
        stitched.append(strongest_seam(mixed.repeat(4, axis=0).repeat(4, axis=1)).strength)
    assert separation(stitched, clean) > 0.85
