"""A map with its truth, two units and the frame that samples are drawn from."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shared.sampled_map import BLOCKS, GRID, RANGE, labelled

from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.frame import Frame, Population, measure_frame
from croplayer.evaluation.sample_drawing import draw_stratified
from croplayer.evaluation.sample_files import write_sample
from stores.cube import CUBE
from stores.durable import DurableStore


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cube, np.ndarray, np.ndarray]:
    """A cube of 2 x 3 blocks, its integrated map and the truth, (80, 120) each."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(5)
    truth = gaussian_filter(rng.standard_normal((80, 120)), 4) > 0.05
    mapped = (truth ^ (rng.random(truth.shape) < 0.08)).astype(np.uint8)
    mapped[:20, :30] = 254
    path = tmp_path_factory.mktemp("cube") / "cube.zarr"
    CUBE.create(DurableStore(path), "1", GRID, RANGE, ("a", "b"))
    cube = Cube.open(path)
    for block in BLOCKS:
        cube.write_block("croplayer", block, mapped[RANGE.slices(GRID, block)])
    return cube, mapped, truth


@pytest.fixture(scope="module")
def units() -> gpd.GeoDataFrame:
    """A western and an eastern unit with a leaning border; the east ends inside the map."""
    west, south, east, north = GRID.window_bounds(RANGE.window(GRID))
    cut = west + 0.4 * (east - west)
    left = shapely.Polygon([(west - 1, south - 1), (cut, south - 1), (cut + 0.02, north + 1), (west - 1, north + 1)])
    right = shapely.Polygon(
        [(cut, south - 1), (east - 0.01, south - 1), (east - 0.01, north + 1), (cut + 0.02, north + 1)]
    )
    names = {"adcode": ["1", "2"], "name_en": ["West", "East"]}
    return gpd.GeoDataFrame(names, geometry=[left, right], crs="EPSG:4326")


@pytest.fixture(scope="module")
def frame(maps: tuple[Cube, np.ndarray, np.ndarray], units: gpd.GeoDataFrame) -> Frame:
    return measure_frame(Population(maps[0], BLOCKS, units))


@pytest.fixture
def drawn(maps: tuple[Cube, np.ndarray, np.ndarray], frame: Frame, tmp_path: Path) -> Path:
    write_sample(tmp_path / "s.gpkg", draw_stratified(frame, np.array([20, 20]), False, 3))
    return labelled(tmp_path / "s.gpkg", maps[2], ".csv")
