"""Samples of change: their strata, the areas estimated from them, and where no interval is given."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner, Result
from shared.two_editions import BLOCKS, GRID, RANGE, SHAPE, changed, patches

from croplayer.changes.population import CHANGE_GROUND, ChangePopulation
from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.class_estimates import estimate_classes
from croplayer.evaluation.frame import measure_frame, strata_of, stratum_km2
from croplayer.evaluation.sample_drawing import draw_stratified
from croplayer.evaluation.sample_files import ReviewedSample
from pipelines.cli import main


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture
def compared(before: Path, after: Path, tmp_path: Path) -> Path:
    out = tmp_path / "out"
    options = ("--tolerance", "120", "--min-area", "10", "--max-shift", "200", "--buffer", "200")
    result = call("change", before, after, "-o", out, *options)
    assert result.exit_code == 0, result.output
    return out


def true_class(points: pd.DataFrame) -> np.ndarray:
    """What the two lands say at each point: the changes as they are, and unknown ground as stable."""
    crop, grey = patches(1)
    later, _ = changed(crop, grey)
    later = np.where(later == 254, crop, later)
    truth = np.select([(crop == 0) & (later == 1), (crop == 1) & (later == 0)], [2, 3], crop.astype(int))
    west, _, _, north = GRID.window_bounds(RANGE.window(GRID))
    y = np.floor((north - points.lat.astype(float)) * GRID.px_per_degree).to_numpy(int)
    x = np.floor((points.lon.astype(float) - west) * GRID.px_per_degree).to_numpy(int)
    return truth[y, x]


def test_the_strata_are_the_changes_and_the_ground_near_them(compared: Path) -> None:
    cube = Cube.open(compared / "change.zarr", "change")
    window = cube.blocks.window(cube.grid)
    change, near = cube.read_window("change", window), cube.read_window("near_change", window)
    assert (near[(change == 2) | (change == 3) | (change == 254)] == 0).all()
    frame = measure_frame(ChangePopulation(cube, BLOCKS, None))
    strata, of_cell = strata_of(frame, by_unit=False)
    km2 = np.repeat(GRID.pixel_area_m2(window.row, SHAPE[0])[:, None], SHAPE[1], axis=1) / 1e6
    masks = [(change == k) & (near == 0) for k in range(2)] + [change == 2, change == 3, near == 1]
    assert stratum_km2(frame, of_cell, strata) == pytest.approx([km2[m].sum() for m in masks])
    assert frame.unit_class_km2[0] == pytest.approx([km2[change == k].sum() for k in range(4)])
    design = draw_stratified(frame, np.array([10, 20, 30, 40, 50]), False, 1)
    assert np.bincount(design.points.stratum).tolist() == [10, 20, 30, 40, 50]
    assert set(design.points.mapped[design.points.stratum == 4]) <= {0, 1}


def test_a_sample_is_drawn_labelled_and_estimated(compared: Path, tmp_path: Path) -> None:
    drawn = call(
        "area",
        "draw",
        compared,
        "-o",
        tmp_path / "s.gpkg",
        "--change",
        "--units",
        "1",
        "--points",
        "400",
        "--least",
        "40",
    )
    assert drawn.exit_code == 0, drawn.output
    assert "write loss or gain or stable cropland or stable other" in drawn.output
    table = pd.read_csv(tmp_path / "s.csv", dtype=str, keep_default_na=False)
    names = np.array(CHANGE_GROUND.classes)
    table["label"] = names[true_class(table)]
    table.to_csv(tmp_path / "s.csv", index=False)
    done = call("area", "estimate", tmp_path / "s.csv", "-o", tmp_path / "areas.csv")
    assert done.exit_code == 0, done.output
    areas = pd.read_csv(tmp_path / "areas.csv", dtype={"adcode": str}, keep_default_na=False)
    assert areas.change.tolist() == list(names) * 3
    assert areas.name_en.tolist() == [""] * 4 + ["West"] * 4 + ["East"] * 4
    total = areas[:4].astype({"estimate_km2": float, "mapped_km2": float})
    assert total.estimate_km2.sum() == pytest.approx(total.mapped_km2.sum())
    table.loc[3, "label"] = "forest"
    table.to_csv(tmp_path / "s.csv", index=False)
    assert (
        "expected gain, loss, stable cropland, stable other or nothing"
        in call("area", "estimate", tmp_path / "s.csv").output
    )


def test_a_unit_without_points_gets_no_area_and_no_interval(compared: Path) -> None:
    cube = Cube.open(compared / "change.zarr", "change")
    box = shapely.box(*GRID.window_bounds(cube.blocks.window(GRID)))
    hamlet = shapely.box(box.bounds[0], box.bounds[1], box.bounds[0] + 3 * GRID.px_deg, box.bounds[1] + 3 * GRID.px_deg)
    names = {"adcode": ["1", "2"], "name_en": ["Rest", "Hamlet"]}
    units = gpd.GeoDataFrame(names, geometry=[box - hamlet, hamlet], crs="EPSG:4326")
    design = draw_stratified(measure_frame(ChangePopulation(cube, BLOCKS, units)), np.full(5, 40), False, 1)
    points = design.points.assign(label=true_class(design.points))
    assert (points.unit == "1").all()
    whole = estimate_classes(ReviewedSample(design, points, ""))
    hamlets = whole.areas[whole.areas.adcode == "2"]
    assert hamlets.mapped_km2.sum() > 0
    assert hamlets[["estimate_km2", "low_km2", "high_km2"]].isna().all(axis=None)
    assert any("no point of the sample lies there" in note and "Hamlet" in note for note in whole.notes)
    assert whole.areas.low_km2[:4].notna().all()
    flawed = estimate_classes(ReviewedSample(design, points, "2 points were moved"))
    assert flawed.areas.low_km2.isna().all()
    assert flawed.areas.estimate_km2[:4].notna().all()
    assert "2 points were moved" in flawed.notes[0]


def test_the_intervals_hold_the_truth(compared: Path) -> None:
    """Of 60 samples of a population whose map errs in every stratum, at most 9 intervals of 95 % may miss (p < 0.001)."""
    cube = Cube.open(compared / "change.zarr", "change")
    design = draw_stratified(
        measure_frame(ChangePopulation(cube, BLOCKS, None)), np.array([300, 300, 80, 80, 150]), False, 1
    )
    rng = np.random.default_rng(3)
    wrong = np.array(
        [
            [0.96, 0.01, 0.02, 0.01],
            [0.02, 0.95, 0.01, 0.02],
            [0.2, 0.1, 0.7, 0],
            [0.05, 0.2, 0, 0.75],
            [0.5, 0.3, 0.1, 0.1],
        ]
    )
    km2 = np.array(design.stratum_km2)
    true = km2 @ wrong
    missed = np.zeros(4, int)
    for _ in range(60):
        labels = [rng.choice(4, p=wrong[s]) for s in design.points.stratum]
        areas = estimate_classes(ReviewedSample(design, design.points.assign(label=labels), "")).areas
        missed += ~((areas.low_km2 <= true) & (true <= areas.high_km2)).to_numpy()
    assert (missed <= 9).all()


def test_samples_of_change_need_a_comparison_and_strata(before: Path, compared: Path, tmp_path: Path) -> None:
    assert "holds no finished comparison" in call("area", "draw", before, "-o", tmp_path / "s.gpkg", "--change").output
    systematic = call("area", "draw", compared, "-o", tmp_path / "s.gpkg", "--change", "--design", "systematic")
    assert "needs a stratified design" in systematic.output
    plain = call("area", "draw", compared, "-o", tmp_path / "s.gpkg")
    assert "is a comparison of two maps, not a run; give --change" in plain.output
    level = call("area", "draw", compared, "-o", tmp_path / "s.gpkg", "--change", "--units", "7")
    assert "has no admin units of level 7; it has units of level 1\n" in level.output
