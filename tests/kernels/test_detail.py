"""Detail of an image beside the same in plain numpy, and images of one colour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from croplayer.kernels.detail import detail_ratio, is_one_colour

IMAGES = st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda size: hnp.arrays(np.uint8, (4 * size[0], 4 * size[1], 3), elements=st.integers(0, 255))
)


def ratio_by_means(rgb: np.ndarray) -> float:
    grey, detail = rgb.sum(axis=2, dtype=np.float64), []
    for _ in range(2):
        h, w = grey.shape
        squares = grey.reshape(h // 2, 2, w // 2, 2)
        mean = squares.mean(axis=(1, 3), keepdims=True)
        detail.append(float(np.square(squares - mean).mean()))
        grey = mean[:, 0, :, 0]
    return detail[0] / detail[1] if detail[1] > 0 else 1.0


@given(IMAGES)
def test_the_ratio_is_that_of_the_means(rgb: np.ndarray) -> None:
    assert detail_ratio(rgb) == pytest.approx(ratio_by_means(rgb), rel=1e-9)


def test_an_image_that_was_enlarged_lost_its_detail() -> None:
    small = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert detail_ratio(small.repeat(2, axis=0).repeat(2, axis=1)) == 0
    assert detail_ratio(np.full((8, 8, 3), 7, np.uint8)) == 1


@given(IMAGES)
def test_an_image_of_one_colour_has_one(rgb: np.ndarray) -> None:
    assert is_one_colour(rgb) == (len(np.unique(rgb.reshape(-1, 3), axis=0)) == 1)
    assert is_one_colour(np.broadcast_to(rgb[0, 0], rgb.shape))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="divisible by 4"):
        detail_ratio(np.zeros((6, 8, 3), np.uint8))
