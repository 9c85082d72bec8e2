"""Agreement, statistics and admin units."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from croplayer.evaluation.provinces import count_within, unit_table
from croplayer.evaluation.statistics import land_of, left_over, match_statistics, read_statistics
from croplayer.measures.agreement import Agreement
from croplayer.measures.products import area_values, map_agreement
from croplayer.products.product import ProductWindow
from stores.grid import BlockGrid, BlockIndex


@given(st.data())
def test_agreement_with_a_coarser_product_equals_a_plain_count(data: st.DataObject) -> None:
    """Gaps in the map and in the product are left out; the product is never upsampled by the code under test."""
    height, width = data.draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    mask = data.draw(hnp.arrays(np.uint8, (height, width), elements=st.sampled_from([0, 1, 254])))
    percent = data.draw(hnp.arrays(np.uint8, (4, 5), elements=st.sampled_from([0, 100, 255])))
    index_y = np.sort(data.draw(hnp.arrays(np.int64, height, elements=st.integers(0, 3))))
    index_x = np.sort(data.draw(hnp.arrays(np.int64, width, elements=st.integers(0, 4))))
    product = ProductWindow(percent, index_y, index_x)
    upsampled = percent[np.ix_(index_y, index_x)]
    known = (mask != 254) & (upsampled != 255)
    crop, other = mask == 1, upsampled == 100
    expected = Agreement(
        int((crop & other & known).sum()),
        int((crop & ~other & known).sum()),
        int((~crop & other & known).sum()),
        int((~crop & ~other & known).sum()),
    )
    assert map_agreement(mask, product) == expected
    assert expected + Agreement() == expected


@given(st.data())
def test_product_areas_equal_a_plain_sum(data: st.DataObject) -> None:
    grid, block = BlockGrid(8), BlockIndex(1100, 5880)
    percent = data.draw(hnp.arrays(np.uint8, (3, 4), elements=st.sampled_from([0, 13, 100, 255])))
    index_y = np.sort(data.draw(hnp.arrays(np.int64, 8, elements=st.integers(0, 2))))
    index_x = np.sort(data.draw(hnp.arrays(np.int64, 8, elements=st.integers(0, 3))))
    values = area_values("p", ProductWindow(percent, index_y, index_x), grid, block)
    pixels = percent[np.ix_(index_y, index_x)]
    known = pixels != 255
    assert values["known_p"] == known.mean()
    if known.any():
        share = np.where(known, pixels, 0) / 100
        rows = grid.pixel_area_m2(block.row * 8, 8)
        assert values["area_km2_p"] == pytest.approx((share * rows[:, None]).sum() / 1e6, rel=1e-12)
        assert values["area_fraction_p"] == pytest.approx(share[known].mean(), rel=1e-12)


def test_ratios_without_cropland_are_not_known() -> None:
    empty = Agreement(0, 0, 0, 10)
    assert np.isnan([empty.iou, empty.f1, empty.precision, empty.recall]).all()
    assert empty.overall_accuracy == 1


STATISTICS = (
    "adcode,iso,name_en,name_zh,cropland_kha,source,note\n110000,x,North,北,1.0,s,n\n120000,x,South,南,2.0,s,\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "cropland_kha",
            "cropland",
            "no column of areas; expected one of 'cropland_kha', 'cropland_ha', 'cropland_km2'",
        ),
        ("source", "cropland_mu", "have the columns cropland_kha,cropland_mu; expected one of"),
        ("2.0", '"2,0"', r"row 3 \(adcode 120000\): cropland_kha is '2,0'"),
        ("2.0", "", r"row 3 \(adcode 120000\): cropland_kha is ''"),
        ("2.0", "-3", "expected 0 or more"),
        ("120000", "110000", "adcode 110000 appears twice"),
    ],
)
def test_errors_in_statistics_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text(STATISTICS.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        read_statistics(path)
    assert "statistics.csv" in str(caught.value)


def test_a_unit_without_statistic_is_an_error_unless_declared(tmp_path: Path) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text(STATISTICS, encoding="utf-8")
    units = pd.DataFrame({"adcode": ["120000", "810000"], "name_en": ["South", "Harbour"]})
    with pytest.raises(ValueError, match=r"no row for 810000 \(Harbour\)"):
        match_statistics(units, read_statistics(path), path)
    matched = match_statistics(units, read_statistics(path), path, ("810000",))
    assert matched.cropland_kha[0] == 2.0 and np.isnan(matched.cropland_kha[1])


def test_statistics_of_any_country_and_their_unit(tmp_path: Path) -> None:
    path = tmp_path / "statistics.csv"
    path.write_text("adcode,name_en,cropland_kha\nA,North,1.5\nB,South,2\nTOTAL,All,3.5\n", encoding="utf-8")
    statistics = read_statistics(path)
    assert statistics.note.tolist() == ["", "", ""] and statistics.name_zh.tolist() == ["", "", ""]
    units = pd.DataFrame({"adcode": ["B", "A"], "name_en": ["South", "North"], "land_km2": [20.0, 16.0]})
    assert match_statistics(units, statistics, path).cropland_kha.tolist() == [2.0, 1.5]
    assert left_over(units, statistics).name_en.tolist() == ["All"]
    small = units.assign(land_km2=[20.0, 14.0])
    with pytest.raises(
        ValueError, match=r"\(adcode A\): 15 km2 of cropland are more than the 14 km2 of the unit; check the unit"
    ):
        match_statistics(small, statistics, path)


@pytest.mark.parametrize(("unit", "factor"), [("kha", 1.0), ("ha", 1e3), ("km2", 10.0), ("mu", 15e3)])
def test_the_column_says_the_unit_and_the_sum_tells_a_wrong_one(tmp_path: Path, unit: str, factor: float) -> None:
    path = tmp_path / "statistics.csv"
    header = f"adcode,name_en,cropland_{unit}\n"
    path.write_text(f"{header}A,North,{1.5 * factor}\nB,South,{2 * factor}\n", encoding="utf-8")
    units = pd.DataFrame({"adcode": ["A", "B"], "name_en": ["North", "South"]})
    matched = match_statistics(units, read_statistics(path), path, sum_km2=(30, 40))
    np.testing.assert_allclose(matched.cropland_kha, [1.5, 2.0], rtol=1e-15)
    path.write_text(f"{header}A,North,{0.15 * factor}\nB,South,{0.2 * factor}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"statistics\.csv sum up to 3\.5 km2 over 2 units; .* expects 30 to 40, so"):
        match_statistics(units, read_statistics(path), path, sum_km2=(30, 40))


def test_percent_of_the_statistic_only_for_units_that_the_map_knows_as_a_whole() -> None:
    units = pd.DataFrame(
        {"adcode": ["a", "b", "c", "d"], "name_en": list("ABCD"), "name_zh": list("甲乙丙丁"), "land_km2": 100.0}
    )
    known = {"land": [100.0, 40.0, 100.0], "ours": [10.5, 9.0, 5.0], "ours:known": [99.0, 40.0, 50.0]}
    areas = pd.DataFrame(known, index=["a", "b", "c"])
    statistics = pd.DataFrame({"cropland_kha": [1.0, 1.0, 1.0, 1.0], "note": ""})
    table = unit_table(units, areas, ["ours"], statistics, 0.1)
    assert table.ours_percent[0] == pytest.approx(105)
    assert table.ours_percent[1:].isna().all()
    assert count_within(table, "ours") == (1, 1)
    assert table.in_run.tolist() == [1.0, 0.4, 1.0, 0.0]
    assert table.ours_known.tolist() == [0.99, 0.4, 0.5, 0.0]


def test_the_land_of_a_unit_does_not_depend_on_how_its_rings_were_drawn() -> None:
    shell, hole = shapely.box(110, 30, 111, 31).exterior.coords, shapely.box(110.2, 30.2, 110.8, 30.8).exterior.coords
    far = shapely.box(112, 30, 113, 31)
    drawn = [
        shapely.Polygon(shell, [hole]),
        shapely.Polygon(shell, [hole[::-1]]),
        shapely.Polygon(shell[::-1], [hole[::-1]]),
        shapely.MultiPolygon([shapely.Polygon(shell), far.reverse()]),
        shapely.MultiPolygon([shapely.Polygon(shell), far]),
    ]
    land = land_of(gpd.GeoDataFrame({"adcode": list("abcde")}, geometry=drawn, crs="EPSG:4326")).land_km2
    np.testing.assert_allclose(land[:3], land[0], rtol=1e-9)
    assert land[3] == pytest.approx(land[4], rel=1e-9) and land[4] > land[0]
