"""Gradient-boosted trees on block features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost

from croplayer.measures.features import Feature

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
"""Few trees, because there are only hundreds or thousands of reviews: more trees gain confidence, not accuracy."""
NOT_KNOWN = -1
"""Class code of a block without any measured feature."""


def feature_matrix(table: pd.DataFrame, columns: Sequence[tuple[Feature, str]]) -> np.ndarray:
    """Features of the block table as (n, f) float32; categories are their codes, missing values are NaN."""
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
    """Class codes in the order of the columns of the probabilities."""
    names: tuple[str, ...]
    """Names of the features, in the order of the fit."""

    def predict(self, matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Class probabilities, (n, k) float32; NaN for a row without any feature.

        Parameters
        ----------
        matrix : (n, f) float32, NaN where a feature is missing
        names : names of the f features; trees identify columns by position alone

        Raises
        ------
        ValueError when the features or their order differ from those of the fit; FloatingPointError when a
        probability is not finite.
        """
        self._check_names(matrix, names)
        probability = np.array(self.booster.inplace_predict(matrix))
        if not np.isfinite(probability).all():
            raise FloatingPointError("the block classifier gave a probability that is not finite; fit it again")
        probability[~is_measured(matrix)] = np.nan
        return probability

    def predict_class(self, matrix: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Most probable class code and its probability, both (n,); NOT_KNOWN and NaN for a row without any feature."""
        probability = self.predict(matrix, names)
        best = probability.argmax(axis=1)
        codes = np.where(is_measured(matrix), np.array(self.classes)[best], NOT_KNOWN)
        return codes, probability[np.arange(len(best)), best]

    def _check_names(self, matrix: np.ndarray, names: Sequence[str]) -> None:
        if matrix.shape[1:] != (len(self.names),) or len(names) != len(self.names):
            raise ValueError(
                f"block features are {matrix.shape} with {len(names)} names; the classifier was fitted to "
                f"{len(self.names)} features, so give it the same ones"
            )
        for place, (found, fitted) in enumerate(zip(names, self.names, strict=True), start=1):
            if found != fitted:
                raise ValueError(
                    f"block feature {place} is '{found}', the classifier was fitted with '{fitted}' there; "
                    "give it the same features in the same order"
                )


def is_measured(matrix: np.ndarray) -> np.ndarray:
    """Whether each row of a feature matrix (n, f) has any feature: (n,) bool."""
    return np.asarray(~np.isnan(matrix).all(axis=1))


def fit(
    matrix: np.ndarray, codes: np.ndarray, names: Sequence[str], seed: int, categorical: Sequence[bool] | None = None
) -> Classifier:
    """Fit a classifier; the same samples and seed give the same trees.

    Parameters
    ----------
    matrix : (n, f) float32, NaN where a feature is missing
    codes : (n,) int64, reviewed class of every row
    names : names of the f features
    categorical : whether each feature is the code of a category; None means that none is

    Raises
    ------
    ValueError
        for fewer than two classes
    """
    classes = tuple(int(c) for c in np.unique(codes))
    if len(classes) < 2:
        raise ValueError(
            f"{len(codes)} reviewed samples are all of one class; a classifier needs two, so review more blocks"
        )
    labels = np.searchsorted(classes, codes)
    types = ["c" if c else "q" for c in categorical or [False] * len(names)]
    data = xgboost.DMatrix(matrix, label=labels, feature_names=list(names), feature_types=types)
    booster = xgboost.train({**PARAMETERS, "num_class": len(classes), "seed": seed}, data, num_boost_round=ROUNDS)
    return Classifier(booster, classes, tuple(names))
