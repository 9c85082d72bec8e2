"""What a run found, as the report takes it: tables by name, and plain words for internal names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from croplayer.report.style import REFERENCE_COLOUR, map_colours
from stores.legends import INTEGRATED, MERGE_BOTH, NODATA_ABOVE, own_maps

OWN_TITLES = {INTEGRATED: "integrated map", MERGE_BOTH: "both merged"}


@dataclass(frozen=True)
class ReportTables:
    """Tables of a run; one that the run did not make is not there."""

    sources: tuple[str, ...]
    """One or two imagery sources; none for a run that maps nothing"""
    products: tuple[str, ...]
    product_titles: Mapping[str, str]
    """Titles of the products and the reference by name"""
    reference: str | None
    """Name of the map taken as true"""
    blocks: pd.DataFrame
    """Block table"""
    units: Mapping[int, pd.DataFrame] = field(default_factory=dict)
    """Areas by admin unit of each level"""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Other tables by the name of their file"""
    classes: tuple[str, ...] = ()
    """Labels of semantic correctness"""
    correct: tuple[str, ...] = ()
    """Those that mean a mask is right"""
    within: float | None = None
    """Deviation from the statistic that counts as consistent; None without statistics"""
    stopped_training: bool = False
    """Whether the statistics also decided when the training was good enough"""
    statistics_year: int | None = None
    """Year that the statistics are of; None where it is not known"""
    edition: str = ""
    """Edition of the map, such as the year of its imagery"""
    strange_pixels: str = ""
    """That the network meets pixels of other sizes than it learned from, as a clause; empty where it does not"""
    nodata_above: float = NODATA_ABOVE
    has_coverage_model: bool = True

    @property
    def maps(self) -> tuple[str, ...]:
        """The run's own maps: each source, both merged, the integrated one."""
        return tuple(own_maps(self.sources))

    @property
    def titles(self) -> dict[str, str]:
        """Words for every map."""
        return {s: s for s in self.sources} | OWN_TITLES | dict(self.product_titles)

    @property
    def colours(self) -> dict[str, str]:
        """Colour of every map, the same in all figures."""
        colours = map_colours(self.sources, MERGE_BOTH, INTEGRATED, self.products)
        return colours | ({self.reference: REFERENCE_COLOUR} if self.reference else {})

    @property
    def letters(self) -> str:
        """Which source A and B are."""
        return ", ".join(f"{letter} is {source}" for letter, source in zip("AB", self.sources, strict=False))

    def table(self, name: str) -> pd.DataFrame | None:
        """A table that the run made and that has rows, or None."""
        found = self.tables.get(name)
        return found if found is not None and len(found) else None

    def titled(self, frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
        """A table whose columns of map names hold their titles instead."""
        return frame.assign(**{c: [self.titles.get(n, n) for n in frame[c]] for c in columns})
