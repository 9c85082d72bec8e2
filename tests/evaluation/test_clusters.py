"""Shares of blocks that are alike where they lie near each other: intervals that hold what they claim."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.clusters import clustered_interval, design_effect, lattice_squares
from croplayer.evaluation.interval import share_interval
from croplayer.evaluation.levels import level_table


def test_intervals_hold_the_truth_where_blocks_of_a_square_are_alike() -> None:
    """Squares whose own accuracies scatter about 0.8; intervals that take blocks as independent hold it too seldom."""
    rng = np.random.default_rng(4)
    square = np.repeat(np.arange(40), 12)
    held, held_alone = 0, 0
    rounds = 400
    for _ in range(rounds):
        right = rng.random(480) < rng.beta(3.2, 0.8, 40)[square]
        for interval, count in ((clustered_interval(right, square), 1), (share_interval(right.sum(), 480), 0)):
            inside = interval[0] <= 0.8 <= interval[1]
            held, held_alone = held + (inside and count), held_alone + (inside and not count)
    assert held / rounds > 0.92
    assert held_alone / rounds < 0.8


def test_both_sources_of_a_block_count_as_one_where_they_are_alike() -> None:
    right = np.array([True] * 15 + [False] * 5)
    block = np.arange(20)
    once = clustered_interval(right, block)
    twice = clustered_interval(np.tile(right, 2), np.tile(block, 2))
    assert twice == pytest.approx(once)
    assert once == pytest.approx(share_interval(15, 20), abs=0.02)
    assert design_effect(np.tile(right, 2), np.tile(block, 2)) == pytest.approx(2 * 20 / 19)


@pytest.mark.parametrize("right", [True, False])
def test_all_right_or_all_wrong_counts_a_square_as_one(right: bool) -> None:
    """Nothing tells how alike they are; as independent they would claim at least 98 % from 20 squares."""
    square = np.repeat(np.arange(20), 10)
    low, high = clustered_interval(np.full(200, right), square)
    assert (low, high) == pytest.approx(share_interval(20 if right else 0, 20))
    assert design_effect(np.full(200, right), square) == 10


def test_one_square_says_as_much_as_one_sample() -> None:
    right = np.array([True, True, False, True])
    assert clustered_interval(right, np.zeros(4, int)) == pytest.approx(share_interval(0.75, 1))
    assert np.isnan(clustered_interval(right[:0], np.zeros(0, int))).all()


@pytest.mark.parametrize(("rows", "cols", "edge"), [(1, 1, 1), (4, 5, 1), (6, 8, 3), (20, 24, 5), (200, 200, 20)])
def test_squares_are_as_large_as_leaves_ten(rows: int, cols: int, edge: int) -> None:
    row, col = (a.ravel() for a in np.meshgrid(np.arange(rows) + 1100, np.arange(cols) + 5900, indexing="ij"))
    square, found = lattice_squares(row, col)
    assert found == edge
    assert len(np.unique(square)) >= min(10, rows * cols)
    for number in np.unique(square):
        inside = square == number
        assert len(set(row[inside] // edge)) == len(set(col[inside] // edge)) == 1


def test_shares_of_blocks_among_the_levels_have_their_design_effect() -> None:
    row, col = (a.ravel() for a in np.meshgrid(np.arange(20) + 1100, np.arange(20) + 5900, indexing="ij"))
    good = (row // 5 + col // 5) % 2 == 0
    blocks = pd.DataFrame({"block": [f"{r} {c}" for r, c in zip(row, col, strict=True)], "row": row, "col": col})
    blocks["correctness_a"] = np.where(good, "TP", "FP")
    blocks["correctness_b"] = "TP"
    evaluated, maps = blocks[["block", "row", "col"]], ["a", "b"]
    levels = level_table(blocks, evaluated, None, maps, maps, None, judged=maps).set_index("map")
    assert levels.correct_design_effect["a"] == pytest.approx(25 * 16 / 15)
    assert levels.correct_design_effect["b"] == 25
    nothing = level_table(blocks.assign(correctness_a=None), evaluated, None, maps, maps, None, judged=maps)
    assert nothing.correct_blocks[0] == 0 and np.isnan(nothing.correct_design_effect[0])
    unjudged = level_table(blocks, evaluated, None, maps, maps, None, judged=["b"])
    assert unjudged.correct_blocks[0] == 0 and np.isnan(unjudged.correct_design_effect[0])
