"""Made-up evidence of a small run: eight blocks in two provinces, two sources, two products."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from croplayer.products.legend import read_legend
from croplayer.report.paper.evidence import Evidence
from croplayer.report.tables import ReportTables
from stores.legends import INTEGRATED, MERGE_BOTH

BLOCK_PX = 10
COUNT = 8


def made_up_blocks() -> pd.DataFrame:
    """Eight blocks in two rows; the product esa has twice our cropland, esri half of it."""
    place = np.arange(COUNT)
    table = pd.DataFrame({"row": 1100 + place // 4, "col": 5900 + place % 4})
    table.insert(0, "block", [f"r{r:04d}c{c:04d}" for r, c in zip(table.row, table.col, strict=True)])
    table["slope_deg"] = np.arange(COUNT) + 0.5
    table["block_km2"] = 25.0
    own = np.array([40, 20, 10, 30, 4, 40, 0, 20])  # cropland pixels of 100
    for name in ("a", "b", MERGE_BOTH, INTEGRATED):
        table[f"known_{name}"] = 1.0
        table[f"area_fraction_{name}"] = own / 100
        table[f"area_km2_{name}"] = 25 * own / 100
        table[f"solidity_mean_{name}"], table[f"euler_mean_{name}"] = 0.9, 0.5
    table[f"edge_density_{INTEGRATED}"] = own / 400
    for name, factor in (("esa", 2.0), ("esri", 0.5)):
        theirs = own * factor
        table[f"known_{name}"] = 1.0
        table[f"area_fraction_{name}"] = theirs / 100
        table[f"edge_density_{name}"] = factor * own / 400
        both = np.minimum(own, theirs)
        counts = {"tp": both, "fp": own - both, "fn": theirs - both, "tn": 100 - own - theirs + both}
        for count, values in counts.items():
            table[f"{count}_{INTEGRATED}_{name}"] = values
    for source in ("a", "b"):
        table[f"coverage_type_{source}"] = ["Planting"] * 6 + ["Cloudy", "Nodata"]
        table[f"coverage_confidence_{source}"] = np.linspace(0.5, 0.9, COUNT) + (0.05 if source == "b" else 0)
        for name in ("hue", "lightness", "saturation", "sharpness"):
            table[f"{name}_{source}"] = np.linspace(0.1, 0.8, COUNT)
        table[f"correctness_{source}"] = "TP"
    table["integration"] = [3, 3, 1, 1, 2, 2, 0, 0]
    table["integration_label"] = table.integration.map({0: "Neither", 1: "Only A", 2: "Only B", 3: "Merge both"})
    return table


def made_up_units() -> pd.DataFrame:
    units = pd.DataFrame(
        {"adcode": ["110000", "120000"], "name_en": ["West", "East"], "name_zh": "", "land_km2": 100.0, "in_run": 1.0,
         "statistic_km2": [20.0, 10.0], "statistic_note": ""}
    )  # fmt: skip
    percents = {"a": [100.0, 105.0], "b": [80.0, 130.0], MERGE_BOTH: [110.0, 140.0], INTEGRATED: [95.0, 102.0]}
    for name, percent in {**percents, "esa": [200.0, 400.0], "esri": [50.0, np.nan]}.items():
        units[f"{name}_percent"] = percent
        units[f"{name}_km2"] = units.statistic_km2 * np.array(percent) / 100
        units[f"{name}_known"] = 1.0
        units[f"{name}_within"] = pd.array([None if p != p else abs(p - 100) <= 10 for p in percent], dtype="boolean")
    return units


def agreement(blocks: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name in ("esa", "esri"):
        tp, fp, fn = (blocks[f"{count}_{INTEGRATED}_{name}"].sum() for count in ("tp", "fp", "fn"))
        rows.append({"map": INTEGRATED, "against": name, "iou": tp / (tp + fp + fn), "f1": 0.5})
    return pd.DataFrame(rows)


def results(**changes: Any) -> ReportTables:
    blocks = made_up_blocks()
    definitions = pd.DataFrame(
        {"product": ["esa", "esri"], "year": 2020, "greenhouse": ["out", None], "orchard": ["out", "out"],
         "fallow": [None, "in"], "paddy": [None, "out"]}
    )  # fmt: skip
    features = pd.DataFrame(
        {"column": ["slope_deg"], "group": ["terrain"], "unit": ["degree"], "source": [None], "meaning": ["median slope"],
         "judges": [True], "decides": [True]}
    )  # fmt: skip
    given: dict[str, Any] = {
        "sources": ("a", "b"), "products": ("esa", "esri"), "product_titles": {"esa": "ESA map", "esri": "Esri map"},
        "reference": None, "blocks": blocks, "units": {1: made_up_units()}, "within": 0.1,
        "tables": {"agreement": agreement(blocks), "definitions": definitions, "features": features},
        "classes": ("TP", "TN", "FP"), "correct": ("TP", "TN"),
    }  # fmt: skip
    return ReportTables(**(given | changes))


@pytest.fixture
def evidence() -> Evidence:
    """The western four blocks lie in West, the others in East."""
    codes = np.array(["110000", "110000", "120000", "120000"] * 2, dtype=object)
    legends = {"esa": read_legend("ESA").file, "esri": read_legend("ESRI").file}
    return Evidence(results(), BLOCK_PX, 1, made_up_units(), codes, legends=legends)


@pytest.fixture
def bare() -> Evidence:
    """A run with a product and nothing else: no imagery, units, terrain or statistics."""
    blocks = made_up_blocks()[["block", "row", "col", "known_esa", "area_fraction_esa"]]
    nothing = ReportTables((), ("esa",), {"esa": "ESA map"}, None, blocks)
    return Evidence(nothing, BLOCK_PX, 1)
