"""Plain rules for the block decisions, for runs without a classifier that is shown to be better.

They use nothing learned from reviews. Their results are labelled as rules wherever they appear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from stores.columns import AREA_FRACTION, AREA_KM2, COVERAGE_TYPE, EXPECTED_ERROR, map_column
from stores.legends import (
    DEFAULT_CLASSES,
    EMPTY_SHARE,
    MERGE_BOTH,
    Correctness,
    CorrectnessClasses,
    CoverageType,
    Integration,
)

NO_SAMPLES = "no reviewed samples"
"""Why rules decide where there is neither a review nor a classifier."""
RULES = f"rules ({NO_SAMPLES})"
"""Name of their decisions in tables and in the report."""

FALSE_AREA_FRACTION = 0.25
"""A larger share of cropland counts as false in a block whose imagery shows no planting."""
CONFIDENT = 0.8
"""Probability from which a coverage type overrules a mask."""
HIDDEN = (CoverageType.CLOUDY, CoverageType.SNOW_ICE)
"""Types of imagery that hide the land. Gaps hide nothing else: ground in a gap is unknown on the map, and no mask is worse
for it."""
SPECK_KM2 = 0.001
"""A mask whose regions have a smaller mean area (0.1 ha) counts as noise."""


def correctness_by_rules(table: pd.DataFrame, source: str) -> np.ndarray:
    """Semantic correctness of a source's mask per block: (n,) codes of Correctness, -1 where nothing is known.

    Clouds or snow give Artifacts, small regions give Noise, and an empty mask gives TN. Much cropland where the
    classifier is confident that there is no planting gives FP. All else gives TP.
    """
    coverage = table.get(map_column(COVERAGE_TYPE, source), pd.Series(index=table.index, dtype=object))
    fraction = table[map_column(AREA_FRACTION, source)].astype(float)
    regions = table[map_column("regions", source)].astype(float)
    mean_area = table[map_column(AREA_KM2, source)].astype(float) / regions.where(regions > 0)
    hidden = coverage.isin([c.label for c in HIDDEN])
    is_empty = fraction < EMPTY_SHARE
    confidence = table.get(map_column("coverage_confidence", source), pd.Series(1.0, index=table.index)).astype(float)
    shows_no_planting = (coverage == CoverageType.NON_PLANTING.label) & (confidence >= CONFIDENT)
    is_false = shows_no_planting & (fraction > FALSE_AREA_FRACTION)
    codes = np.select(
        [hidden, fraction.isna(), is_empty, is_false, mean_area < SPECK_KM2],
        [Correctness.ARTIFACTS, -1, Correctness.TN, Correctness.FP, Correctness.NOISE],
        Correctness.TP,
    )
    return codes.astype(np.int64)


def integration_by_rules(
    table: pd.DataFrame, sources: Sequence[str], classes: CorrectnessClasses = DEFAULT_CLASSES
) -> np.ndarray:
    """The source whose mask each block takes: (n,) int64 codes of Integration.

    A source is taken if its mask is judged correct. If both are, that of the two masks, or both merged, is taken which is
    expected to get least wrong (`measures.expected_errors`): merging adds the false cropland of one mask to that of the
    other. Where that is not measured, or is equal, the masks are merged.
    """
    takes = [table[map_column("correctness", s)].isin(classes.correct).to_numpy() for s in sources]
    takes_b = takes[1] if len(takes) == 2 else np.zeros(len(table), bool)
    return np.select(
        [takes[0] & takes_b, takes[0], takes_b],
        [_least_wrong(table, sources), Integration.ONLY_A, Integration.ONLY_B],
        Integration.NEITHER,
    ).astype(np.int64)


def _least_wrong(table: pd.DataFrame, sources: Sequence[str]) -> np.ndarray:
    """The choice of which the least share of each block is expected to be wrong: (n,) codes of Integration."""
    choices = (Integration.MERGE_BOTH, Integration.ONLY_A, Integration.ONLY_B)
    names = [map_column(EXPECTED_ERROR, name) for name in (MERGE_BOTH, *sources)]
    if not set(names) <= set(table.columns):
        return np.full(len(table), Integration.MERGE_BOTH)
    errors = table[names].to_numpy(np.float64)
    # The first of equal ones, so that masks without a difference are merged.
    return np.array(choices)[np.where(np.isnan(errors), np.inf, errors).argmin(axis=1)]


def no_usable_imagery(table: pd.DataFrame, sources: Sequence[str]) -> np.ndarray:
    """Whether the imagery of all sources of a block is cloudy, snowy or missing: (n,) bool."""
    unusable = [c.label for c in CoverageType if not c.is_usable]
    bad = np.ones(len(table), bool)
    for source in sources:
        bad &= (
            table[map_column(COVERAGE_TYPE, source)].isin(unusable) | table[map_column(AREA_FRACTION, source)].isna()
        ).to_numpy()
    return bad
