"""The country in later years, and with renewed imagery."""

from __future__ import annotations

import numpy as np
import pytest

from croplayer.landscape.classes import IS_CROPLAND, LandCover
from croplayer.landscape.country import Country
from stores.grid import BlockGrid

GRID = BlockGrid(640)
LON = GRID.longitudes((114 + 180) * 20 * 640, 900)
LAT = GRID.latitudes((90 - 34) * 20 * 640, 900)


def crop(country: Country) -> np.ndarray:
    return IS_CROPLAND[country.land_cover(LON, LAT)] == 1


def test_cropland_is_gained_and_lost_and_most_land_stays() -> None:
    first, later = crop(Country(7)), crop(Country(7, years=8))
    gain, loss = (later & ~first).mean(), (first & ~later).mean()
    assert 0.005 < gain < 0.1
    assert 0.005 < loss < 0.15


def test_towns_grow_and_orchards_are_planted() -> None:
    first, later = (Country(7, years=years).land_cover(LON, LAT) for years in (0, 8))
    was_crop = IS_CROPLAND[first] == 1
    for cover in (LandCover.BUILT, LandCover.ORCHARD):
        assert (was_crop & (later == cover)).any(), cover


def test_what_was_planted_or_merged_stays_so() -> None:
    middle, last = (Country(7, years=years).land_cover(LON, LAT) for years in (4, 8))
    planted = (middle == LandCover.ORCHARD) & (Country(7).land_cover(LON, LAT) != LandCover.ORCHARD)
    assert planted.any()
    assert (last[planted] == LandCover.ORCHARD).mean() > 0.9  # the others were built on
    fields = [len(np.unique(Country(7, years=years).parcel_id(LON, LAT))) for years in (0, 8)]
    assert fields[1] < fields[0]


def test_renewed_imagery_shows_the_same_land_on_another_day() -> None:
    lon, lat = LON[:200], LAT[:200]
    first, again = Country(7), Country(7, scenes=1)
    np.testing.assert_array_equal(first.land_cover(lon, lat), again.land_cover(lon, lat))
    assert (first.render("aster", lon, lat)[0] != again.render("aster", lon, lat)[0]).mean() > 0.5


def test_years_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="years are -1"):
        Country(1, years=-1)
