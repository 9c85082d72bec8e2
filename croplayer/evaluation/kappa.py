"""Agreement of two people beyond chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from croplayer.evaluation.interval import normal_quantile, share_interval


class Kappa(NamedTuple):
    """Cohen's kappa of cases that two people judged."""

    value: float
    """1 for full agreement, 0 for that of chance; NaN without cases, or where both gave all cases the same class."""
    low: float
    high: float
    """Ends of the interval, -1 to 1."""
    cases: int
    agreed: float
    """Share of the cases with the same class of both; NaN without cases."""


def cohen_kappa(counts: np.ndarray, confidence: float = 0.95) -> Kappa:
    """Cohen's kappa with its interval from the cross table of two people's classes.

    Parameters
    ----------
    counts : (k, k) int64, cases by the class of the first person (rows) and of the second (columns)

    Notes
    -----
    kappa = (po - pe) / (1 - pe), with the share po of equal classes and the share pe that chance gives (Cohen 1960,
    doi:10.1177/001316446002000104). The interval is normal with the large-sample standard error of Fleiss, Cohen and Everitt
    (1969, doi:10.1037/h0028106, equation 13). That error is 0 where both agree in all cases. There the lower end is kappa of the
    lower end of Wilson's interval of po, with pe as it is.
    """
    n = int(counts.sum())
    if n == 0:
        return Kappa(np.nan, np.nan, np.nan, 0, np.nan)
    p = counts / n
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    agreed, chance = float(np.trace(p)), float(rows @ columns)
    if chance >= 1:
        return Kappa(np.nan, np.nan, np.nan, n, agreed)
    value = (agreed - chance) / (1 - chance)
    if np.trace(counts) == n:
        low, _ = share_interval(n, n, confidence)
        return Kappa(1.0, max(-1.0, (low - chance) / (1 - chance)), 1.0, n, 1.0)
    on = np.diag(p) * (1 - (rows + columns) * (1 - value)) ** 2
    off = p * (columns[:, None] + rows[None, :]) ** 2
    spread = on.sum() + (1 - value) ** 2 * (off.sum() - np.trace(off)) - (value - chance * (1 - value)) ** 2
    half = normal_quantile(confidence) * float(np.sqrt(max(spread, 0.0) / n)) / (1 - chance)
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half), n, agreed)
