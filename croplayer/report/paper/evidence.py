"""What the appendix of the paper's figures is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from croplayer.evaluation.by_unit import NO_UNIT
from croplayer.models.judging.comparison_file import Comparison
from croplayer.products.legend import LegendFile
from croplayer.report.tables import ReportTables
from stores.legends import INTEGRATED

POSITIVE, NEGATIVE = "with cropland", "without cropland"
"""What people found in a labelled block."""
MOST_DEVIATING = 4
"""Products whose deviations are drawn: those with the highest IoU with the map."""
NO_CLASSES = "No product with classes was compared with our map; name some under [[products]] of the recipe."
"""Why a figure of the products against our map is missing."""
MAPS_NOTHING = "This run maps nothing: its recipe has no [[sources]]."
"""Why a figure of our own map or imagery is missing."""


class Example(NamedTuple):
    """A window of imagery that stands for a kind."""

    kind: str
    title: str
    """Where it lies, in one or two lines"""
    picture: np.ndarray
    """(h, w, 3) uint8"""


@dataclass(frozen=True)
class Evidence:
    """Tables and pictures of a run; what the run does not have is empty, with the reason in ``reasons``."""

    results: ReportTables
    block_px: int
    level: int
    """Level of the admin units"""
    units: pd.DataFrame | None = None
    """Areas by unit of the level, with percentages where there is a statistic"""
    unit_codes: np.ndarray | None = None
    """(n,) code of the unit that holds the centre of each block, as `units_of_centres` gives it"""
    labels: np.ndarray | None = None
    """(n,) POSITIVE, NEGATIVE or None of each block"""
    legends: Mapping[str, LegendFile] = field(default_factory=dict)
    """Legend of each product that has one, by the product's name"""
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Imagery of all blocks, thinned, by source: (h, w, 3) uint8"""
    coverage_examples: Sequence[Example] = ()
    land_examples: Sequence[Example] = ()
    """Windows of kinds of land, kinds of cropland first"""
    land_map: str = ""
    """Title of the map that tells the kinds"""
    comparison: Comparison | None = None
    comparison_origin: str = ""
    unit_levels: pd.DataFrame | None = None
    """Evaluation of every unit and map, as `levels_by_unit` gives it"""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why something is missing, by the number of its figure or table"""

    @property
    def blocks(self) -> pd.DataFrame:
        """Block table with the number of pixels of a block, as comparisons of products ask for it."""
        return self.results.blocks.assign(block_pixels=self.block_px**2)

    @property
    def unit_word(self) -> str:
        """What a unit of the level is called."""
        return "province" if self.level == 1 else f"level-{self.level} unit"

    @property
    def unit_names(self) -> dict[str, str]:
        """Name of each unit by its code; a name that several units have is followed by the code."""
        if self.units is None:
            return {}
        double = set(self.units.name_en[self.units.name_en.duplicated()])
        return {
            str(unit.adcode): f"{unit.name_en} ({unit.adcode})" if unit.name_en in double else str(unit.name_en)
            for unit in self.units.itertuples()
        }

    @property
    def block_units(self) -> pd.Series | None:
        """Name of the unit of each block, missing outside of all units; None without units."""
        if self.unit_codes is None:
            return None
        names = self.unit_names
        named = [None if code == NO_UNIT else names.get(code, code) for code in self.unit_codes]
        return pd.Series(named, index=self.results.blocks.index, dtype=object)

    @property
    def deviating(self) -> list[str]:
        """The products that agree best with our map, best first: at most MOST_DEVIATING."""
        agreement = self.results.table("agreement")
        if agreement is None:
            return []
        own = agreement[(agreement["map"] == INTEGRATED) & agreement.against.isin(self.results.products)]
        ranked = own.dropna(subset="iou").sort_values("iou", ascending=False, kind="stable")
        return [str(name) for name in ranked.against.head(MOST_DEVIATING)]
