"""What the benchmark of integration runs, and the figures that it takes from a run."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.integration import MAPS, OWN, found, recipe_of, section

COUNTS = {"aster": (60, 20, 20), "borealis": (50, 50, 0), "merge_both": (70, 30, 0), OWN: (90, 10, 0)}


def test_the_recipe_is_the_included_one_elsewhere_with_fewer_reviews() -> None:
    recipe = tomllib.loads(recipe_of(11, [1.0, 2.0, 3.0, 4.0], 0.01))
    assert (recipe["name"], recipe["region"]["bounds"]) == ("country_11", [1.0, 2.0, 3.0, 4.0])
    assert recipe["decisions"]["sample_deg"] == pytest.approx(0.5)
    assert "products" not in recipe and recipe["reference"]["name"] == "truth" and len(recipe["sources"]) == 2


def test_figures_are_of_blocks_that_all_maps_know_and_of_provinces_that_both_maps_know_or_whose_known_land_stands_for_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "tables").mkdir()
    blocks = {f"known_{name}": [1.0, 1.0, 0.5] for name in MAPS}
    for name, (tp, fp, fn) in COUNTS.items():
        blocks |= {
            f"tp_{name}_truth": [tp, tp, 0],
            f"fp_{name}_truth": [fp, fp, 999],
            f"fn_{name}_truth": [fn, fn, 999],
        }
        blocks |= {f"tn_{name}_truth": [0, 0, 0]}
    pd.DataFrame(blocks).to_parquet(tmp_path / "blocks.parquet")
    units = {"truth_km2": [100.0, 100.0, 100.0]}
    for name in MAPS:
        units |= {f"{name}_km2": [80.0, 100.0, 150.0], f"{name}_known": [1.0, 1.0, 1.0]}
    # The integrated map knows half of the third province, where it finds 48 km2: 96 in all.
    units |= {f"{OWN}_km2": [95.0, 105.0, 48.0], f"{OWN}_known": [1.0, 1.0, 0.5]}
    pd.DataFrame(units).to_csv(tmp_path / "tables/units_1.csv", index=False)
    pd.DataFrame({"block": ["r0001c0001"]}).to_csv(tmp_path / "tables/reviews.csv", index=False)
    pd.DataFrame({"method": ["rules (no better classifier)"]}).to_csv(
        tmp_path / "tables/integration_method.csv", index=False
    )

    country = found(11, tmp_path)
    assert (country.blocks, country.compared, country.reviewed, country.better) == (3, 2, 1, "aster")
    assert country.iou == {"aster": 0.6, "borealis": 0.5, "merge_both": 0.7, OWN: 0.9}
    assert country.difference == pytest.approx(0.3) and country.low == pytest.approx(0.3)
    assert (country.both_know, country.within) == (2, {"aster": 1, OWN: 2})
    assert (country.provinces, country.within_of_all) == (3, {"aster": 1, OWN: 3})
    text = section([country])
    row = "| 11 | 1 of 3 | rules | 0.600 | 0.500 | 0.700 | 0.900 | +0.300 (+0.300 to +0.300) | 1 of 2 | 2 of 2 | 1 of 3 | 3 of 3 |"
    assert row in text
    rows = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert len(set(rows)) == 1
    assert (
        "in 1 of 1 countries, and an interval above 0 in 1. Provinces within 10 %, of the 2 that both know: 1" in text
    )
    assert "2 for the integrated map; of all 3: 1 and 3." in text
