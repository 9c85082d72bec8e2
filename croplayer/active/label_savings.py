"""How many labels each way of choosing needs, from the curves of trials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

ENOUGH = 0.95
"""Share of the accuracy with everything labelled that is enough."""
CONFIDENCE = 0.95


class Mean(NamedTuple):
    """A mean over seeds with its interval."""

    value: float
    low: float
    high: float
    """Both NaN for fewer than two seeds."""

    @classmethod
    def of(cls, values: np.ndarray) -> Mean:
        """The mean of independent values and its interval by Student's t."""
        if not len(values):
            return cls(np.nan, np.nan, np.nan)
        mean = float(values.mean())
        if len(values) < 2:
            return cls(mean, np.nan, np.nan)
        half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
        return cls(mean, mean - half, mean + half)


def needed(curves: pd.DataFrame, everything: Mapping[int, float], unit: str, accuracy: str = "iou") -> pd.DataFrame:
    """What each curve needs until it reaches, and keeps, `ENOUGH` of the accuracy with everything labelled.

    Parameters
    ----------
    curves : rows of `simulation.learning_curve`
    everything : accuracy with everything labelled, by seed
    unit : column that is counted: labelled or minutes
    accuracy : column that is judged: iou or worst

    Returns
    -------
    One row per strategy (index) and one column per seed, NaN where a curve does not reach it
    """
    found: dict[int, dict[str, float]] = {}
    for (strategy, seed), curve in curves.groupby(["strategy", "seed"], sort=False):
        below = np.flatnonzero(curve[accuracy].to_numpy() < ENOUGH * everything[int(seed)])
        first = below[-1] + 1 if len(below) else 0
        value = float(curve[unit].iloc[first]) if first < len(curve) else np.nan
        found.setdefault(int(seed), {})[str(strategy)] = value
    return pd.DataFrame(found)


def savings(need: pd.DataFrame, against: str = "random") -> pd.DataFrame:
    """Means over seeds of what each strategy needs, and the ratio to another strategy.

    Parameters
    ----------
    need : from `needed`

    Returns
    -------
    DataFrame with columns strategy, seeds, reached (seeds that reached it), mean, low, high (over these), and ratio, ratio_low and
    ratio_high: the geometric mean of the ratios to ``against``, over the seeds in which both reached it. Low and high are ends of
    95 % intervals, NaN with fewer than two seeds.
    """
    rows = []
    for strategy, values in need.iterrows():
        known = values.dropna().to_numpy(float)
        mean = Mean.of(known)
        logs = np.log(values / need.loc[against]).dropna().to_numpy(float)
        ratio = Mean(*np.exp(Mean.of(logs)))
        rows.append((strategy, len(values), len(known), *mean, *ratio))
    columns = ["strategy", "seeds", "reached", "mean", "low", "high", "ratio", "ratio_low", "ratio_high"]
    return pd.DataFrame(rows, columns=columns)
