"""Image medians equal scikit-image's Sobel and the colorsys formulas in numpy."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import sobel

from croplayer.kernels.image import ImageQuality, image_quality


def hls(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue, lightness and saturation of colorsys, vectorised."""
    r, g, b = np.moveaxis(rgb / 255, -1, 0)
    top, bottom = rgb.max(axis=-1) / 255, rgb.min(axis=-1) / 255
    lightness = (top + bottom) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = top - bottom
        saturation = np.where(lightness <= 0.5, spread / (top + bottom), spread / (2.0 - top - bottom))
        rc, gc, bc = (top - r) / spread, (top - g) / spread, (top - b) / spread
        hue = np.where(r == top, bc - gc, np.where(g == top, 2.0 + rc - bc, 4.0 + gc - rc)) / 6.0 % 1.0
    grey = top == bottom
    return np.where(grey, 0, hue), lightness, np.where(grey, 0, saturation)


def expected(rgb: np.ndarray, valid: np.ndarray) -> ImageQuality:
    sharpness = np.mean([sobel(rgb[..., band] / 255) for band in range(3)], axis=0)
    hue, lightness, saturation = hls(rgb)
    return ImageQuality(*(float(np.median(v[valid])) for v in (sharpness, hue, saturation, lightness)))


def check_equal(rgb: np.ndarray, valid: np.ndarray | None = None) -> None:
    found = image_quality(rgb, valid)
    wanted = expected(rgb, np.ones(rgb.shape[:2], bool) if valid is None else valid)
    assert found[1:] == wanted[1:]
    assert found.sharpness == pytest.approx(wanted.sharpness, rel=1e-12, abs=1e-15)


def test_the_reference_is_colorsys() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (400, 3)).astype(np.uint8)
    rgb[:8] = np.array(np.meshgrid([0, 255], [0, 255], [0, 255])).reshape(3, 8).T
    want = np.array([colorsys.rgb_to_hls(*(pixel / 255)) for pixel in rgb])
    np.testing.assert_allclose(np.column_stack(hls(rgb)), want, rtol=0, atol=1e-15)


def farmland(height: int, width: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = rng.integers(20, 220, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:height, :width]
    return np.clip(base + rng.normal(0, 12, base.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (3, 5), (64, 64), (257, 131), (300, 512)])
def test_imagery(shape: tuple[int, int]) -> None:
    rgb = farmland(*shape, seed=7)
    check_equal(rgb)
    valid = np.random.default_rng(1).random(shape) < 0.6
    valid[0, 0] = True
    check_equal(rgb, valid)
    check_equal(np.asfortranarray(rgb)[::-1])


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_drawn_images(data: st.DataObject) -> None:
    height, width = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    values = data.draw(st.sampled_from([st.integers(0, 255), st.sampled_from([0, 255]), st.integers(100, 103)]))
    rgb = data.draw(hnp.arrays(np.uint8, (height, width, 3), elements=values))
    valid = data.draw(hnp.arrays(np.bool_, (height, width)))
    valid[data.draw(st.integers(0, height - 1)), 0] = True
    check_equal(rgb, valid)
    check_equal(rgb)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (1, 0, 255), (254, 255, 0)])
def test_one_colour(colour: tuple[int, int, int]) -> None:
    rgb = np.full((40, 30, 3), colour, np.uint8)
    assert image_quality(rgb).sharpness == 0
    check_equal(rgb)


def test_two_halves_meet_in_the_middle() -> None:
    rgb = np.zeros((10, 10, 3), np.uint8)
    rgb[:5] = (255, 255, 255)
    rgb[:, :, 2] = np.where(np.arange(10)[:, None] < 5, 10, 20)
    assert image_quality(rgb).lightness == pytest.approx(((255 + 10) / 2 + 20 / 2) / 2 / 255)
    check_equal(rgb)


def test_nothing_valid_is_nan() -> None:
    assert np.isnan(image_quality(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool))).all()
    assert np.isnan(image_quality(np.zeros((0, 4, 3), np.uint8))).all()


@pytest.mark.parametrize(
    ("rgb", "valid", "error", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), None, TypeError, "rgb is float32"),
        (np.zeros((3, 4, 4), np.uint8), None, ValueError, r"rgb has shape \(3, 4, 4\)"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 4)), TypeError, "valid is float64"),
        (np.zeros((4, 4, 3), np.uint8), np.ones((4, 5), bool), ValueError, r"valid has shape \(4, 5\)"),
    ],
)
def test_bad_input(rgb: np.ndarray, valid: np.ndarray | None, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        image_quality(rgb, valid)


@pytest.mark.data
def test_real_farmland(data: Path) -> None:
    for path in sorted((data / "naip_fields" / "images").iterdir())[:3]:
        with rasterio.open(path) as source:
            check_equal(np.moveaxis(source.read([1, 2, 3]), 0, -1))
