"""What workers write of the fields of a block comes back to the bit, and units take their fields from it in a stream."""

from __future__ import annotations

import dataclasses

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from fields.test_field_files import fields

from croplayer.fields.block_tables import LEFT_OUT, FoundFields, decode_fields, encode_fields
from croplayer.fields.files import arrow_table, read_fields, write_fields
from croplayer.fields.unit_fields import UnitFields


def found(seed: int, count: int) -> FoundFields:
    """Made-up fields in a degree, and pieces that are in none."""
    rng = np.random.default_rng(seed)
    n = 3 * count
    rest = pd.DataFrame(
        {"why": rng.choice(LEFT_OUT, n), "area_ha": rng.random(n), "lon": rng.uniform(110, 111, n), "lat": rng.uniform(30, 31, n)}
    )  # fmt: skip
    return FoundFields.of(fields(seed, count), rest)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_fields_come_back_to_the_bit(count: int) -> None:
    before = found(count, count)
    data = encode_fields(before)
    after = decode_fields(data)
    assert arrow_table(after.table).equals(arrow_table(before.table))
    assert after.table.crs == before.table.crs
    np.testing.assert_array_equal(after.points, before.points)
    assert shapely.contains_xy(after.table.geometry.to_numpy(), *after.points.T).all()
    assert after.left_out.to_dict("list") == before.left_out.to_dict("list")
    assert encode_fields(after) == data, "the same fields give the same bytes"


def halves() -> tuple[shapely.Polygon, shapely.Polygon]:
    return shapely.box(109, 29, 110.5, 32), shapely.box(110.5, 29, 112, 32)


def test_every_field_is_in_one_unit_and_all_that_is_left_out_is_counted_once() -> None:
    blocks = [found(1, 40), found(2, 0), found(3, 25)]
    # Two tables have the same ids only where their seeds agree.
    units = gpd.GeoDataFrame(
        {"adcode": ["1", "2"], "name_en": ["West", ""], "name_zh": ["西", "东"]}, geometry=list(halves()), crs="EPSG:4326"
    )  # fmt: skip
    taken, counts, areas = [], 0, 0.0
    for outline, code, name in zip(halves(), units.adcode, ("West", "东"), strict=True):
        unit = UnitFields(outline, units)
        table = pd.concat(unit.parts(iter(blocks)))
        assert set(table.adcode) == {code} and set(table.unit_name) == {name}
        inner = shapely.point_on_surface(table.geometry.to_numpy())
        assert shapely.contains(outline, inner).all()
        taken += table.id.tolist()
        counts += sum(why["fields"] for why in unit.left_out().values())
        areas += sum(why["ha"] for why in unit.left_out().values())
    assert sorted(taken) == sorted(i for block in blocks for i in block.table.id)
    assert counts == sum(len(block.left_out) for block in blocks)
    assert areas == pytest.approx(sum(block.left_out.area_ha.sum() for block in blocks), rel=1e-12)


def test_what_lies_on_the_border_of_two_units_is_in_one_of_them() -> None:
    """Borders along meridians and parallels are common, and so are fields whose inner point lies on one."""
    table = fields(1, 40)
    y = 30 + 0.01 * np.arange(40)
    table = table.set_geometry(gpd.GeoSeries(shapely.box(110.5 - 2**-8, y, 110.5 + 2**-8, y + 2**-8), crs="EPSG:4326"))
    rest = pd.DataFrame({"why": LEFT_OUT, "area_ha": 1.0, "lon": 110.5, "lat": 30.0})
    on_border = FoundFields.of(table, rest)
    assert (on_border.points[:, 0] == 110.5).all()
    counties = gpd.GeoDataFrame(
        {"adcode": ["1", "2"], "name_en": ["West", "East"], "name_zh": ["", ""]}, geometry=[*halves()], crs="EPSG:4326"
    )
    units = [UnitFields(outline, counties) for outline in halves()]
    parts = [pd.concat(unit.parts([on_border])) for unit in units]
    assert sorted(pd.concat(parts).id) == sorted(table.id)
    assert [set(part.adcode) for part in parts if len(part)] == [{"2"}]
    assert sum(why["fields"] for unit in units for why in unit.left_out().values()) == len(LEFT_OUT)


def test_without_an_outline_all_is_taken_and_no_unit_is_named() -> None:
    blocks = [found(1, 12), found(2, 3)]
    unit = UnitFields(None, None)
    table = pd.concat(unit.parts(iter(blocks)))
    assert table.id.tolist() == [i for block in blocks for i in block.table.id]
    assert table.adcode.tolist() == [code for block in blocks for code in block.table.adcode]
    whys = pd.concat([block.left_out for block in blocks]).why.value_counts()
    assert {why: told["fields"] for why, told in unit.left_out().items()} == {why: whys.get(why, 0) for why in LEFT_OUT}


def test_files_are_those_of_the_fields_themselves(tmp_path) -> None:
    """The detour through bytes changes no byte of a file."""
    blocks = [found(1, 30), found(2, 45)]
    direct = write_fields((block.table for block in blocks), tmp_path / "direct.parquet")
    unit = UnitFields(None, None)
    streamed = write_fields(unit.parts(map(decode_fields, map(encode_fields, blocks))), tmp_path / "streamed.parquet")
    assert direct[0].read_bytes() == streamed[0].read_bytes()


def test_parts_of_a_file_far_away_are_not_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("croplayer.fields.files.ROWS_PER_PART", 20)
    far = found(2, 20)
    far = dataclasses.replace(far, table=far.table.assign(geometry=far.table.geometry.translate(20, 0)))
    (path,) = write_fields([found(1, 20).table, far.table], tmp_path / "a.parquet")
    assert len(list(read_fields(path))) == 2
    (part,) = read_fields(path, far.table.geometry.iloc[3].envelope.bounds)
    assert far.table.id.iloc[3] in set(part.id) and part.geometry.bounds.minx.min() > 129
    (none,) = read_fields(path, shapely.box(0, 0, 1, 1).bounds)
    assert len(none) == 0 and list(none) == list(part)
