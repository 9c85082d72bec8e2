"""Semantic correctness of the mask of each source in each block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import NOT_KNOWN, feature_matrix
from croplayer.decisions.classifier_files import KeptClassifier
from croplayer.decisions.quality import Judged, Samples
from croplayer.decisions.reviews import no_reviews, reviewed_by
from croplayer.decisions.rules import correctness_by_rules
from croplayer.decisions.ruling import Ruling, rule_on
from croplayer.measures.features import correctness_columns
from stores.columns import AREA_FRACTION, map_column
from stores.legends import DEFAULT_CLASSES, Correctness, CorrectnessClasses


class Decided(NamedTuple):
    """Decisions for all blocks, and what made them."""

    table: pd.DataFrame
    """The decisions, one row per block."""
    ruling: Ruling
    """What decided, and how good it is."""
    samples: Samples
    """The reviewed samples; none without reviews."""

    @property
    def method(self) -> str:
        """Description of how the decisions were made."""
        return self.ruling.method

    @property
    def judged(self) -> Judged | None:
        """Held-out quality; None for rules."""
        return self.ruling.judged


def decide_correctness(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame | None,
    seed: int,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
    given: KeptClassifier | None = None,
) -> Decided:
    """Correctness per block and source, by a classifier that is better than the rules on reviewed blocks, or by the rules.

    A reviewed block is decided by the classifier that was trained without the reviews of its square of land. Decisions
    can therefore be compared with reviews, and models that use the decisions are trained on realistic errors.

    Parameters
    ----------
    blocks : block table with row, col and the image, terrain, shape and consistency features
    reviews : columns block, correctness_SOURCE (label, missing where not reviewed), reviewer; None for none
    given : a classifier that was fitted elsewhere; it decides, and reviews measure it

    Returns
    -------
    Decided with columns block, correctness_SOURCE (label, missing where the mask is unknown),
    correctness_confidence_SOURCE (0..1, missing for rules), correctness_reviewed_SOURCE (label, missing where not
    reviewed).

    Raises
    ------
    ValueError for classes of the recipe's own that no classifier decides.
    """
    table = blocks[["block"]].copy()
    samples = correctness_samples(blocks, sources, no_reviews(sources) if reviews is None else reviews, classes)
    ruling = rule_on(samples, reviewed_by(reviews), seed, given)
    for source in sources:
        if ruling.classifier is None:
            label, sure = _by_rules(blocks, source)
        else:
            label, sure = _by_classifier(blocks, source, ruling, classes)
        own = samples.place[samples.place.source == source]
        reviewed = pd.Series(
            np.array(classes.labels, dtype=object)[samples.codes[own.index]], index=own.block, dtype=object
        )
        table[map_column("correctness", source)] = label.to_numpy()
        table[map_column("correctness_confidence", source)] = sure.to_numpy()
        table[map_column("correctness_reviewed", source)] = [reviewed.get(block) for block in table.block]
    return Decided(table, ruling, samples)


def _by_rules(blocks: pd.DataFrame, source: str) -> tuple[pd.Series, pd.Series]:
    codes = correctness_by_rules(blocks, source).tolist()
    labels = [Correctness(c).label if c >= 0 else None for c in codes]
    return pd.Series(labels, index=blocks.block, dtype=object), pd.Series(np.nan, index=blocks.block)


def _by_classifier(
    blocks: pd.DataFrame, source: str, ruling: Ruling, classes: CorrectnessClasses
) -> tuple[pd.Series, pd.Series]:
    """Label and confidence of every block; a sample of the fit is decided by a classifier that has not seen it."""
    columns = correctness_columns(source)
    # The classifier is fitted to all sources together, so the names of its features have no source.
    names = [feature.name for feature, _ in columns]
    assert ruling.classifier is not None
    predicted, confidence = ruling.classifier.predict_class(feature_matrix(blocks, columns), names)
    labels = np.where(predicted == NOT_KNOWN, None, np.array(classes.labels, dtype=object)[predicted])
    label = pd.Series(labels, index=blocks.block)
    sure = pd.Series(confidence.astype(np.float64), index=blocks.block)
    if ruling.judged is not None:
        own = ruling.judged.by_place
        own = own[own.source == source].set_index("block")
        label[own.index], sure[own.index] = own.predicted, own.confidence
    known = blocks[map_column(AREA_FRACTION, source)].notna().to_numpy()
    return label.where(known, None), sure.where(known)


def correctness_samples(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Samples:
    """Reviewed masks of all sources with their 16 features and their classes by the rules, one sample per block and source."""
    parts = [_source_samples(blocks, reviews, s, classes) for s in sources]
    by_rules = [p.by_rules for p in parts if p.by_rules is not None]
    return Samples(
        place=pd.concat([p.place for p in parts], ignore_index=True),
        matrix=np.concatenate([p.matrix for p in parts]),
        codes=np.concatenate([p.codes for p in parts]),
        labels=classes.labels,
        columns=[(feature, feature.name) for feature, _ in correctness_columns("")],
        by_rules=np.concatenate(by_rules) if by_rules else None,
    )


def _source_samples(blocks: pd.DataFrame, reviews: pd.DataFrame, source: str, classes: CorrectnessClasses) -> Samples:
    column = map_column("correctness", source)
    own = reviews[reviews[column].notna()] if column in reviews else reviews.iloc[:0].assign(**{column: None})
    rows = rows_of(blocks, own.block)
    codes = own[column].map({label: code for code, label in enumerate(classes.labels)}).to_numpy(np.int64)
    columns = correctness_columns(source)
    place = rows[["block", "row", "col"]].assign(source=source)
    by_rules = correctness_by_rules(rows, source) if classes == DEFAULT_CLASSES else None
    return Samples(place, feature_matrix(rows, columns), codes, classes.labels, columns, by_rules).measured()


def rows_of(blocks: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """The rows of ``blocks`` with these names, in their order; raises ValueError for a block that is not mapped."""
    unknown = sorted(set(names) - set(blocks.block))
    if unknown:
        raise ValueError(
            f"reviewed block {unknown[0]} is not among the {len(blocks)} mapped blocks; remove its row from the reviews"
        )
    return blocks.set_index("block").loc[names].reset_index()
