"""The class codes of the map, of the block decisions and of other products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

NOT_CROPLAND = 0
"""Flag of a pixel that is not cropland."""
CROPLAND = 1
"""Flag of a pixel that is cropland."""
NO_IMAGERY = 254
"""Flag of a pixel that no imagery shows."""
NEVER_PROCESSED = 255
"""Flag of a pixel that no run has finished."""

PROBABILITY_SCALE = 250
"""Stored probability 250 means 1.0."""

INTEGRATED = "croplayer"
"""Name of the integrated map."""
MERGE_BOTH = "merge_both"
"""Name of the map in which both sources are merged everywhere."""

FLAG_LABELS = {
    NOT_CROPLAND: "not cropland",
    CROPLAND: "cropland",
    NO_IMAGERY: "no imagery",
    NEVER_PROCESSED: "never processed",
}
"""What a picture's legend says of the flags of a mask."""
FLAG_COLOURS = {NOT_CROPLAND: "#efe9d9", CROPLAND: "#2f7d32", NO_IMAGERY: "#b9c3cc", NEVER_PROCESSED: "#ffffff"}
"""Their colours in every picture."""

NODATA_ABOVE = 0.1
"""Share of pixels without imagery above which a block's coverage type is Nodata (paper section 2.2.2: 10 %)."""
FOREIGN = 0.05
"""Familiarity below which imagery looks like almost none of the scenes that a network learned from."""
EMPTY_SHARE = 0.005
"""Share of a block below which its cropland counts as none (paper section 2.2.5: 0.5 %)."""


def own_maps(sources: Sequence[str]) -> list[str]:
    """Names of the maps of a run with these sources: each source, both merged, the integrated map; none without sources."""
    if not sources:
        return []
    return [*sources, *([MERGE_BOTH] if len(sources) == 2 else []), INTEGRATED]


class Change(IntEnum):
    """What happened to a pixel between two editions of the map."""

    STABLE_OTHER = 0
    STABLE_CROPLAND = 1
    GAIN = 2
    LOSS = 3
    UNKNOWN = 254
    """One of the editions does not know the pixel, or its block was not compared."""
    NEVER_COMPARED = 255

    @property
    def label(self) -> str:
        """The change's name in tables and figures."""
        return self.name.lower().replace("_", " ")

    @property
    def is_known(self) -> bool:
        """Whether both editions know the pixel."""
        return self < Change.UNKNOWN


CHANGE_COLOURS = {
    Change.STABLE_OTHER: "#efe9d9",
    Change.STABLE_CROPLAND: "#b7cfa8",
    Change.GAIN: "#0072b2",
    Change.LOSS: "#d55e00",
    Change.UNKNOWN: "#b9c3cc",
    Change.NEVER_COMPARED: "#ffffff",
}
"""Colours of a map of change in every picture."""


WEAK_GAIN = 4
"""A difference that is a gain only near the core of one; a map of change holds none."""
WEAK_LOSS = 5
"""A difference that is a loss only near the core of one; a map of change holds none."""


class CoverageType(IntEnum):
    """What a block's imagery shows (paper section 2.2.2)."""

    PLANTING = 0
    NON_PLANTING = 1
    CLOUDY = 2
    SNOW_ICE = 3
    NODATA = 4

    @property
    def label(self) -> str:
        """The type's name in tables and figures."""
        return {0: "Planting", 1: "Non-planting", 2: "Cloudy", 3: "Snow/Ice", 4: "Nodata"}[int(self)]

    @property
    def is_usable(self) -> bool:
        """Whether imagery of this type can be mapped."""
        return self in (CoverageType.PLANTING, CoverageType.NON_PLANTING)


class Correctness(IntEnum):
    """Semantic correctness of a block's cropland mask (paper section 2.2.5)."""

    TP = 0
    TN = 1
    FP = 2
    NOISE = 3
    ARTIFACTS = 4

    @property
    def label(self) -> str:
        """The class's name in tables and figures."""
        return {0: "TP", 1: "TN", 2: "FP", 3: "Noise", 4: "Artifacts"}[int(self)]

    @property
    def is_correct(self) -> bool:
        """True positives and true negatives (a correctly empty block) are correct."""
        return self in (Correctness.TP, Correctness.TN)


@dataclass(frozen=True)
class CorrectnessClasses:
    """The classes of semantic correctness of a run, by label; a code is the place of its label."""

    labels: tuple[str, ...] = tuple(c.label for c in Correctness)
    correct: tuple[str, ...] = tuple(c.label for c in Correctness if c.is_correct)
    """Labels of the classes whose mask is correct."""

    def __post_init__(self) -> None:
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"classes are {', '.join(self.labels)}; expected at least two different ones")
        unknown = [label for label in self.correct if label not in self.labels]
        if unknown or not self.correct:
            raise ValueError(
                f"correct is '{', '.join(self.correct)}'; expected one or more of {', '.join(self.labels)}"
            )


DEFAULT_CLASSES = CorrectnessClasses()


class Correction(IntEnum):
    """What a correction by hand did to a pixel of the integrated map; each tells what the map showed before."""

    NONE = 0
    ADDED = 1
    REMOVED = 2
    ADDED_WITHOUT_IMAGERY = 3
    REMOVED_WITHOUT_IMAGERY = 4
    CONFIRMED_CROPLAND = 5
    CONFIRMED_NOT_CROPLAND = 6


class Integration(IntEnum):
    """Which source's mask the integrated map uses in a block (paper section 2.2.6)."""

    NEITHER = 0
    ONLY_A = 1
    ONLY_B = 2
    MERGE_BOTH = 3

    @property
    def label(self) -> str:
        """The choice's name in tables and figures."""
        return {0: "Neither", 1: "Only A", 2: "Only B", 3: "Merge both"}[int(self)]
