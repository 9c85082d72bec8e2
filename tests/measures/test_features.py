"""The declared features of a block."""

from __future__ import annotations

import pandas as pd
from shared.made_up_blocks import SOURCES

from croplayer.measures.features import (
    CORRECTNESS_FEATURES,
    PER_SOURCE,
    feature_table,
    integration_columns,
)


def test_the_declared_features_are_sixteen_and_thirty() -> None:
    assert len(CORRECTNESS_FEATURES) == 16
    assert len(PER_SOURCE) == 12
    columns = [column for _, column in integration_columns(SOURCES)]
    assert len(columns) == len(set(columns)) == 30
    groups = pd.Series([f.group for f, _ in integration_columns(SOURCES)]).value_counts().to_dict()
    assert groups == {"terrain": 4, "image": 10, "shape": 12, "consistency": 2, "correctness": 2}
    declared = feature_table(SOURCES)
    assert declared.judges.sum() == 4 + 2 * 12
    assert set(declared.column[declared.decides]) == set(columns)
    assert (declared.unit != "").all() and declared.column.is_unique
