"""Sentences on how the integrated map differs from another map of the run, by the truth, and why."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from croplayer.evaluation.interval import normal_quantile
from croplayer.evaluation.levels import iou_difference, on_the_same_ground
from croplayer.evaluation.provinces import COMPLETE_SHARE
from croplayer.report.page import Gap, Part
from croplayer.report.tables import ReportTables
from stores.columns import COVERAGE_TYPE, agreement_columns, known_share_column, map_column, mapped_column
from stores.legends import INTEGRATED, CoverageType

POOR = tuple(c.label for c in (CoverageType.CLOUDY, CoverageType.SNOW_ICE, CoverageType.NODATA))
"""Types of imagery that shows little or nothing of the land."""
WITHIN = 0.1
"""Deviation from the true area within which a province counts as good, where the run has no limit of its own."""


def difference_part(results: ReportTables, other: str, true: str) -> Part:
    """How much better or worse the integrated map is than ``other``, in which blocks, why, and what provinces say.

    A gap where the two cover no ground in common.

    Parameters
    ----------
    true : name of the reference
    """
    title, same = results.titles[other], on_the_same_ground(results.blocks, [INTEGRATED, other], true)
    if same.empty:
        return Gap(f"In no block do the integrated map and {title} cover the same ground.")
    difference = iou_difference(results.blocks, INTEGRATED, other, true)
    half = normal_quantile(0.95) * difference.standard_error
    sure = "" if abs(difference.value) > half else ", which may be due to chance"
    first = (
        f"The integrated map is {'better' if difference.value > 0 else 'worse'} than {title} by {abs(difference.value):.3f} IoU "
        f"(± {half:.3f}){sure}, over the {len(same):,} blocks in which both cover the same ground."
    )
    return " ".join([first, *_why(results, other, true, same), *_by_province(results, other, true)])


def _why(results: ReportTables, other: str, true: str, same: pd.DataFrame) -> Iterator[str]:
    """In how many of the blocks the maps differ, and what is wrong with the other one there."""
    pairs = zip(agreement_columns(INTEGRATED, true), agreement_columns(other, true), strict=True)
    differing = same[pd.concat([same[a] != same[b] for a, b in pairs], axis=1).any(axis=1)]
    if other not in results.sources or differing.empty:
        return
    coverage, correctness = (
        differing.get(map_column(COVERAGE_TYPE, other)),
        differing.get(map_column("correctness", other)),
    )
    if coverage is None or correctness is None:
        return
    poor, wrong = coverage.isin(POOR), correctness.notna() & ~correctness.isin(results.correct)
    rest = int((~poor & ~wrong).sum())
    yield (
        f"The two differ in {len(differing):,} of these blocks. In {int(poor.sum()):,} of them clouds, snow or gaps hide the land in "
        f"the imagery of {results.titles[other]}, in {int((wrong & ~poor).sum()):,} its mask was judged wrong, and in {rest:,} nothing "
        "was found wrong with it, but another choice was taken for better."
    )


def _by_province(results: ReportTables, other: str, true: str) -> Iterator[str]:
    """How many provinces of both maps have about their true area."""
    units = results.units.get(1)
    names = (INTEGRATED, other, true)
    if units is None or any(mapped_column(name) not in units for name in names):
        return
    complete = units[(pd.DataFrame({n: units[known_share_column(n)] for n in names}) >= COMPLETE_SHARE).all(axis=1)]
    if complete.empty:
        return
    within = WITHIN if results.within is None else results.within
    good = {
        n: int(((complete[mapped_column(n)] / complete[mapped_column(true)] - 1).abs() <= within).sum()) for n in names
    }
    yield (
        f"Of the {len(complete):,} provinces that both cover completely, {good[INTEGRATED]:,} of the integrated map and {good[other]:,} "
        f"of {results.titles[other]} lie within {100 * within:.0f} % of their true area."
    )
