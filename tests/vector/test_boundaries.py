"""Admin units with codes, names and geometry of every spelling."""

from __future__ import annotations

import json
import logging
import sqlite3
import struct
import unicodedata
import warnings
from pathlib import Path

import geopandas as gpd
import pytest
import shapely

from croplayer.vector.boundaries import UnitColumns, check_overlap, joined, read_boundaries, select_named
from stores.grid import Bounds

BOX = shapely.box(114.0, 34.0, 115.0, 35.0)


def frame(codes: list[object], **columns: object) -> gpd.GeoDataFrame:
    boxes = [shapely.box(100 + i, 30, 101 + i, 31) for i in range(len(codes))]
    return gpd.GeoDataFrame({"adcode": codes, **columns}, geometry=boxes, crs="EPSG:4326")


SPELLINGS = [
    "NA",
    "None",
    "null",
    "nan",
    "001",
    "1",
    "1.0",
    "1e5",
    "XX/01",
    "a:b",
    "$x$",
    'a"b',
    "a,b",
    "-1",
    "=1",
    "é" * 80,
    "北" * 80,
]


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "parquet", "fgb"])
def test_codes_and_names_stay_as_they_are(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"units.{ending}"
    given = frame(SPELLINGS, name_en=SPELLINGS[::-1], name_zh=["two\nlines", *SPELLINGS[1:]])
    given.to_parquet(path) if ending == "parquet" else given.to_file(path)
    found = read_boundaries(path).set_index("adcode")
    assert sorted(found.index) == sorted(SPELLINGS)
    assert list(found.name_en[SPELLINGS]) == SPELLINGS[::-1]
    assert list(found.name_zh[SPELLINGS]) == ["two\nlines", *SPELLINGS[1:]]


@pytest.mark.parametrize("codes", [[1, 2], [1.0, 2.0]])
def test_columns_of_numbers_are_codes_without_a_fraction(codes: list[object], tmp_path: Path) -> None:
    frame(codes).to_file(tmp_path / "units.gpkg")
    assert list(read_boundaries(tmp_path / "units.gpkg").adcode) == ["1", "2"]


def test_normal_forms_are_one_code_and_one_name(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    decomposed = unicodedata.normalize("NFD", "Orléans")
    frame([decomposed, "B"], name_en=[decomposed, "b"]).to_file(path)
    units = read_boundaries(path)
    assert list(units.adcode) == ["B", "Orléans"] and units.name_en[1] == "Orléans"
    assert len(select_named(units, decomposed, path)) == 1
    frame([decomposed, "Orléans"]).to_file(path)
    with pytest.raises(ValueError, match="adcode 'Orléans' appears twice"):
        read_boundaries(path)


def test_a_file_with_only_a_code_will_do(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    frame(["1", "2"]).to_file(path)
    units = read_boundaries(path)
    assert list(units.name_en) == ["1", "2"] and list(units.name_zh) == ["", ""]
    frame(["1", "2"], name_zh=["北京", None]).to_file(path)
    assert list(read_boundaries(path).name_en) == ["北京", "2"]
    frame(["1", "2"], name_en=["A", None]).to_file(path)
    assert list(read_boundaries(path).name_en) == ["A", "2"]


def test_a_name_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    frame(["1"]).to_file(tmp_path / "units.gpkg")
    with pytest.raises(ValueError, match="have no column 'title' for name_en; they have adcode"):
        read_boundaries(tmp_path / "units.gpkg", UnitColumns(name_en="title"))


def test_the_code_that_stands_for_shared_blocks_is_refused(tmp_path: Path) -> None:
    frame(["border", "2"]).to_file(tmp_path / "units.gpkg")
    with pytest.raises(ValueError, match="adcode 'border', which stands for blocks that units share; give it another"):
        read_boundaries(tmp_path / "units.gpkg")


def test_one_code_in_two_files_of_a_level_names_both(tmp_path: Path) -> None:
    for name, codes in (("a", ["1", "2"]), ("b", ["2", "3"])):
        frame(codes).to_file(tmp_path / f"{name}.gpkg")
    files = [tmp_path / "a.gpkg", tmp_path / "b.gpkg"]
    with pytest.raises(ValueError, match=r"a\.gpkg and .*b\.gpkg: adcode '2' of level 1 is in both files"):
        joined([(path, read_boundaries(path)) for path in files])
    both = joined([(path, read_boundaries(path, level=level)) for level, path in enumerate(files)])
    assert list(zip(both.level, both.adcode, strict=True)) == [(0, "1"), (0, "2"), (1, "2"), (1, "3")]


def test_a_geopackage_with_several_layers_is_asked_which(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    frame(["1"]).to_file(path, layer="provinces")
    frame(["11", "12"]).to_file(path, layer="counties")
    with pytest.raises(ValueError, match="has 2 layers: 'provinces', 'counties'; name one with the key layer"):
        read_boundaries(path)
    assert list(read_boundaries(path, layer="counties").adcode) == ["11", "12"]
    with pytest.raises(ValueError, match="has no layer 'x' with geometry; it has 'provinces', 'counties'"):
        read_boundaries(path, layer="x")


def test_a_table_without_geometry_is_no_layer_to_choose(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    frame(["1"]).to_file(path, layer="units")
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE layer_styles (id INTEGER PRIMARY KEY, style TEXT)")
        values = "('layer_styles', 'attributes', 'layer_styles')"
        database.execute(f"INSERT INTO gpkg_contents (table_name, data_type, identifier) VALUES {values}")
    database.close()
    assert list(read_boundaries(path).adcode) == ["1"]


def test_a_geojson_with_a_crs_member_is_read_in_it(tmp_path: Path) -> None:
    box = shapely.box(114.2, 34.2, 114.4, 34.4)
    projected = gpd.GeoSeries([box], crs="EPSG:4326").to_crs("EPSG:32650")[0]
    feature = {"type": "Feature", "properties": {"adcode": "1"}, "geometry": shapely.geometry.mapping(projected)}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}
    text = json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
    (tmp_path / "units.geojson").write_text(text)
    found = read_boundaries(tmp_path / "units.geojson").geometry[0]
    assert shapely.hausdorff_distance(found, box) < 1e-3


def test_heights_are_dropped(tmp_path: Path) -> None:
    high = shapely.force_3d(BOX, 12.0)
    gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[high], crs="EPSG:4326").to_file(tmp_path / "units.gpkg")
    found = read_boundaries(tmp_path / "units.gpkg").geometry[0]
    assert not found.has_z and found.equals(BOX)


def test_curves_become_lines(tmp_path: Path) -> None:
    """A circle of radius 1 around (114, 34), as one circular string in a curve polygon."""
    path = tmp_path / "units.gpkg"
    units = gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[BOX], crs="EPSG:4326")
    units.to_file(path, layer="units", geometry_type="Unknown", SPATIAL_INDEX="NO")
    corners = [(113.0, 34.0), (114.0, 35.0), (115.0, 34.0), (114.0, 33.0), (113.0, 34.0)]
    arc = struct.pack("<BII", 1, 8, len(corners)) + b"".join(struct.pack("<2d", *corner) for corner in corners)
    blob = b"GP\x00\x01" + struct.pack("<i", 4326) + struct.pack("<BII", 1, 10, 1) + arc
    with sqlite3.connect(path) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE units SET geom = ?", (blob,))
    database.close()
    assert read_boundaries(path).geometry[0].area == pytest.approx(3.14159, rel=1e-3)


def test_longitudes_from_0_to_360_are_turned(tmp_path: Path) -> None:
    boxes = [shapely.box(245, 40, 246, 41), shapely.box(178, 60, 183, 61), shapely.box(10, 40, 11, 41)]
    gpd.GeoDataFrame({"adcode": ["1", "2", "3"]}, geometry=boxes, crs="EPSG:4326").to_file(tmp_path / "units.gpkg")
    first, second, third = read_boundaries(tmp_path / "units.gpkg").geometry
    assert first.equals(shapely.box(-115, 40, -114, 41)) and third.equals(boxes[2])
    assert second.equals(shapely.union(shapely.box(178, 60, 180, 61), shapely.box(-180, 60, -177, 61)))


def test_exchanged_coordinates_are_named(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[shapely.box(34, 114, 35, 115)], crs="EPSG:4326").to_file(path)
    with pytest.raises(ValueError, match=r"feature 1 .* latitude seems to come before longitude, so exchange the two"):
        read_boundaries(path)
    gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[shapely.box(50, 10, 51, 11)], crs="EPSG:4326").to_file(path)
    with pytest.raises(ValueError, match="they would if latitude came before longitude in the file"):
        check_overlap(read_boundaries(path), Bounds(10.2, 50.2, 10.4, 50.4), path)


def test_a_repair_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spike = shapely.Polygon([(114, 34), (115, 34), (115, 35), (115, 35.5), (115, 35), (114, 35)])
    gpd.GeoDataFrame({"adcode": ["1"]}, geometry=[spike], crs="EPSG:4326").to_file(tmp_path / "units.gpkg")
    with caplog.at_level(logging.INFO, "croplayer"):
        read_boundaries(tmp_path / "units.gpkg")
    assert ["feature 1 ('1') is invalid and was repaired" in message for message in caplog.messages] == [True]


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("gb18030", ["北京市", "天津市", "河北省"]),
        ("utf-8", ["北京市", "Orléans", "İzmir"]),
        ("cp1252", ["Québec", "São Paulo", "Zürich"]),
        ("ascii", ["Kent", "Essex", "Surrey"]),
    ],
)
def test_a_shapefile_without_cpg_is_read_in_its_encoding(encoding: str, names: list[str], tmp_path: Path) -> None:
    shape = shapefile(tmp_path, names, encoding)
    assert list(read_boundaries(shape).name_en) == names


