"""Counts of agreement, their ratios, and the numbers of a block that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.segmentation import find_boundaries

from croplayer.measures.agreement import Agreement, BoundaryAgreement, mask_agreement
from croplayer.measures.products import density_values
from croplayer.products.product import ProductWindow
from croplayer.tasks.describe import consistency_features

FLAGS = hnp.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 1, 254]))
MASKS = hnp.arrays(np.bool_, (7, 9))


def test_ratios() -> None:
    counts = Agreement(tp=30, fp=10, fn=20, tn=40)
    assert (counts.iou, counts.precision, counts.recall) == (0.5, 0.75, 0.6)
    assert (counts.f1, counts.overall_accuracy, counts.pixels) == (pytest.approx(2 / 3), 0.7, 100)
    assert BoundaryAgreement(3, 4).iou == 0.75


def test_ratios_without_pixels_are_missing() -> None:
    nothing = Agreement()
    assert np.isnan([nothing.iou, nothing.f1, nothing.precision, nothing.recall, nothing.overall_accuracy]).all()
    empty = Agreement(tn=9)
    assert np.isnan([empty.iou, empty.f1, empty.precision, empty.recall]).all() and empty.overall_accuracy == 1
    assert np.isnan(BoundaryAgreement().iou)


@given(MASKS, MASKS, MASKS, st.integers(1, 6))
def test_counts_of_parts_add_up_to_the_whole(mask: np.ndarray, truth: np.ndarray, known: np.ndarray, cut: int) -> None:
    parts = [mask_agreement(mask[s], truth[s], known[s]) for s in (slice(cut), slice(cut, None))]
    assert parts[0] + parts[1] == mask_agreement(mask, truth, known)
    assert mask_agreement(mask, truth, np.ones_like(known)) == mask_agreement(mask, truth)
    assert mask_agreement(mask, truth, known) == mask_agreement(mask[known][None], truth[known][None])


def test_bands_add_up_field_by_field() -> None:
    assert BoundaryAgreement(1, 2) + BoundaryAgreement(10, 20) == BoundaryAgreement(11, 22)


def test_masks_of_different_shapes_are_refused() -> None:
    mask = np.ones((2, 3), bool)
    with pytest.raises(ValueError, match=r"masks have shapes \(2, 3\), \(3, 2\); expected equal ones"):
        mask_agreement(mask, mask.T)
    with pytest.raises(ValueError, match=r"shapes \(2, 3\), \(2, 3\), \(3, 2\)"):
        mask_agreement(mask, mask, mask.T)


@given(FLAGS, FLAGS)
def test_consistency_of_two_sources_is_what_the_formulas_say(a: np.ndarray, b: np.ndarray) -> None:
    both = (a != 254) & (b != 254)
    crop_a, crop_b = (a == 1) & both, (b == 1) & both
    common, union = (crop_a & crop_b).sum(), (crop_a | crop_b).sum()
    iou = common / union if union else None
    assert consistency_features({"aster": a, "borealis": b}) == {
        "iou_between_sources_aster": iou,
        "iou_between_sources_borealis": iou,
        "confirmed_aster": common / crop_a.sum() if crop_a.any() else None,
        "confirmed_borealis": common / crop_b.sum() if crop_b.any() else None,
    }


@given(FLAGS, hnp.arrays(np.uint8, (3, 2), elements=st.sampled_from([0, 50, 51, 100, 255])))
def test_edge_density_is_edge_pixels_by_pixels(mask: np.ndarray, percent: np.ndarray) -> None:
    index_y, index_x = np.array([0, 0, 0, 1, 1, 2, 2]), np.array([0] * 4 + [1] * 5)
    values = density_values("ours", mask, "theirs", ProductWindow(percent, index_y, index_x))
    pixels = percent[np.ix_(index_y, index_x)]
    for name, crop, known in (
        ("ours", mask == 1, mask != 254),
        ("theirs", (pixels > 50) & (pixels != 255), pixels != 255),
    ):
        edge = find_boundaries(crop, connectivity=1, mode="inner", background=0).mean()
        assert values[f"edge_density_{name}"] == (pytest.approx(edge) if known.any() else None)
