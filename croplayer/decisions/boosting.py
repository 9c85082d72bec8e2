"""Gradient-boosted trees over block features: fitted and applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost

from croplayer.features import Feature

PARAMETERS = {
    "objective": "multi:softprob",
    "max_depth": 4,
    "eta": 0.1,
    "min_child_weight": 4,
    "subsample": 0.7,
    "colsample_bytree": 0.7,
    "tree_method": "hist",
    "nthread": 1,
}
ROUNDS = 80
"""Few and careful trees: reviews are hundreds or thousands, and more trees are surer without being right more often."""
MINIMUM_SAMPLES = 20


def feature_matrix(table: pd.DataFrame, columns: Sequence[tuple[Feature, str]]) -> np.ndarray:
    """Features of the block table as (n, f) float32; categories as their code, missing values as NaN."""
    matrix = np.full((len(table), len(columns)), np.nan, np.float32)
    for i, (feature, column) in enumerate(columns):
        if column not in table.columns:
            continue
        values = table[column]
        if feature.categories:
            values = values.map({label: code for code, label in enumerate(feature.categories)})
        matrix[:, i] = values.astype(np.float32)
    return matrix


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier of blocks."""

    booster: xgboost.Booster
    classes: tuple[int, ...]
    """Codes in the order of the probabilities' columns."""
    names: tuple[str, ...]

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, k) float32; raises FloatingPointError when one is not finite."""
        probability = np.asarray(self.booster.inplace_predict(matrix))
        if not np.isfinite(probability).all():
            raise FloatingPointError("the block classifier gave a probability that is not finite; fit it again")
        return probability

    def predict_class(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Most probable class code and its probability, both (n,)."""
        probability = self.predict(matrix)
        best = probability.argmax(axis=1)
        return np.array(self.classes)[best], probability[np.arange(len(best)), best]


def fit(
    matrix: np.ndarray, codes: np.ndarray, names: Sequence[str], seed: int, categorical: Sequence[bool] | None = None
) -> Classifier:
    """Fit a classifier; the same samples and seed give the same trees.

    Parameters
    ----------
    matrix : (n, f) float32, NaN where a feature is missing
    codes : (n,) int64, reviewed class of every row
    names : of the f features
    categorical : whether each feature is the code of a category; None for none

    Raises
    ------
    ValueError
        for fewer than two classes
    """
    classes = tuple(int(c) for c in np.unique(codes))
    if len(classes) < 2:
        raise ValueError(f"{len(codes)} reviewed samples are all of one class; a classifier needs two")
    labels = np.searchsorted(classes, codes)
    types = ["c" if c else "q" for c in categorical or [False] * len(names)]
    data = xgboost.DMatrix(matrix, label=labels, feature_names=list(names), feature_types=types)
    booster = xgboost.train({**PARAMETERS, "num_class": len(classes), "seed": seed}, data, num_boost_round=ROUNDS)
    return Classifier(booster, classes, tuple(names))


def check_samples(codes: np.ndarray) -> None:
    """Raise ValueError when reviewed samples are too few, or of too few classes, to train a classifier."""
    classes = len(np.unique(codes))
    if len(codes) < MINIMUM_SAMPLES or classes < 2:
        raise ValueError(
            f"{len(codes)} reviewed samples of {classes} class(es) cannot train a classifier; "
            f"review at least {MINIMUM_SAMPLES} blocks of two classes or leave the samples out to use the rules"
        )