def shapefile(folder: Path, names: list[str], encoding: str, language: int = 0) -> Path:
    path = folder / "units.shp"
    frame([str(i) for i in range(len(names))], name_en=names).to_file(path, encoding=encoding)
    path.with_suffix(".cpg").unlink(missing_ok=True)
    data = bytearray(path.with_suffix(".dbf").read_bytes())
    data[29] = language
    path.with_suffix(".dbf").write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        ("cp1251", ["Москва", "Самара"]),
        ("cp949", ["서울", "부산"]),
        ("cp950", ["台北市", "高雄市"]),
        ("cp932", ["東京都", "大阪府"]),
        ("cp1252", ["Å", "Québec"]),
    ],
)
def test_bytes_that_do_not_tell_are_asked_for(encoding: str, names: list[str], tmp_path: Path) -> None:
    shape = shapefile(tmp_path, names, encoding)
    with pytest.raises(ValueError, match=r"the encoding of the texts is unclear \(.*give it with the key encoding"):
        read_boundaries(shape)
    assert list(read_boundaries(shape, encoding=encoding).name_en) == names
    shape.with_suffix(".cpg").write_text(encoding)
    assert list(read_boundaries(shape).name_en) == names


def test_the_code_page_of_the_dbf_counts(tmp_path: Path) -> None:
    shape = shapefile(tmp_path, ["Москва", "Самара"], "cp1251", language=0xC9)
    assert list(read_boundaries(shape).name_en) == ["Москва", "Самара"]


