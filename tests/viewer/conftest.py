"""A small run that was written by hand: a cube, its blocks, its units and their areas."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shared.small_cubes import RANGE, make_cube

from croplayer.cube.whole_blocks import Cube
from stores.grid import BlockIndex

BORDER = 114.1
"""Longitude between the two counties; the cube reaches from 114.0 to 114.15 E and from 34.9 to 35.0 N."""


@pytest.fixture
def cube(tmp_path: Path) -> Cube:
    """A cube whose map and imagery are noise."""
    made = make_cube(tmp_path / "cube.zarr")
    noise = np.random.default_rng(3)
    for row in range(RANGE.rows):
        for col in range(RANGE.cols):
            block = BlockIndex(RANGE.row + row, RANGE.col + col)
            made.write_block("croplayer", block, noise.choice(np.array([0, 1, 254], np.uint8), (64, 64)))
            for source in made.sources:
                made.write_block("rgb", block, noise.integers(0, 255, (64, 64, 3)).astype(np.uint8), source)
                made.write_block("imagery_valid", block, np.ones((64, 64), bool), source)
    return made


@pytest.fixture
def run(cube: Cube) -> Path:
    """The folder of the cube with two counties of a province and one row for each block."""
    folder = Path(cube.path).parent
    west, south, east, north = cube.grid.window_bounds(cube.blocks.window(cube.grid))
    boxes = [(west, south, east, north), (west, south, BORDER, north), (BORDER, south, east, north)]
    units = {
        "adcode": ["110000", "110101", "110102"],
        "name_en": ["Westland", "Qingan", "Far <b>Qing</b>"],
        "name_zh": [None, "青安县", None],
        "level": [1, 2, 2],
    }
    frame = gpd.GeoDataFrame(units, geometry=[shapely.box(*box) for box in boxes], crs="EPSG:4326")
    frame.to_parquet(folder / "boundaries.parquet")
    tables = folder / "tables"
    tables.mkdir()
    areas = {"adcode": ["110101", "110102"], "land_km2": [101.5, 50.25], "in_run": [1.0, 1.0]}
    areas |= {
        "aster_km2": [30.0, 20.0],
        "aster_known": [0.5, 1.0],
        "croplayer_km2": [41.25, 12.5],
        "croplayer_known": [1.0, 0.75],
    }
    pd.DataFrame(areas).to_csv(tables / "units_2.csv", index=False)
    estimates = {"adcode": ["110101"], "points": [120], "estimate_km2": [44.0], "low_km2": [39.5], "high_km2": [48.5]}
    pd.DataFrame(estimates).to_csv(tables / "sample_areas.csv", index=False)
    pd.DataFrame({"method": ["rules (no reviewed samples)"]}).to_csv(tables / "integration_method.csv", index=False)
    inputs = [
        {"role": "imagery", "name": "aster", "licence": "CC-BY-4.0", "terms": "https://example.org/aster"},
        {"role": "imagery", "name": "borealis", "licence": "© <b>Borealis</b>", "terms": "javascript:alert(1)"},
    ]
    (folder / "provenance.json").write_text(json.dumps({"croplayer": "0.1.0", "licences": inputs}))
    at = [(RANGE.row + row, RANGE.col + col) for row in range(RANGE.rows) for col in range(RANGE.cols)]
    blocks = pd.DataFrame(
        {"block": [BlockIndex(*b).name for b in at], "row": [b[0] for b in at], "col": [b[1] for b in at]}
    )
    blocks["slope_deg"] = np.linspace(0, 5, len(at))
    blocks["correctness_aster"] = ["TP", "FP", None, "TP", "TN", "TP"]
    blocks["integration_label"] = ["Only A", "Neither", "Only B", "Merge both", "Only A", "Only B"]
    blocks["override"] = ["", "checked in the field", "", "", "", ""]
    blocks["taken_from_borealis"] = pd.Series([None, "2020-05-01T10:30"] * 3, dtype="datetime64[us]").dt.tz_localize(
        "UTC"
    )
    blocks["taken_to_borealis"] = pd.Series([None, "2020-06-03"] * 3, dtype="datetime64[us]").dt.tz_localize("UTC")
    blocks["area_fraction_croplayer"] = np.linspace(0, 1, len(at))
    blocks["area_fraction_esa"] = 0.5
    blocks.to_parquet(folder / "blocks.parquet")
    return folder
