"""Items of STAC: as the standard allows them, and what they may refer to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_items, write_raster

from croplayer.files.file_cache import forget_files
from croplayer.products.stac_codes import StacCodes
from croplayer.sources.access import Access
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.stac_items import ItemIndex, read_items
from stores.grid import Bounds

WINDOW = GRID.window(BLOCK)
BOX = [BOUNDS.west - 0.005, BOUNDS.north - 0.055, BOUNDS.east + 0.005, BOUNDS.north + 0.005]


def items_of(path: Path, *changes: dict[str, Any], href: str = "scene.tif") -> str:
    """Items with one asset, each changed; None removes a key."""
    forget_files()
    features = []
    for number, change in enumerate(changes or ({},)):
        item: dict[str, Any] = {
            "type": "Feature", "stac_version": "1.0.0", "id": f"item{number}", "bbox": BOX, "geometry": None, "links": [],
            "properties": {"datetime": "2020-06-01T00:00:00Z"}, "assets": {"visual": {"href": href}},
        }  # fmt: skip
        item |= change
        features.append({key: value for key, value in item.items() if value is not None})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return str(path)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", texture())


@pytest.mark.parametrize(
    "change",
    [
        {"bbox": [BOX[0], BOX[1], -10, BOX[2], BOX[3], 400]},
        {"bbox": None},
        {"bbox": None, "geometry": {"type": "Polygon", "coordinates": [[[BOX[0], BOX[1]], [BOX[2], BOX[1]], [BOX[2], BOX[3]], [BOX[0], BOX[1]]]]}},
        {"properties": {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-12-31T00:00:00Z"}},
        {"properties": {"datetime": "2020-06-01T00:00:00Z", "proj:epsg": 32651, "proj:code": "EPSG:32651"}},
        {"stac_version": "1.1.0"},
    ],
    ids=["bbox of six", "no bbox and no geometry", "no bbox", "a span of time", "another CRS", "1.1"],
)  # fmt: skip
def test_items_as_the_standard_allows_them_are_read(tmp_path: Path, scene: Path, change: dict[str, Any]) -> None:
    source = StacSource("s", items_of(tmp_path / "items.json", change), ("visual",))
    source.check(BOUNDS)
    expected = RasterSource("r", (str(scene),)).read(WINDOW, GRID)
    np.testing.assert_array_equal(source.read(WINDOW, GRID).rgb, expected.rgb)
    assert [file for file in source.files_of(BLOCK, GRID) if Path(file).exists()] == [source.items, str(scene)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [1, 2, 3, 4, 5]}, r"'item0' of .*items\.json has bbox .*; expected four numbers, or six"),
        ({"bbox": ["a", 2, 3, 4]}, "expected four numbers"),
        ({"bbox": [10, 10, 11, 11]}, "no STAC item of .* overlaps the region"),
        ({"bbox": [113.0, 34.06, 114.02, 34.5], "assets": {"visual": {"href": "far.tif"}}}, "lies at .* but its asset .*far.tif at"),
        ({"assets": {}}, "has no asset 'visual'; it has none"),
        ({"properties": {"datetime": None}}, "feature 1 .* is not a STAC item"),
    ],
)  # fmt: skip
def test_items_that_cannot_be_right_are_refused(
    tmp_path: Path, scene: Path, change: dict[str, Any], message: str
) -> None:
    from rasterio.transform import from_origin

    write_raster(tmp_path / "far.tif", texture(), transform=from_origin(10, 10, 1e-3, 1e-3))
    for source in (
        StacSource("s", items_of(tmp_path / "items.json", change), ("visual",)),
        StacCodes(items_of(tmp_path / "items.json", change), "visual", band=1),
    ):
        with pytest.raises(ValueError, match=message):
            source.check(BOUNDS)


def test_the_latest_item_counts_and_of_one_time_the_last_id(tmp_path: Path) -> None:
    for value in (10, 20, 30, 40):
        write_raster(tmp_path / f"{value}.tif", np.full((3, 300, 300), value, np.uint8))
    times = ["2019-06-01T00:00:00+08:00", "2020-06-01T00:00:00Z", "2020-06-01T00:00:00Z", "2018-01-01T00:00:00Z"]
    changes = [
        {"properties": {"datetime": time}, "assets": {"visual": {"href": f"{value}.tif"}}, "id": f"i{value}"}
        for time, value in zip(times, (10, 20, 30, 40), strict=True)
    ]
    for order in (changes, changes[::-1]):
        source = StacSource("s", items_of(tmp_path / "items.json", *order), ("visual",))
        assert (source.read(WINDOW, GRID).rgb == 30).all()


def test_items_of_one_name_are_items_of_their_own(tmp_path: Path) -> None:
    for value in (1, 2):
        write_raster(tmp_path / f"{value}.tif", np.full((1, 60, 60), value, np.uint8), nodata=2)
    changes = [{"id": "same", "assets": {"visual": {"href": f"{value}.tif"}}} for value in (1, 2)]
    parts = list(StacCodes(items_of(tmp_path / "items.json", *changes), "visual").parts(WINDOW, GRID))
    assert sorted(int(part.codes.max()) for part in parts) == [1, 2]


def test_items_near_a_box_are_found_in_their_order(tmp_path: Path, scene: Path) -> None:
    """Those that do not say where they lie are always among them."""
    away = {"bbox": [0.0, 0.0, 1.0, 1.0]}
    both = {"bbox": [179.0, BOX[1], -179.0, BOX[3]]}  # across 180 degrees
    path = items_of(tmp_path / "items.json", {}, away, {"bbox": None}, both, {})
    index = ItemIndex.of(read_items(path))
    assert [item.id for item in index.near(BOUNDS)] == ["item4", "item2", "item0"]
    assert [item.id for item in index.near(Bounds(0.5, 0.5, 0.6, 0.6))] == ["item2", "item1"]
    assert [item.id for item in index.near(Bounds(-179.5, BOX[1], -179.4, BOX[3]))] == ["item3", "item2"]
    assert [item.id for item in index.near(Bounds(1.001, 0.5, 1.1, 0.6), 0.01)] == ["item2", "item1"]


def test_a_year_chooses_items_by_their_span(tmp_path: Path, scene: Path) -> None:
    def span(start: str, end: str) -> dict[str, Any]:
        return {
            "properties": {"datetime": None, "start_datetime": f"{start}T00:00:00Z", "end_datetime": f"{end}T00:00:00Z"}
        }

    spans = [span("2019-01-01", "2020-01-01"), span("2000-01-01", "2022-12-31"), span("2021-01-01", "2021-01-01")]
    items = items_of(tmp_path / "items.json", *spans)
    of_year = {year: {i.id for i in read_items(items) if i.is_of(year)} for year in (1999, 2019, 2020, 2021)}
    assert of_year == {1999: set(), 2019: {"item0", "item1"}, 2020: {"item1"}, 2021: {"item1", "item2"}}


def test_three_assets_are_one_picture_and_missing_where_one_of_them_is(tmp_path: Path) -> None:
    pixels = texture()
    whole = RasterSource("r", (str(write_raster(tmp_path / "whole.tif", pixels)),)).read(WINDOW, GRID)
    names = ("red", "green", "blue")
    for name, band in zip(names, pixels, strict=True):
        write_raster(tmp_path / f"{name}.tif", band[None])
    assets = {"assets": {name: {"href": f"{name}.tif"} for name in names}}
    source = StacSource("s", items_of(tmp_path / "items.json", assets))
    source.check(BOUNDS)
    found = source.read(WINDOW, GRID)
    np.testing.assert_array_equal(found.rgb, whole.rgb)
    assert found.valid.all()
    half = pixels[1:2].copy()
    half[..., :150] = 0
    write_raster(tmp_path / "green.tif", half, nodata=0)
    forget_files()
    valid = source.read(WINDOW, GRID).valid
    assert valid[:, 68:].all() and not valid[:, :60].any()
    write_raster(tmp_path / "blue.tif", texture(2))
    forget_files()
    with pytest.raises(ValueError, match=r"blue\.tif has 2 bands, expected one for one colour; name a single asset"):
        source.check(BOUNDS)


def test_settings_that_do_not_fit_assets_are_refused() -> None:
    with pytest.raises(ValueError, match="names 2 assets; expected one, or red, green and blue"):
        StacSource("s", "items.json", ("red", "green"))
    with pytest.raises(ValueError, match="bands choose the bands of a single asset"):
        StacSource("s", "items.json", bands=(1, 2, 3))


@pytest.mark.parametrize("name", ["a b.tif", "Größe 1.tif"])
def test_relative_references_may_be_written_with_escapes(tmp_path: Path, name: str) -> None:
    from urllib.parse import quote

    (tmp_path / "below").mkdir()
    write_raster(tmp_path / "below" / name, texture())
    for href in (f"below/{name}", quote(f"./below/{name}")):
        source = StacSource("s", items_of(tmp_path / "items.json", href=href), ("visual",))
        source.check(BOUNDS)
        assert source.read(WINDOW, GRID).valid.all()


def test_files_below_the_items_may_be_read_and_others_only_if_the_recipe_says(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    away = write_raster(outside / "scene.tif", texture())
    (inside / "link.tif").symlink_to(away)
    for href in (str(away), away.as_uri(), "../outside/scene.tif", "link.tif"):
        items = items_of(inside / "items.json", href=href)
        for source in (StacSource("s", items, ("visual",)), StacCodes(items, "visual", band=1)):
            message = r"asset 'visual' of STAC item 'item0' .* is not below the folder of the items; .*add its folder to folders"
            for reach in (lambda s=source: s.check(BOUNDS), lambda s=source: s.content_of(BLOCK, GRID)):
                with pytest.raises(PermissionError, match=message):
                    reach()
        allowed = StacSource("s", items, ("visual",), access=Access(folders=(str(outside),)))
        allowed.check(BOUNDS)
        assert allowed.read(WINDOW, GRID).valid.all()
    near = write_raster(inside / "scene.tif", texture())
    StacSource("s", items_of(inside / "items.json", href=near.as_uri()), ("visual",)).check(BOUNDS)


@pytest.mark.parametrize(
    "href",
    [
        "http://169.254.169.254/latest.tif",
        "https://elsewhere.example/a.tif",
        "s3://bucket/a.tif",
        "/vsicurl/http://127.0.0.1/a.tif",
    ],
)
def test_an_item_does_not_choose_which_host_is_reached(tmp_path: Path, href: str) -> None:
    items = items_of(tmp_path / "items.json", href=href)
    for access, message in (
        (Access(), "i_have_rights = true"),
        (Access(True, ("data.example",)), r"refers to .*; if that is meant, add '.*' to hosts"),
    ):
        for source in (StacSource("s", items, ("visual",), access=access), StacCodes(items, "visual", access=access)):
            with pytest.raises(PermissionError, match=message):
                source.check(BOUNDS)


@pytest.mark.parametrize(
    "href", ["vrt://scene.tif?bands=1", "/vsizip/a.zip/b.tif", "gs://bucket/a.tif", "ftp://host/a.tif"]
)
def test_other_kinds_of_address_are_refused(tmp_path: Path, href: str) -> None:
    items = items_of(tmp_path / "items.json", href=href)
    with pytest.raises(ValueError, match="is not a path, nor an http, https or s3 address"):
        StacSource("s", items, ("visual",), access=Access(True, ("host", "bucket"))).check(BOUNDS)
    with pytest.raises(ValueError, match="is not a path, nor an http, https or s3 address"):
        RasterSource("s", (href,), access=Access(True))


def test_an_asset_that_refers_to_other_files_is_refused(tmp_path: Path, scene: Path) -> None:
    import rasterio.shutil

    rasterio.shutil.copy(str(scene), str(tmp_path / "scene.vrt"), driver="VRT")
    (tmp_path / "scene.vrt").rename(tmp_path / "other.tif")
    for source in (
        StacSource("s", items_of(tmp_path / "items.json", href="other.tif"), ("visual",)),
        StacCodes(items_of(tmp_path / "items.json", href="other.tif"), "visual"),
    ):
        with pytest.raises(ValueError, match=r"other\.tif cannot be opened as GeoTIFF"):
            source.check(BOUNDS)


def test_write_items_is_what_the_other_tests_mean(tmp_path: Path, scene: Path) -> None:
    StacSource("s", write_items(tmp_path / "items.json", str(scene)), ("visual",)).check(BOUNDS)
