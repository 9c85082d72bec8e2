"""Gradient-boosted trees over block features: fitted, applied, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xgboost

from croplayer.features import Feature

PARAMETERS = {
    "objective": "multi:softprob",
    "max_depth": 5,
    "eta": 0.1,
    "min_child_weight": 1,
    "subsample": 0.9,
    "colsample_bytree": 0.9,
    "tree_method": "hist",
    "nthread": 1,
}
ROUNDS = 200
MINIMUM_SAMPLES = 20
IMPORTANCE_REPEATS = 10


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
class Judged:
    """How well a classifier does on samples it has not seen."""

    accuracy: float
    """Share of held-out samples predicted right, 0..1."""
    confusion: np.ndarray
    """(k, k) counts, rows reviewed, columns predicted."""
    held_out: int
    fitted: int
    importance: pd.DataFrame
    """Per feature the mean and standard deviation of the accuracy lost when it is permuted."""


@dataclass(frozen=True)
class Classifier:
    """A fitted classifier of blocks."""

    booster: xgboost.Booster
    classes: tuple[int, ...]
    """Codes in the order of the probabilities' columns."""
    names: tuple[str, ...]

    def predict(self, matrix: np.ndarray) -> np.ndarray:
        """Class probabilities, (n, k) float32; raises FloatingPointError when one is not finite."""
        data = xgboost.DMatrix(matrix, feature_names=list(self.names))
        probability = self.booster.predict(data)
        if not np.isfinite(probability).all():
            raise FloatingPointError("the block classifier gave a probability that is not finite; fit it again")
        return np.asarray(probability)

    def predict_class(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Most probable class code and its probability, both (n,)."""
        probability = self.predict(matrix)
        best = probability.argmax(axis=1)
        return np.array(self.classes)[best], probability[np.arange(len(best)), best]


def fit(matrix: np.ndarray, codes: np.ndarray, names: Sequence[str], seed: int) -> Classifier:
    """Fit a classifier; the same samples and seed give the same trees.

    Raises ValueError for fewer than 20 samples or a single class.
    """
    classes = tuple(int(c) for c in np.unique(codes))
    if len(codes) < MINIMUM_SAMPLES or len(classes) < 2:
        raise ValueError(
            f"{len(codes)} reviewed samples of {len(classes)} class(es) cannot train a classifier; "
            f"review at least {MINIMUM_SAMPLES} blocks of two classes or leave the samples out to use the rules"
        )
    labels = np.searchsorted(classes, codes)
    data = xgboost.DMatrix(matrix, label=labels, feature_names=list(names))
    booster = xgboost.train({**PARAMETERS, "num_class": len(classes), "seed": seed}, data, num_boost_round=ROUNDS)
    return Classifier(booster, classes, tuple(names))


def split_stratified(codes: np.ndarray, held_out: float, seed: int) -> np.ndarray:
    """Which samples are held out, (n,) bool: the same share of every class, at least one where it has two."""
    rng = np.random.default_rng(seed)
    out = np.zeros(len(codes), bool)
    for code in np.unique(codes):
        members = rng.permutation(np.flatnonzero(codes == code))
        count = max(1, round(held_out * len(members))) if len(members) > 1 else 0
        out[members[:count]] = True
    return out


def judge(matrix: np.ndarray, codes: np.ndarray, names: Sequence[str], seed: int) -> Judged:
    """Accuracy, confusion and permutation importance on a stratified fifth that the fit never saw."""
    held = split_stratified(codes, 0.2, seed)
    classifier = fit(matrix[~held], codes[~held], names, seed)
    predicted, _ = classifier.predict_class(matrix[held])
    classes = np.unique(codes)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (np.searchsorted(classes, codes[held]), np.searchsorted(classes, predicted)), 1)
    accuracy = float((predicted == codes[held]).mean())
    return Judged(
        accuracy=accuracy,
        confusion=confusion,
        held_out=int(held.sum()),
        fitted=int((~held).sum()),
        importance=_importance(classifier, matrix[held], codes[held], accuracy, seed),
    )


def _importance(
    classifier: Classifier, matrix: np.ndarray, codes: np.ndarray, accuracy: float, seed: int
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for i, name in enumerate(classifier.names):
        lost = []
        for _ in range(IMPORTANCE_REPEATS):
            shuffled = matrix.copy()
            shuffled[:, i] = rng.permutation(shuffled[:, i])
            lost.append(accuracy - float((classifier.predict_class(shuffled)[0] == codes).mean()))
        rows.append({"feature": name, "accuracy_lost": np.mean(lost), "standard_deviation": np.std(lost)})
    return pd.DataFrame(rows).sort_values("accuracy_lost", ascending=False, ignore_index=True, kind="stable")