@pytest.mark.parametrize("words", ["936", "GBK", "gb2312", "ANSI 936", "cp936"])
def test_a_cpg_in_the_words_of_other_software_is_understood(words: str, tmp_path: Path) -> None:
    shape = shapefile(tmp_path, ["北京市", "朱镕基"], "gb18030")
    shape.with_suffix(".cpg").write_text(words)
    with warnings.catch_warnings(action="error"):
        assert list(read_boundaries(shape).name_en) == ["北京市", "朱镕基"]


def test_a_wrong_cpg_is_named(tmp_path: Path) -> None:
    shape = shapefile(tmp_path, ["北京市"], "gb18030")
    shape.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(ValueError, match=r"a text is not utf-8 .*; give the right encoding, or correct units\.cpg"):
        read_boundaries(shape)


def test_an_encoding_and_a_layer_belong_to_their_formats(tmp_path: Path) -> None:
    frame(["1"]).to_file(tmp_path / "units.gpkg")
    shape = shapefile(tmp_path, ["a"], "utf-8")
    with pytest.raises(ValueError, match="is a GeoPackage, whose texts are UTF-8; remove the encoding 'gbk'"):
        read_boundaries(tmp_path / "units.gpkg", encoding="gbk")
    with pytest.raises(ValueError, match="is a Shapefile, which has no layers; remove the layer 'a'"):
        read_boundaries(shape, layer="a")
    with pytest.raises(ValueError, match="'klingon' is not an encoding"):
        read_boundaries(shape, encoding="klingon")
