"""Sums of the block table by admin unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from croplayer.evaluation.provinces import BORDER_CODE, OUTSIDE_CODE, interior_sums
from croplayer.files.tables import with_geometry, write_parquet


def block_table(path: Path) -> Path:
    codes = ["110000", "110000", "120000", BORDER_CODE, OUTSIDE_CODE, "120000"]
    table = pd.DataFrame({"row": 1000, "col": range(6), "adcode_1": codes, "block_km2": 25.0})
    table["area_km2_map"] = [1.0, 2.0, 4.0, 8.0, 16.0, np.nan]
    table["known_map"] = [1.0, 0.5, 1.0, 1.0, 1.0, 0.0]
    return write_parquet(path / "blocks.parquet", with_geometry(table))


@pytest.mark.parametrize("few", [6, 5], ids=["in memory", "by dask-geopandas"])
def test_only_blocks_that_lie_whole_in_a_unit_are_summed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr("croplayer.evaluation.provinces.FEW_BLOCKS", few)
    areas = {"block_km2": "land", "area_km2_map": "map", "area_km2_absent": "absent"}
    sums = interior_sums(
        block_table(tmp_path), "adcode_1", areas, {"known_map": "map:known", "known_absent": "absent:known"}
    )
    assert sums.to_dict("index") == {
        "110000": {"land": 50.0, "map": 3.0, "map:known": 37.5},
        "120000": {"land": 50.0, "map": 4.0, "map:known": 25.0},
    }
