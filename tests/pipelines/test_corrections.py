"""Corrections by hand in a run: burnt into the map, kept by every run, told in every result, and taken back without a trace."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.measures.corrections import uncorrected_mask
from stores.grid import BlockIndex
from stores.legends import Correction

FIELDS = "\n[fields]\nmin_confidence = 0.5\nmin_area_ha = 0.0\nmax_area_ha = 10000\n"
"""The small network is trained for a moment and joins fields over blocks, so none may be left out for its size."""
ADDED = shapely.box(114.02, 34.02, 114.04, 34.035)
ACROSS = shapely.box(114.011, 34.03, 114.03, 34.06)
"""Over the border of the two western blocks, and over a part of `ADDED`."""
ROWS = [
    {"action": "remove", "author": "Wang Wei", "reason": "a lake", "date": "2024-06-02", "geometry": ACROSS},
    {"action": "add", "author": "Li Na", "reason": "orchard, seen on site", "date": "2024-06-01", "geometry": ADDED},
]


def map_of(out: Path) -> np.ndarray:
    cube = Cube.open(out / "cube.zarr")
    return cube.read_window("croplayer", cube.blocks.window(cube.grid))


def flags_of(out: Path) -> np.ndarray:
    cube = Cube.open(out / "cube.zarr")
    return cube.read_window("correction", cube.blocks.window(cube.grid))


def inside(out: Path, outline: shapely.Polygon) -> np.ndarray:
    cube = Cube.open(out / "cube.zarr")
    window = cube.blocks.window(cube.grid)
    lon = cube.grid.longitudes(window.col, window.width)
    lat = cube.grid.latitudes(window.row, window.height)
    return shapely.contains_xy(outline, *np.meshgrid(lon, lat))


def write(folder: Path, rows: list[dict[str, object]]) -> None:
    path = folder / "corrections.gpkg"
    path.unlink(missing_ok=True)
    columns = ["action", "author", "reason", "date", "geometry"]
    frame = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs="EPSG:4326")
    frame.to_file(path, layer="corrections")


@pytest.fixture(scope="module")
def plain(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe with fields."""
    path = tmp_path_factory.mktemp("plain") / "small.toml"
    path.write_text(small_recipe.read_text(encoding="utf-8") + FIELDS, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def base(plain: Path, finished_small_run: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without corrections."""
    out = tmp_path_factory.mktemp("base") / "run"
    shutil.copytree(finished_small_run, out)
    croplayer("run", plain, "-o", out, "--workers", 1, models=models)
    return out


@pytest.fixture(scope="module")
def recipe(plain: Path) -> Path:
    """The same recipe with a file of corrections beside it."""
    write(plain.parent, ROWS)
    path = plain.parent / "corrected.toml"
    text = plain.read_text(encoding="utf-8") + '\n[corrections]\npolygons = "corrections.gpkg"\n'
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def corrected(recipe: Path, base: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run with its corrections."""
    out = tmp_path_factory.mktemp("corrected") / "run"
    shutil.copytree(base, out)
    croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    return out


def test_the_drawn_pixels_change_the_later_date_wins_and_the_map_before_can_be_told(
    base: Path, corrected: Path
) -> None:
    before, after = map_of(base), map_of(corrected)
    expected = before.copy()
    expected[inside(base, ADDED)] = 1
    expected[inside(base, ACROSS)] = 0
    assert (after == expected).all() and (after != before).sum() > 100
    assert (uncorrected_mask(after, flags_of(corrected)) == before).all()
    drawn = inside(base, ADDED) | inside(base, ACROSS)
    assert ((flags_of(corrected) != Correction.NONE) == drawn).all()
    assert (open_cube(corrected).correction.values == flags_of(corrected)).all()
    assert problems_of(corrected) == []


def test_areas_tables_exports_and_report_have_the_corrected_map(base: Path, corrected: Path) -> None:
    cube = Cube.open(corrected / "cube.zarr")
    window = cube.blocks.window(cube.grid)
    km2 = (map_of(corrected) == 1).sum(axis=1) @ cube.grid.pixel_area_m2(window.row, window.height) / 1e6
    blocks = pd.read_parquet(corrected / "blocks.parquet").set_index("block")
    assert blocks.area_km2_croplayer.sum() == pytest.approx(km2, rel=1e-9)
    change = blocks.corrected_added_km2.sum() - blocks.corrected_removed_km2.sum()
    was = pd.read_parquet(base / "blocks.parquet").area_km2_croplayer.sum()
    assert km2 - was == pytest.approx(change, abs=1e-6)
    table = pd.read_csv(corrected / "tables/corrections.csv")
    assert table[["author", "date", "blocks"]].to_numpy().tolist() == [
        ["Li Na", "2024-06-01", 1],
        ["Wang Wei", "2024-06-02", 2],
    ]
    assert table.added_km2.sum() - table.removed_km2.sum() == pytest.approx(change, abs=1e-6)
    units = pd.read_csv(corrected / "tables/units_1.csv")
    assert units.croplayer_km2.sum() == pytest.approx(km2, rel=1e-6)
    report = (corrected / "report.html").read_text(encoding="utf-8")
    assert "Corrections by hand" in report and "Wang Wei" in report and "orchard, seen on site" in report
    assert "Corrections by hand" not in (base / "report.html").read_text(encoding="utf-8")
    told = blocks.corrections.dropna()
    assert len(told) == 2 and all("Wang Wei" in text and "2024-06-02" in text for text in told)


def test_a_field_beside_or_under_a_corrected_pixel_says_so(base: Path, corrected: Path) -> None:
    assert not open_cube(base).crop.fields().corrected.any()
    fields = open_cube(corrected).crop.fields()
    pixel = 0.05 / 128
    near = shapely.union_all([ADDED, ACROSS]).buffer(4 * pixel)
    far = ~fields.intersects(near)
    assert not fields[far].corrected.any() and far.any()
    # What only a person saw is a field, although the network is not sure of it.
    new = shapely.difference(ADDED, ACROSS).buffer(-2 * pixel)
    held = fields[fields.intersects(new)]
    assert held.corrected.all() and shapely.intersection(held.union_all(), new).area > 0.95 * new.area


def test_only_blocks_whose_corrections_changed_are_done_again_and_none_twice(
    base: Path, corrected: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    def parts(out: Path) -> dict[str, int]:
        folder = out / "cube.zarr/2020/croplayer/c"
        return {p.relative_to(folder).as_posix(): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}

    out = tmp_path / "run"
    shutil.copytree(corrected, out)
    before, results = parts(out), digests(out)
    croplayer("run", recipe, "-o", out, "--workers", 2, models=models)
    assert parts(out) == before and digests(out) == results
    write(recipe.parent, [ROWS[0]])
    try:
        said = croplayer("explain", recipe, "-o", out, models=models).stdout
        assert "by hand: polygon 1 (remove) by Wang Wei on 2024-06-02: a lake" in said
        croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    finally:
        write(recipe.parent, ROWS)
    after = parts(out)
    assert {name for name in after if after[name] != before[name]} == {"1/0"}
    expected = map_of(base)
    expected[inside(base, ACROSS)] = 0
    assert (map_of(out) == expected).all() and problems_of(out) == []


def test_without_its_corrections_the_run_is_as_before(
    base: Path, corrected: Path, plain: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(corrected, out)
    croplayer("run", plain, "-o", out, "--workers", 1, models=models)
    left = digests(out)
    layout = {name for name in left if name.endswith("correction/zarr.json")}
    assert {name: left[name] for name in left.keys() - layout} == digests(base)
    assert not flags_of(out).any() and problems_of(out) == []


def test_an_emptied_file_takes_everything_back(
    corrected: Path, base: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(corrected, out)
    write(recipe.parent, [])
    try:
        croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    finally:
        write(recipe.parent, ROWS)
    assert (map_of(out) == map_of(base)).all() and not flags_of(out).any()
    assert "The file of corrections holds none" in (out / "report.html").read_text(encoding="utf-8")


def test_ground_without_imagery_is_known_where_a_person_drew_it(corrected: Path, tmp_path: Path) -> None:
    from croplayer.tasks.integrate import IntegrateTask
    from croplayer.vector.corrections import Action, HandCorrection
    from stores.durable import digest_file

    shutil.copytree(corrected / "cube.zarr", tmp_path / "cube.zarr")
    cube = Cube.open(tmp_path / "cube.zarr")
    block = BlockIndex.parse(pd.read_parquet(corrected / "blocks.parquet").block[0])
    for source in cube.sources:
        cube.write_block("cropland", block, np.full((128, 128), 254, np.uint8), source)
    bounds = cube.grid.bounds(block)
    outline = shapely.box(bounds.west, bounds.south, bounds.east, (bounds.south + bounds.north) / 2)
    path = corrected / "tables/integration.parquet"
    drawn = HandCorrection(Action.ADD, "Li", "why", "2024-05-31", outline, 1)
    record = IntegrateTask(cube, str(path), digest_file(path).sha256, (drawn,)).one(block)
    mask = cube.read_block("croplayer", block)
    assert (mask[64:] == 1).all() and (mask[:64] == 254).all()
    assert record.values["known_croplayer"] == 0.5 and record.values["area_fraction_croplayer"] == 1.0


def test_bad_corrections_are_named_before_any_work(recipe: Path, models: Path, tmp_path: Path) -> None:
    write(recipe.parent, [{**ROWS[0], "author": "", "date": "soon"}])
    try:
        done = croplayer("run", recipe, "-o", tmp_path / "run", models=models, check=False)
    finally:
        write(recipe.parent, ROWS)
    assert done.returncode != 0 and not (tmp_path / "run/cube.zarr").exists()
    assert "[corrections]: polygons" in done.stderr
    assert "feature 1, author: it is empty" in done.stderr and "date: 'soon' is no date" in done.stderr
