"""Which source's mask the map takes in every block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import feature_matrix, fit
from croplayer.decisions.correctness import Decided, method_words, rows_of
from croplayer.decisions.quality import Samples, judge
from croplayer.decisions.reviews import reviewed_by
from croplayer.decisions.rules import RULES, integration_by_rules, no_usable_imagery
from croplayer.decisions.splits import SPATIAL
from croplayer.measures.features import integration_columns
from stores.columns import AREA_FRACTION, map_column
from stores.legends import DEFAULT_CLASSES, CorrectnessClasses, Integration

LABELS = tuple(choice.label for choice in Integration)


def decide_integration(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame | None,
    overrides: pd.DataFrame | None,
    seed: int,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Decided:
    """Integration per block, by a classifier fitted to reviewed blocks or by rules. Overrides take precedence.

    A reviewed block is decided by the classifier that was trained without the reviews of its square of land.

    Parameters
    ----------
    blocks : block table with row, col, all features and the correctness of every source
    reviews : columns block, integration (label, missing where not reviewed), reviewer; None uses the rules
    overrides : columns block, integration (label), reason; None for none

    Returns
    -------
    Decided with columns block, integration (code), integration_label, integration_confidence (0..1, missing for rules,
    overrides and blocks without any mask, which take neither source), integration_reviewed (label, missing where not
    reviewed), no_usable_imagery (bool) and override (the reason, empty where the decision was not overridden).
    """
    table = blocks[["block"]].copy()
    judged = None
    own = None if reviews is None else reviews[reviews.integration.notna()] if "integration" in reviews else None
    if own is None or not len(own):
        codes, method = integration_by_rules(blocks, sources, classes), RULES
        table["integration"] = codes
        table["integration_confidence"] = np.nan
        table["integration_reviewed"] = None
    else:
        samples = integration_samples(blocks, sources, own, classes)
        judged = judge(samples, seed)
        classifier = fit(samples.matrix, samples.codes, samples.names, seed, categorical=samples.categorical)
        codes, confidence = classifier.predict_class(feature_matrix(blocks, samples.columns), samples.names)
        unseen = judged.held_out[judged.held_out.split == SPATIAL].set_index("block")
        choice, sure = pd.Series(codes, index=blocks.block), pd.Series(confidence.astype(np.float64), blocks.block)
        choice[unseen.index] = unseen.predicted.map({label: code for code, label in enumerate(LABELS)})
        sure[unseen.index] = unseen.confidence
        # Without a mask of any source there is nothing to choose, whatever the other features suggest.
        known = blocks[[map_column(AREA_FRACTION, s) for s in sources]].notna().any(axis=1).to_numpy()
        table["integration"] = np.where(known, choice, Integration.NEITHER)
        table["integration_confidence"] = sure.where(known).to_numpy()
        table["integration_reviewed"] = table.block.map(unseen.reviewed).astype(object)
        method = method_words(samples, reviewed_by(own))
    if len(sources) == 1:
        two = table.integration.isin((Integration.ONLY_B, Integration.MERGE_BOTH))
        table["integration"] = np.where(two, Integration.NEITHER, table.integration)
    table["override"] = ""
    if overrides is not None:
        _override(table, overrides)
    table["integration_label"] = [Integration(c).label for c in table.integration]
    table["no_usable_imagery"] = no_usable_imagery(blocks, sources)
    return Decided(table, method, judged)


def integration_samples(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Samples:
    """The blocks with a reviewed integration and their features (30 for two sources)."""
    own = reviews[reviews.integration.notna()]
    columns = integration_columns(sources, classes.labels)
    rows = rows_of(blocks, own.block)
    reviewed = own.integration.map({label: code for code, label in enumerate(LABELS)}).to_numpy(np.int64)
    return Samples(rows[["block", "row", "col"]], feature_matrix(rows, columns), reviewed, LABELS, columns).measured()


def _override(table: pd.DataFrame, overrides: pd.DataFrame) -> None:
    place = {name: i for i, name in zip(table.index, table.block, strict=True)}
    for row in overrides.itertuples():
        if row.block not in place:
            raise ValueError(
                f"override of block {row.block}: the run has not mapped it; remove the row or map the block"
            )
        table.loc[place[row.block], "integration"] = LABELS.index(row.integration)
        table.loc[place[row.block], "integration_confidence"] = np.nan
        table.loc[place[row.block], "override"] = row.reason
