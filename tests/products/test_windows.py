"""What a product says under a window of the lattice."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from croplayer.products.product import ProductWindow


@given(
    hnp.arrays(np.uint8, (4, 3), elements=st.sampled_from([0, 1, 50, 51, 99, 100, 255])),
    hnp.arrays(np.int64, 9, elements=st.integers(0, 3)),
    hnp.arrays(np.int64, 7, elements=st.integers(0, 2)),
)
def test_more_than_half_is_cropland_and_nothing_known_is_a_gap(
    percent: np.ndarray, index_y: np.ndarray, index_x: np.ndarray
) -> None:
    product = ProductWindow(percent, index_y, index_x)
    flags, pixels = product.flags(), product.on_pixels()
    assert flags.dtype == np.uint8 and flags.shape == (9, 7)
    np.testing.assert_array_equal(flags == 254, pixels == 255)
    np.testing.assert_array_equal(flags == 1, (pixels > 50) & (pixels <= 100))
    assert set(np.unique(flags)) <= {0, 1, 254}
    np.testing.assert_array_equal(product.is_crop()[index_y][:, index_x], flags == 1)
    np.testing.assert_array_equal(product.is_known()[index_y][:, index_x], flags != 254)
