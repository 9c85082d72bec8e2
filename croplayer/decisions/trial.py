"""Whether a block classifier decides: it must beat its commonest class and the rules on land that it has not seen.

Each reviewed sample is predicted by the classifier that was fitted without its square of land. On the same samples the
classifier is compared with always answering the commonest reviewed class, and with the rules. The differences in accuracy
get a 95 % interval by squares (`evaluation.clusters.paired_interval`); both intervals must lie above 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.evaluation.clusters import paired_interval

COMMONEST, RULES = "commonest class", "rules"
"""What a classifier is compared with."""


class Trial(NamedTuple):
    """The comparison of a classifier with simpler answers on held-out samples."""

    table: pd.DataFrame
    """One row per simpler answer, with the columns of `stores.tables.TRIAL`."""

    @property
    def is_won(self) -> bool:
        """Whether the classifier beats each of them."""
        return bool(self.table.beaten.all())

    @property
    def words(self) -> str:
        """The figures as a clause, such as "on 24 held-out samples in 10 squares of land it is right in 62.5 %, ..."."""
        first = self.table.iloc[0]
        others = [
            f"{row.against} in {100 * row.other_accuracy:.1f} % (difference {100 * row.difference:+.1f} points, "
            f"{_interval_words(row.low, row.high)})"
            for row in self.table.itertuples()
        ]
        return (
            f"on {first.samples} held-out samples in {first.squares} squares of land it is right in "
            f"{100 * first.accuracy:.1f} %, the {' and the '.join(others)}"
        )


def hold_trial(
    reviewed: np.ndarray,
    predicted: np.ndarray,
    by_rules: np.ndarray | None,
    square: np.ndarray,
    labels: tuple[str, ...],
) -> Trial:
    """Compare predictions of samples that were held out by place with the commonest class and with the rules.

    Parameters
    ----------
    reviewed, predicted : (n,) int64 class codes, at least one
    by_rules : (n,) int64 class codes according to the rules, -1 where they know nothing; None if there are no rules for
        the classes
    square : (n,) int64, square of land of every sample
    labels : names of the classes by code
    """
    commonest = int(np.bincount(reviewed).argmax())
    others = {f"{COMMONEST} {labels[commonest]}": np.full(len(reviewed), commonest)}
    if by_rules is not None:
        others[RULES] = by_rules
    right = predicted == reviewed
    rows = []
    for name, codes in others.items():
        other = codes == reviewed
        low, high = paired_interval(right.astype(np.int64) - other, square)
        rows.append(
            {
                "against": name,
                "samples": len(reviewed),
                "squares": len(np.unique(square)),
                "accuracy": float(right.mean()),
                "other_accuracy": float(other.mean()),
                "difference": float(right.mean() - other.mean()),
                "low": low if np.isfinite(low) else np.nan,
                "high": high if np.isfinite(high) else np.nan,
                "beaten": low > 0,
            }
        )
    return Trial(pd.DataFrame(rows))


def _interval_words(low: float, high: float) -> str:
    if not np.isfinite(low):
        return "too few squares for a 95 % interval"
    return f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
