"""Classifiers: missing features, the order of features, the same trees from the same samples."""

from __future__ import annotations

import numpy as np
import pytest
from shared.made_up_blocks import made_up_blocks, samples_of

from croplayer.decisions.boosting import feature_matrix, fit
from croplayer.measures.features import (
    correctness_columns,
)


def test_a_missing_feature_stays_missing() -> None:
    table = made_up_blocks(3)
    table.loc[1, "coverage_type_aster"] = None
    table["elevation_m"] = np.nan
    matrix = feature_matrix(table, correctness_columns("aster"))
    assert np.isnan(matrix[:, 0]).all()
    assert np.isnan(matrix[1, 4]) and not np.isnan(matrix[0, 4])


def test_the_same_samples_and_seed_give_the_same_trees() -> None:
    samples = samples_of(made_up_blocks(200))
    a, b = (
        fit(samples.matrix, samples.codes, samples.names, 1).predict(samples.matrix, samples.names) for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)


def test_features_in_another_order_are_refused() -> None:
    samples = samples_of(made_up_blocks(200))
    classifier = fit(samples.matrix, samples.codes, samples.names, 1)
    swapped = [1, 0, *range(2, len(samples.names))]
    with pytest.raises(
        ValueError, match="feature 1 is 'slope_deg', the classifier was fitted with 'elevation_m' there"
    ):
        classifier.predict(samples.matrix[:, swapped], [samples.names[i] for i in swapped])
    with pytest.raises(ValueError, match=r"are \(200, 15\) with 15 names; the classifier was fitted to 16 features"):
        classifier.predict_class(samples.matrix[:, :-1], samples.names[:-1])
    with pytest.raises(ValueError, match=r"are \(200, 15\) with 16 names"):
        classifier.predict_class(samples.matrix[:, :-1], samples.names)
