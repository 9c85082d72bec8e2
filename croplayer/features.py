"""The declared table of block features (paper Tables 2 and 5).

Reading taken where the paper is ambiguous: 16 features judge one source's semantic correctness
(4 terrain, 5 image, 6 shape, 1 consistency); 30 features decide the integration (12 per source,
4 terrain, 2 predictions of correctness). The consistency of a source is the symmetric
intersection over union with the other source's mask, the same number for both; the share of its
cropland that the other confirms is kept beside it in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from croplayer.legends import Correctness, CoverageType


@dataclass(frozen=True)
class Feature:
    """One number that describes a block."""

    name: str
    group: str
    """terrain, image, shape, consistency or correctness."""
    unit: str
    per_source: bool
    """Whether each source has its own value; its column is then ``name_source``."""
    meaning: str
    categories: tuple[str, ...] = ()
    """Labels of a feature that is a category, in the order of their codes."""

    def column(self, source: str = "") -> str:
        """Name of the feature's column in the block table."""
        return f"{self.name}_{source}" if self.per_source else self.name


TERRAIN = (
    Feature("elevation_m", "terrain", "m", False, "median elevation"),
    Feature("slope_deg", "terrain", "degree", False, "median slope (Horn)"),
    Feature("ruggedness_m", "terrain", "m", False, "median terrain ruggedness index (Riley)"),
    Feature("roughness_m", "terrain", "m", False, "median roughness"),
)
IMAGE = (
    Feature(
        "coverage_type", "image", "class", True, "what the imagery shows",
        tuple(c.label for c in CoverageType),
    ),
    Feature("sharpness", "image", "1", True, "median Sobel magnitude"),
    Feature("hue", "image", "1", True, "median hue, 0 to 1"),
    Feature("saturation", "image", "1", True, "median saturation, 0 to 1"),
    Feature("lightness", "image", "1", True, "median lightness, 0 to 1"),
)  # fmt: skip
SHAPE = (
    Feature("area_km2", "shape", "km2", True, "cropland area"),
    Feature("area_fraction", "shape", "1", True, "cropland pixels over pixels with imagery"),
    Feature("solidity_mean", "shape", "1", True, "mean solidity of the regions"),
    Feature("solidity_total", "shape", "1", True, "sum of the regions' solidity"),
    Feature("euler_mean", "shape", "1", True, "mean Euler number of the regions"),
    Feature("euler_total", "shape", "1", True, "sum of the regions' Euler numbers"),
)
CONSISTENCY = (Feature("iou_between_sources", "consistency", "1", True, "overlap with the other source's cropland"),)
PER_SOURCE = (*IMAGE, *SHAPE, *CONSISTENCY)
CORRECTNESS = (
    Feature(
        "correctness", "correctness", "class", True, "predicted semantic correctness",
        tuple(c.label for c in Correctness),
    ),
)  # fmt: skip

CORRECTNESS_FEATURES = (*TERRAIN, *PER_SOURCE)
"""The 16 features that judge one source."""


def integration_columns(sources: Sequence[str]) -> list[tuple[Feature, str]]:
    """The features that decide the integration, with their columns: 30 for two sources."""
    columns = [(f, f.column()) for f in TERRAIN]
    for source in sources:
        columns += [(f, f.column(source)) for f in (*PER_SOURCE, *CORRECTNESS)]
    return columns


def correctness_columns(source: str) -> list[tuple[Feature, str]]:
    """The 16 features that judge one source, with their columns."""
    return [(f, f.column(source)) for f in CORRECTNESS_FEATURES]
