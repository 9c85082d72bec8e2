"""The country is the same everywhere it is asked, and its truth agrees with its files."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely

from croplayer.landscape.classes import IS_CROPLAND, LandCover
from croplayer.landscape.country import Country
from croplayer.landscape.make import CountryFiles, make_country
from croplayer.landscape.truth import truth_mask
from stores.grid import BlockGrid, BlockRange, Bounds

BOUNDS = Bounds(114.4, 34.4, 114.5, 34.45)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> CountryFiles:
    return _make(tmp_path_factory.mktemp("country"))


def _make(folder: Path) -> CountryFiles:
    return make_country(
        folder, seed=1, bounds=BOUNDS, zoom=12, training_scenes=2, coverage_samples=5, provinces=3, truth_block_px=160
    )


def test_the_same_arguments_give_the_same_bytes(files: CountryFiles, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    _make(folder)
    (folder / "labels").mkdir()
    (folder / "labels" / "mine.gpkg").write_bytes(b"drawn by a person")
    (folder / "tiles" / "left_over.jpg").write_bytes(b"")
    again = _make(folder)
    assert (folder / "labels" / "mine.gpkg").read_bytes() == b"drawn by a person"
    assert not (folder / "tiles" / "left_over.jpg").exists()
    assert again.manifest.read_bytes() == files.manifest.read_bytes()
    digests = json.loads(files.manifest.read_text())["sha256"]
    assert digests
    for name, digest in digests.items():
        assert hashlib.sha256((again.folder / name).read_bytes()).hexdigest() == digest, name


def test_statistics_are_the_sum_of_the_truth_in_each_province(files: CountryFiles) -> None:
    with rasterio.open(files.truth) as source:
        cover = source.read(1)
    grid = BlockGrid(160)
    window = BlockRange.around(grid.blocks_in(BOUNDS)).window(grid)
    lon = grid.longitudes(window.col, window.width)
    lat = grid.latitudes(window.row, window.height)
    area = np.broadcast_to(grid.pixel_area_m2(window.row, window.height)[:, None], cover.shape)
    with files.statistics.open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    provinces = gpd.read_file(files.provinces).set_index("adcode")
    for row in rows:
        inside = shapely.contains_xy(provinces.geometry[int(row["adcode"])], *np.meshgrid(lon, lat))
        counted = IS_CROPLAND[cover] == 1
        if "orchards" in row["note"]:
            counted |= cover == LandCover.ORCHARD
        assert float(row["cropland_kha"]) == pytest.approx(area[inside & counted].sum() / 1e7, rel=1e-3, abs=1e-4)
    assert sum("definition" in row["note"] for row in rows) == 1


def test_truth_file_equals_the_mask_of_the_country(files: CountryFiles) -> None:
    grid = BlockGrid(160)
    window = BlockRange.around(grid.blocks_in(BOUNDS)).window(grid)
    with rasterio.open(files.truth) as source:
        np.testing.assert_array_equal(IS_CROPLAND[source.read(1)], truth_mask(Country(1), window, grid))


def test_provinces_and_counties_tile_the_bounds(files: CountryFiles) -> None:
    provinces, counties = gpd.read_file(files.provinces), gpd.read_file(files.counties)
    box = (BOUNDS.east - BOUNDS.west) * (BOUNDS.north - BOUNDS.south)
    for frame in (provinces, counties):
        assert shapely.area(frame.geometry.to_numpy()).sum() == pytest.approx(box, rel=1e-9)
        assert frame.union_all().area == pytest.approx(box, rel=1e-9)
        assert frame.adcode.is_unique
    assert counties.groupby("province").size().min() >= 2
    assert set(counties.province) == set(provinces.adcode)


def test_training_polygons_cover_the_cropland_of_their_scene(files: CountryFiles) -> None:
    parcels = gpd.read_file(files.training / "parcels.gpkg")
    scenes = sorted((files.training / "images").glob("*.tif"))
    assert set(parcels.image) == {p.stem for p in scenes}
    for path in scenes:
        with rasterio.open(path) as source:
            assert float(source.tags()["ground_sample_distance_m"]) > 0
            h, w, t = source.height, source.width, source.transform
        lon = t.c + (np.arange(w) + 0.5) * t.a
        lat = t.f + (np.arange(h) + 0.5) * t.e
        crop = Country(1).is_cropland(lon, lat)
        mine = parcels[parcels.image == path.stem]
        assert shapely.area(mine.geometry.to_numpy()).sum() == pytest.approx(crop.sum() * t.a * -t.e, rel=1e-6)
        assert (
            (t.c + w * t.a < BOUNDS.west)
            or (t.c > BOUNDS.east)
            or (t.f < BOUNDS.south)
            or (t.f + h * t.e > BOUNDS.north)
        )
