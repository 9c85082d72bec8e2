"""Measures of found fields equal those of sets of pixels, hold on hand-made windows, and pool as they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from croplayer.evaluation.clusters import DRAWN_SAMPLES, bootstrap_interval
from croplayer.evaluation.field_matches import match_fields_in, worst_drawn
from croplayer.evaluation.field_objects import (
    FieldCounts,
    count_fields,
    field_figures,
    figure_differences,
    measures_of,
    pooled,
)
from stores.field_sizes import SIZE_NAMES

PIXEL = (10.0, 10.0)
HA_A_PIXEL = 0.01


def counts(
    found: np.ndarray, drawn: np.ndarray, known: np.ndarray | None = None, ha: float = HA_A_PIXEL
) -> FieldCounts:
    known = np.ones(drawn.shape, bool) if known is None else known
    return count_fields(found, drawn, known, np.full(len(drawn), ha / 100), PIXEL)


def figure(scenes: list[FieldCounts], size: str = "all") -> dict[str, float]:
    table = field_figures(scenes)
    return table[table["size"] == size].set_index("measure").value.to_dict()


def pixels_of(labels: np.ndarray) -> dict[int, set[tuple[int, int]]]:
    """Pixels of each field."""
    return {int(n): set(map(tuple, np.argwhere(labels == n))) for n in np.unique(labels[labels > 0])}


def random_fields(rng: np.random.Generator, shape: tuple[int, int], most: int) -> np.ndarray:
    """Rectangles over each other, with numbers that are not in a row."""
    labels = np.zeros(shape, np.int64)
    for _ in range(rng.integers(0, most)):
        (top, left), (height, width) = rng.integers(0, shape), rng.integers(1, 7, 2)
        labels[top : top + height, left : left + width] = rng.integers(1, 1000)
    return labels


def is_cut(pixels: set[tuple[int, int]], known: np.ndarray) -> bool:
    height, width = known.shape
    for y, x in pixels:
        if not known[y, x]:
            return True
        for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= v < height and 0 <= u < width) or not known[v, u]:
                return True
    return False


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_counts_equal_those_of_sets_of_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(6, 24, 2))
    drawn = random_fields(rng, shape, 25)
    found = np.where(rng.random(shape) < 0.1, 0, np.roll(drawn, rng.integers(0, 2), 1)) + 1000
    found = random_fields(rng, shape, 20) if rng.random() < 0.3 else found * (found > 1000)
    known = rng.random(shape) < rng.choice([1.0, 0.99])
    all_known = set(map(tuple, np.argwhere(known)))
    whole = {n: p for n, p in pixels_of(drawn).items() if p & all_known and not is_cut(p, known)}
    on_cut = set().union(*(p & all_known for n, p in pixels_of(drawn).items() if n not in whole))
    parts = {n: p & all_known for n, p in pixels_of(found).items() if p & all_known}
    iou = {(d, f): len(p & q) / len(p | q) for d, p in whole.items() for f, q in parts.items()}
    matched = {f: d for (d, f), value in iou.items() if value > 0.5}
    unjudged = {n: len(p - all_known) + len(p & on_cut) for n, p in pixels_of(found).items()}
    judged = [n for n in parts if n in matched or 2 * unjudged[n] <= len(pixels_of(found)[n])]
    own = counts(found, drawn, known)
    assert own.drawn.sum() == len(whole)
    for t, percent in enumerate(range(50, 100, 5)):
        hits = [pair for pair, value in iou.items() if 100 * value > percent + 1e-9]
        assert own.matched[t].sum() == len(hits) and own.unmatched[t].sum() == len(judged) - len(hits)
    assert own.iou.sum() == pytest.approx(sum(value for value in iou.values() if value > 0.5))
    table = match_fields_in(found, drawn, known, np.full(shape[0], 1e-4)).drawn.set_index("label")
    for d in whole:
        assert table.iou[d] == pytest.approx(max([iou[d, f] for f in parts], default=0.0))


def window() -> tuple[np.ndarray, np.ndarray]:
    """Two fields found as one, one found a little short, one cut by the frame, and a found one where none is."""
    drawn, found = np.zeros((2, 40, 60), int)
    drawn[5:15, 5:25], drawn[5:15, 25:45], drawn[20:35, 10:30], drawn[30:, 50:] = 1, 2, 3, 9
    found[5:15, 5:45], found[20:35, 10:29], found[2:4, 50:55], found[31:, 51:] = 7, 8, 11, 12
    return found, drawn


def test_a_hand_made_window() -> None:
    own = counts(*window())
    assert own.drawn.tolist() == [0, 0, 3, 0, 0]
    assert own.matched[:, 2].tolist() == [1] * 9 + [0], "an IoU of 0.95 is not above 0.95"
    assert own.unmatched[0].tolist() == [1, 0, 1, 0, 0], "the field at the frame is left out of both sides"
    all_sizes = figure([own])
    assert all_sizes["precision"] == all_sizes["recall"] == all_sizes["f1"] == pytest.approx(1 / 3)
    assert all_sizes["mean_f1"] == pytest.approx(0.3)
    assert all_sizes["panoptic_quality"] == pytest.approx(0.95 / 3)
    assert all_sizes["segmentation_quality"] == pytest.approx(0.95)
    assert all_sizes["over"] == pytest.approx((3 * 0.05) / 7), "of the 7 ha drawn, the found fields lack 0.15 ha"
    assert all_sizes["under"] == pytest.approx(4 * 0.5 / 7), "4 ha are half of what was found there"
    small = figure([own], "under 0.5 ha")
    assert small["found"] == 1 and small["precision"] == 0 and np.isnan(small["recall"]) and small["f1"] == 0


def test_a_perfect_map_is_perfect_whatever_its_numbers() -> None:
    _, drawn = window()
    renumbered = np.array([0, 44, 3, 1, 0, 0, 0, 0, 0, 2])[drawn]
    values = figure([counts(renumbered, drawn)])
    assert all(values[m] == 1 for m in ("precision", "recall", "f1", "mean_f1", "panoptic_quality", "boundary_f1"))
    assert values["over"] == values["under"] == values["missed_share"] == 0
    assert values["drawn"] == values["found"] == 3


def test_nothing_found_and_nothing_drawn() -> None:
    _, drawn = window()
    nothing = figure([counts(drawn * 0, drawn)])
    assert nothing["recall"] == nothing["f1"] == nothing["panoptic_quality"] == 0 and nothing["missed_share"] == 1
    assert np.isnan(nothing["precision"]) and np.isnan(nothing["segmentation_quality"]) and np.isnan(nothing["over"])
    invented = figure([counts(drawn, drawn * 0)])
    assert invented["precision"] == invented["f1"] == 0 and np.isnan(invented["recall"])
    assert np.isnan(figure([counts(drawn * 0, drawn * 0)])["f1"])


def test_halves_of_a_field_do_not_match_it() -> None:
    drawn, found = np.zeros((2, 12, 22), int)
    drawn[1:11, 1:21] = 1
    found[1:11, 1:11], found[1:11, 11:21] = 1, 2
    values = figure([counts(found, drawn)])
    assert values["recall"] == 0 and values["over"] == 0.5 and values["under"] == 0


def test_a_field_joined_with_a_cut_one_is_no_match() -> None:
    drawn, found = np.zeros((2, 12, 40), int)
    drawn[2:10, 2:6], drawn[2:10, 6:] = 1, 2
    found[2:10, 2:] = 5
    own = counts(found, drawn)
    assert own.drawn.sum() == 1 and own.matched[0].sum() == 0 and own.unmatched[0].sum() == 0


def test_fields_beside_unknown_pixels_are_left_out() -> None:
    drawn = np.zeros((12, 30), int)
    drawn[2:10, 2:12], drawn[2:10, 14:28] = 1, 2
    known = np.ones(drawn.shape, bool)
    known[4, 28] = False
    assert counts(drawn, drawn, known).drawn.sum() == 1
    with pytest.raises(ValueError, match="below 0"):
        counts(-drawn, drawn)


def test_sizes_are_those_of_the_drawn_field_and_mu_are_counted() -> None:
    """At 0.01 ha a pixel: 48 pixels found of 55 that are drawn, and 6 of 6; both classes lie below 1 mu or 0.5 ha."""
    drawn, found = np.zeros((2, 12, 30), int)
    drawn[1:6, 1:12], drawn[1:3, 20:23] = 1, 2
    found[1:6, 1:10], found[1:3, 20:23], found[6:8, 20:23] = 1, 2, 3
    own = counts(found, drawn)
    assert own.drawn.tolist() == [1, 1, 0, 0, 0] and own.matched[0].tolist() == [1, 1, 0, 0, 0]
    assert own.unmatched[0].tolist() == [1, 0, 0, 0, 0] and own.under_mu.tolist() == [1, 2, 1]
    values = figure([own])
    assert (values["drawn_under_mu"], values["found_under_mu"], values["recall_under_mu"]) == (1, 2, 1)


def test_outlines_agree_within_the_tolerance() -> None:
    drawn = np.zeros((20, 20), int)
    drawn[5:12, 5:12] = 1
    moved = np.roll(drawn, 1, 0)
    row_km2, known = np.full(20, 1e-4), np.ones(drawn.shape, bool)
    values = {m: count_fields(moved, drawn, known, row_km2, (2.0, 2.0), m).outline.tolist() for m in (1.9, 2.0)}
    assert values[2.0] == [24, 24, 24, 24]
    assert values[1.9] == [24, 12, 24, 12], "only 6 pixels of each of the two sides along the move are in both"


def made_up_scenes(n: int) -> list[FieldCounts]:
    rng = np.random.default_rng(3)
    scenes = []
    for _ in range(n):
        drawn = np.kron(np.arange(1, 26).reshape(5, 5), np.ones((9, 9), int))
        found = np.where(rng.random(drawn.shape) < rng.uniform(0, 0.6), 0, drawn)
        scenes.append(counts(found, drawn, ha=rng.choice([0.005, 0.02])))
    return scenes


def test_pooled_counts_are_those_of_one_larger_window() -> None:
    one = [np.hstack([np.where(a < 9, a, 0), np.zeros((40, 5), int)]) for a in window()]
    beside = [np.hstack([a, a + 20 * (a > 0)]) for a in one]
    for a, b in zip(counts(*beside), pooled([counts(*one)] * 2), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(ValueError, match="no scene"):
        pooled([])


def test_panoptic_quality_is_the_product_of_its_parts_and_classes_add_up() -> None:
    values = measures_of(pooled(made_up_scenes(4)))
    table = field_figures(made_up_scenes(4)).pivot(index="size", columns="measure", values="value")
    np.testing.assert_allclose(table.panoptic_quality, table.segmentation_quality * table.f1)
    np.testing.assert_allclose(
        table.f1, 2 * table.precision * table.recall / (table.precision + table.recall), rtol=1e-12
    )
    assert table.drawn["all"] == table.drawn[list(SIZE_NAMES)].sum() and table.found["all"] == values[1, 1:].sum()


def test_intervals_resample_whole_scenes() -> None:
    scenes = made_up_scenes(8)
    table = field_figures(scenes).query("size == 'all'").set_index("measure")
    rng = np.random.default_rng(11)
    f1 = []
    for _ in range(DRAWN_SAMPLES):
        drawn = [scenes[k] for k in rng.integers(0, 8, 8)]
        hits, of_drawn = sum(s.matched[0].sum() for s in drawn), sum(s.drawn.sum() for s in drawn)
        f1.append(2 * hits / (of_drawn + hits + sum(s.unmatched[0].sum() for s in drawn)))
    # Both ends are quantiles of 2,000 draws, whose own error is near a fiftieth of the interval.
    wide = np.ptp(np.quantile(f1, [0.025, 0.975]))
    np.testing.assert_allclose(
        table.loc["f1", ["low", "high"]].to_list(), np.quantile(f1, [0.025, 0.975]), atol=0.1 * wide
    )
    assert (table.low.dropna() <= table.value[table.low.notna()] + 1e-12).all()
    assert table.low[["drawn", "found"]].isna().all()
    assert field_figures(scenes).equals(field_figures(scenes))


def test_equal_scenes_leave_no_doubt_and_one_scene_gives_no_interval() -> None:
    scene = made_up_scenes(1)
    alike = field_figures(scene * 5).query("measure == 'f1' and size == 'all'").iloc[0]
    assert alike.low == pytest.approx(alike.value) == alike.high
    assert field_figures(scene)[["low", "high"]].isna().all(axis=None)


def test_differences_are_paired_by_scene() -> None:
    """Scenes differ much and the two ways by as much in each, so that only an interval paired by scene is narrow."""
    scenes = made_up_scenes(10)
    same = figure_differences(scenes, scenes).query("measure == 'f1'")
    assert (same[["value", "low", "high"]].fillna(0) == 0).all(axis=None)
    worse = [s._replace(matched=s.matched - (s.matched > 0), unmatched=s.unmatched + (s.matched > 0)) for s in scenes]
    gain = figure_differences(scenes, worse).query("measure == 'f1' and size == 'all'").iloc[0]
    alone = field_figures(scenes).query("measure == 'f1' and size == 'all'").iloc[0]
    assert 0 < gain.low <= gain.value <= gain.high < alone.high - alone.low
    with pytest.raises(ValueError, match="10 and 9"):
        figure_differences(scenes, scenes[1:])


def test_a_bootstrap_of_a_mean_has_its_standard_error() -> None:
    values = np.random.default_rng(2).normal(5, 2, 200)
    low, high = bootstrap_interval([(np.array(v), np.array(1)) for v in values], lambda sums: sums[0] / sums[1])
    # Of 2,000 draws, the ends of the interval are known to a tenth of its half.
    assert [low, high] == pytest.approx(values.mean() + np.array([-1.96, 1.96]) * values.std() / np.sqrt(200), abs=0.03)


def test_the_worst_fields_are_those_with_the_most_area_lost() -> None:
    found, drawn = window()
    matches = match_fields_in(found, drawn, np.ones(drawn.shape, bool), np.full(40, 1e-4))
    assert worst_drawn(matches, 2).label.tolist() == [1, 2] and worst_drawn(matches, 9).label.tolist() == [1, 2, 3]
    assert matches.found.set_index("label").left_out.to_dict() == {7: False, 8: False, 11: False, 12: True}
    assert matches.drawn.set_index("label").other.to_dict() == {1: 7, 2: 7, 3: 8, 9: 12}
