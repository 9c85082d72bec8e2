"""Samples drawn from a map: the frame, points in their strata, and grids."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shared.sampled_map import BLOCKS, GRID, pixel_km2, pixels_of, unit_of_pixels

from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.frame import Frame, Population, measure_frame
from croplayer.evaluation.sample_drawing import draw_stratified, draw_systematic
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockRange


def test_the_frame_measures_every_pixel(
    maps: tuple[Cube, np.ndarray, np.ndarray], units: gpd.GeoDataFrame, frame: Frame
) -> None:
    _, mapped, _ = maps
    unit, km2 = unit_of_pixels(units), pixel_km2()
    for i in range(2):
        for code in (0, 1):
            expected = km2[(unit == i) & (mapped == code)].sum()
            assert frame.unit_class_km2[i, code] == pytest.approx(expected, rel=1e-9)
    assert frame.unknown_km2 == pytest.approx(km2[(mapped == 254) & (unit >= 0)].sum(), rel=1e-9)
    whole = measure_frame(Population(maps[0], BLOCKS, None))
    assert whole.cell_km2.sum() == pytest.approx(km2[mapped < 254].sum(), rel=1e-9)


@pytest.mark.parametrize("by_unit", [False, True])
def test_stratified_points_lie_in_their_stratum_and_spread_evenly(
    maps: tuple[Cube, np.ndarray, np.ndarray], units: gpd.GeoDataFrame, frame: Frame, by_unit: bool
) -> None:
    _, mapped, _ = maps
    allocation = np.array([400, 800] * (2 if by_unit else 1))
    design = draw_stratified(frame, allocation, by_unit, 7)
    points = design.points
    assert np.bincount(points.stratum).tolist() == allocation.tolist()
    y, x = pixels_of(points)
    assert (mapped[y, x] == points.mapped).all()
    unit = unit_of_pixels(units)
    assert (np.array(["1", "2"])[unit[y, x]] == points.unit).all()
    names = np.array(design.strata)[points.stratum]
    expected = [f"{u} {'cropland' if m else 'not cropland'}" if by_unit else ["not cropland", "cropland"][m]
                for u, m in zip(points.unit, points.mapped, strict=True)]  # fmt: skip
    assert names.tolist() == expected
    again = draw_stratified(frame, allocation, by_unit, 7).points
    pd.testing.assert_frame_equal(points, again)
    assert not draw_stratified(frame, allocation, by_unit, 8).points.equals(points)
    stratum = points.stratum == 1
    share = (x[stratum] < 60).mean()
    crop = (mapped == 1) & (unit >= 0) if not by_unit else (mapped == 1) & (unit == 0)
    expected_share = crop[:, :60].sum() / crop.sum()
    assert share == pytest.approx(expected_share, abs=4 * np.sqrt(0.25 / stratum.sum()))


def test_a_stratum_of_one_pixel_is_hit_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "cube.zarr"
    CUBE.create(DurableStore(path), "1", GRID, BlockRange(1000, 5900, 1, 1), ("a",))
    cube = Cube.open(path)
    mask = np.zeros((40, 40), np.uint8)
    mask[39, 39] = 1
    cube.write_block("croplayer", BLOCKS[0], mask)
    points = draw_stratified(measure_frame(Population(cube, BLOCKS[:1], None)), np.array([5, 5]), False, 1).points
    hit = points[points.stratum == 1]
    assert (hit.mapped == 1).all()
    assert hit.lon.nunique() == 1


def test_a_grid_is_regular_and_starts_anywhere(maps: tuple[Cube, np.ndarray, np.ndarray]) -> None:
    cube, mapped, _ = maps
    frame = measure_frame(Population(cube, BLOCKS, None))
    counts = []
    for seed in range(30):
        points = draw_systematic(frame, 0.012, seed).points
        y, x = pixels_of(points)
        assert (mapped[y, x] == points.mapped).all()
        step = np.diff(np.sort(points.lon.unique()))
        assert (np.abs(step / 0.012 - np.round(step / 0.012)) < 2 * GRID.px_deg / 0.012).all()
        counts.append(len(points))
    assert np.mean(counts) == pytest.approx((mapped < 254).sum() * GRID.px_deg**2 / 0.012**2, rel=0.03)
