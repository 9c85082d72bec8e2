"""Semantic correctness of the mask of each source in each block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import NOT_KNOWN, feature_matrix, fit
from croplayer.decisions.quality import Judged, Samples, judge
from croplayer.decisions.reviews import reviewed_by
from croplayer.decisions.rules import RULES, correctness_by_rules
from croplayer.decisions.splits import SPATIAL
from croplayer.measures.features import correctness_columns
from stores.columns import AREA_FRACTION, map_column
from stores.legends import DEFAULT_CLASSES, Correctness, CorrectnessClasses


class Decided(NamedTuple):
    """Decisions for all blocks, and their accuracy."""

    table: pd.DataFrame
    """The decisions, one row per block."""
    method: str
    """Description of how they were made."""
    judged: Judged | None
    """Held-out quality; None for rules."""


def decide_correctness(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame | None,
    seed: int,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Decided:
    """Correctness per block and source, by a classifier fitted to reviewed blocks or by rules.

    A reviewed block is decided by the classifier that was trained without the reviews of its square of land. Decisions
    can therefore be compared with reviews, and models that use the decisions are trained on realistic errors.

    Parameters
    ----------
    blocks : block table with row, col and the image, terrain, shape and consistency features
    reviews : columns block, correctness_SOURCE (label, missing where not reviewed), reviewer; None uses the rules

    Returns
    -------
    Decided with columns block, correctness_SOURCE (label, missing where the mask is unknown),
    correctness_confidence_SOURCE (0..1, missing for rules), correctness_reviewed_SOURCE (label, missing where not
    reviewed).
    """
    table = blocks[["block"]].copy()
    if reviews is None or not reviews.filter(like="correctness_").notna().any(axis=None):
        if classes != DEFAULT_CLASSES:
            raise ValueError(
                "the recipe defines its own classes of correctness, which need reviewed blocks; give reviews, or use the default "
                "classes, the only ones that the rules support"
            )
        for source in sources:
            codes = correctness_by_rules(blocks, source)
            table[map_column("correctness", source)] = [
                Correctness(c).label if c >= 0 else None for c in codes.tolist()
            ]
            table[map_column("correctness_confidence", source)] = np.nan
            table[map_column("correctness_reviewed", source)] = None
        return Decided(table, RULES, None)
    samples = correctness_samples(blocks, sources, reviews, classes)
    judged = judge(samples, seed)
    classifier = fit(samples.matrix, samples.codes, samples.names, seed, categorical=samples.categorical)
    unseen = judged.held_out[judged.held_out.split == SPATIAL]
    for source in sources:
        columns = correctness_columns(source)
        # The classifier is fitted to all sources together, so the names of its features have no source.
        names = [feature.name for feature, _ in columns]
        predicted, confidence = classifier.predict_class(feature_matrix(blocks, columns), names)
        labels = np.where(predicted == NOT_KNOWN, None, np.array(classes.labels, dtype=object)[predicted])
        label = pd.Series(labels, index=blocks.block)
        sure = pd.Series(confidence.astype(np.float64), index=blocks.block)
        own = unseen[unseen.source == source].set_index("block")
        label[own.index], sure[own.index] = own.predicted, own.confidence
        known = blocks[map_column(AREA_FRACTION, source)].notna().to_numpy()
        table[map_column("correctness", source)] = label.where(known, None).to_numpy()
        table[map_column("correctness_confidence", source)] = sure.where(known).to_numpy()
        table[map_column("correctness_reviewed", source)] = table.block.map(own.reviewed).astype(object)
    return Decided(table, method_words(samples, reviewed_by(reviews)), judged)


def correctness_samples(
    blocks: pd.DataFrame,
    sources: Sequence[str],
    reviews: pd.DataFrame,
    classes: CorrectnessClasses = DEFAULT_CLASSES,
) -> Samples:
    """Reviewed masks of all sources with their 16 features, one sample per block and source."""
    parts = [_source_samples(blocks, reviews, s, classes) for s in sources]
    return Samples(
        place=pd.concat([p.place for p in parts], ignore_index=True),
        matrix=np.concatenate([p.matrix for p in parts]),
        codes=np.concatenate([p.codes for p in parts]),
        labels=classes.labels,
        columns=[(feature, feature.name) for feature, _ in correctness_columns("")],
    )


def method_words(samples: Samples, reviewer: str) -> str:
    """Description of a decision by a classifier."""
    return f"XGBoost on {len(samples.codes)} samples reviewed by {reviewer}"


def _source_samples(blocks: pd.DataFrame, reviews: pd.DataFrame, source: str, classes: CorrectnessClasses) -> Samples:
    column = map_column("correctness", source)
    own = reviews[reviews[column].notna()] if column in reviews else reviews.iloc[:0].assign(**{column: None})
    rows = rows_of(blocks, own.block)
    codes = own[column].map({label: code for code, label in enumerate(classes.labels)}).to_numpy(np.int64)
    columns = correctness_columns(source)
    place = rows[["block", "row", "col"]].assign(source=source)
    return Samples(place, feature_matrix(rows, columns), codes, classes.labels, columns).measured()


def rows_of(blocks: pd.DataFrame, names: pd.Series) -> pd.DataFrame:
    """The rows of ``blocks`` with these names, in their order; raises ValueError for a block that is not mapped."""
    unknown = sorted(set(names) - set(blocks.block))
    if unknown:
        raise ValueError(
            f"reviewed block {unknown[0]} is not among the {len(blocks)} mapped blocks; remove its row from the reviews"
        )
    return blocks.set_index("block").loc[names].reset_index()
