"""Area and accuracy from samples: published numbers, agreement of the estimators, coverage of the intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from croplayer.evaluation.indicators import stratified_mean, stratified_ratio
from croplayer.evaluation.interval import Estimate
from croplayer.evaluation.sample_size import allocate, allocation_for
from croplayer.evaluation.stratified import stratified_accuracy
from croplayer.evaluation.systematic import GridSample, ratio_estimate, regression_estimate

OLOFSSON_COUNTS = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
OLOFSSON_WEIGHTS = np.array([0.020, 0.015, 0.320, 0.645])


def as_printed(estimate: Estimate, digits: int = 3) -> tuple[float, float]:
    """Value and half width of the 95 % interval, rounded as a paper prints them."""
    low, high = estimate.interval()
    return round(estimate.value, digits), round((high - low) / 2, digits)


def test_the_published_example_of_olofsson() -> None:
    result = stratified_accuracy(OLOFSSON_COUNTS, OLOFSSON_WEIGHTS)
    assert as_printed(result.overall, 4) == (0.9465, 0.0185)
    assert [as_printed(u) for u in result.users] == [(0.88, 0.074), (0.733, 0.101), (0.927, 0.040), (0.963, 0.021)]
    assert [as_printed(p) for p in result.producers] == [
        (0.749, 0.213), (0.847, 0.254), (0.935, 0.034), (0.962, 0.018)
    ]  # fmt: skip
    pixels, hectares = result.area[0].times(1e7), result.area[0].times(1e7 * 30 * 30 / 1e4)
    assert round(pixels.value) == 235_086
    assert as_printed(hectares, 0) == (21_158, 6_158)


STRATA = "A" * 10 + "B" * 10 + "C" * 10 + "D" * 10
MAPPED = "AAAAAAABBB" + "ABBBBBBBBB" + "BBCCCCCCBB" + "DDDDDDDDDD"
TRUE = "AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB"
STEHMAN_WEIGHTS = np.array([0.4, 0.3, 0.2, 0.1])


def test_the_published_example_of_stehman() -> None:
    """Strata are not the map's classes; values and standard errors of the article's pages 4932 to 4936."""
    stratum = np.array(["ABCD".index(s) for s in STRATA])
    mapped, true = np.array(list(MAPPED)), np.array(list(TRUE))

    def mean(y: np.ndarray) -> tuple[float, float]:
        return tuple(round(v, 3) for v in stratified_mean(y, stratum, STEHMAN_WEIGHTS))  # type: ignore[return-value]

    def ratio(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
        return tuple(round(v, 3) for v in stratified_ratio(y, x, stratum, STEHMAN_WEIGHTS))  # type: ignore[return-value]

    right = mapped == true
    assert mean(true == "A") == (0.35, 0.082)
    assert mean(true == "C") == (0.20, 0.064)
    assert mean(right) == (0.63, 0.085)
    assert mean((mapped == "B") & (true == "C"))[0] == 0.08
    assert ratio(right & (mapped == "B"), mapped == "B") == (0.574, 0.125)
    assert ratio(right & (true == "B"), true == "B") == (0.794, 0.117)
    assert ratio(right & (mapped == "A"), mapped == "A") == (0.742, 0.165)
    assert ratio(right & (true == "A"), true == "A") == (0.657, 0.148)


@given(st.data())
def test_the_two_stratified_estimators_agree_where_strata_are_map_classes(data: st.DataObject) -> None:
    k = data.draw(st.integers(2, 4))
    cell = st.integers(0, 30)
    counts = np.array(data.draw(st.lists(st.lists(cell, min_size=k, max_size=k), min_size=k, max_size=k)))
    counts[:, 0] += 2
    weights = np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=k, max_size=k)))
    weights /= weights.sum()
    mapped, true = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices((k, k)))
    result = stratified_accuracy(counts, weights)
    for j in range(k):
        assert result.area[j] == pytest.approx(stratified_mean(true == j, mapped, weights), abs=1e-12)
        both = (true == j) & (mapped == j)
        assert result.users[j] == pytest.approx(stratified_ratio(both, mapped == j, mapped, weights), abs=1e-12)
        assert result.producers[j] == pytest.approx(
            stratified_ratio(both, true == j, mapped, weights), abs=1e-12, nan_ok=True
        )
    assert result.overall == pytest.approx(stratified_mean(mapped == true, mapped, weights), abs=1e-12)
    assert sum(a.value for a in result.area) == pytest.approx(1)


def covered(estimates: list[Estimate], truth: float) -> float:
    """Share of 95 % intervals that hold the truth."""
    ends = np.array([e.interval() for e in estimates])
    return float(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean())


def test_stratified_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    weights, shares, units = np.array([0.3, 0.7]), np.array([0.85, 0.1]), np.array([120, 200])
    stratum = np.repeat([0, 1], units)
    estimates = [stratified_mean(rng.random(len(stratum)) < shares[stratum], stratum, weights) for _ in range(2000)]
    assert 0.93 <= covered(estimates, float(weights @ shares)) <= 0.97
    values, errors = np.array(estimates).T
    assert errors.mean() == pytest.approx(values.std(), rel=0.05)


def test_ratio_intervals_of_a_province_cover_the_truth() -> None:
    """The province is a part of both strata; how many sample units fall into it is chance."""
    rng = np.random.default_rng(2)
    weights, inside, shares = np.array([0.4, 0.6]), np.array([0.5, 0.2]), np.array([0.8, 0.15])
    stratum = np.repeat([0, 1], [250, 250])
    estimates = []
    for _ in range(2000):
        here = rng.random(500) < inside[stratum]
        estimates.append(stratified_ratio(here & (rng.random(500) < shares[stratum]), here, stratum, weights))
    truth = (weights * inside * shares).sum() / (weights * inside).sum()
    assert 0.93 <= covered(estimates, truth) <= 0.97


def landscape(seed: int, size: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """A patchy truth and a map of it with errors; (size, size) of 0 and 1."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    truth = gaussian_filter(rng.standard_normal((size, size)), 6) > 0.01
    return truth, truth ^ (rng.random((size, size)) < 0.1)


