"""Which source's mask the map takes in every block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import feature_matrix
from croplayer.decisions.classifier_files import KeptClassifier
from croplayer.decisions.correctness import Decided, rows_of
from croplayer.decisions.quality import Samples
from croplayer.decisions.reviews import no_reviews, reviewed_by
from croplayer.decisions.rules import integration_by_rules, no_usable_imagery
from croplayer.decisions.ruling import Ruling, rule_on
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
    given: KeptClassifier | None = None,
) -> Decided:
    """Integration per block, by a classifier that is better than the rules on reviewed blocks, or by the rules.

    A reviewed block is decided by the classifier that was trained without the reviews of its square of land. Overrides
    take precedence.

    Parameters
    ----------
    blocks : block table with row, col, all features and the correctness of every source
    reviews : columns block, integration (label, missing where not reviewed), reviewer; None for none
    overrides : columns block, integration (label), reason, and author and date where they are told; None for none
    given : a classifier that was fitted elsewhere; it decides, and reviews measure it

    Returns
    -------
    Decided with columns block, integration (code), integration_label, integration_confidence (0..1, missing for rules,
    overrides and blocks without any mask, which take neither source), integration_reviewed (label, missing where not
    reviewed), no_usable_imagery (bool, nothing is taken for want of imagery) and override (the reason, empty where the decision was not overridden); of overrides
    that tell them also override_author and override_date.
    """
    table = blocks[["block"]].copy()
    own = no_reviews(sources) if reviews is None or "integration" not in reviews else reviews
    own = own[own.integration.notna()]
    samples = integration_samples(blocks, sources, own, classes)
    ruling = rule_on(samples, reviewed_by(own), seed, given)
    if ruling.classifier is None:
        table["integration"] = integration_by_rules(blocks, sources, classes)
        table["integration_confidence"] = np.nan
    else:
        table["integration"], table["integration_confidence"] = _by_classifier(blocks, sources, samples, ruling)
    reviewed = pd.Series(np.array(LABELS, dtype=object)[samples.codes], index=samples.place.block, dtype=object)
    table["integration_reviewed"] = [reviewed.get(block) for block in table.block]
    if len(sources) == 1:
        two = table.integration.isin((Integration.ONLY_B, Integration.MERGE_BOTH))
        table["integration"] = np.where(two, Integration.NEITHER, table.integration)
    table["override"] = ""
    if overrides is not None:
        _override(table, overrides)
    table["integration_label"] = [Integration(c).label for c in table.integration]
    table["no_usable_imagery"] = no_usable_imagery(blocks, sources) & (table.integration == Integration.NEITHER)
    return Decided(table, ruling, samples)


def _by_classifier(
    blocks: pd.DataFrame, sources: Sequence[str], samples: Samples, ruling: Ruling
) -> tuple[np.ndarray, np.ndarray]:
    """Choice and confidence of every block; a sample of the fit is decided by a classifier that has not seen it."""
    assert ruling.classifier is not None
    codes, confidence = ruling.classifier.predict_class(feature_matrix(blocks, samples.columns), samples.names)
    choice, sure = pd.Series(codes, index=blocks.block), pd.Series(confidence.astype(np.float64), blocks.block)
    if ruling.judged is not None:
        unseen = ruling.judged.by_place.set_index("block")
        choice[unseen.index] = unseen.predicted.map({label: code for code, label in enumerate(LABELS)})
        sure[unseen.index] = unseen.confidence
    # Without a mask of any source there is nothing to choose, whatever the other features suggest.
    known = blocks[[map_column(AREA_FRACTION, s) for s in sources]].notna().any(axis=1).to_numpy()
    return np.where(known, choice, Integration.NEITHER), sure.where(known).to_numpy()


def integration_samples(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Samples:
    """The blocks with a reviewed integration, their features (30 for two sources) and their choice by the rules."""
    own = reviews[reviews.integration.notna()]
    columns = integration_columns(sources, classes.labels)
    rows = rows_of(blocks, own.block)
    reviewed = own.integration.map({label: code for code, label in enumerate(LABELS)}).to_numpy(np.int64)
    by_rules = integration_by_rules(rows, sources, classes)
    place = rows[["block", "row", "col"]]
    return Samples(place, feature_matrix(rows, columns), reviewed, LABELS, columns, by_rules).measured()


def _override(table: pd.DataFrame, overrides: pd.DataFrame) -> None:
    place = {name: i for i, name in zip(table.index, table.block, strict=True)}
    told = [name for name in ("author", "date") if name in overrides]
    for name in told:
        table[f"override_{name}"] = ""
    for row in overrides.itertuples():
        if row.block not in place:
            raise ValueError(
                f"override of block {row.block}: the run has not mapped it; remove the row or map the block"
            )
        table.loc[place[row.block], "integration"] = LABELS.index(row.integration)
        table.loc[place[row.block], "integration_confidence"] = np.nan
        table.loc[place[row.block], "override"] = row.reason
        for name in told:
            table.loc[place[row.block], f"override_{name}"] = getattr(row, name)
