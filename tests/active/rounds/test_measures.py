"""Figures of a round on tables whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from croplayer.active.rounds.measures import area_km2, correct_of, counted_blocks, iou_by_unit, predicted_share
from croplayer.active.rounds.sample import judging_order
from croplayer.active.stopping import Measured
from croplayer.evaluation.clusters import clustered_interval
from croplayer.evaluation.interval import Estimate, few_cases_interval
from croplayer.measures.agreement import Agreement


def labels(**blocks: str) -> pd.DataFrame:
    rows = [(task, place.split()[0], place.split()[1]) for task, place in blocks.items()]
    return pd.DataFrame(rows, columns=["task", "unit", "block"])


def test_the_iou_of_a_unit_is_that_of_all_its_pixels_and_blocks_are_its_cases() -> None:
    place = labels(t1="u b1", t2="u b1", t3="u b2", t4="v b3")
    scores = {
        "t1.a": Agreement(30, 10, 0, 60), "t1.b": Agreement(20, 0, 20, 60), "t2.a": Agreement(10, 10, 0, 0),
        "t3.a": Agreement(80, 10, 10, 0), "t4.a": Agreement(1, 1, 0, 9),
    }  # fmt: skip
    found = iou_by_unit(scores, place, 0.95)
    assert found.keys() == {"u", "v"}
    assert found["u"].value == pytest.approx(140 / 200)
    # By hand: block residuals of tp - 0.7 union are -10 and 10, so the error is sqrt(2 * 200 / 1) / 200, and t(1) is 12.706.
    half = 12.7062 * math.sqrt(2 * 200) / 200
    assert found["u"].low == pytest.approx(max(0.0, 0.7 - half)) and found["u"].high == pytest.approx(
        min(1, 0.7 + half)
    )
    assert found["v"].value == 0.5 and math.isnan(found["v"].low)
    # Blocks that agree wholly show no spread: Wilson's interval of n of n begins at n / (n + 1.96^2).
    full = {"t1.a": Agreement(9, 0, 0, 1), "t2.a": Agreement(9, 0, 0, 1), "t3.a": Agreement(5, 0, 0, 1)}
    perfect = iou_by_unit(full, place, 0.95)["u"]
    assert perfect == pytest.approx((1.0, 2 / (2 + 1.959964**2), 1.0))
    bare = iou_by_unit(full | {"t3.a": Agreement(0, 0, 0, 6)}, place, 0.95)["u"]
    assert bare.low == pytest.approx(1 / (1 + 1.959964**2))
    assert iou_by_unit({"t1.a": Agreement(0, 3, 0, 1), "t3.a": Agreement(0, 0, 2, 1)}, place, 0.95)["u"].high < 0.85
    assert iou_by_unit({}, place, 0.95) == {}


def test_few_cases_have_wide_intervals_and_equal_ones_none() -> None:
    low, high = few_cases_interval(Estimate(10.0, 1.0), 4)
    assert (low, high) == pytest.approx((10 - 2.776445, 10 + 2.776445))
    assert few_cases_interval(Estimate(10.0, 1.0), 10**6)[1] == pytest.approx(11.959964, abs=1e-4)
    assert np.isnan(few_cases_interval(Estimate(10.0, 0.0), 4)).all()
    assert np.isnan(few_cases_interval(Estimate(10.0, 1.0), 0)).all()
    with pytest.raises(ValueError, match="confidence is 95"):
        few_cases_interval(Estimate(1.0, 1.0), 3, 95)


def judged(*rows: tuple[str, str, float, bool]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["block", "judged", "correct", "judged_before"])


def test_the_share_of_correct_masks_has_blocks_as_clusters_and_a_majority_counts() -> None:
    table = judged(
        ("b1", "TP", 1.0, False), ("b1", "FP", 0.0, False), ("b2", "TP/FP", 2 / 3, False), ("b4", "TP/FP", 0.5, False),
    )  # fmt: skip
    found = correct_of(table, 0.95)
    assert found.value == 0.5
    right, block = np.array([True, False, True, False]), np.array([0, 0, 1, 2])
    assert (found.low, found.high) == clustered_interval(right, block)


def test_only_blocks_that_were_judged_in_the_drawn_order_count() -> None:
    order = judging_order(f"b{i}" for i in range(6))
    picked = [(block, "TP", 1.0, False) for block in order if block != order[0]]
    assert all(map(math.isnan, correct_of(judged(*picked, (order[0], "", np.nan, False)), 0.95)))
    first = [(block, "FP", 0.0, False) for block in order[:2]]
    half = [(order[2], "TP", 1.0, False), (order[2], "", np.nan, False)]
    table = judged(*first, *half, *((block, "TP", 1.0, False) for block in order[3:]))
    assert correct_of(table, 0.95).value == 0 and counted_blocks(table) == order[:2]


def test_masks_that_changed_since_they_were_judged_make_the_share_unknown() -> None:
    """The masks that stay are more often right than those that a round changes."""
    table = judged(("b1", "TP", 1.0, False), ("b2", "TP", 1.0, False), ("b2", "", np.nan, True))
    assert all(map(math.isnan, correct_of(table, 0.95)))
    assert correct_of(table[~table.judged_before], 0.95).value == 1.0


def test_predictions_are_no_judgements() -> None:
    table = pd.DataFrame({"predicted": ["TP", "FP", "", "TN"]})
    assert predicted_share(table, ("TP", "TN")) == pytest.approx(2 / 3)
    assert math.isnan(predicted_share(table[table.predicted == ""], ("TP",)))


def sampled(now: list[float], run: list[float]) -> pd.DataFrame:
    n = len(now)
    return pd.DataFrame({
        "source": "a", "share": now, "share_run": run, "block_km2": 25.0, "grid_row": range(n), "grid_col": 0,
    })  # fmt: skip


def test_the_area_is_the_runs_moved_by_what_the_sample_says() -> None:
    everywhere = np.linspace(0.1, 0.9, 41)
    run = pd.DataFrame({"area_fraction_a": everywhere, "block_km2": 25.0})
    picked = everywhere[::4]
    exact = area_km2(sampled((0.5 * picked + 0.1).tolist(), picked.tolist()), "a", run, 1000.0, 500.0, 0.95)
    # The model maps 0.5 x + 0.1, so 0.35 where the run maps 0.5 in the mean.
    assert exact.value == pytest.approx(350.0)
    noise = np.array([0.02, -0.02] * 5 + [0.0])
    table = sampled((0.5 * picked + 0.1 + noise).tolist(), picked.tolist())
    found = area_km2(table, "a", run, 1000.0, 500.0, 0.95)
    assert found.low < 350 < found.high and found.high - found.low < 60
    assert math.isnan(area_km2(table.head(2), "a", run, 1000.0, 500.0, 0.95).value)
    assert math.isnan(area_km2(table, "a", run, math.nan, 500.0, 0.95).value)
    assert math.isnan(area_km2(table, "b", run, 1000.0, 500.0, 0.95).value)


def test_the_area_of_a_unit_that_is_nearly_all_sampled_has_little_error() -> None:
    run_share, now = np.array([0.2, 0.5, 0.3, 0.9, 0.4]), np.array([0.3, 0.5, 0.2, 1.0, 0.6])
    table = sampled(now.tolist(), run_share.tolist())

    def of(blocks: int) -> Measured:
        shares = np.r_[run_share, np.full(blocks - 5, run_share.mean())]
        run = pd.DataFrame({"area_fraction_a": shares, "block_km2": 25.0})
        return area_km2(table, "a", run, 1000.0, 460.0, 0.95)

    whole, most, few = of(5), of(6), of(5000)
    assert whole == pytest.approx((520.0,) * 3)
    # Cochran 1977: one sixth of the blocks are left out, so the error is sqrt(1/6) of that of endlessly many blocks.
    assert (most.high - most.value) / (few.high - few.value) == pytest.approx(math.sqrt((1 / 6) / (1 - 5 / 5000)))
    one = area_km2(table.head(1), "a", pd.DataFrame({"area_fraction_a": [0.2], "block_km2": 25.0}), 10.0, 2.0, 0.95)
    assert one == pytest.approx((3.0,) * 3)


def test_the_interval_of_the_area_holds_the_truth_as_often_as_it_states() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(300):
        x = rng.beta(2, 3, 400)
        y = np.clip(0.8 * x + 0.1 + rng.normal(0, 0.05, 400), 0, 1)
        chosen = rng.permutation(400)[:12]
        run = pd.DataFrame({"area_fraction_a": x, "block_km2": 25.0})
        found = area_km2(sampled(y[chosen].tolist(), x[chosen].tolist()), "a", run, 1000.0, 1000 * x.mean(), 0.95)
        held += found.low <= 1000 * y.mean() <= found.high
    # 285 expected of 300, with a standard deviation of 4.
    assert held > 270
