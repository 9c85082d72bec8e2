"""Semantic correctness of every source's mask in every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import Judged, feature_matrix, fit, judge
from croplayer.decisions.rules import RULES, correctness_by_rules
from croplayer.features import CORRECTNESS_FEATURES, correctness_columns
from croplayer.legends import Correctness


class Decided(NamedTuple):
    """Decisions for all blocks and what is known about their quality."""

    table: pd.DataFrame
    """The decisions, one row per block."""
    method: str
    """How they were made, in words."""
    judged: Judged | None
    """Held-out quality; None for rules."""


def decide_correctness(
    blocks: pd.DataFrame, sources: Sequence[str], samples: pd.DataFrame | None, seed: int
) -> Decided:
    """Correctness per block and source, by a classifier fitted to reviewed samples or by rules.

    Parameters
    ----------
    blocks : block table with the image, terrain, shape and consistency features
    samples : columns block, source, correctness (code); None uses the rules

    Returns
    -------
    Decided with columns block, correctness_SOURCE (label, missing where nothing is known) and
    correctness_confidence_SOURCE (0..1, missing for rules).
    """
    table = blocks[["block"]].copy()
    if samples is None:
        for source in sources:
            table[f"correctness_{source}"] = _labels(correctness_by_rules(blocks, source))
            table[f"correctness_confidence_{source}"] = np.nan
        return Decided(table, RULES, None)
    names = [f.name for f in CORRECTNESS_FEATURES]
    matrix = np.concatenate([_sample_matrix(blocks, samples, s) for s in sources])
    codes = np.concatenate([samples.correctness[samples.source == s].to_numpy() for s in sources])
    judged = judge(matrix, codes, names, seed)
    classifier = fit(matrix, codes, names, seed)
    for source in sources:
        predicted, confidence = classifier.predict_class(feature_matrix(blocks, correctness_columns(source)))
        known = blocks[f"area_fraction_{source}"].notna().to_numpy()
        table[f"correctness_{source}"] = _labels(np.where(known, predicted, -1))
        table[f"correctness_confidence_{source}"] = np.where(known, confidence, np.nan)
    return Decided(table, f"XGBoost on {len(codes)} reviewed samples", judged)


def _sample_matrix(blocks: pd.DataFrame, samples: pd.DataFrame, source: str) -> np.ndarray:
    own = samples[samples.source == source]
    return feature_matrix(rows_of(blocks, own.block), correctness_columns(source))


def rows_of(blocks: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """Rows of reviewed blocks; raises ValueError for a block that the run has not mapped."""
    unknown = sorted(set(names) - set(blocks.block))
    if unknown:
        raise ValueError(f"reviewed block {unknown[0]} is not among the {len(blocks)} mapped blocks")
    return blocks.set_index("block").loc[names].reset_index()


def _labels(codes: np.ndarray) -> list[str | None]:
    return [Correctness(c).label if c >= 0 else None for c in codes.tolist()]
