"""County packages: what GDAL and geopandas read in them, what is redone, and what the archives hold."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pytest
from click.testing import CliRunner
from shared.handed_out import handed_out_run, made_units

from croplayer.changes.editions import open_edition
from croplayer.cube.cuts import cut_polygon
from croplayer.fields import packages as shapefiles
from croplayer.fields.fiboa import SCHEMAS
from croplayer.packages.counties import CountyFiles
from croplayer.vector.regions import regions_of_mask
from pipelines.cli import main
from pipelines.packaging import Packages
from stores.ledger import Ledger
from stores.package_columns import LAYERS, PACKAGE_FIELD_COLUMNS, REGION_COLUMNS
from stores.records import BlockRecord
from stores.run_folder import RunFolder
from stores.step_memory import BlocksDone


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handed_out_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def out(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packages of the run; tests must leave them as they are."""
    place = tmp_path_factory.mktemp("packages") / "out"
    packed(run, place)
    return place


def packed(run: Path, out: Path, **settings: object) -> dict[str, int]:
    """Write packages; returns how many steps were done for each province."""
    done: dict[str, int] = {}
    Packages.of(str(run), out, **settings).write(lambda province, _, worked: done.update({province.name: worked}))  # type: ignore[arg-type]
    return done


def digests(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_shapefiles_hold_the_regions_of_the_map(run: Path, out: Path) -> None:
    edition = open_edition(str(run))
    units = made_units().set_index("adcode")
    read = gpd.read_file(out / "西省" / "shapefile" / "cf_西市_老城.shp")
    cut = cut_polygon(edition.cube, units.geometry["1101"], edition.finished)
    expected = regions_of_mask(cut.mask == 1, cut.window, cut.grid)
    assert [c.name for c in REGION_COLUMNS] == [c for c in read.columns if c != "geometry"]
    assert list(read.id) == list(expected.id)
    np.testing.assert_allclose(read.area_ha, expected.area_ha, rtol=1e-12)
    assert read.geometry.geom_equals(expected.geometry).all()
    first = read.iloc[0]
    assert (first.adcode, first.name_zh, first.name_en, first.city, first.province) == (
        "1101",
        "老城",
        "Old Town",
        "西市",
        "西省",
    )
    assert (first.edition, first["class"], first.source) == ("2020", "cropland", "one+two")


def test_fields_have_their_confidence_and_the_county_of_their_inner_point(out: Path) -> None:
    path = out / "西省" / "geoparquet" / "cf_西市_老城_fields.parquet"
    table, shape = gpd.read_parquet(path), gpd.read_file(out / "西省" / "shapefile" / "cf_西市_老城_fields.shp")
    assert [c.name for c in PACKAGE_FIELD_COLUMNS] == [c for c in shape.columns if c != "geometry"]
    assert {c.name for c in PACKAGE_FIELD_COLUMNS} <= set(table.columns)
    assert sorted(table.confidence) == pytest.approx([0.2, 0.4]) == sorted(shape.confidence)
    assert list(shape.adcode) == ["1101", "1101"] and set(shape["class"]) == {"cropland"}
    assert len(gpd.read_parquet(out / "东省" / "geoparquet" / "cf_远市_鼓楼区_fields.parquet")) == 1
    assert len(gpd.read_parquet(out / "东省" / "geoparquet" / "cf_East_City_鼓楼区_fields.parquet")) == 0


def test_the_geoparquet_of_fields_follows_fiboa(out: Path) -> None:
    path = out / "西省" / "geoparquet" / "cf_西市_老城_fields.parquet"
    about = json.loads(pq.read_schema(path).metadata[b"collection"])
    table = pd.read_parquet(path)
    assert about["schemas"] == {"north/2020": list(SCHEMAS)} and set(table.collection) == {"north/2020"}
    assert set(about["schemas:custom"]["properties"]) == {c.name for c in PACKAGE_FIELD_COLUMNS if c.name != "id"}
    np.testing.assert_allclose(table["metrics:area"], 1e4 * table.area_ha, rtol=1e-6)


def test_a_geopackage_has_all_layers_with_styles(out: Path) -> None:
    path = out / "西省" / "西省.gpkg"
    layers = {name for name, _ in pyogrio.list_layers(path)}
    assert layers == {*LAYERS, "layer_styles"}
    for name, columns in LAYERS.items():
        read = gpd.read_file(path, layer=name)
        assert [c.name for c in columns] == [c for c in read.columns if c != "geometry"] and len(read), name
    units = gpd.read_file(path, layer="units").set_index("adcode")
    assert units.cropland["1101"] == 1.5 and np.isnan(units.cropland["1102"])
    assert units.geometry["1101"].equals(made_units().set_index("adcode").geometry["1101"])
    blocks = gpd.read_file(path, layer="blocks").set_index("block")
    assert blocks.coverage["r1115c5880"] == "one: Cloudy; two: Planting"
    assert blocks.correct.isna()["r1115c5880"] and blocks.source["r1115c5880"] == "one+two"
    styles = pyogrio.read_dataframe(path, layer="layer_styles", read_geometry=False)
    assert set(styles.f_table_name) == set(LAYERS) and styles.useAsDefault.all()
    assert all(ElementTree.fromstring(qml.partition("\n")[2]).tag == "qgis" for qml in styles.styleQML)


def test_the_project_names_files_that_are_there(out: Path) -> None:
    project = ElementTree.fromstring((out / "西省" / "西省.qgs").read_bytes().partition(b"\n")[2])
    sources = [layer.findtext("datasource", "") for layer in project.iter("maplayer")]
    assert sources == [
        *(f"./西省.gpkg|layername={n}" for n in ("blocks", "fields", "cropland", "units")),
        "./map/西省.tif",
    ]
    assert (out / "西省" / "map" / "西省.tif").is_file()
    assert all(
        layer.find("renderer-v2") is not None for layer in project.iter("maplayer") if layer.get("type") == "vector"
    )


def test_the_page_explains_every_column_and_the_licences(out: Path) -> None:
    page = (out / "西省" / "README.md").read_text(encoding="utf-8")
    assert all(
        f"| `{c.name}` | {c.dtype} | {c.unit} | {c.about} |" in page for columns in LAYERS.values() for c in columns
    )
    assert "| imagery | one | CC-BY-4.0 | attribution | https://example.org/one |" in page
    assert "Licence of the map: CC-BY-4.0." in page
    assert page.rstrip().endswith("An office: Cropland of the north, edition 2020. Made with croplayer 0.1.0.")


def test_check_sums_and_archive_hold_every_file(out: Path) -> None:
    for folder in (out, out / "西省"):
        subprocess.run(["sha256sum", "-c", "--quiet", "--strict", "SHA256SUMS"], cwd=folder, check=True)
    on_disk = {f"西省/{name}" for name in digests(out / "西省")}
    with tarfile.open(out / "西省.tar.gz") as archive:
        entries = archive.getmembers()
        assert {entry.name for entry in entries} == on_disk
        assert {(e.mtime, e.uid, e.gid, e.mode, e.uname) for e in entries} == {(946_684_800, 0, 0, 0o644, "")}
        packed_map = archive.extractfile("西省/map/西省.tif")
        assert packed_map is not None and packed_map.read() == (out / "西省" / "map" / "西省.tif").read_bytes()
    listed = (out / "西省" / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert {f"西省/{line[66:]}" for line in listed} | {"西省/SHA256SUMS"} == on_disk


def test_the_index_names_all_units(out: Path) -> None:
    index = pd.read_csv(out / "index.csv", dtype=str)
    assert list(index.adcode) == ["1101", "1102", "1201", "1211"]
    assert list(index.archive) == ["西省.tar.gz"] * 2 + ["东省.tar.gz"] * 2
    assert (index.bytes.astype(int) > 0).all()


def test_the_same_run_gives_the_same_bytes_in_any_number_of_processes(run: Path, out: Path, tmp_path: Path) -> None:
    packed(run, tmp_path / "again", workers=2)
    again, before = digests(tmp_path / "again"), digests(out)
    assert {name for name in before if again.get(name) != before[name]} <= {".lock"}
    assert again.keys() == before.keys()


def test_nothing_is_redone_and_a_lost_file_redoes_its_county(run: Path, tmp_path: Path) -> None:
    assert packed(run, tmp_path) == {"西省": 5, "东省": 5}
    before = digests(tmp_path)
    assert packed(run, tmp_path) == {"西省": 0, "东省": 0}
    (tmp_path / "西省" / "shapefile" / "cf_西市_老城.dbf").unlink()
    assert packed(run, tmp_path) == {"西省": 1, "东省": 0}
    assert digests(tmp_path) == before


def test_a_stopped_command_goes_on(run: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, calls = CountyFiles.__call__, []

    def stopping(self: CountyFiles) -> list[Path]:
        calls.append(self.place.adcode)
        if self.place.adcode == "1201":
            raise KeyboardInterrupt
        return write(self)

    with monkeypatch.context() as patched:
        patched.setattr(CountyFiles, "__call__", stopping)
        with pytest.raises(KeyboardInterrupt):
            packed(run, tmp_path)
    assert calls == ["1101", "1102", "1201"]
    assert packed(run, tmp_path) == {"西省": 0, "东省": 5}
    assert digests(tmp_path / "东省") == digests(out / "东省")


def test_a_changed_block_redoes_the_counties_that_hold_it(tmp_path: Path) -> None:
    run, out = handed_out_run(tmp_path / "run"), tmp_path / "out"
    packed(run, out)
    edition = open_edition(str(run))
    block = edition.finished[0]
    files = edition.cube.write_block("croplayer", block, np.ones((96, 96), np.uint8))
    folder = RunFolder(run)
    Ledger(folder.ledger("integrate")).append("f" * 64, [BlockRecord(block, files=files)])
    folder.memory.finish("integrate", "f" * 64, BlocksDone(6, folder.ledger("integrate")))
    # County 1102 holds the block; map, page and archive of its province follow.
    assert packed(run, out) == {"西省": 4, "东省": 0}
    fresh = tmp_path / "fresh"
    packed(run, fresh)
    assert digests(fresh) == digests(out)


def test_shapefiles_are_split_before_they_grow_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, out = handed_out_run(tmp_path / "run", with_fields=False), tmp_path / "out"
    monkeypatch.setattr(shapefiles, "MOST_BYTES", 1_500)
    packed(run, out)
    parts = sorted((out / "西省" / "shapefile").glob("cf_西市_鼓楼区*.shp"))
    assert [part.name for part in parts][:2] == ["cf_西市_鼓楼区.shp", "cf_西市_鼓楼区_part2.shp"]
    assert all(part.with_suffix(".qml").is_file() for part in parts)
    whole = gpd.read_parquet(out / "西省" / "geoparquet" / "cf_西市_鼓楼区.parquet")
    assert sorted(name for part in parts for name in gpd.read_file(part).id) == sorted(whole.id)


def test_a_run_without_fields_has_packages_without(tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run", with_fields=False)
    packed(run, tmp_path / "out", names="en")
    names = {path.name for path in (tmp_path / "out" / "West" / "shapefile").glob("*.shp")}
    assert names == {"cf_West_City_Old_Town.shp", "cf_West_City_Drum_Tower.shp"}
    assert "Layer `fields`" not in (tmp_path / "out" / "West" / "README.md").read_text(encoding="utf-8")


def test_the_command(run: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    plan = runner.invoke(main, ["package", str(run), "-o", str(tmp_path / "out"), "--plan"])
    assert plan.exit_code == 0 and not (tmp_path / "out").exists()
    assert "西省: 2 units, map of 22,272 px, at most 4 fields" in plan.output
    done = runner.invoke(main, ["package", str(run), "-o", str(tmp_path / "out"), "--unit", "12", "--names", "en"])
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").glob("*.tar.gz")] == ["East.tar.gz"]
    both = runner.invoke(main, ["package", str(run), "-o", str(tmp_path / "out"), "--unit", "West", "--names", "en"])
    assert both.exit_code == 0, both.output
    listed = (tmp_path / "out" / "SHA256SUMS").read_text(encoding="utf-8")
    assert "East.tar.gz" in listed and "West.tar.gz" in listed
    wrong = runner.invoke(main, ["package", str(run), "-o", str(tmp_path / "out"), "--unit", "13"])
    assert wrong.exit_code == 2 and "'13' is no unit with a map at this level" in wrong.output
    into_run = runner.invoke(main, ["package", str(run), "-o", str(run)])
    assert into_run.exit_code == 2 and "lies in the folder of the run" in into_run.output
    inside = runner.invoke(main, ["package", str(run), "-o", str(run / "packages")])
    assert inside.exit_code == 2 and not (run / "packages").exists()
    other = handed_out_run(tmp_path / "other")
    into_other = runner.invoke(main, ["package", str(run), "-o", str(other)])
    assert into_other.exit_code == 2 and "is the folder of a run" in into_other.output


def test_the_index_knows_packages_whose_folder_was_removed(run: Path, tmp_path: Path) -> None:
    packed(run, tmp_path)
    before = (tmp_path / "index.csv").read_bytes()
    shutil.rmtree(tmp_path / "西省")
    Packages.of(str(run), tmp_path).only(["12"]).write(lambda *told: None)
    assert (tmp_path / "index.csv").read_bytes() == before
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "`西省.tar.gz`" in page and "`东省/`" in page and "`西省/`" not in page


def test_what_a_killed_process_left_is_removed(run: Path, tmp_path: Path) -> None:
    packed(run, tmp_path)
    left = [tmp_path / "西省" / "map" / ".西省.tif.x.partial", tmp_path / "西省" / "shapefile" / ".a.x.partial"]
    left[0].mkdir()
    left[1].touch()
    packed(run, tmp_path)
    assert not any(path.exists() for path in left)


def test_a_unit_is_named_by_its_code_or_a_name_of_its_own(tmp_path: Path) -> None:
    run = handed_out_run(tmp_path / "run")
    units = made_units()
    units.loc[units.adcode == "11", ["name_en", "name_zh"]] = "12"
    units.to_parquet(RunFolder(run).boundaries)
    assert [p.adcode for p in Packages.of(str(run), tmp_path / "out").only(["12"]).written] == ["12"]
    units.loc[units.adcode == "12", ["name_en", "name_zh"]] = "12"
    units.loc[units.adcode == "12", "adcode"] = "13"
    units.to_parquet(RunFolder(run).boundaries)
    with pytest.raises(ValueError, match="several units are called '12'; use one of the codes 11, 13"):
        Packages.of(str(run), tmp_path / "out").only(["12"])


def test_a_province_without_counties_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = handed_out_run(tmp_path / "run")
    units = made_units()
    units[~units.adcode.str.startswith(("110", "111"))].to_parquet(RunFolder(run).boundaries)
    assert [p.adcode for p in Packages.of(str(run), tmp_path / "out").provinces] == ["12"]
    assert "西省 gets no package" in caplog.text
