"""Provinces and counties tile their box, whatever the seed and the number."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from croplayer.landscape.administration import make_administration
from stores.grid import Bounds

BOX = Bounds(115.1, 34.95, 115.4, 35.15)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 16), st.integers(2, 4))
def test_units_tile_the_box_without_gap_or_overlap(seed: int, provinces: int, each: int) -> None:
    units = make_administration(seed, BOX, provinces=provinces, counties_each=each)
    area = (BOX.east - BOX.west) * (BOX.north - BOX.south)
    for frame in (units.provinces, units.counties):
        shapes = frame.geometry.to_numpy()
        assert shapely.area(shapes).sum() == pytest.approx(area, rel=1e-9)
        assert shapely.coverage_is_valid(shapes)
        assert frame.adcode.is_unique
    assert len(units.provinces) == provinces
    assert len(units.counties) == provinces * each
    assert units.counties.groupby("province").size().min() >= 2
    np.testing.assert_array_equal(units.counties.adcode // 10_000 * 10_000, units.counties.province)
    assert units.counties.name_zh.is_unique
    assert all(name.isascii() for name in units.provinces.name_en)


def test_a_small_box_is_tiled_too() -> None:
    """Its cells are narrow, so a ragged border may reach beyond the middle of one."""
    for seed in range(60):
        counties = make_administration(seed, Bounds(114.8, 34.5, 115.0, 34.6)).counties.geometry.to_numpy()
        assert shapely.coverage_is_valid(counties) and shapely.area(counties).sum() == pytest.approx(0.02, rel=1e-9)


def test_some_provinces_are_small() -> None:
    areas = shapely.area(make_administration(1, BOX).provinces.geometry.to_numpy())
    assert len(areas) == 12
    assert areas.max() > 2.5 * areas.min()


@pytest.mark.parametrize(("provinces", "each"), [(1, 3), (17, 3), (5, 1)])
def test_impossible_numbers_are_refused(provinces: int, each: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        make_administration(1, BOX, provinces=provinces, counties_each=each)
