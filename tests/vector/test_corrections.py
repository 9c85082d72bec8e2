"""Corrections by hand: read with every problem named, ordered by date, laid on pixels by their centres."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely

from croplayer.vector.correction_files import read_corrections
from croplayer.vector.corrections import Action, HandCorrection, by_block, corrections_of_pixels
from stores.grid import BlockGrid, BlockIndex, PixelWindow

GRID = BlockGrid(64)
BLOCK = BlockIndex(1100, 5880)
BOUNDS = GRID.bounds(BLOCK)


def square(x: float, y: float, size: float = 0.01) -> shapely.Polygon:
    """A square of degrees whose lower left corner lies so far into the block."""
    return shapely.box(BOUNDS.west + x, BOUNDS.south + y, BOUNDS.west + x + size, BOUNDS.south + y + size)


def row(geometry: object, **changed: object) -> dict[str, object]:
    return {
        "action": "add",
        "author": "Li",
        "reason": "seen on site",
        "date": "2024-05-31",
        "geometry": geometry,
    } | changed


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326").to_file(path)
    return path


def test_corrections_are_applied_by_date_and_of_one_date_as_in_the_file(tmp_path: Path) -> None:
    rows = [
        row(square(0, 0), date="2024-06-02"),
        row(square(0.01, 0), action=" Remove ", author="Wang  Wei"),
        row(square(0.02, 0), date="2024-05-31"),
        row(square(0.03, 0), date="2024-05-31 08:30"),
    ]
    found = read_corrections(written(tmp_path / "c.gpkg", rows))
    assert [c.feature for c in found] == [2, 3, 4, 1]
    assert [c.date for c in found] == ["2024-05-31", "2024-05-31", "2024-05-31T08:30:00", "2024-06-02"]
    assert found[0].action is Action.REMOVE and found[0].author == "Wang Wei"
    assert len({c.id for c in found}) == 4


@pytest.mark.parametrize("value", [date(2024, 5, 31), datetime(2024, 5, 31)])
def test_dates_of_files_are_dates(tmp_path: Path, value: object) -> None:
    gpd.GeoDataFrame([row(square(0, 0), date=value)], geometry="geometry", crs="EPSG:4326").to_parquet(
        tmp_path / "c.parquet"
    )
    assert read_corrections(tmp_path / "c.parquet")[0].date == "2024-05-31"


def test_polygons_of_another_crs_lie_where_they_were_drawn(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame([row(square(0, 0))], geometry="geometry", crs="EPSG:4326")
    frame.to_crs("EPSG:32650").to_file(tmp_path / "c.gpkg")
    (found,) = read_corrections(tmp_path / "c.gpkg")
    assert shapely.hausdorff_distance(found.outline, square(0, 0)) < 1e-8


def test_every_wrong_row_is_named_at_once(tmp_path: Path) -> None:
    rows = [
        row(square(0, 0), action="ad"),
        row(square(0.01, 0), author=" ", date="May"),
        row(shapely.LineString([(114, 34), (115, 35)]), reason=None),
        row(square(0, 0.02)),
        row(square(0, 0.02)),
    ]
    frame = gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326")
    frame.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(ValueError, match="corrections") as raised:
        read_corrections(tmp_path / "c.parquet")
    text = str(raised.value)
    assert "feature 1, action: 'ad' is unknown; expected add or remove; did you mean 'add'?" in text
    assert "feature 2, author: it is empty; feature 2, date: 'May' is no date" in text
    assert "feature 3, reason: it is empty; feature 3, geometry: its outline is a LineString; expected polygons" in text
    assert "feature 5: it is the same as feature 4" in text


def test_a_missing_column_is_named_and_an_empty_layer_allowed(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame([row(square(0, 0))], geometry="geometry", crs="EPSG:4326")
    frame.rename(columns={"author": "autor"}).to_file(tmp_path / "c.gpkg")
    with pytest.raises(ValueError, match="has no column 'author'; did you mean 'autor'"):
        read_corrections(tmp_path / "c.gpkg")
    frame.iloc[:0].to_file(tmp_path / "empty.gpkg")
    assert read_corrections(tmp_path / "empty.gpkg") == ()


def drawn(action: str, outline: shapely.Polygon, number: int) -> HandCorrection:
    return HandCorrection(Action(action), "Li", "why", "2024-05-31", outline, number)


def test_a_block_has_the_corrections_that_touch_it() -> None:
    across = drawn("add", shapely.box(BOUNDS.east - 0.01, BOUNDS.south, BOUNDS.east + 0.01, BOUNDS.north - 0.01), 1)
    inside = drawn("remove", square(0.01, 0.01), 2)
    east, far = BlockIndex(BLOCK.row, BLOCK.col + 1), BlockIndex(BLOCK.row, BLOCK.col + 5)
    assert by_block([across, inside], [far, east, BLOCK], GRID) == {BLOCK: (across, inside), east: (across,)}
    assert by_block([], [BLOCK], GRID) == {}


def test_a_pixel_takes_the_last_correction_that_holds_its_centre_whatever_the_window() -> None:
    rng = np.random.default_rng(3)
    centre = (BOUNDS.east, (BOUNDS.south + BOUNDS.north) / 2)
    outlines = [
        shapely.Point(centre)
        .buffer(0.02)
        .intersection(shapely.Polygon(rng.normal(centre, 0.02, (3, 2))).buffer(0.004)),
        shapely.Polygon(rng.normal(centre, 0.01, (3, 2))),
    ]
    corrections = [drawn("add", outline, i) for i, outline in enumerate(outlines)]
    whole = GRID.window(BLOCK)
    both = PixelWindow(whole.row, whole.col, 64, 128)
    found = corrections_of_pixels(corrections, both, GRID)
    lon, lat = np.meshgrid(GRID.longitudes(both.col, 128), GRID.latitudes(both.row, 64))
    expected = np.full(found.shape, -1)
    for i, outline in enumerate(outlines):
        expected[shapely.contains_xy(outline, lon, lat)] = i
    assert (expected == 0).sum() > 50 and (expected == 1).sum() > 10
    assert (found == expected).all()
    parts = [
        corrections_of_pixels(corrections, PixelWindow(both.row, both.col + k, 64, 32), GRID) for k in (0, 32, 64, 96)
    ]
    assert (np.hstack(parts) == found).all()
