"""Any piece of the country made alone equals the same piece of a larger one; parcels and defects are as announced."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from rasterio import features

from croplayer.landscape.classes import LandCover
from croplayer.landscape.country import Country
from croplayer.landscape.nodes import NODES_PER_DEGREE
from croplayer.landscape.outlines import truth_parcels
from croplayer.landscape.sources import CLOUD, SNOW
from croplayer.landscape.tiles import TileIndex, is_overzoomed, render_tile, tile_axes, tiles_in
from croplayer.landscape.truth import block_truth, judged
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow
from stores.legends import CoverageType

COUNTRY = Country(1)
PARCEL_CLASSES = [int(c) for c in LandCover if c.is_parcel]


def _axes(west: float, north: float, px: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    return west + (np.arange(size) + 0.5) * px, north - (np.arange(size) + 0.5) * px


@pytest.mark.parametrize("source", ["aster", "borealis"])
@pytest.mark.parametrize("place", [(115.18, 35.0), (115.31, 35.07), (99.2, 41.3)])
def test_a_window_rendered_alone_equals_the_same_window_of_a_larger_one(
    source: str, place: tuple[float, float]
) -> None:
    lon, lat = _axes(*place, 2e-5, 240)
    whole, valid = COUNTRY.render(source, lon, lat)
    part, part_valid = COUNTRY.render(source, lon[100:180], lat[60:200])
    np.testing.assert_array_equal(part, whole[60:200, 100:180])
    np.testing.assert_array_equal(part_valid, valid[60:200, 100:180])
    assert (whole[~valid] == 0).all()
    assert whole[valid].min(initial=255) >= 1


def test_two_neighbouring_tiles_are_one_picture() -> None:
    left, right = TileIndex(16, 53720, 25960), TileIndex(16, 53721, 25960)
    (lon_a, lat), (lon_b, _) = tile_axes(left), tile_axes(right)
    together, _ = COUNTRY.render("aster", np.concatenate([lon_a, lon_b]), lat)
    np.testing.assert_array_equal(together[:, :256], COUNTRY.render("aster", lon_a, lat)[0])
    np.testing.assert_array_equal(together[:, 256:], COUNTRY.render("aster", lon_b, lat)[0])


def test_truth_does_not_depend_on_the_window_or_the_order_of_rows() -> None:
    lon, lat = _axes(115.2, 35.02, 2e-5, 300)
    whole = COUNTRY.survey(lon, lat)
    part = COUNTRY.survey(lon[17:190], lat[100:111])
    np.testing.assert_array_equal(part.cover, whole.cover[100:111, 17:190])
    np.testing.assert_array_equal(part.parcel, whole.parcel[100:111, 17:190])
    np.testing.assert_array_equal(COUNTRY.land_cover(lon, lat[::-1])[::-1], whole.cover)


def test_seeds_make_different_countries() -> None:
    lon, lat = _axes(115.2, 35.02, 1e-4, 100)
    assert (Country(2).land_cover(lon, lat) != COUNTRY.land_cover(lon, lat)).mean() > 0.2


def test_every_parcel_has_one_class_and_nothing_else_has_an_id() -> None:
    lon, lat = _axes(115.2, 35.02, 2e-5, 1_500)
    survey = COUNTRY.survey(lon, lat)
    np.testing.assert_array_equal(survey.parcel > 0, np.isin(survey.cover, PARCEL_CLASSES))
    ids, index = np.unique(survey.parcel, return_inverse=True)
    low, high = np.full(ids.size, 255), np.zeros(ids.size)
    np.minimum.at(low, index.ravel(), survey.cover.ravel())
    np.maximum.at(high, index.ravel(), survey.cover.ravel())
    named = ids > 0
    assert named.sum() > 100
    np.testing.assert_array_equal(low[named], high[named])


def test_parcel_outlines_and_pixels_say_the_same() -> None:
    grid = BlockGrid(1280)
    corner = grid.window(grid.block_at(115.22, 35.06))
    window = PixelWindow(corner.row + 200, corner.col + 300, 400, 350)
    parcels = truth_parcels(COUNTRY, window, grid)
    lon, lat = grid.longitudes(window.col, window.width), grid.latitudes(window.row, window.height)
    survey = COUNTRY.survey(lon, lat)
    transform = grid.transform(window)
    shapes = parcels.geometry.to_numpy()
    for column, truth in (("parcel", survey.parcel), ("land_cover", np.where(survey.parcel > 0, survey.cover, 0))):
        _, number = np.unique(parcels[column], return_inverse=True)
        burned = features.rasterize(
            zip(shapes, number + 1, strict=True), out_shape=truth.shape, transform=transform, dtype="int32"
        )
        values = np.concatenate([[0], np.unique(parcels[column])])
        np.testing.assert_array_equal(values[burned], truth)
    np.testing.assert_array_equal(parcels.is_cropland, parcels.land_cover != LandCover.ORCHARD)


def test_parcels_are_as_large_as_fields_are_and_boundaries_as_narrow() -> None:
    sizes = []
    boundaries = 0.0
    for west, north in [(115.2, 35.14), (115.22, 35.0), (115.25, 35.1), (115.35, 35.12)]:
        lon, lat = _axes(west, north, 2e-5, 1_500)
        survey = COUNTRY.survey(lon, lat)
        ids, counts = np.unique(survey.parcel, return_counts=True)
        sizes.append(counts[ids > 0] * (2e-5 * 110_940) * (2e-5 * 91_740) / 1e4)
        boundaries += (survey.cover == LandCover.BOUNDARY).mean() / 4
    area_ha = np.concatenate(sizes)
    assert np.percentile(area_ha, 2) > 0.003
    assert np.percentile(area_ha, 10) < 0.1
    assert np.percentile(area_ha, 98) > 1.5
    assert area_ha.max() < 60.0
    assert 0.02 < boundaries < 0.2


def test_defects_lie_where_the_sources_have_them() -> None:
    north_east = COUNTRY.nodes(np.array([115.0, 116.0]), np.array([35.0, 36.0]), per_degree=150)
    south_west = COUNTRY.nodes(np.array([113.0, 114.0]), np.array([33.0, 34.0]), per_degree=150)
    cloud = [(COUNTRY.weather("aster", n)[:, CLOUD] > 0.5).mean() for n in (south_west, north_east)]
    snow = [(COUNTRY.weather("borealis", n)[:, SNOW] > 0.5).mean() for n in (north_east, south_west)]
    assert cloud[0] > 1.5 * cloud[1]
    assert snow[0] > 1.5 * snow[1]
    lon, lat = np.linspace(113.0, 116.0, 150), np.linspace(33.0, 36.0, 150)
    missing = [1.0 - COUNTRY.has_imagery(s, lon, lat).mean() for s in ("aster", "borealis")]
    assert 0.0 < missing[0] < missing[1] < 0.15


@pytest.mark.parametrize(
    ("cloud", "snow", "nodata", "area", "expected"),
    [
        (0.5, 0.5, 0.11, 0.5, CoverageType.NODATA),
        (0.11, 0.9, 0.10, 0.5, CoverageType.CLOUDY),
        (0.10, 0.21, 0.0, 0.5, CoverageType.SNOW_ICE),
        (0.10, 0.20, 0.10, 0.05, CoverageType.PLANTING),
        (0.0, 0.0, 0.0, 0.04, CoverageType.NON_PLANTING),
    ],
)
def test_coverage_rules(cloud: float, snow: float, nodata: float, area: float, expected: CoverageType) -> None:
    assert judged(cloud, snow, nodata, area).coverage_type is expected


def test_block_truth_from_a_sketch_is_near_that_of_all_pixels() -> None:
    block = BlockGrid(1).block_at(115.22, 35.06)
    grid = BlockGrid(640)
    window = grid.window(block)
    lon, lat = grid.longitudes(window.col, 640), grid.latitudes(window.row, 640)
    exact = float(COUNTRY.is_cropland(lon, lat).mean())
    assert block_truth(COUNTRY, "aster", block).area_fraction == pytest.approx(exact, abs=0.05)


def test_missing_imagery_is_whole_tiles_and_such_tiles_are_absent() -> None:
    lon, lat = np.linspace(115.1, 115.4, 400), np.linspace(34.95, 35.15, 300)
    seen = COUNTRY.has_imagery("borealis", lon, lat)
    assert 0 < (~seen).sum() < seen.size
    row, column = np.argwhere(~seen)[0]
    x = int((lon[column] + 180) / 360 * 2**14)
    tile = next(t for t in _tiles_at(lon[column], lat[row]) if t.x == x)
    assert not COUNTRY.has_imagery("borealis", *tile_axes(tile)).any()
    assert "borealis" not in render_tile(COUNTRY, tile, ["borealis"])


def _tiles_at(lon: float, lat: float) -> list[TileIndex]:
    return list(tiles_in(Bounds(lon - 1e-6, lat - 1e-6, lon + 1e-6, lat + 1e-6), 14))


def test_over_zoomed_tiles_are_few_and_the_same_at_every_deep_zoom() -> None:
    tiles = [TileIndex(14, x, y) for x in range(13400, 13440) for y in range(6480, 6500)]
    flags = [is_overzoomed(COUNTRY, "borealis", t) for t in tiles]
    assert 0.005 < np.mean(flags) < 0.05
    for tile, flag in zip(tiles[:50], flags, strict=False):
        assert is_overzoomed(COUNTRY, "borealis", TileIndex(16, 4 * tile.x + 3, 4 * tile.y + 1)) == flag
        assert not is_overzoomed(COUNTRY, "borealis", TileIndex(13, tile.x // 2, tile.y // 2))


def test_sketch_nodes_lie_on_the_same_land() -> None:
    lon, lat = _axes(115.2, 35.02, 1e-4, 60)
    fine = COUNTRY.nodes(lon, lat)
    coarse = COUNTRY.nodes(lon, lat, per_degree=NODES_PER_DEGREE // 3)
    assert fine.per_degree == 3 * coarse.per_degree
    shared = fine.fields[(coarse.row + 2) * 3 + 1 - fine.row, 0, (coarse.col + 2) * 3 + 1 - fine.col]
    assert shared == pytest.approx(coarse.fields[2, 0, 2], abs=1e-2)


def test_bad_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="seed is -1"):
        Country(-1)
    with pytest.raises(ValueError, match="'mapbox' does not exist"):
        COUNTRY.render("mapbox", np.array([115.0]), np.array([35.0]))
    with pytest.raises(ValueError, match="expected two non-empty axes"):
        COUNTRY.land_cover(np.zeros((2, 2)), np.array([35.0]))
    assert block_truth(COUNTRY, "aster", BlockIndex(800, 5200)).area_fraction >= 0.0


def test_pixels_are_the_same_on_every_machine() -> None:
    digest = hashlib.sha256()
    for west, north in [(115.18, 35.0), (115.31, 35.07), (113.4, 33.6), (99.2, 41.3)]:
        lon, lat = _axes(west, north, 2e-5, 400)
        for source in ("aster", "borealis"):
            digest.update(COUNTRY.render(source, lon, lat)[0].tobytes())
        survey = COUNTRY.survey(lon, lat)
        digest.update(survey.cover.tobytes() + survey.parcel.tobytes() + COUNTRY.elevation_m(lon, lat).tobytes())
    assert digest.hexdigest()[:16] == "d833692ee6a39a69", (
        "the country is no longer the one of earlier versions; if that is meant, record the new digest"
    )
