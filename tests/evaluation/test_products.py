"""Numbers of the product comparison, against sums by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.maps import product_table
from croplayer.evaluation.products import definition_table, deviation_table, slope_table
from croplayer.products.legend import read_legend
from croplayer.products.open import open_product
from stores.tables import DEFINITIONS, DEVIATION, SLOPE

BLOCKS = pd.DataFrame(
    {
        "slope_deg": [0.0, 2.0, 2.1, 30.0, np.nan],
        "known_croplayer": [1.0, 0.99, 1.0, 1.0, 1.0],
        "known_esa": [1.0, 1.0, 1.0, 0.5, 1.0],
        "known_hyde": 1.0,
        "area_fraction_croplayer": [0.5, 0.4, 0.0, 0.2, 0.3],
        "area_fraction_esa": [0.6, 0.2, 0.1, 1.0, 0.3],
        "edge_density_croplayer": [0.1, 0.1, 0.0, 0.1, 0.1],
        "edge_density_esa": [0.05, 0.05, 0.02, 0.9, 0.05],
        "tp_croplayer_esa": [45.0, 15.0, 0.0, 50.0, 30.0],
        "fp_croplayer_esa": [5.0, 25.0, 0.0, 0.0, 0.0],
        "fn_croplayer_esa": [15.0, 5.0, 10.0, 0.0, 0.0],
        "tn_croplayer_esa": [35.0, 55.0, 90.0, 0.0, 70.0],
        "block_km2": 25.0,
        "block_pixels": 100,
        "area_fraction_hyde": [0.5, 0.5, 0.5, 0.5, 0.5],
    }
)


def test_deviations_are_on_the_ground_that_both_maps_know() -> None:
    """In the fourth block the product knows half, and says there what our map says."""
    table = deviation_table(BLOCKS, ["esa", "hyde"], "croplayer").set_index(["product", "measure"])
    assert set(table.reset_index().columns) == set(DEVIATION)
    area = table.loc[("esa", "area_fraction")]
    assert area.blocks == 5
    assert area.value == pytest.approx(2.2 / 5) and area.own_value == pytest.approx(2.2 / 5)
    assert area.deviation == pytest.approx(0)
    # Where our map has no cropland a deviation says nothing.
    assert area.deviation_median == pytest.approx(np.median([0.2, -0.5, 0.0, 0.0]))
    assert table.loc[("esa", "edge_density")].blocks == 4
    assert table.loc[("esa", "edge_density")].deviation == pytest.approx((0.17 - 0.3) / 0.3)
    assert ("hyde", "edge_density") not in table.index


def test_areas_are_of_the_ground_that_both_maps_know() -> None:
    table = product_table(BLOCKS, ["esa", "hyde"], "croplayer").set_index("product")
    assert table.area_km2["esa"] == pytest.approx(25 * (0.6 + 0.2 + 0.1 + 0.5 + 0.3))
    assert table.own_area_km2["esa"] == pytest.approx(25 * (0.5 + 0.4 + 0.0 + 0.5 + 0.3))
    assert table.area_km2["hyde"] == pytest.approx(25 * 0.5 * 4.99)
    half = BLOCKS.iloc[3:4].assign(known_hyde=0.0, area_fraction_hyde=np.nan)
    assert product_table(half, ["hyde"], "croplayer").blocks[0] == 0


def test_slope_classes_part_the_blocks() -> None:
    table = slope_table(BLOCKS, ["esa"], "croplayer")
    assert set(table.columns) == set(SLOPE)
    area = table[table.measure == "area_fraction"].set_index("slope_to_deg")
    assert area.blocks.tolist() == [2, 1, 0, 0, 1]
    assert area.deviation[2.0] == pytest.approx((0.8 - 0.9) / 0.9)
    assert np.isnan(area.deviation[6.0]) and np.isnan(area.deviation[15.0])


def test_what_counts_as_cropland_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tif").touch()
    esri = open_product("ESRI", str(tmp_path / "a.tif"), include=["paddy"])
    fcs30 = open_product("FCS30", str(tmp_path / "a.tif"))
    legends = {"esri": read_legend("ESRI"), "fcs30": read_legend("FCS30")}
    table = definition_table([esri, fcs30], legends).set_index("product")
    assert set(table.reset_index().columns) == set(DEFINITIONS)
    assert table.crop_codes.to_dict() == {"esri": "4 5", "fcs30": "10 11 20"}
    assert table.paddy.to_dict() == {"esri": "in", "fcs30": ""}
    assert table.orchard.to_dict() == {"esri": "out", "fcs30": "out"}
