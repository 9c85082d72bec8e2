"""What a stored probability is worth: reliability of a mask's probabilities, and the temperature that mends them.

All figures come from counts of pixels by stored level and label, so that a nation's pixels fit into 502 numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stores.legends import PROBABILITY_SCALE

LEVELS = PROBABILITY_SCALE + 1
BINS = 10
_TEMPERATURES = np.geomspace(0.25, 4, 161)


def level_counts(probability: np.ndarray, field: np.ndarray, labelled: np.ndarray) -> np.ndarray:
    """Number of labelled pixels by stored level of probability and label.

    Parameters
    ----------
    probability : (h, w) float32 in 0..1; NaN where there is no imagery, which does not count
    field, labelled : (h, w) bool

    Returns
    -------
    (251, 2) int64: other land, field
    """
    known = labelled & np.isfinite(probability)
    levels = np.rint(probability[known] * PROBABILITY_SCALE).astype(np.int64)
    return np.bincount(2 * levels + field[known], minlength=2 * LEVELS).reshape(LEVELS, 2)


def level_probabilities(temperature: float = 1.0) -> np.ndarray:
    """Probability of each stored level after its logit was divided by a temperature: (251,) float64.

    The lowest and the highest level stand for a quarter of a step beside them, since their logits would be infinite.
    """
    shares = np.clip(np.arange(LEVELS) / PROBABILITY_SCALE, 0.25 / PROBABILITY_SCALE, 1 - 0.25 / PROBABILITY_SCALE)
    logits = np.log(shares) - np.log1p(-shares)
    return 1 / (1 + np.exp(-logits / temperature))


def expected_calibration_error(counts: np.ndarray, temperature: float = 1.0) -> float:
    """Mean gap between probability and share of field over equal bins, weighted by pixels (Naeini et al. 2015, AAAI).

    ``counts`` is (251, 2) as of ``level_counts``; NaN without pixels.
    """
    bins = reliability(counts, temperature)
    n = sum(b["pixels"] for b in bins)
    return sum(b["pixels"] * abs(b["probability"] - b["field"]) for b in bins) / n if n else float("nan")


def reliability(counts: np.ndarray, temperature: float = 1.0) -> list[dict[str, float]]:
    """Mean probability, share of field and pixels of each of ten equal bins of probability that has pixels."""
    probability, pixels = level_probabilities(temperature), counts.sum(axis=1)
    which = np.minimum((probability * BINS).astype(int), BINS - 1)
    found = []
    for b in np.unique(which[pixels > 0]):
        own = which == b
        n = int(pixels[own].sum())
        found.append(
            {
                "probability": round(float((probability[own] * pixels[own]).sum() / n), 5),
                "field": round(float(counts[own, 1].sum() / n), 5),
                "pixels": n,
            }
        )
    return found


def fitted_temperature(counts: np.ndarray) -> float:
    """The temperature in 0.25..4 with the highest likelihood of the labels (Guo et al. 2017, ICML); 1 without pixels."""
    if not counts.sum():
        return 1.0
    losses = []
    for temperature in _TEMPERATURES:
        share = level_probabilities(float(temperature))
        losses.append(-(counts[:, 1] * np.log(share) + counts[:, 0] * np.log1p(-share)).sum())
    return round(float(_TEMPERATURES[int(np.argmin(losses))]), 4)


def calibration_figures(parts: Sequence[np.ndarray]) -> dict[str, Any]:
    """Calibration of models by parts of a validation that no model of the part learned from.

    Parameters
    ----------
    parts : (251, 2) counts of each part, such as the folds of a cross-validation

    Returns
    -------
    ``temperature`` fitted on all parts; ``expected_error`` of each part with the temperature of the others (with that of all
    where there is one part); ``before``, the same without a temperature; ``reliability`` of all with theirs
    """
    counts = np.sum(parts, axis=0)
    temperature = fitted_temperature(counts)
    of_others = [fitted_temperature(counts - part) if len(parts) > 1 else temperature for part in parts]
    return {
        "temperature": temperature,
        "expected_error": [_known(expected_calibration_error(p, t)) for p, t in zip(parts, of_others, strict=True)],
        "before": [_known(expected_calibration_error(part)) for part in parts],
        "reliability": reliability(counts, temperature),
    }


def _known(error: float) -> float | None:
    """A rounded figure; None for NaN, which JSON cannot hold."""
    return None if np.isnan(error) else round(error, 5)
