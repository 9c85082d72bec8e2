"""What each choice of two masks is expected to get wrong, against sums pixel by pixel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from croplayer.decisions.rules import integration_by_rules
from croplayer.measures.expected_errors import expected_errors
from stores.legends import Integration


def made_up(seed: int, shape: tuple[int, int] = (31, 47)) -> list[np.ndarray]:
    """Two masks of flags and their scores; some of each is not known."""
    rng = np.random.default_rng(seed)
    scores = [rng.integers(0, 251, shape).astype(np.uint8) for _ in range(2)]
    for score in scores:
        score[rng.random(shape) < 0.1] = 254
    return [np.where(s <= 250, s >= 125, np.uint8(254)).astype(np.uint8) for s in scores] + scores


@pytest.mark.parametrize("seed", range(5))
def test_errors_are_those_of_the_mean_score(seed: int) -> None:
    first, second, score_first, score_second = made_up(seed)
    crop = (score_first / 250 + score_second / 250) / 2
    known_first, known_second = first <= 1, second <= 1
    differs = known_first & known_second & (first != second)
    known = np.count_nonzero(known_first | known_second)
    wrong = [np.where(mask == 1, 1 - crop, crop)[differs].sum() for mask in (first, second, first | second)]
    lost = [np.count_nonzero(other & ~own) for own, other in ((known_first, known_second), (known_second, known_first))]
    expected = [wrong[0] + lost[0] / 2, wrong[1] + lost[1] / 2, wrong[2]]
    np.testing.assert_allclose(expected_errors(first, second, score_first, score_second), np.array(expected) / known)


def test_equal_masks_have_no_errors_and_unknown_ones_no_number() -> None:
    mask, _, score, _ = made_up(1)
    assert expected_errors(mask, mask, score, score) == (0, 0, 0)
    nothing = np.full((4, 4), 254, np.uint8)
    assert np.isnan(expected_errors(nothing, nothing, nothing, nothing)).all()
    with pytest.raises(ValueError, match="expected equal ones"):
        expected_errors(mask, mask, score, score[1:])


def test_of_two_right_masks_the_one_with_the_least_expected_error_is_taken() -> None:
    errors = np.array(
        [[0.2, 0.1, 0.3], [0.2, 0.3, 0.1], [0.1, 0.2, 0.3], [0.0, 0.0, 0.0], [np.nan] * 3, [0.1, 0.0, 0.2]]
    )
    table = pd.DataFrame(errors, columns=[f"expected_error_{name}" for name in ("merge_both", "a", "b")])
    table["correctness_a"] = ["TP", "TN", "TP", "TP", "TP", "FP"]
    table["correctness_b"] = ["TP", "TP", "TN", "TP", "TP", "TP"]
    expected = [Integration.ONLY_A, Integration.ONLY_B, *[Integration.MERGE_BOTH] * 3, Integration.ONLY_B]
    assert integration_by_rules(table, ("a", "b")).tolist() == expected
    unmeasured = table.drop(columns="expected_error_a")
    assert (integration_by_rules(unmeasured, ("a", "b"))[:5] == Integration.MERGE_BOTH).all()