def grid_samples(truth: np.ndarray, mapped: np.ndarray, step: int) -> list[GridSample]:
    """Every systematic sample that a spacing can give."""
    samples = []
    for start_row in range(step):
        for start_col in range(step):
            y, x = (a[start_row::step, start_col::step].astype(float) for a in (truth, mapped))
            row, col = np.indices(y.shape)
            samples.append(GridSample(y.ravel(), x.ravel(), np.ones(y.size), row.ravel(), col.ravel()))
    return samples


def test_estimators_on_every_systematic_sample_of_a_landscape() -> None:
    truth, mapped = landscape(3)
    samples = grid_samples(truth, mapped, 12)
    mean, map_mean = float(truth.mean()), float(mapped.mean())
    plain = [regression_estimate(s._replace(x=np.zeros_like(s.x)), 0.0) for s in samples]
    ratio = [ratio_estimate(s, map_mean) for s in samples]
    regression = [regression_estimate(s, map_mean) for s in samples]
    local = [regression_estimate(s, map_mean, local=True) for s in samples]
    assert np.mean([e.value for e in plain]) == pytest.approx(mean, abs=1e-9)
    assert np.mean([e.value for e in regression]) == pytest.approx(mean, abs=0.002)
    assert np.mean([e.value for e in ratio]) == pytest.approx(mean, abs=0.005)
    for estimates in (plain, ratio, regression, local):
        assert covered(estimates, mean) >= 0.92
    assert np.mean([e.standard_error for e in regression]) < 0.7 * np.mean([e.standard_error for e in plain])


def test_regression_on_a_map_of_classes_is_post_stratification() -> None:
    truth, mapped = landscape(4)
    sample = grid_samples(truth, mapped, 16)[5]
    share = mapped.mean()
    expected = share * sample.y[sample.x == 1].mean() + (1 - share) * sample.y[sample.x == 0].mean()
    assert regression_estimate(sample, share).value == pytest.approx(expected, abs=1e-12)


def test_units_of_unequal_area_weigh_by_their_area() -> None:
    sample = GridSample(
        np.array([1.0, 0.0, 0.0]), np.zeros(3), np.array([2.0, 1.0, 1.0]), np.zeros(3, int), np.arange(3)
    )
    assert regression_estimate(sample, 0.0).value == 0.5


def test_wrong_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="least is 1; a stratum needs at least 2"):
        allocation_for(np.array([0.5, 0.5]), np.array([0.9, 0.9]), 0.01, 1)
    with pytest.raises(ValueError, match="sum to 1"):
        stratified_accuracy(OLOFSSON_COUNTS, np.ones(4))
    with pytest.raises(ValueError, match="stratum 1 has 1 sample units"):
        stratified_accuracy(np.array([[3, 1], [0, 1]]), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="stratum 0 has 0 sample units"):
        stratified_mean(np.ones(3), np.ones(3, int), np.array([0.5, 0.5]))
    with pytest.raises(ValueError, match="cannot give 50"):
        allocate(60, np.array([0.5, 0.5]))
