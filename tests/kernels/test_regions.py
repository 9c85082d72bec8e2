"""Regions equal scikit-image bit for bit."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import rasterize
from scipy import ndimage
from skimage.measure import euler_number, label, regionprops

from benchmarks.scenes import parcel_mask, small_masks, speckled_mask
from croplayer.kernels.regions import region_properties, summarise


def expected(mask: np.ndarray) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = regionprops(label(mask))
        return {
            "area": np.array([r.area for r in found]),
            "area_convex": np.array([r.area_convex for r in found]),
            "solidity": np.array([r.solidity for r in found]),
            "euler_number": np.array([r.euler_number for r in found]),
            "bbox": np.array([r.bbox for r in found]).reshape(-1, 4),
        }


def check_equal(mask: np.ndarray) -> int:
    properties = region_properties(mask)
    for name, values in expected(mask).items():
        np.testing.assert_array_equal(getattr(properties, name), values, err_msg=name)
    return len(properties.area)


@pytest.mark.parametrize("name", [name for name, _ in small_masks()])
def test_named_masks(name: str) -> None:
    mask = dict(small_masks())[name]
    if mask.size:
        check_equal(mask)
    else:
        assert len(region_properties(mask).area) == 0


@settings(deadline=None, max_examples=150)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=70)))
def test_drawn_masks(mask: np.ndarray) -> None:
    check_equal(mask)
    check_equal(mask.view(np.uint8))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.6, 1.2, 3.0, 8.0]), st.floats(0.05, 0.95))
def test_drawn_blobs(seed: int, smoothing: float, share: float) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(rng.integers(1, 160, 2))
    noise = ndimage.gaussian_filter(noise, smoothing) if smoothing else noise
    check_equal(noise > np.quantile(noise, share))


def test_ten_thousand_regions_of_the_benchmark_masks() -> None:
    masks = [speckled_mask(1280), speckled_mask(640, seed=4), parcel_mask(1280, parcels=450, specks=1200)]
    rng = np.random.default_rng(11)
    masks += [ndimage.gaussian_filter(rng.standard_normal((700, 900)), s) > 0.02 for s in (0.8, 1.0, 1.5, 5.0, 20.0)]
    assert sum(check_equal(mask) for mask in masks) >= 10_000


def test_euler_numbers_add_up_to_the_image() -> None:
    mask = np.random.default_rng(3).random((200, 333)) < 0.5
    assert summarise(region_properties(mask)).euler_total == euler_number(mask, connectivity=2)


def test_summary_is_means_and_sums() -> None:
    mask = np.zeros((10, 20), np.uint8)
    mask[1:6, 1:6] = 1
    mask[3, 3] = 0
    mask[8, 15] = 1
    summary = summarise(region_properties(mask))
    assert (summary.count, summary.area_px, summary.euler_total, summary.euler_mean) == (2, 25, 1, 0.5)
    assert summary.solidity_total == pytest.approx(24 / 25 + 1)
    assert summary.solidity_mean == pytest.approx((24 / 25 + 1) / 2)


def test_a_block_without_regions_has_no_means() -> None:
    summary = summarise(region_properties(np.zeros((64, 64), bool)))
    assert summary[:2] == (0, 0) and summary.solidity_total == 0 and summary.euler_total == 0
    assert math.isnan(summary.solidity_mean) and math.isnan(summary.euler_mean)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (np.zeros((4, 4), np.int32), TypeError, "mask is int32; expected a bool or uint8 array"),
        (np.zeros((4, 4, 1), bool), ValueError, r"mask has shape \(4, 4, 1\)"),
        (np.full((4, 4), 255, np.uint8), ValueError, "values other than 0 and 1"),
        (np.full((4, 64), 254, np.uint8), ValueError, "values other than 0 and 1"),
        ([[True]], TypeError, "mask is list"),
    ],
)
def test_bad_masks(mask: np.ndarray, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        region_properties(mask)


@pytest.mark.data
def test_real_fields(data: Path) -> None:
    """Fields as drawn by hand, and ragged regions of a real image."""
    path = sorted((data / "naip_fields" / "images").iterdir())[0]
    with rasterio.open(path) as source:
        red, green = source.read([1, 2]).astype(int)
        drawn = pyogrio.read_dataframe(data / "naip_fields" / "fields.gpkg", where=f"image = '{path.stem}'").geometry
        fields = rasterize(drawn, red.shape, transform=source.transform).astype(bool)
    assert check_equal(fields) > 1
    assert check_equal(green > red + 3) > 100
