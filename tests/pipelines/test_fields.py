"""Fields in a run: found once, whole, counted to the pixel, redone when what they are made of changes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image
from shared.commands import croplayer
from shared.run_files import digests
from soak.damage import problems_of

from croplayer.cube.decisions import Taken, decisions_of
from croplayer.cube.field_layers import FieldLayers
from croplayer.cube.field_table import FieldChoice, FieldTables
from croplayer.cube.opening import open_cube
from croplayer.cube.whole_blocks import Cube
from croplayer.fields.block_tables import OUTLINES, encode_fields
from croplayer.fields.fiboa import DATETIME
from croplayer.fields.files import read_fields, write_fields
from croplayer.fields.rules import load_rules
from croplayer.sources.elevation import ElevationRaster
from croplayer.vector.zones import OUTSIDE, zones_of_pixels
from stores.durable import digest_file
from stores.field_columns import FIELD_COLUMNS
from stores.finished import MissingBlocksError, UnfinishedBlocksWarning
from stores.grid import BlockGrid, BlockIndex


@pytest.fixture
def recipe(field_recipe: Path) -> Path:
    return field_recipe


@pytest.fixture
def with_fields(field_run: Path) -> Path:
    return field_run


def fields_of(out: Path) -> gpd.GeoDataFrame:
    """All fields of a run."""
    return open_cube(out).crop.fields()


def _layer(path: Path) -> dict[str, str]:
    """A GeoPackage also holds a layer of styles."""
    return {"layer": "fields"} if path.suffix == ".gpkg" else {}


def test_fields_are_whole_and_counted_to_the_pixel(with_fields: Path) -> None:
    assert problems_of(with_fields) == []
    fields, cube = fields_of(with_fields), open_cube(with_fields)
    assert [*fields.columns] == [column.name for column in FIELD_COLUMNS] + ["geometry"]
    assert len(fields) > 20 and fields.id.is_unique
    # Some are of one pixel (0.15 ha), and hardly any of them is sampled.
    assert fields.area_ha.min() < 0.2
    assert fields.slope.notna().all() and fields.elevation.notna().all()
    assert shapely.is_valid(fields.geometry.to_numpy()).all() and (fields.geometry.geom_type == "Polygon").all()
    kept = fields.area_ha.sum()
    left_out = [json.loads(p.read_text())["left_out"] for p in (with_fields / "fields").glob("*.json")]
    mapped = float(cube.crop.area().area_km2[0]) * 100
    assert kept + sum(why["ha"] for part in left_out for why in part.values()) == pytest.approx(mapped, rel=1e-9)
    grid = BlockGrid(128)
    crossing = (np.floor(fields.bounds.minx * 20 + 1e-9) != np.floor(fields.bounds.maxx * 20 - 1e-9)).sum()
    assert crossing > 0 and grid.block_px == 128
    pairs = fields.sindex.query(fields.geometry, predicate="overlaps")
    assert pairs.shape[1] == 0


def test_workers_make_no_difference_and_nothing_is_done_twice(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    croplayer("run", recipe, "-o", out, "--workers", 2, models=models)
    names = [name for name in digests(out) if name.startswith("fields/") or "/field" in name]
    assert len(names) > 4
    assert {n: digests(out)[n] for n in names} == {n: digests(with_fields)[n] for n in names}
    before = {p: p.stat().st_mtime_ns for p in (out / "fields").iterdir()}
    croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    assert {p: p.stat().st_mtime_ns for p in (out / "fields").iterdir()} == before


def test_tables_of_blocks_are_those_of_the_whole_map_at_once(with_fields: Path, country: Path) -> None:
    """A worker that sees a few blocks draws the fields as one that sees all of them, to the bit."""
    cube, decisions = Cube.open(with_fields / "cube.zarr"), with_fields / "tables/integration.parquet"
    taken = Taken(cube.sources, decisions_of(str(decisions), digest_file(decisions).sha256))
    tells_boundaries = cube.has_array("boundary_probability")
    tables = FieldTables(
        FieldLayers(cube, taken, tells_boundaries),
        load_rules().of(tells_boundaries),
        FieldChoice(min_area_ha=0.0, max_area_ha=2000.0, min_confidence=0.0, simplify_m=3.0, fill_holes_ha=0.0),
        "2020",
        pd.read_parquet(with_fields / "blocks.parquet"),
        ElevationRaster(str(country / "dem.tif")),
    )
    blocks = [BlockIndex.parse(name) for name in taken.choices]
    assert len(blocks) == 4
    for block in blocks:
        assert encode_fields(tables.of(block)) == cube.read_table(OUTLINES, block)


def test_a_changed_choice_redoes_the_files_alone(with_fields: Path, recipe: Path, models: Path, tmp_path: Path) -> None:
    out, changed = tmp_path / "run", tmp_path / "small.toml"
    shutil.copytree(with_fields, out)
    changed.write_text(recipe.read_text(encoding="utf-8").replace("min_area_ha = 0.0", "min_area_ha = 50.0"))
    written = {p: p.stat().st_mtime_ns for p in (out / "cube.zarr/2020/field").rglob("c/*/*")}
    croplayer("run", changed, "-o", out, "--workers", 1, models=models)
    assert {p: p.stat().st_mtime_ns for p in (out / "cube.zarr/2020/field").rglob("c/*/*")} == written
    fields = fields_of(out)
    assert len(fields) and fields.area_ha.min() >= 50
    all_fields = fields_of(with_fields)
    assert set(fields.id) == set(all_fields.id[all_fields.area_ha >= 50])


def test_a_region_of_the_cube_has_its_fields(with_fields: Path, models: Path, tmp_path: Path) -> None:
    west, east = ((114.0, 34.0, 114.05, 34.1), (114.05, 34.0, 114.1, 34.1))
    parts = [open_cube(with_fields, bounds).crop.fields() for bounds in (west, east)]
    assert sorted([*parts[0].id, *parts[1].id]) == sorted(fields_of(with_fields).id)
    done = croplayer(
        "query",
        with_fields,
        "--bbox",
        "114.0,34.0,114.05,34.1",
        "--fields",
        "-o",
        tmp_path / "west.gpkg",
        models=models,
    )
    assert "west.gpkg" in done.stdout
    assert len(gpd.read_file(tmp_path / "west.gpkg", layer="fields")) == len(parts[0])
    assert f"; {len(parts[0]):,} fields with {parts[0].area_ha.sum():,.1f} ha" in done.stderr


def test_a_query_keeps_the_time_of_the_imagery(with_fields: Path, models: Path, tmp_path: Path) -> None:
    """Of the files of two units one tells when imagery was taken; what is cut out of both tells it of the fields of that one."""
    out, when = tmp_path / "run", pd.Timestamp("2020-05-03T10:30Z")
    shutil.copytree(with_fields, out)
    files = sorted((out / "fields").glob("cf_*.parquet"))
    assert len(files) > 1
    dated = pd.concat(read_fields(files[0]))
    dated[DATETIME] = pd.Series(when, index=dated.index, dtype="datetime64[ms, UTC]")
    write_fields([dated], files[0], is_dated=True)
    cut = tmp_path / "cut.parquet"
    croplayer("query", out, "--bbox", "114.0,34.0,114.1,34.1", "--fields", "-o", cut, models=models)
    found = pd.read_parquet(cut, columns=["id", DATETIME]).set_index("id")[DATETIME]
    assert set(found.index) == set(fields_of(with_fields).id)
    assert set(found.index[found == when]) == set(dated.id) and found.isna().sum() == len(found) - len(dated)


def check_units(out: Path) -> pd.DataFrame:
    """The table of units of a run, after comparing it with the map: fields and what filters took are its cropland, to 0.1 %."""
    cube = Cube.open(out / "cube.zarr")
    window, units = cube.blocks.window(cube.grid), gpd.read_parquet(out / "boundaries.parquet")
    units = units[units.level == units.level.min()]
    km2 = cube.grid.pixel_area_m2(window.row, window.height)[:, None] / 1e6
    cropland = (cube.read_window("croplayer", window) == 1) * km2
    field = (cube.read_window("field", window) > 0) * km2
    zones = zones_of_pixels(units.reset_index(drop=True), window, cube.grid)
    table = pd.read_csv(out / "tables/fields.csv", dtype={"adcode": str}).fillna({"adcode": ""}).set_index("adcode")
    for zone, code in [*enumerate(units.adcode), (OUTSIDE, "")]:
        ha = 100 * cropland[zones == zone].sum()
        assert 100 * field[zones == zone].sum() == pytest.approx(ha, rel=1e-9)
        told = table.loc[code, ["within_ha", "filtered_ha"]].sum() if code in table.index else 0.0
        assert told == pytest.approx(ha, rel=1e-3, abs=1e-6)
    assert table.area_ha.sum() == pytest.approx(table.within_ha.sum(), rel=1e-6)
    return table


def test_fields_and_what_filters_took_add_up_to_the_cropland_of_each_unit(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    """A field on the border of two units belongs to one of them, but its ground is counted where it lies."""
    table = check_units(with_fields)
    mapped = pd.read_csv(with_fields / "tables/units_1.csv", dtype={"adcode": str}).set_index("adcode").croplayer_km2
    told = (table.within_ha + table.filtered_ha).reindex(mapped.index)
    np.testing.assert_allclose(told, 100 * mapped, rtol=1e-3)
    assert len(mapped) > 1 and (table.area_ha / table.within_ha - 1).abs().max() > 0.01
    out, choosy = tmp_path / "run", tmp_path / "choosy.toml"
    shutil.copytree(with_fields, out)
    choosy.write_text(recipe.read_text(encoding="utf-8").replace("min_area_ha = 0.0", "min_area_ha = 50.0"))
    croplayer("fields", choosy, "-o", out, "--workers", 1, models=models)
    assert check_units(out).filtered_ha.sum() > 0


def test_fields_outside_all_units_are_counted_and_have_a_file(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    out, own = tmp_path / "run", tmp_path / "one_unit.toml"
    shutil.copytree(with_fields, out)
    text = recipe.read_text(encoding="utf-8")
    (path,) = set(re.findall(r'"([^"]*provinces.gpkg)"', text))
    units = gpd.read_file(path)
    units.iloc[:1].to_file(tmp_path / "one.gpkg")
    own.write_text(text.replace(path, str(tmp_path / "one.gpkg")), encoding="utf-8")
    croplayer("run", own, "-o", out, "--workers", 1, models=models)
    table = check_units(out)
    assert set(fields_of(out).id) == set(fields_of(with_fields).id)
    assert table.loc["", "name"] == "outside all units" and table.loc["", "fields"] > 0
    beyond = pd.concat(read_fields(out / "fields/outside_all_units.parquet"))
    assert len(beyond) == table.loc["", "fields"]
    assert (
        beyond.set_index("id").adcode.to_dict().items()
        <= fields_of(with_fields).set_index("id").adcode.to_dict().items()
    )
    assert problems_of(out) == []


def test_an_opened_cube_tells_where_its_fields_are_not_finished(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    """The fill value of the array says "no field", so nobody would notice."""
    out = tmp_path / "run"
    shutil.copytree(with_fields, out)
    assert int(open_cube(out, strict=True).field.max()) > 0
    chunk = next((out / "cube.zarr/2020/field/c").glob("*/*"))
    chunk.unlink()
    with pytest.raises(MissingBlocksError, match=r"1 of 4 blocks .* have no finished 'fields'"):
        open_cube(out, strict=True)
    with pytest.warns(UnfinishedBlocksWarning, match="have no finished 'fields'"):
        cube = open_cube(out)
    assert int((cube.field.coarsen(y=128, x=128).max() > 0).sum()) == 3
    croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    assert digests(out) == digests(with_fields)
    open_cube(out, strict=True)


def test_a_lost_table_of_a_block_is_written_again_and_no_other(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(with_fields, out)
    tables = sorted((out / "cube.zarr/2020/field/outlines").glob("*/*.arrow"))
    assert len(tables) == 4
    before = {path: path.stat().st_mtime_ns for path in [*tables, *(out / "fields").iterdir()]}
    tables[1].write_bytes(tables[1].read_bytes()[:-9])
    assert [p for p in problems_of(out) if "outlines" in p]
    croplayer("run", recipe, "-o", out, "--workers", 1, models=models)
    changed = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == [tables[1]]
    assert problems_of(out) == [] and digests(out) == digests(with_fields)


def test_a_run_without_fields_says_what_to_do(finished_small_run: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no fields; add the table \[fields\] to its recipe"):
        open_cube(finished_small_run).crop.fields()


def test_fields_are_compared_with_drawn_ones_and_written_in_every_format(
    with_fields: Path, recipe: Path, models: Path, tmp_path: Path
) -> None:
    """Fields that were drawn just as they are found match all; the report and all files tell the same number."""
    out, own = tmp_path / "run", tmp_path / "small.toml"
    shutil.copytree(with_fields, out)
    fields = fields_of(with_fields)
    drawn = fields[~fields.at_edge & (fields.area_ha > 5)].head(20)
    drawn[["id", "geometry"]].to_file(tmp_path / "drawn.gpkg")
    formats = '["flatgeobuf", "geopackage", "shapefile", "pmtiles"]'
    text = recipe.read_text(encoding="utf-8")
    text = text.replace(
        "[fields]", f'[evaluation]\nparcels = "{tmp_path / "drawn.gpkg"}"\n\n[fields]\nformats = {formats}'
    )
    own.write_text(text, encoding="utf-8")
    croplayer("run", own, "-o", out, "--workers", 1, models=models)
    figures = pd.read_csv(out / "tables/field_figures.csv").set_index(["size", "measure"]).value
    assert figures["all", "drawn"] == len(drawn) and figures["all", "recall"] == 1
    units = pd.read_csv(out / "tables/fields.csv")
    assert units.fields.sum() == len(fields)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Fields against drawn ones" in page and "The worst matches" in page
    worst = pd.read_csv(out / "tables/field_worst.csv")
    lost = (1 - worst.iou) * worst.area_ha
    assert len(worst) == 8 and (lost.diff().dropna() <= 1e-4).all()
    with Image.open(out / "figures/field_worst.png") as picture:
        assert picture.size[0] > 500
    for ending in (".fgb", ".gpkg", ".shp"):
        assert sum(len(gpd.read_file(p, **_layer(p))) for p in (out / "fields").glob(f"*{ending}")) == len(fields)
    assert len([*(out / "fields").glob("*.pmtiles")]) == len(units)
    assert problems_of(out) == []


def test_rules_are_learned_from_a_run(with_fields: Path, models: Path, tmp_path: Path) -> None:
    fields = fields_of(with_fields)
    fields[["id", "geometry"]].to_file(tmp_path / "drawn.gpkg")
    done = croplayer(
        "models", "learn-fields", with_fields, tmp_path / "drawn.gpkg", "-o", tmp_path / "own.json", models=models
    )
    assert "rules without boundaries from" in done.stdout and "in 4 blocks" in done.stdout
    assert json.loads((tmp_path / "own.json").read_text())["name"] == "own"
