"""Files of fields are read back by GDAL, pyarrow and SQLite as they were, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from croplayer.fields import files, packages
from croplayer.fields.files import write_fields
from croplayer.fields.styles import CLASSES
from stores.field_columns import FIELD_COLUMNS
from stores.grid import CRS

ENDINGS = (".parquet", ".fgb", ".gpkg", ".shp", ".pmtiles")
NAMES = [column.name for column in FIELD_COLUMNS]


def fields(seed: int, count: int) -> gpd.GeoDataFrame:
    """A made-up table: triangles in a degree, one of them with a hole, texts in Chinese, some values missing."""
    rng = np.random.default_rng(seed)
    texts = np.array([f"田{seed}-{k}" for k in range(count)], object)
    values = {
        "string": lambda name: np.where(rng.random(count) < 0.2, None, texts) if name != "id" else texts,
        "float64": lambda name: rng.uniform(0.1, 4, count),
        "float32": lambda name: np.where(rng.random(count) < 0.2, np.nan, rng.uniform(0.01, 1, count)),
        "bool": lambda name: rng.random(count) < 0.5,
    }
    columns = {c.name: np.asarray(values[c.dtype](c.name)) for c in FIELD_COLUMNS}
    table = gpd.GeoDataFrame(columns, geometry=_outlines(rng, count), crs=CRS)
    return table.astype({c.name: c.dtype for c in FIELD_COLUMNS if c.dtype.startswith("float")})


def _outlines(rng: np.random.Generator, count: int) -> np.ndarray:
    west, south = rng.uniform(110, 110.9, count), rng.uniform(30, 30.9, count)
    outlines = shapely.box(west, south, west + 0.004, south + 0.003)
    if count:
        outlines[0] = outlines[0].difference(shapely.box(*shapely.buffer(outlines[0].centroid, 0.0005).bounds))
    return shapely.orient_polygons(outlines)


def same_fields(read: gpd.GeoDataFrame, written: gpd.GeoDataFrame) -> None:
    """Check that two tables hold the same fields, in any order."""
    read, written = read.set_index("id"), written.set_index("id")
    assert sorted(read.index) == sorted(written.index)
    read = read.loc[written.index]
    for column in FIELD_COLUMNS[1:]:
        got, expected = read[column.name], written[column.name]
        assert got.isna().tolist() == expected.isna().tolist(), column.name
        known = expected.notna()
        if column.dtype.startswith("float"):
            assert got[known].to_numpy(float) == pytest.approx(expected[known].to_numpy(float), rel=1e-7)
        else:
            assert got[known].tolist() == expected[known].tolist()
    assert shapely.equals(read.geometry.to_numpy(), written.geometry.to_numpy()).all()


def read_back(path: Path) -> gpd.GeoDataFrame:
    """A file as other software reads it."""
    if path.suffix == ".parquet":
        return gpd.read_parquet(path)
    return pyogrio.read_dataframe(path, layer=0)


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.mark.parametrize("ending", ENDINGS[:-1])
def test_every_format_gives_the_fields_back(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(files, "ROWS_PER_PART", 40)
    frames = [fields(1, 30), fields(2, 0), fields(3, 75), fields(4, 1)]
    whole = gpd.GeoDataFrame(gpd.pd.concat([frame for frame in frames if len(frame)], ignore_index=True), crs=CRS)
    paths = write_fields(iter(frames), tmp_path / f"a{ending}")
    read = read_back(paths[0])
    assert read.crs == CRS
    same_fields(read, whole)
    assert digests(write_fields(iter(frames), tmp_path / f"again/a{ending}")) == digests(paths)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(path.name for path in paths), "again"])


def test_tiles_hold_every_field(tmp_path):
    (path,) = write_fields([fields(1, 60)], tmp_path / "a.pmtiles")
    assert path.read_bytes()[:7] == b"PMTiles"
    tiles = pyogrio.read_dataframe(path)
    assert set(tiles.id) == set(fields(1, 60).id)
    assert {"confidence", "area_ha", "at_gap"} <= set(tiles.columns)


def test_parquet_says_what_fiboa_asks_for(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROWS_PER_PART", 40)
    table = fields(1, 100)
    (path,) = write_fields([table], tmp_path / "a.parquet", "guangdong")
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    assert schema.names == [
        *("id", "collection", "metrics:area", "metrics:perimeter"), *NAMES[1:], "geometry", "bbox",
    ]  # fmt: skip
    assert [name for name in schema.names if not schema.field(name).nullable] == ["id", "collection", "geometry"]
    assert [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)] == [40, 40, 20]
    about = json.loads(schema.metadata[b"collection"])
    assert about["schemas"] == {
        "guangdong": [
            "https://vecorel.org/specification/v0.1.0/schema.yaml",
            "https://fiboa.org/specification/v0.3.0/schema.yaml",
        ]
    }
    assert about["determination:method"] == "auto-imagery"
    assert set(about["schemas:custom"]["properties"]) == set(NAMES[1:])
    geo = json.loads(schema.metadata[b"geo"])
    assert geo["columns"]["geometry"]["bbox"] == pytest.approx(list(table.total_bounds), abs=0)
    read = file.read().to_pandas()
    assert set(read.collection) == {"guangdong"}
    # Square metres and metres.
    assert read["metrics:area"].to_numpy() == pytest.approx(read.area_ha.to_numpy() * 1e4, rel=1e-6)
    assert read["metrics:perimeter"].equals(read.perim_m)
    near = gpd.read_parquet(path, bbox=tuple(table.geometry.iloc[7].bounds))
    assert table.id.iloc[7] in set(near.id)
    assert len(near) < 5


def test_rows_of_a_part_follow_a_curve(tmp_path):
    (path,) = write_fields([fields(1, 400)], tmp_path / "a.parquet")
    points = gpd.read_parquet(path).representative_point()
    steps = np.hypot(np.diff(points.x), np.diff(points.y))
    assert np.median(steps) < 0.07


def test_geopackage_brings_its_style(tmp_path):
    (path,) = write_fields([fields(1, 10)], tmp_path / "a.gpkg")
    with sqlite3.connect(path) as base:
        (row,) = base.execute(
            "select f_table_name, f_geometry_column, useAsDefault, styleQML from layer_styles"
        ).fetchall()
        geometry = base.execute("select table_name, column_name from gpkg_geometry_columns").fetchall()
        assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert [row[:2]] == geometry
    assert row[2]
    renderer = ElementTree.fromstring(row[3]).find("renderer-v2")
    assert renderer.get("attr") == "confidence"
    assert len(renderer.find("ranges")) == len(renderer.find("symbols")) == len(CLASSES)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_stream_that_breaks_leaves_the_old_file(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(files, "ROWS_PER_PART", 10)
    path = tmp_path / f"a{ending}"
    before = write_fields([fields(1, 5)], path)
    kept = digests(before)

    def breaking() -> Iterator[gpd.GeoDataFrame]:
        yield fields(2, 25)
        raise ZeroDivisionError("no imagery")

    with pytest.raises(ZeroDivisionError, match="no imagery"):
        write_fields(breaking(), path)
    assert digests(before) == kept
    assert sorted(tmp_path.iterdir()) == sorted(before)


@pytest.mark.parametrize(("rows", "text"), [(7, ""), (40, "long." * 30)])
def test_no_shapefile_passes_the_limit_of_the_format(tmp_path, monkeypatch, rows, text):
    """Texts longer than 80 bytes widen the column in all rows of their file."""
    limit = 20_000
    monkeypatch.setattr(packages, "MOST_BYTES", limit)
    monkeypatch.setattr(files, "ROWS_PER_PART", rows)
    table = fields(1, 100)
    table.loc[60, "unit_name"] = text or None
    paths = write_fields([table], tmp_path / "a.shp")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    shapes = [path for path in paths if path.suffix == ".shp"]
    assert [path.name for path in shapes] == ["a.shp", *(f"a_part{k}.shp" for k in range(2, len(shapes) + 1))]
    assert 4 <= len(shapes) <= 8 and max(path.stat().st_size for path in paths) <= limit
    read = [pyogrio.read_dataframe(path) for path in shapes]
    same_fields(gpd.pd.concat(read, ignore_index=True), table)
    for path, part in zip(shapes, read, strict=True):
        sizes = packages.Sizes.of(part)
        assert path.stat().st_size == 100 + sizes.outlines
        assert sizes.largest >= path.with_suffix(".dbf").stat().st_size >= sizes.largest - 2
    monkeypatch.setattr(packages, "MOST_BYTES", 900)
    with pytest.raises(ValueError, match="takes more than 900 bytes in a Shapefile"):
        write_fields([table], tmp_path / "b.shp")
    assert not [*tmp_path.glob("b*")]


@pytest.mark.parametrize("ending", ENDINGS[:-1])
def test_no_fields_make_an_empty_file(tmp_path, ending):
    read = read_back(write_fields([], tmp_path / f"a{ending}")[0])
    assert len(read) == 0
    assert set(NAMES) <= set(read.columns)


def test_refusals(tmp_path):
    table = fields(1, 3)
    with pytest.raises(ValueError, match=r"\.parquet, \.fgb, \.gpkg, \.shp, \.pmtiles"):
        write_fields([table], tmp_path / "a.csv")
    with pytest.raises(ValueError, match="confidence"):
        write_fields([table.drop(columns="confidence")], tmp_path / "a.fgb")
    with pytest.raises(ValueError, match="3857"):
        write_fields([table.to_crs(3857)], tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="cannot be empty"):
        write_fields([table[:0]], tmp_path / "a.pmtiles")
    assert list(tmp_path.iterdir()) == []
