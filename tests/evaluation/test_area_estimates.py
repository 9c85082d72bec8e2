"""Areas with intervals from reviewed samples, or why there are none."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shared.sampled_map import labelled, pixel_km2, pixels_of, unit_of_pixels

from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.area_estimates import estimate_areas
from croplayer.evaluation.frame import Frame, measure_frame
from croplayer.evaluation.sample_drawing import draw_stratified, draw_systematic
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign, read_sample, write_sample


@pytest.mark.parametrize("suffix", [".gpkg", ".csv"])
def test_a_labelled_sample_gives_areas_whose_intervals_hold_the_truth(
    maps: tuple[Cube, np.ndarray, np.ndarray], units: gpd.GeoDataFrame, frame: Frame, tmp_path: Path, suffix: str
) -> None:
    _, mapped, truth = maps
    write_sample(tmp_path / "s.gpkg", draw_stratified(frame, np.array([300, 300]), False, 3))
    text = (tmp_path / "s.csv").read_text()
    assert "mapped" not in text and "stratum" not in text, "the reviewer must not see what the map says"
    sample = read_sample(labelled(tmp_path / "s.gpkg", truth, suffix))
    assert sample.flaw == ""
    result = estimate_areas(sample, confidence=0.999)
    unit, km2 = unit_of_pixels(units), pixel_km2()
    known = mapped < 254
    for row, inside in zip(result.areas.itertuples(), [unit >= 0, unit == 0, unit == 1], strict=True):
        true_km2 = km2[inside & truth & known].sum()
        assert row.low_km2 < true_km2 < row.high_km2
        assert row.mapped_km2 == pytest.approx(km2[inside & (mapped == 1)].sum())
    accuracy = result.accuracy.set_index("measure")
    right = ((mapped == 1) == truth)[known & (unit >= 0)].mean()
    assert accuracy.low["overall accuracy"] < right < accuracy.high["overall accuracy"]
    assert any("without map" in note for note in result.notes)


def test_intervals_of_drawn_samples_cover_the_truth(maps: tuple[Cube, np.ndarray, np.ndarray], frame: Frame) -> None:
    """From drawing to estimate, over many seeds, for both designs and both levels."""
    _, mapped, truth = maps
    west = measure_frame(frame.population)
    assert west.unknown_km2 == frame.unknown_km2
    unit = unit_of_pixels(frame.population.units)
    km2, known = pixel_km2(), (mapped < 254)
    true = [km2[inside & truth & known].sum() for inside in (unit >= 0, unit == 0, unit == 1)]
    hits = {"stratified": np.zeros(3), "systematic": np.zeros(3)}
    rounds = 60
    for seed in range(rounds):
        for design in (draw_stratified(frame, np.array([150, 150]), False, seed), draw_systematic(frame, 0.0113, seed)):
            y, x = pixels_of(design.points)
            points = design.points.assign(label=truth[y, x].astype(int))
            areas = estimate_areas(ReviewedSample(design, points, "")).areas
            hits[design.kind] += (areas.low_km2 <= true) & (true <= areas.high_km2)
    assert (hits["stratified"] / rounds >= 0.85).all(), hits
    assert (hits["systematic"] / rounds >= 0.85).all(), hits


def made_up_points(mapped: np.ndarray, label: np.ndarray, unit: np.ndarray) -> pd.DataFrame:
    """Labelled points in rows of ten, their strata the map's classes."""
    row, col = np.divmod(np.arange(len(mapped)), 10)
    return pd.DataFrame(
        {"id": row * 10 + col, "unit": unit, "mapped": mapped, "stratum": mapped, "weight": 1.3, "row": row, "col": col,
         "label": label}
    )  # fmt: skip


def test_a_unit_whose_points_all_agree_gets_no_interval() -> None:
    rng = np.random.default_rng(0)
    unit = np.where(np.arange(200) < 40, "1", "2")
    mapped = np.where(unit == "1", 0, np.arange(200) % 2)
    label = np.where((unit == "2") & (rng.random(200) < 0.1), 1 - mapped, mapped)
    points = made_up_points(mapped, label, unit)
    design = SampleDesign(
        "stratified", 1, None, ("not cropland", "cropland"), (800.0, 400.0), ("1", "2"), ("West", "East"),
        np.array([[300.0, 0.0], [500.0, 400.0]]), 0.0, points,
    )  # fmt: skip
    result = estimate_areas(ReviewedSample(design, points, ""))
    areas = result.areas.set_index("name_en")
    assert areas.estimate_km2["West"] == 0
    assert areas.loc["West", ["standard_error_km2", "low_km2", "high_km2"]].isna().all()
    assert (areas.low_km2 < areas.high_km2)[["", "East"]].all()
    assert [n for n in result.notes if n.startswith("No interval is given for the area of West: the points there all")]
    assert not [n for n in result.notes if "East" in n or "all that is mapped" in n]


def test_a_grid_that_agrees_with_the_map_everywhere_gets_no_interval() -> None:
    mapped = (np.arange(60) % 3 == 0).astype(int)
    points = made_up_points(mapped, mapped, np.full(60, "")).assign(stratum=0)
    design = SampleDesign(
        "systematic", 1, 0.1, ("all",), (1000.0,), ("",), ("",), np.array([[700.0, 300.0]]), 0.0, points
    )
    result = estimate_areas(ReviewedSample(design, points, ""))
    assert result.areas.estimate_km2[0] == pytest.approx(300)
    assert result.areas[["standard_error_km2", "low_km2", "high_km2"]].isna().all(axis=None)
    assert (result.accuracy.value == 1).all()
    assert result.accuracy[["standard_error", "low", "high"]].isna().all(axis=None)
    note = next(n for n in result.notes if n.startswith("No interval is given for the area of all that is mapped"))
    assert all(measure in note for measure in result.accuracy.measure)
    one_wrong = points.assign(label=np.where(np.arange(60) == 7, 1, mapped))
    result = estimate_areas(ReviewedSample(design, one_wrong, ""))
    assert (result.areas.low_km2 < result.areas.high_km2).all()
    assert not [n for n in result.notes if "overall accuracy" in n]
