"""Whether confidences are what they say: of cases with 0.8, 80 % are right."""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import clustered_interval
from croplayer.evaluation.interval import share_interval

CLASSES = 10


def reliability(
    confidence: np.ndarray, right: np.ndarray, cluster: np.ndarray | None = None, classes: int = CLASSES
) -> pd.DataFrame:
    """Mean confidence and share of right cases in equal classes of confidence; classes without cases are left out.

    Parameters
    ----------
    confidence : (n,) float in 0..1; cases where it is NaN are left out. 1 belongs to the last class.
    right : (n,) bool, for a field whether it matches a drawn one at IoU 0.5
    cluster : (n,) integers, such as the scene of each field, because fields of a scene are alike; None for cases that are
        independent
    classes : number of classes

    Returns
    -------
    DataFrame with columns confidence_from, confidence_to, cases, confidence (mean), share (right cases, 0..1), low and high: the 95 %
    Wilson interval of the share, with the design effect of the clusters

    Raises
    ------
    ValueError for a confidence outside 0..1.
    """
    known = ~np.isnan(confidence)
    confidence, right = confidence[known], right[known]
    cluster = cluster[known] if cluster is not None else None
    if len(confidence) and not (confidence.min() >= 0 and confidence.max() <= 1):
        raise ValueError(f"confidences reach from {confidence.min()} to {confidence.max()}; expected 0 to 1")
    number = np.minimum((confidence * classes).astype(np.int64), classes - 1)
    rows = []
    for own in np.unique(number):
        inside = number == own
        low, high = (
            share_interval(int(right[inside].sum()), int(inside.sum()))
            if cluster is None
            else clustered_interval(right[inside], cluster[inside])
        )
        rows.append(
            {
                "confidence_from": own / classes,
                "confidence_to": (own + 1) / classes,
                "cases": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "share": float(right[inside].mean()),
                "low": low,
                "high": high,
            }
        )
    columns = ["confidence_from", "confidence_to", "cases", "confidence", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def expected_calibration_error(table: pd.DataFrame) -> float:
    """Mean gap between confidence and share over the classes, weighted by their cases, 0 to 1 (Naeini et al. 2015, AAAI).

    Parameters
    ----------
    table : of `reliability`; NaN without cases
    """
    cases = table.cases.sum()
    return float((table.cases * (table.confidence - table.share).abs()).sum() / cases) if cases else np.nan
