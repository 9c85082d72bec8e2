"""The declared table of block features (paper Tables 2 and 5): their names, units and uses, not their values.

The values come from ``kernels.image``, ``kernels.haze``, ``kernels.terrain`` and ``measures.masks`` through the tasks
``assess`` and ``describe``.

Reading taken where the paper is ambiguous: 16 features judge one source's semantic correctness (4 terrain,
5 image, 6 shape, 1 consistency); 30 decide the integration (12 per source, 4 terrain, 2 predictions of
correctness). The consistency that judges a source is the symmetric intersection over union with the other
source's mask. It is the same number for both, so the integration takes instead, for each source, the share of
its cropland that the other confirms; the intersection over union follows from the two shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from stores.columns import AREA_FRACTION, AREA_KM2, COVERAGE_TYPE, EULER_MEAN, FAMILIARITY, SOLIDITY_MEAN, map_column
from stores.legends import DEFAULT_CLASSES, CoverageType


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
        return map_column(self.name, source) if self.per_source else self.name


TERRAIN = (
    Feature("elevation_m", "terrain", "m", False, "median elevation"),
    Feature("slope_deg", "terrain", "degree", False, "median slope (Horn)"),
    Feature("ruggedness_m", "terrain", "m", False, "median terrain ruggedness index (Riley)"),
    Feature("roughness_m", "terrain", "m", False, "median roughness"),
)
IMAGE = (
    Feature(
        COVERAGE_TYPE, "image", "class", True, "what the imagery shows",
        tuple(c.label for c in CoverageType),
    ),
    Feature("sharpness", "image", "1", True, "median Sobel magnitude"),
    Feature("hue", "image", "1", True, "median hue, 0 to 1"),
    Feature("saturation", "image", "1", True, "median saturation, 0 to 1"),
    Feature("lightness", "image", "1", True, "median lightness, 0 to 1"),
)  # fmt: skip
SHAPE = (
    Feature(AREA_KM2, "shape", "km2", True, "cropland area"),
    Feature(AREA_FRACTION, "shape", "1", True, "cropland pixels over pixels with imagery"),
    Feature(SOLIDITY_MEAN, "shape", "1", True, "mean solidity of the regions"),
    Feature("solidity_total", "shape", "1", True, "sum of the regions' solidity"),
    Feature(EULER_MEAN, "shape", "1", True, "mean Euler number of the regions"),
    Feature("euler_total", "shape", "1", True, "sum of the regions' Euler numbers"),
)
IOU = Feature(
    "iou_between_sources", "consistency", "1", True, "overlap of the two sources' cropland over its union, the same for both"
)  # fmt: skip
CONFIRMED = Feature(
    "confirmed", "consistency", "1", True, "share of the source's cropland that the other source confirms"
)
CORRECTNESS = Feature(
    "correctness", "correctness", "class", True, "predicted semantic correctness", DEFAULT_CLASSES.labels
)

QUALITY = (
    Feature(
        "elevation_void_fraction", "quality", "1", False, "share of the elevation model's cells without an elevation"
    ),
    Feature("dark_channel", "quality", "1", True, "median dark channel: haze and thin cloud lift it, 0 to 1"),
    Feature("veil_fraction", "quality", "1", True, "share that is bright, unsaturated and smooth as under thin cloud"),
    Feature(
        "seam_strength", "quality", "grey level", True, "colour jump across the strongest seam along rows or columns"
    ),
    Feature("seam_position_px", "quality", "px", True, "row or column of that seam in the block"),
    Feature("seam_orientation", "quality", "class", True, "how that seam runs", ("horizontal", "vertical")),
    Feature(
        FAMILIARITY, "quality", "1", True, "share of the network's training scenes that look at most as familiar to it"
    ),
)
"""Values of the quality record beside the features; no decision uses them."""

CORRECTNESS_FEATURES = (*TERRAIN, *IMAGE, *SHAPE, IOU)
"""The 16 features that judge one source."""

PER_SOURCE = (*IMAGE, *SHAPE, CONFIRMED)
"""The 12 features of each source that decide the integration."""


def correctness_columns(source: str) -> list[tuple[Feature, str]]:
    """The 16 features that judge one source, with their columns."""
    return [(f, f.column(source)) for f in CORRECTNESS_FEATURES]


def integration_columns(
    sources: Sequence[str], labels: tuple[str, ...] = CORRECTNESS.categories
) -> list[tuple[Feature, str]]:
    """The features that decide the integration, with their columns: 30 for two sources.

    ``labels`` are the run's classes of correctness.
    """
    columns = [(f, f.column()) for f in TERRAIN]
    for source in sources:
        columns += [(f, f.column(source)) for f in (*PER_SOURCE, replace(CORRECTNESS, categories=labels))]
    return columns


def feature_table(sources: Sequence[str]) -> pd.DataFrame:
    """The declared features as a table: column, name, group, unit, source, meaning, judges, decides.

    ``judges`` and ``decides`` say whether a feature is among the 16 and among the 30.
    """
    rows = []
    for feature in (*TERRAIN, *IMAGE, *SHAPE, IOU, CONFIRMED, CORRECTNESS, *QUALITY):
        for source in sources if feature.per_source else ("",):
            rows.append(
                {
                    "column": feature.column(source),
                    "name": feature.name,
                    "group": feature.group,
                    "unit": feature.unit,
                    "source": source,
                    "meaning": feature.meaning,
                    "judges": feature in CORRECTNESS_FEATURES,
                    "decides": feature in TERRAIN or feature in PER_SOURCE or feature == CORRECTNESS,
                }
            )
    return pd.DataFrame(rows)
