"""The right answers to the block decisions."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.measures.judgement import best_integration, mask_correctness, mask_iou
from stores.legends import Correctness, Integration

EMPTY = np.zeros((60, 60), dtype=np.uint8)


def _box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = EMPTY.copy()
    mask[top:bottom, left:right] = 1
    return mask


FIELD = _box(10, 10, 40, 40)
CHECKER = ((np.indices((60, 60)).sum(axis=0) % 2) * _box(0, 0, 30, 60)).astype(np.uint8)


@pytest.mark.parametrize(
    ("truth", "mask", "expected"),
    [
        (EMPTY, EMPTY, Correctness.TN),
        (FIELD, FIELD, Correctness.TP),
        (FIELD, _box(10, 10, 40, 30), Correctness.TP),
        (EMPTY, FIELD, Correctness.FP),
        (FIELD, _box(42, 0, 60, 60), Correctness.FP),
        (FIELD, EMPTY, Correctness.ARTIFACTS),
        (FIELD, _box(10, 10, 22, 40), Correctness.ARTIFACTS),
        (FIELD, CHECKER, Correctness.NOISE),
    ],
)
def test_correctness(truth: np.ndarray, mask: np.ndarray, expected: Correctness) -> None:
    assert mask_correctness(truth, mask) is expected


@pytest.mark.parametrize(
    ("truth", "a", "b", "expected"),
    [
        (EMPTY, FIELD, FIELD, Integration.NEITHER),
        (FIELD, FIELD, EMPTY, Integration.ONLY_A),
        (FIELD, FIELD, FIELD, Integration.ONLY_A),
        (FIELD, CHECKER, FIELD, Integration.ONLY_B),
        (FIELD, _box(10, 10, 40, 25), _box(10, 25, 40, 40), Integration.MERGE_BOTH),
        (EMPTY, EMPTY, EMPTY, Integration.NEITHER),
    ],
)
def test_best_integration(truth: np.ndarray, a: np.ndarray, b: np.ndarray, expected: Integration) -> None:
    assert best_integration(truth, a, b) is expected


def test_a_given_merge_is_judged_instead_of_the_union() -> None:
    half = _box(10, 10, 40, 25)
    assert best_integration(FIELD, half, half, merged=FIELD) is Integration.MERGE_BOTH


def test_iou_of_shapes_that_differ_is_refused() -> None:
    assert mask_iou(FIELD, EMPTY) == 0.0
    with pytest.raises(ValueError, match="expected the same block"):
        mask_correctness(FIELD, EMPTY[:30])
