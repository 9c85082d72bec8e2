"""Samples drawn from a map, their files, and what comes back: areas with intervals, or why there are none."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from croplayer.cube.whole_blocks import Cube
from croplayer.evaluation.area_estimates import estimate_areas
from croplayer.evaluation.frame import Frame, Population, measure_frame
from croplayer.evaluation.sample_drawing import draw_stratified, draw_systematic
from croplayer.evaluation.sample_files import ReviewedSample, SampleDesign, read_sample, write_sample
from stores.cube import CUBE
from stores.durable import DurableStore
from stores.grid import BlockGrid, BlockIndex, BlockRange

GRID = BlockGrid(40)
RANGE = BlockRange(1000, 5900, 2, 3)
BLOCKS = tuple(BlockIndex(1000 + r, 5900 + c) for r in range(2) for c in range(3))


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


def pixel_km2() -> np.ndarray:
    window = RANGE.window(GRID)
    return np.repeat(GRID.pixel_area_m2(window.row, window.height)[:, None] / 1e6, window.width, axis=1)


def unit_of_pixels(units: gpd.GeoDataFrame) -> np.ndarray:
    """Unit of every pixel centre by plain geometry, (80, 120), -1 for none."""
    window = RANGE.window(GRID)
    lon, lat = np.meshgrid(GRID.longitudes(window.col, window.width), GRID.latitudes(window.row, window.height))
    unit = np.full(lon.shape, -1)
    for i, geometry in enumerate(units.geometry):
        unit[shapely.contains_xy(geometry, lon, lat)] = i
    return unit


@pytest.fixture(scope="module")
def frame(maps: tuple[Cube, np.ndarray, np.ndarray], units: gpd.GeoDataFrame) -> Frame:
    return measure_frame(Population(maps[0], BLOCKS, units))


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


def pixels_of(points: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Row and column on the map of each point, from its coordinates."""
    west, _, _, north = GRID.window_bounds(RANGE.window(GRID))
    ppd = GRID.px_per_degree
    return np.floor((north - points.lat) * ppd).to_numpy(int), np.floor((points.lon - west) * ppd).to_numpy(int)


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


def labelled(design_path: Path, truth: np.ndarray, suffix: str) -> Path:
    """Fill in the labels from the truth, as a reviewer would."""
    path = design_path.with_suffix(suffix)
    table = gpd.read_file(path) if suffix == ".gpkg" else pd.read_csv(path, dtype=str, keep_default_na=False)
    y, x = pixels_of(table.astype({"lon": float, "lat": float}))
    table["label"] = np.where(truth[y, x], "cropland", "Not cropland")
    if suffix == ".gpkg":
        table.to_file(path, driver="GPKG", layer="sample")
    else:
        table.to_csv(path, index=False)
    return path


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


@pytest.fixture
def drawn(maps: tuple[Cube, np.ndarray, np.ndarray], frame: Frame, tmp_path: Path) -> Path:
    write_sample(tmp_path / "s.gpkg", draw_stratified(frame, np.array([20, 20]), False, 3))
    return labelled(tmp_path / "s.gpkg", maps[2], ".csv")


def change(path: Path, edit: object) -> None:
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    edit(table)  # type: ignore[operator]
    table.to_csv(path, index=False)


def test_a_sample_that_is_no_probability_sample_gets_no_interval(drawn: Path) -> None:
    complete = estimate_areas(read_sample(drawn))
    assert complete.areas.low_km2.notna().all()
    flaws = {
        "1 of 40 points have no label": lambda t: t.loc.__setitem__((0, "label"), ""),
        "1 points were moved": lambda t: t.loc.__setitem__((0, "lon"), str(float(t.lon[0]) + 0.001)),
        "1 points were added by hand": lambda t: t.loc.__setitem__(40, ["x1", t.lon[0], t.lat[0], "cropland", ""]),
    }
    original = drawn.read_text()
    for sentence, edit in flaws.items():
        drawn.write_text(original)
        change(drawn, edit)
        sample = read_sample(drawn)
        assert sentence in sample.flaw
        result = estimate_areas(sample)
        assert result.areas.estimate_km2.notna().all()
        assert result.areas[["standard_error_km2", "low_km2", "high_km2"]].isna().all(axis=None)
        assert result.accuracy[["standard_error", "low", "high"]].isna().all(axis=None)
        assert "No interval" in result.notes[0] and sentence in result.notes[0]
    drawn.write_text(original)
    drawn.with_suffix(".design.json").unlink()
    sample = read_sample(drawn)
    with pytest.raises(ValueError, match="how its points were chosen is not known"):
        estimate_areas(sample)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t.loc.__setitem__((4, "label"), "maybe"),
            r"s.csv row 6 \(p05\): label is 'maybe'; expected cropland",
        ),
        (lambda t: t.loc.__setitem__((4, "lon"), "abc"), r"row 6 \(p05\): lon is 'abc'"),
        (lambda t: t.loc.__setitem__((4, "lat"), "95"), r"row 6 \(p05\): lat is '95'"),
        (lambda t: t.loc.__setitem__((4, "id"), "p01"), "row 6: id 'p01' appears twice"),
        (lambda t: t.drop(columns="label", inplace=True), "no column 'label'"),
        (lambda t: t.loc.__setitem__((slice(None), "label"), ""), "has no label yet"),
    ],
)
def test_errors_in_a_sample_name_file_row_and_field(drawn: Path, edit: object, message: str) -> None:
    change(drawn, edit)
    with pytest.raises(ValueError, match=message):
        read_sample(drawn)


def test_labels_are_never_overwritten_and_a_damaged_design_is_named(drawn: Path, frame: Frame) -> None:
    with pytest.raises(FileExistsError, match="may hold labels"):
        write_sample(drawn.with_suffix(".gpkg"), draw_stratified(frame, np.array([4, 4]), False, 1))
    design = drawn.with_suffix(".design.json")
    facts = json.loads(design.read_text())
    design.write_text(design.read_text()[:-20])
    with pytest.raises(ValueError, match=r"s.design.json is damaged"):
        read_sample(drawn)
    design.write_text(json.dumps(facts | {"format": "other"}))
    with pytest.raises(ValueError, match="format 'other'"):
        read_sample(drawn)
