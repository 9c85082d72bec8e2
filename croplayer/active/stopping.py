"""May the labelling of a unit stop? The rule of the paper, on plain numbers, with intervals.

Jiang et al. 2025 (ESSD 17, 6703) stop when, by province, the pixel IoU is at least 85 %, at least 85 % of the blocks are
mapped correctly and the area agrees with the statistic by at least 80 % for either source; a province that still fails the
third after three further rounds, because its imagery is poor, stops by exception; here only rounds that learn count. Beyond the paper, a level counts as met when
its whole interval meets it. What is not known is not met.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Measured(NamedTuple):
    """A figure with its interval; NaN where it is not known."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


UNKNOWN = Measured()
"""Nothing was measured."""


class Level(StrEnum):
    """How one of the three levels of validation came out."""

    MET = "met"
    NOT_MET = "not met"
    UNKNOWN = "not known"
    """Nothing was measured, or too little for an interval; counts as not met."""


class Verdict(StrEnum):
    """What is decided for a unit."""

    GO_ON = "go on"
    STOP = "stop"
    EXCEPTION = "stop by exception"


@dataclass(frozen=True)
class StopRule:
    """The thresholds; the defaults are the paper's where it states one."""

    iou: float = 0.85
    """Least pixel IoU on labels that are held out."""
    correct: float = 0.85
    """Least share of the masks of the sampled blocks that people judge correct."""
    area: float = 0.8
    """Least agreement of the area with the statistic: 0.8 is 80 to 120 % of it."""
    further_rounds: int = 3
    """Models after the first in which only the area fails; then a unit of poor imagery stops by exception."""
    poor_imagery: float = 0.2
    """Share of blocks without usable imagery from which the imagery of a unit counts as poor. The paper states none."""
    by_interval: bool = True
    """Whether the whole interval of a figure must meet its threshold; false takes the figure itself, as the paper does."""
    needs_statistic: bool = True
    """Whether a unit without a statistic goes on; false lets it stop by the first two levels."""


@dataclass(frozen=True)
class UnitFigures:
    """What was measured in a unit in a round."""

    iou: Measured = UNKNOWN
    correct: Measured = UNKNOWN
    area: Mapping[str, Measured] = field(default_factory=dict)
    """Area over the statistic (1 is equal) of each source; empty where the unit has no statistic."""
    poor_imagery: float = math.nan
    """Share of its blocks without usable imagery from any source, 0 to 1."""
    failed_rounds: int = 0
    """Models just before this round's, one after the other, in which only the area failed."""
    unknown_land: Mapping[str, float] = field(default_factory=dict)
    """Share of the land that is not known from a source, for those whose interval has it as no cropland and as all cropland."""


@dataclass(frozen=True)
class Decision:
    """What is decided for a unit, and by which figures."""

    verdict: Verdict
    iou: Level
    correct: Level
    area: Level
    reason: str
    """In words, with the figures."""

    @property
    def only_area_failed(self) -> bool:
        """Whether the unit goes on, or stops by exception, only because of its area."""
        return (self.iou, self.correct, self.area) == (Level.MET, Level.MET, Level.NOT_MET)

    @property
    def by_statistic(self) -> bool:
        """Whether the statistic decided: with the other levels met, it alone told stopping from going on.

        The area of such a unit is no independent proof of its map.
        """
        return (self.iou, self.correct) == (Level.MET, Level.MET) and self.area != Level.UNKNOWN


def decide(figures: UnitFigures, rule: StopRule) -> Decision:
    """Whether the labelling of a unit may stop.

    Parameters
    ----------
    figures : of one round; shares are 0 to 1, NaN where not known
    """
    iou = _at_least(figures.iou, rule.iou, rule.by_interval)
    correct = _at_least(figures.correct, rule.correct, rule.by_interval)
    by_source = {name: _within(area, rule.area, rule.by_interval) for name, area in figures.area.items()}
    area = next(
        (level for level in (Level.MET, Level.NOT_MET) if level in by_source.values()), Level.UNKNOWN
    )  # fmt: skip
    decision = Decision(Verdict.GO_ON, iou, correct, area, "")
    verdict = _verdict(decision, figures, rule)
    words = [
        _words("pixel IoU", figures.iou, iou, f"at least {_percent(rule.iou)}"),
        _words("correct masks", figures.correct, correct, f"at least {_percent(rule.correct)}"),
        *_area_words(figures, by_source, rule),
    ]
    if verdict == Verdict.EXCEPTION:
        words.append(
            f"the area still fails after {figures.failed_rounds} further rounds, and {_percent(figures.poor_imagery)} of the "
            f"blocks have no usable imagery (poor from {_percent(rule.poor_imagery)} on)"
        )
    return Decision(verdict, iou, correct, area, f"{verdict}: {'; '.join(words)}")


def _verdict(levels: Decision, figures: UnitFigures, rule: StopRule) -> Verdict:
    if levels.iou != Level.MET or levels.correct != Level.MET:
        return Verdict.GO_ON
    if levels.area == Level.MET or (not figures.area and not rule.needs_statistic):
        return Verdict.STOP
    has_tried = levels.area == Level.NOT_MET and figures.failed_rounds >= rule.further_rounds
    # NaN is not poor: an exception needs its reason.
    return Verdict.EXCEPTION if has_tried and figures.poor_imagery >= rule.poor_imagery else Verdict.GO_ON


def _at_least(figure: Measured, least: float, by_interval: bool) -> Level:
    return _level(figure.low if by_interval else figure.value, least, math.inf)


def _within(area: Measured, agreement: float, by_interval: bool) -> Level:
    """Whether an area agrees with its statistic: it may be larger or smaller by what the agreement lacks."""
    if not by_interval:
        return _level(area.value, agreement, 2 - agreement)
    ends = [_level(end, agreement, 2 - agreement) for end in (area.low, area.high)]
    return max(ends, key=[Level.MET, Level.NOT_MET, Level.UNKNOWN].index)


def _level(number: float, least: float, most: float) -> Level:
    if math.isnan(number):
        return Level.UNKNOWN
    return Level.MET if least <= number <= most else Level.NOT_MET


def _words(name: str, figure: Measured, level: Level, wanted: str) -> str:
    if math.isnan(figure.value):
        return f"{name} not known"
    return f"{name} {_figure_words(figure)}, {wanted}: {level}"


def _area_words(figures: UnitFigures, by_source: Mapping[str, Level], rule: StopRule) -> list[str]:
    if not figures.area:
        return ["no statistic" if rule.needs_statistic else "no statistic, which this project does not ask for"]
    wanted = f"{_percent(rule.area)} to {_percent(2 - rule.area)} of the statistic"
    gaps = {
        n: f" with the {_percent(share)} of the land that is not known as none or all cropland"
        for n, share in figures.unknown_land.items()
    }
    return [_words(f"area of {n}{gaps.get(n, '')}", area, by_source[n], wanted) for n, area in figures.area.items()]


def _figure_words(figure: Measured) -> str:
    if math.isnan(figure.low) or math.isnan(figure.high):
        return f"{_percent(figure.value)} (too few for an interval)"
    return f"{_percent(figure.value)} ({100 * figure.low:.1f} to {100 * figure.high:.1f})"


def _percent(share: float) -> str:
    return f"{round(100 * share, 1):g} %"
