"""Terrain of a block from an elevation raster."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shared.source_files import BLOCK, write_raster

from croplayer.sources.elevation import ElevationRaster
from stores.grid import BlockIndex


def test_terrain_medians_of_a_tilted_plane(tmp_path: Path) -> None:
    size = 60
    rows = np.arange(size, dtype=np.float32)[:, None] * np.ones((1, size), np.float32)
    path = write_raster(tmp_path / "dem.tif", (1000 - 10 * rows)[None])
    medians = ElevationRaster(str(path)).block_terrain(BLOCK)
    metres = 0.001 * 111_319.49  # a degree as GDAL 3.11 has it
    assert medians.slope_deg == pytest.approx(np.degrees(np.arctan(10 / metres)), rel=1e-3)
    assert medians.roughness_m == pytest.approx(20, rel=1e-5)
    assert medians.ruggedness_m == pytest.approx(10 * 6**0.5, rel=1e-5)
    empty = write_raster(tmp_path / "void.tif", np.full((1, size, size), -32768, np.float32))
    nothing = ElevationRaster(str(empty)).block_terrain(BLOCK)
    assert np.isnan(nothing[:4]).all() and nothing.elevation_void_fraction == 1
    assert ElevationRaster(str(path)).block_terrain(BlockIndex(BLOCK.row, BLOCK.col + 9)).elevation_void_fraction == 1
