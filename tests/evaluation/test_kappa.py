from __future__ import annotations

import numpy as np
import pytest

from croplayer.evaluation.kappa import cohen_kappa


def kappa_of(p: np.ndarray) -> float:
    chance = p.sum(0) @ p.sum(1)
    return float((np.trace(p) - chance) / (1 - chance))


@pytest.mark.parametrize(
    ("counts", "value"),
    [
        # By hand: po = 0.7, pe = 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
        ([[20, 5], [10, 15]], 0.4),
        # By hand: po = 140 / 200, pe = (120 * 100 + 60 * 60 + 20 * 40) / 200**2 = 0.41.
        ([[88, 14, 18], [10, 40, 10], [2, 6, 12]], 0.29 / 0.59),
        # Less than chance gives.
        ([[3, 9], [9, 3]], -0.5),
    ],
)
def test_kappa_is_that_of_the_formula_and_its_interval_that_of_the_delta_method(counts: list, value: float) -> None:
    table = np.array(counts)
    found = cohen_kappa(table)
    assert found.value == pytest.approx(value)
    assert (found.cases, found.agreed) == (table.sum(), pytest.approx(np.trace(table) / table.sum()))
    # The variance of any function of multinomial shares, with its gradient by differences.
    p, step = table / table.sum(), 1e-6
    gradient = np.zeros(p.shape)
    for place in np.ndindex(*p.shape):
        moved = np.zeros(p.shape)
        moved[place] = step
        gradient[place] = (kappa_of(p + moved) - kappa_of(p - moved)) / (2 * step)
    variance = ((p * gradient**2).sum() - (p * gradient).sum() ** 2) / table.sum()
    assert found.high - found.low == pytest.approx(2 * 1.959964 * np.sqrt(variance), rel=1e-4)
    assert (found.high + found.low) / 2 == pytest.approx(found.value)


def test_the_interval_holds_kappa_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    p = np.array([[0.35, 0.05, 0.05], [0.05, 0.2, 0.05], [0.05, 0.05, 0.15]])
    inside = 0
    for _ in range(500):
        found = cohen_kappa(rng.multinomial(200, p.ravel()).reshape(3, 3))
        inside += found.low <= kappa_of(p) <= found.high
    assert 0.92 < inside / 500 < 0.98  # 0.95 and three standard errors of the share of 500 draws


def test_full_agreement_has_a_lower_end_that_few_cases_bring_down() -> None:
    few, many = (cohen_kappa(np.diag([n, n])) for n in (3, 300))
    assert few.value == many.value == few.high == 1
    assert few.low < 0.4 and many.low > 0.98


def test_where_there_is_no_kappa_it_is_missing() -> None:
    none, alike = cohen_kappa(np.zeros((2, 2), int)), cohen_kappa(np.array([[7, 0], [0, 0]]))
    assert none.cases == 0 and np.isnan([none.value, none.low, none.agreed]).all()
    assert alike.cases == 7 and alike.agreed == 1 and np.isnan([alike.value, alike.low, alike.high]).all()


def test_kappa_equals_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    other[:150] = one[:150]
    table = np.zeros((4, 4), int)
    np.add.at(table, (one, other), 1)
    assert cohen_kappa(table).value == pytest.approx(metrics.cohen_kappa_score(one, other))
