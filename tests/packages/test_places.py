"""Which county lies where, and what its files are called."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from shared.handed_out import made_units

from croplayer.packages.places import provinces_of


@pytest.mark.parametrize(
    ("names", "folders", "files"),
    [
        ("zh", ["西省", "东省"], ["cf_西市_老城", "cf_西市_鼓楼区", "cf_East_City_鼓楼区", "cf_远市_鼓楼区"]),
        ("en", ["West", "East"], ["cf_West_City_Old_Town", "cf_West_City_Drum_Tower", "cf_East_City_Drum_Tower", "cf_Far_City_Drum_Tower"]),
        ("code", ["11", "12"], ["cf_110_1101", "cf_110_1102", "cf_120_1201", "cf_121_1211"]),
    ],
)  # fmt: skip
def test_names_of_provinces_and_counties(names: str, folders: list[str], files: list[str]) -> None:
    west, east = provinces_of(made_units(), 1, names)
    assert [west.folder, east.folder] == folders
    assert [place.file for place in (*west.places, *east.places)] == files
    assert [place.adcode for place in west.places] == ["1101", "1102"]


def test_equal_names_get_the_codes_of_their_units() -> None:
    units = made_units()
    units.loc[units.adcode == "1101", "name_zh"] = "鼓楼区"
    west, _ = provinces_of(units, 1)
    assert [place.file for place in west.places] == ["cf_西市_鼓楼区_1101", "cf_西市_鼓楼区_1102"]


def test_a_single_level_is_province_and_county_at_once() -> None:
    units = made_units()
    west, east = provinces_of(units[units.level == 1], 1)
    assert [west.places[0].file, east.places[0].file] == ["cf_西省", "cf_东省"]
    assert west.places[0].province == "西省"


def test_a_county_of_two_levels_has_its_province_as_city() -> None:
    units = made_units()
    west, _ = provinces_of(units[units.level != 2], 1)
    assert [place.file for place in west.places] == ["cf_西省_老城", "cf_西省_鼓楼区"]


def test_a_county_whose_inner_point_lies_outside_goes_where_most_of_it_lies() -> None:
    units = made_units()
    county = units.index[units.adcode == "1102"][0]
    inside = units.geometry[county]
    west, south, _, north = inside.bounds
    units.loc[county, "geometry"] = shapely.union(
        inside.buffer(-0.01), shapely.box(west - 0.2, south, west - 0.1, north)
    )
    found, _ = provinces_of(units, 1)
    assert "1102" in [place.adcode for place in found.places]


def test_what_cannot_be_placed_is_named() -> None:
    units = made_units()
    with pytest.raises(ValueError, match="no admin units of level 4; it has units of level 1, 2, 3"):
        provinces_of(units, 4)
    away = gpd.GeoDataFrame(
        {"adcode": ["9"], "name_en": ["Nowhere"], "name_zh": [""], "level": [3]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326
    )  # fmt: skip
    both = gpd.GeoDataFrame(pd.concat([units, away], ignore_index=True), crs=4326)
    for is_mapped in (None, lambda outline: outline.intersects(shapely.box(0.5, 0.5, 3, 3))):
        with pytest.raises(ValueError, match=r"admin unit 9 \(Nowhere\) lies in no unit of level 1"):
            provinces_of(both, 1, "zh", is_mapped)
    # A county far from the map needs no province.
    found = provinces_of(both, 1, "zh", lambda outline: outline.intersects(shapely.box(114, 30, 115, 40)))
    assert repr(found) == repr(provinces_of(units, 1))
