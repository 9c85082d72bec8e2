"""Accuracy of a block classifier on held-out samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import Classifier, fit, is_measured
from croplayer.decisions.importance import importance_table
from croplayer.decisions.splits import ELSEWHERE, SPATIAL, STRATIFIED, beside_share, spatial_folds, stratified_folds
from croplayer.evaluation.clusters import clustered_interval, design_effect, lattice_squares
from croplayer.evaluation.reliability import expected_calibration_error, reliability
from croplayer.measures.features import Feature


class Samples(NamedTuple):
    """Reviewed samples with their features."""

    place: pd.DataFrame
    """Columns block, row, col and, if a block has one sample per source, source."""
    matrix: np.ndarray
    """(n, f) float32, NaN where a feature is missing."""
    codes: np.ndarray
    """(n,) int64, reviewed class."""
    labels: tuple[str, ...]
    """Name of each class by its code."""
    columns: Sequence[tuple[Feature, str]]
    """The f features with their columns."""
    by_rules: np.ndarray | None = None
    """(n,) int64, class according to the rules, -1 where they know nothing; None if the classes have no rules."""

    @property
    def names(self) -> list[str]:
        """Column names of the f features."""
        return [column for _, column in self.columns]

    @property
    def categorical(self) -> list[bool]:
        """Whether each of the f features is the code of a category."""
        return [bool(feature.categories) for feature, _ in self.columns]

    def measured(self) -> Samples:
        """The samples with at least one measured feature; the others can be neither trained on nor predicted."""
        return self.only(is_measured(self.matrix))

    def only(self, kept: np.ndarray) -> Samples:
        """The samples where ``kept``, (n,) bool, is True."""
        return self._replace(
            place=self.place[kept].reset_index(drop=True),
            matrix=self.matrix[kept],
            codes=self.codes[kept],
            by_rules=None if self.by_rules is None else self.by_rules[kept],
        )


class Judged(NamedTuple):
    """Quality of a classifier on samples held out of its training."""

    held_out: pd.DataFrame
    """One row per split and sample: place, reviewed class, predicted class and probabilities."""
    accuracy: pd.DataFrame
    """One row per split: accuracy with interval, Brier score, expected calibration error."""
    confusion: pd.DataFrame
    """Columns split, reviewed, predicted, samples; one row per pair of classes."""
    calibration: pd.DataFrame
    """Columns split, confidence_from, confidence_to, samples, confidence, accuracy; one row per bin with samples."""
    importance: pd.DataFrame
    """`importance_table` on the last split."""

    @property
    def by_place(self) -> pd.DataFrame:
        """The rows of ``held_out`` of the last split, in which no sample was predicted from its own square of land."""
        return self.held_out[self.held_out.split == self.accuracy.split.iloc[-1]].reset_index(drop=True)


def judge(samples: Samples, seed: int) -> Judged:
    """Quality under both splits, each with a fifth held out five times; the samples lie in two squares or more."""
    spatial, square, edge = spatial_folds(samples.place.row.to_numpy(), samples.place.col.to_numpy(), seed)
    folds = {STRATIFIED: stratified_folds(samples.codes, seed), SPATIAL: spatial}
    tables = {}
    for split, fold in folds.items():
        classifiers = fit_folds(samples, fold, seed)
        table = held_out_table(samples, fold, held_out_probability(samples, fold, classifiers))
        tables[split] = table.assign(square=square)
        if split == SPATIAL:
            importance = importance_table(samples.matrix, samples.codes, samples.columns, fold, classifiers, seed)
    return _judged(samples, tables, edge, importance)


def judge_given(samples: Samples, classifier: Classifier, seed: int) -> Judged:
    """Quality of a classifier that was fitted to none of the samples; there is at least one."""
    square, edge = lattice_squares(samples.place.row.to_numpy(), samples.place.col.to_numpy())
    fold = np.zeros(len(samples.codes), np.int64)
    probability = held_out_probability(samples, fold, [classifier])
    table = held_out_table(samples, fold, probability).assign(square=square)
    importance = importance_table(samples.matrix, samples.codes, samples.columns, fold, [classifier], seed)
    return _judged(samples, {ELSEWHERE: table}, edge, importance)


def _judged(samples: Samples, tables: dict[str, pd.DataFrame], edge: int, importance: pd.DataFrame) -> Judged:
    labels = samples.labels
    return Judged(
        held_out=_side_by_side(tables),
        accuracy=pd.concat(
            [accuracy_table(t, labels, s, 0 if s == STRATIFIED else edge) for s, t in tables.items()], ignore_index=True
        ),
        confusion=_side_by_side({s: confusion_table(t, labels) for s, t in tables.items()}),
        calibration=_side_by_side({s: calibration_table(t) for s, t in tables.items()}),
        importance=importance,
    )


def _side_by_side(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    joined = pd.concat([table.assign(split=split) for split, table in tables.items()], ignore_index=True)
    return joined[["split", *[c for c in joined.columns if c != "split"]]]


def fit_folds(samples: Samples, fold: np.ndarray, seed: int) -> list[Classifier | int]:
    """One classifier per fold, fitted to the other folds; a class code where those have only one class."""
    classifiers: list[Classifier | int] = []
    for number in range(int(fold.max()) + 1):
        codes = samples.codes[fold != number]
        one_class = len(np.unique(codes)) < 2
        classifiers.append(
            int(codes[0])
            if one_class
            else fit(samples.matrix[fold != number], codes, samples.names, seed, samples.categorical)
        )
    return classifiers


def held_out_probability(samples: Samples, fold: np.ndarray, classifiers: Sequence[Classifier | int]) -> np.ndarray:
    """Class probabilities of every sample from the classifier of its fold: (n, k) float64."""
    probability = np.zeros((len(samples.codes), len(samples.labels)))
    for number, classifier in enumerate(classifiers):
        held = np.flatnonzero(fold == number)
        if isinstance(classifier, int):
            probability[held, classifier] = 1.0
        elif len(held):
            probability[np.ix_(held, np.array(classifier.classes))] = classifier.predict(
                samples.matrix[held], samples.names
            )
    return probability


def held_out_table(samples: Samples, fold: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """The samples with their predictions while they were held out.

    Columns are those of ``samples.place``, fold, reviewed, predicted, confidence (0 to 1) and p_LABEL of every class.
    """
    names = np.array(samples.labels, dtype=object)
    best = probability.argmax(axis=1)
    return samples.place.reset_index(drop=True).assign(
        fold=fold,
        reviewed=names[samples.codes],
        predicted=names[best],
        confidence=probability[np.arange(len(best)), best],
        **{f"p_{label}": probability[:, k] for k, label in enumerate(samples.labels)},
    )


def accuracy_table(held_out: pd.DataFrame, labels: Sequence[str], split: str, square_blocks: int) -> pd.DataFrame:
    """One row: accuracy with its 95 % interval, the share of the commonest class, Brier score and calibration error.

    The interval is Wilson's, widened under both splits by the design effect of the squares in ``held_out``: near
    samples are similar, however they were held out. ``square_blocks`` is the edge of the squares that were held out
    whole, 0 if samples were held out one by one.
    """
    right = (held_out.reviewed == held_out.predicted).to_numpy()
    n = len(right)
    square = held_out.square.to_numpy()
    low, high = clustered_interval(right, square)
    row = {
        "split": split,
        "samples": n,
        "folds": int(held_out.fold.nunique()),
        "square_blocks": square_blocks,
        "beside_share": beside_share(*(held_out[c].to_numpy() for c in ("row", "col", "fold"))),
        "accuracy": float(right.mean()),
        "accuracy_low": low,
        "accuracy_high": high,
        "design_effect": design_effect(right, square),
        "commonest_share": float(held_out.reviewed.value_counts(normalize=True).iloc[0]),
        "brier": brier_score(held_out, labels),
        "calibration_error": expected_calibration_error(_reliability(held_out)),
    }
    return pd.DataFrame([row])


def brier_score(held_out: pd.DataFrame, labels: Sequence[str]) -> float:
    """Mean squared distance between probabilities and outcome over the samples, 0 (best) to 2."""
    probability = held_out[[f"p_{label}" for label in labels]].to_numpy()
    outcome = held_out.reviewed.to_numpy()[:, None] == np.array(labels, dtype=object)[None, :]
    return float(((probability - outcome) ** 2).sum(axis=1).mean())


def calibration_table(held_out: pd.DataFrame) -> pd.DataFrame:
    """Mean confidence and accuracy in each of ten equal classes of confidence; those without samples are left out."""
    table = _reliability(held_out).rename(columns={"cases": "samples", "share": "accuracy"})
    return table.drop(columns=["low", "high"])


def _reliability(held_out: pd.DataFrame) -> pd.DataFrame:
    return reliability(held_out.confidence.to_numpy(), (held_out.reviewed == held_out.predicted).to_numpy())


def confusion_table(held_out: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Number of samples of every pair of reviewed and predicted class, 0 included: columns reviewed, predicted, samples."""
    counts = pd.crosstab(held_out.reviewed, held_out.predicted).reindex(index=labels, columns=labels, fill_value=0)
    return pd.DataFrame(
        [{"reviewed": a, "predicted": b, "samples": int(counts.loc[a, b])} for a in labels for b in labels]
    )
