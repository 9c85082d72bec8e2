"""Which source's mask the map takes in every block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import feature_matrix, fit, judge
from croplayer.decisions.correctness import Decided, rows_of
from croplayer.decisions.rules import RULES, integration_by_rules, no_usable_imagery
from croplayer.features import integration_columns
from croplayer.legends import Integration


def decide_integration(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    samples: pd.DataFrame | None,
    overrides: pd.DataFrame | None,
    seed: int,
) -> Decided:
    """Integration per block, by a classifier fitted to reviewed samples or by rules; overrides win.

    Parameters
    ----------
    blocks : block table with all features and the correctness of every source
    samples : columns block, integration (code); None uses the rules
    overrides : columns block, integration, reason; None for none

    Returns
    -------
    Decided with columns block, integration (code), integration_label, no_usable_imagery and
    override (the reason, empty where the decision was not overridden).
    """
    columns = integration_columns(sources)
    judged = None
    if samples is None:
        codes, method = integration_by_rules(blocks, sources), RULES
    else:
        names = [column for _, column in columns]
        matrix = feature_matrix(rows_of(blocks, samples.block), columns)
        reviewed = samples.integration.to_numpy()
        judged = judge(matrix, reviewed, names, seed)
        codes, _ = fit(matrix, reviewed, names, seed).predict_class(feature_matrix(blocks, columns))
        method = f"XGBoost on {len(reviewed)} reviewed samples"
    if len(sources) == 1:
        codes = np.where(np.isin(codes, (Integration.ONLY_B, Integration.MERGE_BOTH)), Integration.NEITHER, codes)
    table = blocks[["block"]].copy()
    table["integration"] = codes
    table["override"] = ""
    if overrides is not None:
        _override(table, overrides)
    table["integration_label"] = [Integration(c).label for c in table.integration]
    table["no_usable_imagery"] = no_usable_imagery(blocks, sources)
    return Decided(table, method, judged)


def _override(table: pd.DataFrame, overrides: pd.DataFrame) -> None:
    place = {name: i for i, name in zip(table.index, table.block, strict=True)}
    for row in overrides.itertuples():
        if row.block not in place:
            raise ValueError(f"override of block {row.block}: the run has not mapped it")
        table.loc[place[row.block], "integration"] = row.integration
        table.loc[place[row.block], "override"] = row.reason
