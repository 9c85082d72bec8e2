"""Bad boundaries, parcels and reviews get one sentence that names the file and the feature."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import shapely
from shared.bad_files import (
    BOUNDS,
    WARNED_OF,
    Case,
    bytes_of,
    check,
    cut,
    lose,
    units,
    vector,
)

from croplayer.decisions.reviews import read_overrides, read_reviews
from croplayer.vector.boundaries import UnitColumns, check_overlap, read_boundaries
from croplayer.vector.polygons import read_polygons

pytestmark = WARNED_OF


def boundaries(name: str, write: Callable[[Path], object], sentence: str, file: str = "units.gpkg") -> Case:
    return Case(f"boundaries {name}", file, write, read_boundaries, sentence)


def parcels(path: Path) -> object:
    return read_polygons(path, "parcels")


def boundaries_by_a_long_name(path: Path) -> object:
    return read_boundaries(path, UnitColumns(adcode="province_code"))


A, B = units().geometry


BOW = shapely.Polygon([(114, 34), (115, 35), (115, 34), (114, 35)])


LONG = units().rename(columns={"adcode": "province_code"})


BOUNDARIES = [
    boundaries("bow-tie", vector(units(geometry=[BOW, B])), r"feature 1 \('A'\) is invalid and repairing it changes its area by"),
    boundaries("without CRS", vector(units(crs=None)), "has no CRS|have no CRS"),
    boundaries("in degrees beyond the Earth", vector(units(geometry=[shapely.box(500, 1, 501, 2), B])), r"feature 1 \('A'\) lies outside"),
    Case("boundaries with the wrong CRS", "units.gpkg", vector(units(crs="EPSG:32650")), lambda path: check_overlap(read_boundaries(path), BOUNDS, path), "do not overlap the region"),
    boundaries("across the antimeridian", vector(units(geometry=[shapely.box(-179, 50, 179, 60), B])), r"feature 1 \('A'\) is more than 180 degrees wide"),
    boundaries("without a geometry", vector(units(geometry=[A, None])), r"feature 2 \('B'\) has no geometry"),
    boundaries("of points", vector(units(geometry=[A.centroid, B.centroid])), r"feature 1 \('A'\) is a Point"),
    boundaries("with a code twice", vector(units(adcode=["110000", "110000"])), r"feature 2 \('B'\): adcode '110000' appears twice, also in feature 1 \('A'\)"),
    boundaries("without a code", vector(units(adcode=["110000", None])), r"feature 2 \('B'\) has no adcode"),
    boundaries("without the column", vector(units().drop(columns="adcode")), "have no column 'adcode' for adcode"),
    boundaries("without any feature", vector(units().iloc[:0]), "has no feature"),
    boundaries("without .dbf", vector(units(), lose(".dbf")), r"the \.dbf file is missing", "units.shp"),
    boundaries("without .prj", vector(units(), lose(".prj")), r"the \.prj file is missing", "units.shp"),
    boundaries("without .shx", vector(units(), lose(".shx")), r"the \.shx file is missing", "units.shp"),
    boundaries("truncated .shp", vector(units(), cut(".shp", 0.7)), "is truncated", "units.shp"),
    boundaries("truncated .shx", vector(units(), cut(".shx", 0.95)), "is truncated|cannot be read", "units.shp"),
    boundaries("truncated .dbf", vector(units(), cut(".dbf", 0.3)), "cannot be read|have no column|has no adcode|truncated", "units.shp"),
    boundaries("truncated GeoPackage", vector(units(), cut(".gpkg", 0.5)), "cannot be read|has no feature"),
    boundaries("truncated GeoJSON", vector(units(), cut(".geojson", 0.8)), "cannot be read as GeoJSON", "units.geojson"),
    boundaries("VRT that names another file", bytes_of(b"<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>"), "is not a FlatGeobuf, GeoJSON"),
    boundaries("zip", bytes_of(b"PK\x03\x04" + bytes(100)), "is not a FlatGeobuf, GeoJSON"),
    boundaries("absent", lambda path: None, "do not exist"),
]  # fmt: skip


BOUNDARIES += [
    Case(
        "boundaries with a name that the shapefile cut", "units.shp", vector(LONG), boundaries_by_a_long_name,
        r"no column 'province_code' for adcode; .*a shapefile cuts names to 10 bytes, so ask for 'province_c'",
    ),
    Case("boundaries without area", "units.gpkg", vector(units(geometry=[shapely.Polygon([(0, 0), (1, 1), (0, 0), (0, 0)]), B])), read_boundaries, r"feature 1 \('A'\) has no area"),
    Case("parcels in a VRT", "parcels.gpkg", bytes_of(b"<OGRVRTDataSource/>"), parcels, "is not a FlatGeobuf, GeoJSON"),
    Case("parcels without CRS", "parcels.gpkg", vector(units(crs=None)), parcels, "has no CRS"),
    Case("parcels of points", "parcels.gpkg", vector(units(geometry=[A.centroid, B])), parcels, "feature 1 is a Point"),
    Case("parcels with a bow-tie", "parcels.gpkg", vector(units(geometry=[A, BOW])), parcels, "feature 2 is invalid and repairing it changes"),
    Case("parcels absent", "parcels.gpkg", lambda path: None, parcels, "do not exist"),
    Case("reviews in a VRT", "r.gpkg", bytes_of(b"<OGRVRTDataSource/>"), lambda p: read_reviews([p], ["a"]), "is not a FlatGeobuf, GeoJSON"),
    Case("reviews in half a GeoPackage", "r.gpkg", vector(units(), cut(".gpkg", 0.5)), lambda p: read_reviews([p], ["a"]), "cannot be read|has no feature"),
    Case("overrides in a VRT", "o.gpkg", bytes_of(b"<OGRVRTDataSource/>"), read_overrides, "is not a FlatGeobuf, GeoJSON"),
]  # fmt: skip


@pytest.mark.parametrize("case", BOUNDARIES, ids=[c.name for c in BOUNDARIES])
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


def test_names_of_a_shapefile_survive_and_numbers_are_codes(tmp_path: Path) -> None:
    path = tmp_path / "units.gpkg"
    units(adcode=[110000.0, 120000.0]).to_file(path)
    assert list(read_boundaries(path).adcode) == ["110000", "120000"]
    shape = tmp_path / "units.shp"
    units().to_file(shape, encoding="utf-8")
    assert list(read_boundaries(shape).name_zh) == ["北京", "天津"]


def test_a_small_fault_of_a_polygon_is_mended(tmp_path: Path) -> None:
    spike = shapely.Polygon([(114, 34), (115, 34), (115, 35), (115, 35.5), (115, 35), (114, 35)])
    assert not spike.is_valid
    path = tmp_path / "units.gpkg"
    units(geometry=[spike, B]).to_file(path)
    assert read_boundaries(path).geometry[0].area == pytest.approx(1.0)
