"""Masks of several sources made one."""

from __future__ import annotations

import numpy as np

from croplayer.measures.masks import integrated_mask
from stores.legends import Integration


def test_integrated_masks_never_call_the_unknown_not_cropland() -> None:
    a = np.array([[0, 1, 254, 254]], np.uint8)
    b = np.array([[1, 0, 1, 254]], np.uint8)
    assert integrated_mask([a, b], Integration.MERGE_BOTH, False).tolist() == [[1, 1, 1, 254]]
    assert integrated_mask([a, b], Integration.ONLY_A, False).tolist() == [[0, 1, 254, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, False).tolist() == [[0, 0, 0, 254]]
    assert integrated_mask([a, b], Integration.NEITHER, True).tolist() == [[254] * 4]
