"""Trials of how tasks are chosen: repeatable, fair, and able to tell a better way from a worse one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from croplayer.active.label_savings import Mean, needed, savings
from croplayer.active.simulated_labeller import Labeller
from croplayer.active.simulation import (
    Pool,
    Strategy,
    Trial,
    everything_labelled,
    learning_curve,
    principal,
)
from stores.grid import PixelWindow

RARE = 6
"""Kinds of land of which only one window in sixteen is."""


def pool_of(count: int, seed: int) -> Pool:
    """Windows of one common kind of land, whose cropland is told from one feature, and of rare kinds, each told from another."""
    rng = np.random.default_rng(seed)
    kind = np.where(np.arange(count) % 2 == 0, 0, 1 + np.arange(count) // 2 % RARE)
    kind[rng.random(count) < 0.5] = 0
    cells, width = 64, 2 + RARE
    features = rng.normal(0, 0.3, (count, 1, cells, width)).astype(np.float32)
    truth = rng.random((count, cells)) < 0.5
    for i in range(count):
        features[i, 0, :, 0] = kind[i]
        features[i, 0, :, 1 + kind[i]] += np.where(truth[i], 2, -2) * (1 if kind[i] % 2 == 0 else -1)
    place = rng.random((count, 2))
    table = pd.DataFrame({
        "id": [f"w{i:03}" for i in range(count)], "window": [PixelWindow(0, 3 * i, 1, 1) for i in range(count)],
        "unit": "u", "coverage": "", "x": place[:, 0], "y": place[:, 1], "colour_0": kind.astype(float),
    })  # fmt: skip
    seen = np.eye(RARE + 1)[kind]
    whole = features.reshape(count, 1, 8, 8, width)
    return Pool(table, features, truth, truth, np.full(count, 2.0), seen, whole)


@pytest.mark.parametrize("strategy", Strategy)
def test_a_curve_labels_each_window_once_and_is_the_same_again(strategy: Strategy) -> None:
    pool, judges, trial = pool_of(40, 1), pool_of(30, 2), Trial(4, 6, 40)
    curve = learning_curve(pool, judges, strategy, trial, 3)
    assert curve.labelled.tolist() == [4, 10, 16, 22, 28, 34, 40]
    assert curve.minutes.tolist() == [2.0 * n for n in curve.labelled]
    pd.testing.assert_frame_equal(curve, learning_curve(pool, judges, strategy, trial, 3))
    iou, worst = everything_labelled(pool, judges, 3)
    # With every window labelled only the order of the samples differs.
    assert curve.iou.iloc[-1] == pytest.approx(iou, abs=0.03) and worst == iou > 0.8


def test_all_strategies_of_a_seed_start_alike_and_seeds_do_not() -> None:
    pool, judges = pool_of(40, 1), pool_of(30, 2)
    first = {learning_curve(pool, judges, s, Trial(4, 4, 4), 1).iou[0] for s in Strategy}
    assert len(first) == 1 and first != {learning_curve(pool, judges, Strategy.GRID, Trial(4, 4, 4), 2).iou[0]}


def test_scores_find_rare_land_before_chance_does() -> None:
    """Land that one window in twelve shows, unlike all others: diversity must find it."""
    pool, judges = pool_of(120, 1), pool_of(60, 2)
    means = {
        s: np.mean([learning_curve(pool, judges, s, Trial(4, 4, 24), seed).iou.iloc[-1] for seed in range(4)])
        for s in (Strategy.SCORES, Strategy.RANDOM)
    }
    assert means[Strategy.SCORES] > means[Strategy.RANDOM]


def test_cells_without_imagery_are_neither_learned_nor_judged() -> None:
    pool, judges = pool_of(20, 1), pool_of(20, 2)
    judges.features[:, :, :32] = np.nan
    judges.truth[:, :32] = True
    seen = pool_of(20, 2)
    cut = Pool(
        seen.table,
        seen.features[:, :, 32:],
        seen.truth[:, 32:],
        seen.labels[:, 32:],
        seen.minutes,
        seen.seen,
        seen.whole,
    )
    trial = Trial(8, 1, 8)
    assert (
        learning_curve(pool, judges, Strategy.RANDOM, trial, 1).iou[0]
        == learning_curve(pool, cut, Strategy.RANDOM, trial, 1).iou[0]
    )


def test_principal_components_keep_gaps_and_are_those_of_the_pool() -> None:
    rng = np.random.default_rng(0)
    pool = (rng.normal(size=(50, 2, 10, 1)) @ np.ones((1, 5)) + rng.normal(0, 0.01, (50, 2, 10, 5))).astype(np.float32)
    pool[0, 0, 0] = np.nan
    components = principal(pool, 2)
    own, other = components(pool), components(pool[:3])
    assert own.shape == (50, 2, 10, 2) and np.isnan(own[0, 0, 0]).all() and np.isnan(own).sum() == 2
    np.testing.assert_array_equal(own[:3], other)
    assert np.nanvar(own[..., 0]) == pytest.approx(5, rel=0.01) and np.nanvar(own[..., 1]) < 0.01


def test_a_labeller_without_mistakes_draws_the_truth_and_one_with_them_does_not() -> None:
    fields = np.zeros((64, 64), np.int64)
    fields[2:20, 2:20], fields[30:60, 5:50] = 7, 9
    rng = np.random.default_rng(0)
    said = Labeller(missed=0, invented=0, shift_px=0).label(fields, rng)
    assert (said.cropland == (fields > 0)).all() and said.minutes == pytest.approx(1.5 + 2 * 0.1)
    blind = Labeller(missed=1, invented=0).label(fields, rng)
    assert not blind.cropland.any() and blind.minutes == 1.5
    drawn = [Labeller(missed=0, invented=1, shift_px=0).label(fields, rng).cropland for _ in range(20)]
    assert np.mean([(d & (fields == 0)).any() for d in drawn]) > 0.5
    moved = Labeller(missed=0, invented=0, shift_px=3).label(fields, np.random.default_rng(1)).cropland
    assert (moved != (fields > 0)).any() and not moved[:, 54:].any() and abs(int(moved.sum()) - 1674) <= 3 * 18


def test_what_is_needed_is_where_a_curve_stays_good_enough() -> None:
    labelled = [4, 8, 12, 16]
    rows = {
        ("scores", 1): [0.5, 0.9, 0.96, 0.97], ("random", 1): [0.5, 0.96, 0.9, 0.97],
        ("scores", 2): [0.96, 0.97, 0.96, 0.98], ("random", 2): [0.5, 0.6, 0.7, 0.8],
    }  # fmt: skip
    curves = pd.concat([
        pd.DataFrame({"strategy": s, "seed": seed, "labelled": labelled, "iou": iou}) for (s, seed), iou in rows.items()
    ])  # fmt: skip
    need = needed(curves, {1: 1.0, 2: 1.0}, "labelled")
    assert need.loc["scores"].tolist() == [12, 4]
    assert need.loc["random", 1] == 16 and np.isnan(need.loc["random", 2])
    table = savings(need).set_index("strategy")
    assert table.reached.to_dict() == {"scores": 2, "random": 1}
    assert table.ratio["scores"] == pytest.approx(12 / 16) and np.isnan(table.ratio_low["scores"])


def test_intervals_are_those_of_student() -> None:
    mean = Mean.of(np.array([1.0, 2.0, 3.0]))
    assert mean.value == 2 and mean.high - 2 == pytest.approx(4.302653 / 3**0.5, rel=1e-5)
