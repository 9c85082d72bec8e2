"""Bands inside outlines, and the score of a mask that is made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from croplayer.measures.agreement import MaskScore
from croplayer.measures.boundary import boundary_band, score_mask

masks = arrays(np.bool_, (12, 9))


@settings(max_examples=50, deadline=None)
@given(masks, masks, masks)
def test_ratios_are_the_formulas(p, t, v):
    score = score_mask(p, t, v)
    p, t = p[v], t[v]
    if (p | t).any():
        assert score.area.iou == pytest.approx((p & t).sum() / (p | t).sum())
        assert score.area.f1 == pytest.approx(2 * score.area.iou / (1 + score.area.iou))
    else:
        assert np.isnan(score.area.iou) and score.figures()["iou"] is None
    if v.any():
        assert score.area.overall_accuracy == pytest.approx((p == t).mean())


@settings(max_examples=30, deadline=None)
@given(masks, masks, masks, masks)
def test_counts_of_two_scenes_add_up(p, t, q, u):
    both = score_mask(p, t, np.ones_like(p)) + score_mask(q, u, np.ones_like(p))
    joined = score_mask(np.hstack([p, q]), np.hstack([t, u]), np.ones((12, 18), dtype=bool))
    assert both.area == joined.area


@settings(max_examples=30, deadline=None)
@given(masks, st.integers(1, 4))
def test_boundary_band_is_what_erosion_takes_away(mask, width):
    distance = ndimage.distance_transform_cdt(np.pad(mask, 20, mode="edge"), metric="chessboard")[20:-20, 20:-20]
    np.testing.assert_array_equal(boundary_band(mask, width), mask & (distance <= width) & ~(np.all(mask)))


def test_boundary_iou_sees_a_shift_that_iou_hardly_sees():
    truth = np.zeros((200, 200), dtype=bool)
    truth[20:180, 20:180] = True
    shifted = np.roll(truth, 4, axis=1)
    everywhere = np.ones_like(truth)
    score = score_mask(shifted, truth, everywhere)
    assert score.area.iou > 0.95 and score.boundary.iou < 0.75
    assert score_mask(truth, truth, everywhere).boundary.iou == 1
    assert MaskScore() + score == score
