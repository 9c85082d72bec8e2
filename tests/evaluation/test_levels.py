"""Pixels, blocks, parcels and provinces: each figure against an independent count."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.features import shapes
from scipy.stats import binomtest
from shared.commands import croplayer

from croplayer.evaluation.interval import share_interval
from croplayer.evaluation.levels import (
    iou_difference,
    iou_estimate,
    judged_correctness,
    level_table,
    on_the_same_ground,
)
from croplayer.evaluation.parcels import parcel_numbers, parcel_scores, parcel_summary
from croplayer.measures.boundary import boundary_agreement, boundary_width_px
from stores.grid import BlockGrid, BlockIndex
from stores.tables import PARCELS


@given(st.integers(0, 40), st.integers(1, 40))
def test_share_intervals_are_wilsons(count: int, more: int) -> None:
    of = count + more
    expected = binomtest(count, of).proportion_ci(0.95, method="wilson")
    assert share_interval(count, of) == pytest.approx((expected.low, expected.high), abs=1e-9)


@settings(max_examples=40)
@given(st.data())
def test_boundary_bands_are_pixels_near_the_outside(data: st.DataObject) -> None:
    """A pixel is in the band when a known pixel within the width, also across corners, lies outside its mask."""
    shape, width = data.draw(st.tuples(st.integers(1, 12), st.integers(1, 12))), data.draw(st.integers(1, 3))
    mask, truth = (data.draw(hnp.arrays(bool, shape)) for _ in range(2))
    known = data.draw(hnp.arrays(bool, shape, elements=st.sampled_from([True, True, True, False])))
    expected = []
    for m in (mask, truth):
        band = np.zeros(shape, bool)
        for y, x in zip(*np.nonzero(m & known), strict=True):
            near = (slice(max(y - width, 0), y + width + 1), slice(max(x - width, 0), x + width + 1))
            band[y, x] = (known[near] & ~m[near]).any()
        expected.append(band)
    counts = boundary_agreement(mask, truth, known, width)
    assert counts.both == (expected[0] & expected[1]).sum()
    assert counts.any == (expected[0] | expected[1]).sum()


def test_the_band_is_about_ten_metres_wide() -> None:
    assert boundary_width_px(BlockGrid(2560)) == 5
    assert boundary_width_px(BlockGrid(128)) == 1


def polygons_of(labels: np.ndarray) -> dict[int, list[shapely.Geometry]]:
    """4-connected pieces of every label as polygons in pixels."""
    found: dict[int, list[shapely.Geometry]] = {}
    for geometry, value in shapes(labels.astype(np.int32), connectivity=4):
        found.setdefault(int(value), []).append(shapely.geometry.shape(geometry))
    return found


@settings(max_examples=40)
@given(st.data())
def test_parcel_scores_equal_geometry(data: st.DataObject) -> None:
    parcels = data.draw(hnp.arrays(np.int32, (7, 9), elements=st.integers(0, 3)))
    mask = data.draw(hnp.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 0, 1, 1, 254])))
    scores = parcel_scores(parcels, mask, np.full(7, 0.01)).set_index("parcel")
    regions = polygons_of(mask).get(1, [])
    for number, pieces in polygons_of(parcels).items():
        if number == 0 or (mask[parcels == number] == 254).any():
            assert number not in scores.index
            continue
        parcel = shapely.union_all(pieces)
        overlaps = [parcel.intersection(r).area for r in regions]
        row = scores.loc[number]
        assert row.area_ha == pytest.approx(parcel.area)
        assert row.missed == (not overlaps or max(overlaps) == 0)
        if row.missed:
            assert row["over"] == 1 and np.isnan(row.under)
            continue
        assert row["over"] == pytest.approx(1 - max(overlaps) / parcel.area)
        candidates = [1 - o / r.area for o, r in zip(overlaps, regions, strict=True) if o == max(overlaps)]
        assert min(abs(row.under - c) for c in candidates) < 1e-9
        assert row.distance == pytest.approx(np.sqrt((row["over"] ** 2 + row.under**2) / 2))


def test_a_perfect_map_divides_as_the_parcels_do_and_a_merged_one_too_little() -> None:
    parcels = np.zeros((6, 9), np.int32)
    parcels[1:5, 1:4], parcels[1:5, 5:8] = 1, 2
    perfect = parcel_summary(parcel_scores(parcels, (parcels > 0).astype(np.uint8), np.ones(6)), 3)
    assert perfect == {"parcels": 2, "left_out": 1, "missed_share": 0, "over": 0, "under": 0, "distance": 0}
    merged = parcel_summary(parcel_scores(parcels, np.pad(np.ones((4, 7), np.uint8), 1), np.ones(6)), 2)
    assert merged["over"] == 0 and merged["under"] == pytest.approx(1 - 12 / 28)
    nothing = parcel_summary(parcel_scores(parcels, np.zeros((6, 9), np.uint8), np.ones(6)), 2)
    assert nothing["missed_share"] == 1 and np.isnan(nothing["under"])


def test_a_parcel_that_reaches_out_of_the_window_is_none_of_it() -> None:
    grid = BlockGrid(40)
    window = grid.window(BlockIndex(1120, 5880))
    west, south, east, north = grid.window_bounds(window)
    third = (east - west) / 3
    parcels = gpd.GeoDataFrame(
        geometry=[
            shapely.box(west - third, south + third, west + third, north - third),
            shapely.box(west + third, south + third, east, north),
            shapely.box(west + third, south - third, west + 2 * third, south + third / 2),
            shapely.box(east + third, south, east + 2 * third, north),
        ],
        crs="EPSG:4326",
    )
    numbers = parcel_numbers(parcels, window, grid)
    assert np.unique(numbers).tolist() == [0, 2]
    assert (numbers == 2).sum() == pytest.approx(4 / 9 * 1600, abs=40)
    scores = parcel_scores(numbers, np.ones((40, 40), np.uint8), np.ones(40))
    assert scores.parcel.tolist() == [2] and parcel_summary(scores, len(parcels))["left_out"] == 3


def test_a_run_says_how_many_parcels_it_left_out(
    finished_small_run: Path, small_recipe: Path, models: Path, tmp_path: Path
) -> None:
    boxes = [(113.99, 34.02, 114.02, 34.04), (114.03, 34.03, 114.06, 34.07), (114.07, 34.07, 114.08, 34.08)]
    parcels = gpd.GeoDataFrame(geometry=[shapely.box(*box) for box in boxes], crs="EPSG:4326")
    parcels.to_file(tmp_path / "parcels.gpkg")
    recipe = tmp_path / "small.toml"
    recipe.write_text(
        f"{small_recipe.read_text(encoding='utf-8')}\n[evaluation]\nparcels = '{tmp_path / 'parcels.gpkg'}'\n", "utf-8"
    )
    shutil.copytree(finished_small_run, tmp_path / "run")
    croplayer("evaluate", recipe, "-o", tmp_path / "run", "--workers", 1, models=models)
    table = pd.read_csv(tmp_path / "run/tables/parcels.csv")
    assert set(table.columns) == set(PARCELS)
    scored = pd.read_parquet(tmp_path / "run/tables/parcels.parquet")
    assert 1 not in set(scored.parcel) and (table.left_out >= 1).all()
    assert (table.parcels + table.left_out == 3).all()
    assert (table.left_out == 1).any()


def test_the_standard_error_of_the_iou_is_that_of_drawing_blocks() -> None:
    rng = np.random.default_rng(1)
    n = 200
    truth = rng.uniform(0, 1000, n)
    tables = {}
    for name, error in (("a", 0.2), ("b", 0.3)):
        fp, fn = np.round(truth * rng.uniform(0, error, n)), np.round(truth * rng.uniform(0, error, n))
        tp = np.round(truth) - fn
        tables |= {f"tp_{name}_t": tp, f"fp_{name}_t": fp, f"fn_{name}_t": fn, f"tn_{name}_t": 2000 - tp - fp - fn}
    blocks = pd.DataFrame(tables)
    single, difference = iou_estimate(blocks, "a", "t"), iou_difference(blocks, "a", "b", "t")
    drawn = [blocks.sample(n, replace=True, random_state=seed) for seed in range(400)]
    assert single.standard_error == pytest.approx(np.std([iou_estimate(d, "a", "t").value for d in drawn]), rel=0.15)
    spread = np.std([iou_difference(d, "a", "b", "t").value for d in drawn])
    assert difference.standard_error == pytest.approx(spread, rel=0.15)


def test_one_block_with_cropland_gives_no_standard_error() -> None:
    blocks = pd.DataFrame({"tp_a_t": [80, 0, 0], "fp_a_t": [10, 0, 0], "fn_a_t": [10, 0, 0], "tn_a_t": [0, 100, 100]})
    value, error = iou_estimate(blocks, "a", "t")
    assert value == 0.8 and np.isnan(error)
    two = pd.concat([blocks, blocks.head(1).assign(tp_a_t=40)])
    assert iou_estimate(two, "a", "t").standard_error > 0


def test_what_the_map_takes_is_judged_as_its_sources() -> None:
    table = pd.DataFrame(
        {
            "correctness_a": ["TP", "TP", "FP", "TN", "TP", None],
            "correctness_b": ["TP", "Noise", "TN", "TN", "FP", "TP"],
            "integration": [3, 1, 2, 0, 3, 3],
        }
    )
    sources = ("a", "b")
    assert judged_correctness(table, "a", sources).tolist() == table.correctness_a.tolist()
    merged = judged_correctness(table, "merge_both", sources)
    assert merged[:5].tolist() == ["TP", "Noise", "FP", "TN", "FP"] and pd.isna(merged[5])
    chosen = judged_correctness(table, "croplayer", sources)
    assert chosen[[0, 1, 2, 4]].tolist() == ["TP", "TP", "TN", "FP"]
    assert chosen[[3, 5]].isna().all()


def test_what_is_not_known_is_missing_from_the_levels() -> None:
    blocks = pd.DataFrame(
        {"block": ["x", "y"], "row": 0, "col": 0, "correctness_a": ["TP", "FP"], "integration": [1, 0]}
    )
    maps = ["a", "croplayer"]
    levels = level_table(blocks, blocks[["block", "row", "col"]], None, maps, ["a"], None, judged=maps)
    assert levels.correct_share.tolist() == [0.5, 1.0]
    assert levels.correct_blocks.tolist() == [2, 1]
    assert "iou" not in levels and "within" not in levels
    levels = level_table(blocks, blocks[["block", "row", "col"]], None, maps, ["a"], None, judged=["a"])
    assert levels.correct_blocks.tolist() == [2, 0] and np.isnan(levels.correct_share[1])


def test_a_map_that_leaves_out_what_is_hard_does_not_win() -> None:
    """Sixteen easy blocks and four of cloud, which the second map leaves out; where both look they are the same."""
    counts = {"tp": [90.0] * 16 + [10.0] * 4, "fp": [5.0] * 16 + [40.0] * 4, "fn": [5.0] * 16 + [50.0] * 4, "tn": 900.0}
    blocks = pd.DataFrame({f"{field}_{name}_t": values for field, values in counts.items() for name in "ab"})
    blocks.loc[16:, [f"{field}_b_t" for field in counts]] = 0.0
    assert iou_estimate(blocks, "b", "t").value > iou_estimate(blocks, "a", "t").value + 0.1
    assert len(on_the_same_ground(blocks, ["a", "b"], "t")) == 16
    assert iou_difference(blocks, "b", "a", "t") == (0.0, 0.0)


def test_a_run_evaluates_as_numpy_does(finished_small_run: Path, country: Path) -> None:
    """Boundary counts and block judgements of a whole run, from the pixels of its cube and the truth's raster."""
    from croplayer.cube.opening import open_cube
    from croplayer.measures.judgement import mask_correctness
    from stores.legends import MERGE_BOTH

    levels = pd.read_csv(finished_small_run / "tables/levels.csv").set_index("map")
    evaluated = pd.read_parquet(finished_small_run / "tables/evaluated_blocks.parquet")
    agreement = pd.read_csv(finished_small_run / "tables/agreement.csv")
    iou = agreement[agreement.against == "truth"].set_index("map").iou
    assert levels.index.tolist() == ["aster", "borealis", MERGE_BOTH, "croplayer"]
    np.testing.assert_allclose(levels.iou, iou[levels.index], rtol=1e-6)
    cube = open_cube(finished_small_run / "cube.zarr").load()
    with rasterio.open(country / "truth.tif") as file:
        truth = np.isin(file.read(1), range(1, 8))
    mask, n = cube.croplayer.to_numpy(), 128
    assert truth.shape == mask.shape
    both = either = 0
    for i, block in enumerate(evaluated.itertuples()):
        area = np.s_[i // 2 * n : (i // 2 + 1) * n, i % 2 * n : (i % 2 + 1) * n]
        known = mask[area] < 254
        judged = mask_correctness(truth[area] & known, mask[area] == 1).label
        assert block.true_correctness_croplayer == (judged if known.mean() >= 0.5 else None)
        counts = boundary_agreement(mask[area] == 1, truth[area], known, 1)
        both, either = both + counts.both, either + counts.any
    assert levels.boundary_iou["croplayer"] == pytest.approx(both / either, rel=1e-6)
    units = pd.read_csv(finished_small_run / "tables/units_1.csv")
    assert levels.compared["croplayer"] == units.croplayer_percent.notna().sum()
    assert units.truth_km2.notna().all()
