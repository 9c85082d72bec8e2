"""Permutation importance: accuracy that a block classifier loses when features are permuted among held-out samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import Classifier
from croplayer.measures.features import Feature

REPEATS = 10
MOST_SAMPLES = 2000
"""Largest number of samples among which features are permuted; from more, this number is drawn."""


class Permuted(NamedTuple):
    """Columns that are permuted together."""

    kind: str
    """feature (one column), sources (one feature of both sources) or group (all features of a group)."""
    name: str
    group: str
    columns: list[int]


def permuted_together(columns: Sequence[tuple[Feature, str]]) -> Iterator[Permuted]:
    """The sets of columns to permute: each column, each feature of both sources, each group.

    Correlated columns hide each other's importance, so they are permuted together as well.
    """
    for i, (feature, column) in enumerate(columns):
        yield Permuted("feature", column, feature.group, [i])
    by_feature: dict[Feature, list[int]] = {}
    by_group: dict[str, list[int]] = {}
    for i, (feature, _) in enumerate(columns):
        by_feature.setdefault(feature, []).append(i)
        by_group.setdefault(feature.group, []).append(i)
    for feature, places in by_feature.items():
        if len(places) > 1:
            yield Permuted("sources", feature.name, feature.group, places)
    for group, places in by_group.items():
        yield Permuted("group", group, group, places)


def importance_table(
    matrix: np.ndarray,
    codes: np.ndarray,
    columns: Sequence[tuple[Feature, str]],
    fold: np.ndarray,
    classifiers: Sequence[Classifier | int],
    seed: int,
    repeats: int = REPEATS,
) -> pd.DataFrame:
    """Accuracy lost by permutation over all folds; each fold is predicted by the classifier fitted to the others.

    Parameters
    ----------
    matrix, codes : features (n, f) and reviewed classes (n,)
    fold : (n,) fold that holds each sample out
    classifiers : one per fold, fitted to the other folds; a class code where those have only one class

    Returns
    -------
    DataFrame with columns kind, feature, group, accuracy_lost (mean over the repeats, share of the samples),
    standard_deviation (over the repeats), repeats; each kind is sorted by importance
    """
    wholes = list(permuted_together(columns))
    names = [column for _, column in columns]
    lost = np.zeros((len(wholes), repeats))
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.permutation(len(codes))[:MOST_SAMPLES])
    for number, classifier in enumerate(classifiers):
        held = drawn[fold[drawn] == number]
        if isinstance(classifier, int) or not len(held):
            continue
        own, truth = matrix[held], codes[held]
        right = int((classifier.predict_class(own, names)[0] == truth).sum())
        for k, whole in enumerate(wholes):
            shuffled = np.tile(own, (repeats, 1))
            for repeat in range(repeats):
                rows = slice(repeat * len(held), (repeat + 1) * len(held))
                shuffled[rows, whole.columns] = own[rng.permutation(len(held))][:, whole.columns]
            still = (classifier.predict_class(shuffled, names)[0] == np.tile(truth, repeats)).reshape(repeats, -1)
            lost[k] += right - still.sum(axis=1)
    lost /= len(drawn)
    table = pd.DataFrame(
        {
            "kind": [w.kind for w in wholes],
            "feature": [w.name for w in wholes],
            "group": [w.group for w in wholes],
            "accuracy_lost": lost.mean(axis=1),
            "standard_deviation": lost.std(axis=1, ddof=1),
            "repeats": repeats,
        }
    )
    order = pd.Categorical(table.kind, ["feature", "sources", "group"], ordered=True)
    table = table.assign(order=order).sort_values(["order", "accuracy_lost"], ascending=[True, False], kind="stable")
    return table.drop(columns="order").reset_index(drop=True)
