"""The README's Python gives right areas on a small cube whose cropland is known."""

from __future__ import annotations

import re
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
from shared.places import REPOSITORY

from croplayer.cube.whole_blocks import Cube
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockRange, Bounds

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BOUNDS = Bounds(115.1, 34.95, 115.5, 35.25)
"""Of the demo."""


def code(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run, grid = Path("runs/demo"), BlockGrid(32)
    run.mkdir(parents=True)
    blocks = list(grid.blocks_in(BOUNDS))
    CUBE.create(DurableStore(run / "cube.zarr"), "2020", grid, BlockRange.around(blocks), ("aster",))
    cube = Cube.open(run / "cube.zarr")
    for block in blocks:
        cube.write_block("croplayer", block, np.ones((32, 32), np.uint8))
    halves = [shapely.box(115.1, 34.95, 115.15, 35.25), shapely.box(115.15, 34.95, 115.5, 35.25)]
    units = {"adcode": ["110000", "120000"], "name_en": ["West", "East"], "level": [1, 1]}
    gpd.GeoDataFrame(units, geometry=halves, crs="EPSG:4326").to_parquet(run / "boundaries.parquet")
    names: dict[str, object] = {}
    (text,) = code("python")
    exec(text, names)
    plt.close("all")
    opened, provinces = names["cube"], names["provinces"]
    assert opened.rio.crs.to_epsg() == 4326  # type: ignore[attr-defined]
    areas = opened.crop.area(by=provinces)  # type: ignore[attr-defined]
    assert areas.area_km2.tolist() == pytest.approx([50.6, 50.6], abs=0.2)
