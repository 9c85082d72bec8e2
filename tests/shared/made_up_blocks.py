"""Made-up blocks whose right decisions follow from a few of their features."""

from __future__ import annotations

import numpy as np
import pandas as pd

from croplayer.decisions.boosting import feature_matrix
from croplayer.decisions.quality import Samples
from croplayer.measures.features import (
    correctness_columns,
)
from stores.legends import Correctness, CorrectnessClasses, CoverageType, Integration

SOURCES = ("aster", "borealis")


def made_up_blocks(count: int, seed: int = 0) -> pd.DataFrame:
    """Blocks whose correctness follows from coverage type and area fraction, with noise features around."""
    rng = np.random.default_rng(seed)
    rows, cols = np.divmod(np.arange(count), 20)
    table = pd.DataFrame(
        {"block": [f"r{r:04d}c{c:04d}" for r, c in zip(rows, cols, strict=True)], "row": rows, "col": cols}
    )
    for name in ("elevation_m", "slope_deg", "ruggedness_m", "roughness_m"):
        table[name] = rng.normal(size=count)
    for s in SOURCES:
        table[f"coverage_type_{s}"] = rng.choice([c.label for c in CoverageType], count)
        table[f"area_fraction_{s}"] = rng.uniform(0, 1, count)
        table[f"area_km2_{s}"] = 20 * table[f"area_fraction_{s}"]
        table[f"regions_{s}"] = rng.integers(1, 900, count)
        for name in ("sharpness", "hue", "saturation", "lightness", "solidity_mean", "solidity_total", "euler_mean"):
            table[f"{name}_{s}"] = rng.normal(size=count)
        table[f"euler_total_{s}"] = rng.normal(size=count)
        table[f"iou_between_sources_{s}"] = rng.uniform(0, 1, count)
        table[f"confirmed_{s}"] = rng.uniform(0, 1, count)
    return table


def true_correctness(table: pd.DataFrame, source: str) -> np.ndarray:
    bad = table[f"coverage_type_{source}"].isin(["Cloudy", "Snow/Ice", "Nodata"])
    codes = np.where(bad, Correctness.ARTIFACTS, np.where(table[f"area_fraction_{source}"] > 0.4, 0, 2))
    return np.array([Correctness(c).label for c in codes.tolist()], dtype=object)


def reviews_of(table: pd.DataFrame) -> pd.DataFrame:
    """Every second block with its true correctness and the integration that follows from it."""
    good = [true_correctness(table, s) == "TP" for s in SOURCES]
    labels = np.array([Integration(i).label for i in (1 * good[0] + 2 * good[1]).tolist()], dtype=object)
    reviews = table[["block"]].assign(
        **{f"correctness_{s}": true_correctness(table, s) for s in SOURCES}, integration=labels, reviewer="a person"
    )
    return reviews.iloc[::2].reset_index(drop=True)


def samples_of(table: pd.DataFrame) -> Samples:
    classes = CorrectnessClasses()
    columns = correctness_columns("aster")
    codes = np.array([classes.labels.index(label) for label in true_correctness(table, "aster")])
    place = table[["block", "row", "col"]].assign(source="aster")
    return Samples(place, feature_matrix(table, columns), codes, classes.labels, columns)
