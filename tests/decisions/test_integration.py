"""Integration of masks: learned from reviews, overridden by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from shared.made_up_blocks import SOURCES, made_up_blocks, reviews_of, true_correctness

from croplayer.decisions.integration import decide_integration
from stores.legends import Integration
from stores.tables import INTEGRATION, OVERRIDDEN


def test_terrain_alone_chooses_no_mask() -> None:
    table = made_up_blocks(300)
    reviews = reviews_of(table)
    for s in SOURCES:
        table[f"correctness_{s}"] = true_correctness(table, s)
    own = [c for c in table.columns if c.endswith(SOURCES)]
    table[own] = table[own].astype(object)
    table.loc[7, own] = None
    chosen = decide_integration(table, SOURCES, reviews, None, seed=0).table
    assert chosen.integration_label[7] == "Neither" and np.isnan(chosen.integration_confidence[7])
    assert chosen.no_usable_imagery[7]


def test_integration_learns_and_overrides_win() -> None:
    table = made_up_blocks(300)
    for s in SOURCES:
        table[f"correctness_{s}"] = true_correctness(table, s)
    good = [(table[f"correctness_{s}"] == "TP").to_numpy() for s in SOURCES]
    truth = 1 * good[0] + 2 * good[1]
    other = Integration(int(3 - truth[7]))
    override = pd.DataFrame({"block": [table.block[7]], "integration": [other.label], "reason": ["seen by hand"]})
    decided = decide_integration(table, SOURCES, reviews_of(table), override, seed=0)
    assert set(decided.table.columns) == set(INTEGRATION)
    assert decided.table.integration[7] == other
    assert decided.table.override[7] == "seen by hand"
    assert np.isnan(decided.table.integration_confidence[7])
    told = override.assign(author="Li Na", date="2024-05-31")
    by_whom = decide_integration(table, SOURCES, reviews_of(table), told, seed=0).table
    assert set(by_whom.columns) == {*INTEGRATION, *OVERRIDDEN}
    assert by_whom.override_author[7] == "Li Na" and (by_whom.override_date[:7] == "").all()
    others = decided.table.index != 7
    assert (decided.table.integration[others] == truth[others]).mean() > 0.9
    by_rules = decide_integration(table, SOURCES, None, None, seed=0)
    np.testing.assert_array_equal(by_rules.table.integration, truth)
    with pytest.raises(ValueError, match="override of block r9999c0001: the run has not mapped it"):
        decide_integration(table, SOURCES, None, override.assign(block="r9999c0001"), seed=0)
