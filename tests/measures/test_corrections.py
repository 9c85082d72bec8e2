"""Corrections by hand on a mask: the drawn pixels change, all others stay, and the mask before can be told."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from croplayer.measures.corrections import corrected_mask, uncorrected_mask
from stores.legends import Correction


@given(
    arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 1, 254])),
    arrays(np.int8, (4, 5), elements=st.integers(-1, 1)),
)
def test_what_is_drawn_is_known_and_all_can_be_taken_back(mask: np.ndarray, drawn: np.ndarray) -> None:
    before = mask.copy()
    corrected, done = corrected_mask(mask, drawn == 1, drawn == -1)
    assert (mask == before).all() and corrected.dtype == done.dtype == np.uint8
    assert (corrected[drawn == 1] == 1).all() and (corrected[drawn == -1] == 0).all()
    assert (corrected[drawn == 0] == mask[drawn == 0]).all()
    assert ((done == Correction.NONE) == (drawn == 0)).all()
    assert (uncorrected_mask(corrected, done) == mask).all()


def test_the_flags_say_what_was_done() -> None:
    mask = np.array([[0, 1, 254, 0, 1, 254, 1]], np.uint8)
    drawn = np.array([[1, 1, 1, -1, -1, -1, 0]])
    _, done = corrected_mask(mask, drawn == 1, drawn == -1)
    assert [Correction(code).name for code in done[0]] == [
        "ADDED", "CONFIRMED_CROPLAND", "ADDED_WITHOUT_IMAGERY",
        "CONFIRMED_NOT_CROPLAND", "REMOVED", "REMOVED_WITHOUT_IMAGERY", "NONE",
    ]  # fmt: skip
