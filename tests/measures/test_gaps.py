"""Gaps in imagery: between imagery they count, beyond its edge they do not."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.measures.gaps import gap_share, gaps

N = 60
ROWS, COLS = np.mgrid[0:N, 0:N]


def share(valid: np.ndarray, inside: np.ndarray | None = None, **beside: np.ndarray) -> float:
    """Share of gaps in a block whose neighbours have no imagery, but for those that are given."""
    none = np.zeros((N, N), bool)
    west, east, north, south = (beside.get(side, none) for side in ("west", "east", "north", "south"))
    along, across = np.hstack([west, valid, east]), np.vstack([north, valid, south])
    return gap_share(valid, gaps(along, across, N, N), inside)


FULL = np.ones((N, N), bool)


@pytest.mark.parametrize(
    ("valid", "expected"),
    [
        (FULL, 0.0),
        (~FULL, 1.0),
        ((ROWS < 30) & (COLS < 30), 0.0),
        (ROWS + COLS < 70, 0.0),
        (abs(ROWS - 30) + abs(COLS - 30) < 25, 0.0),
        (~((ROWS >= 10) & (ROWS < 40) & (COLS >= 10) & (COLS < 40)), 900 / 3600),
        ((COLS < 12) | (COLS >= 48), 36 / 60),
    ],
    ids=["full", "none", "a quarter", "a slanted edge", "a diamond", "a hole", "two strips"],
)
def test_only_ground_between_imagery_is_a_gap(valid: np.ndarray, expected: float) -> None:
    assert share(valid) == pytest.approx(expected)
    for turned in (valid[::-1], valid[:, ::-1], valid.T):
        assert share(turned) == pytest.approx(expected)


def test_a_hole_that_goes_on_in_the_next_block_is_a_gap() -> None:
    half = COLS < 30
    assert share(half) == 0
    assert share(half, east=COLS >= 40) == pytest.approx(0.5)
    assert share(half.T, south=ROWS >= 40) == pytest.approx(0.5)
    assert share(half, west=FULL) == 0


def test_only_the_region_counts() -> None:
    hole = ~((ROWS >= 10) & (ROWS < 40) & (COLS >= 10) & (COLS < 40))
    assert share(hole, inside=ROWS >= 40) == 0
    assert share(hole, inside=(ROWS >= 10) & (ROWS < 40)) == pytest.approx(900 / 1800)
    assert share(hole, inside=~hole) == 1.0


@pytest.mark.parametrize("share_seen", [0.02, 0.3, 0.9])
def test_gaps_are_those_with_imagery_before_and_behind(share_seen: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        n, left, right, up, down = rng.integers(1, 25, 5)
        along, across = rng.random((n, left + n + right)) < share_seen, rng.random((up + n + down, n)) < share_seen
        across[up : up + n] = along[:, left : left + n]
        sides = [np.logical_or.accumulate(seen, axis) for seen, axis in ((along, 1), (across, 0))]
        others = [np.flip(np.logical_or.accumulate(np.flip(seen, axis), axis), axis) for seen, axis in ((along, 1), (across, 0))]  # fmt: skip
        in_row, in_column = (before & behind for before, behind in zip(sides, others, strict=True))
        expected = (in_row[:, left : left + n] | in_column[up : up + n]) & ~along[:, left : left + n]
        np.testing.assert_array_equal(gaps(along, across, int(up), int(left)), expected)
