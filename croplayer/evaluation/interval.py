"""An estimate with its standard error and its interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NO_SPREAD = 1e-9
"""A standard error below this share of its estimate is 0 but for rounding."""


class Estimate(NamedTuple):
    """An estimate of a share, a mean or an area from a sample."""

    value: float
    standard_error: float
    """NaN when the sample's design does not give one."""

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Lower and upper end of the normal interval (confidence 0.95 is ± 1.96 standard errors); NaN without one."""
        half = normal_quantile(confidence) * self.standard_error
        return self.value - half, self.value + half

    def times(self, factor: float) -> Estimate:
        """The estimate of a multiple, such as an area from a share."""
        return Estimate(self.value * factor, self.standard_error * abs(factor))


def few_cases_interval(estimate: Estimate, degrees: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of an estimate whose standard error comes from few cases, by Student's t; NaN without degrees of freedom.

    A standard error of 0 shows how few the cases are, not how certain they are, so it gives none either.
    """
    normal_quantile(confidence)  # which checks the confidence
    if degrees < 1 or not estimate.standard_error > NO_SPREAD * abs(estimate.value):
        return np.nan, np.nan
    from scipy.special import stdtrit

    half = float(stdtrit(degrees, 0.5 + confidence / 2)) * estimate.standard_error
    return estimate.value - half, estimate.value + half


NOTHING = Estimate(np.nan, np.nan)
"""The estimate without a sample: NaN."""


def normal_quantile(confidence: float) -> float:
    """Half width of a normal interval in standard errors; raises ValueError unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; expected a share between 0 and 1, such as 0.95")
    from scipy.special import ndtri  # it takes long to import, and few runs have a sample

    return float(ndtri(0.5 + confidence / 2))


def share_interval(count: float, of: float, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a share of independent cases (Wilson 1927), 0 to 1; NaN without cases.

    For cases in clusters, divide ``count`` and ``of`` by their design effect.
    """
    if of == 0:
        return np.nan, np.nan
    z = normal_quantile(confidence)
    middle = (count + z * z / 2) / (of + z * z)
    half = z / (of + z * z) * np.sqrt(count * (of - count) / of + z * z / 4)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))
