"""When imagery was taken: told by items of one time, and by nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import rasterio
from shared.source_files import BLOCK, BOUNDS, GRID, texture, write_raster
from sources.test_stac_items import items_of

from croplayer.sources.dates import imagery_dates, imagery_times, taken_together
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
from croplayer.sources.time_spans import TimeSpan, parse_span
from stores.grid import BlockIndex

JUNE, JULY = datetime(2020, 6, 1, tzinfo=UTC), datetime(2020, 7, 1, 10, 30, tzinfo=UTC)
FAR = BlockIndex(BLOCK.row + 100, BLOCK.col)
AT_JUNE, AT_JULY = ({"properties": {"datetime": f"{time:%Y-%m-%dT%H:%M:%SZ}"}} for time in (JUNE, JULY))
A_YEAR = {
    "properties": {"datetime": None, "start_datetime": "2020-01-01T00:00:00Z", "end_datetime": "2020-12-31T00:00:00Z"}
}


@pytest.mark.parametrize(
    ("changes", "time"),
    [
        ([AT_JUNE], JUNE),
        ([AT_JUNE, AT_JUNE], JUNE),
        ([AT_JUNE, AT_JULY], None),
        ([A_YEAR], None),
        ([AT_JULY, {**AT_JUNE, "bbox": [0, 0, 1, 1]}], JULY),
        ([{**AT_JUNE, "bbox": [0, 0, 1, 1]}], None),
    ],
    ids=["one", "two of a time", "two times", "a span", "another far away", "none here"],
)
def test_items_of_one_time_tell_it(tmp_path: Path, changes: list[dict[str, object]], time: datetime | None) -> None:
    source = StacSource("s", items_of(tmp_path / "items.json", *changes), ("visual",))
    assert imagery_dates([source], [BLOCK], GRID).get(BLOCK, {}).get("s") == time


def test_dates_are_told_by_block_and_source(tmp_path: Path) -> None:
    near = [BOUNDS.west, BOUNDS.south, BOUNDS.east, BOUNDS.north]
    own = StacSource("own", items_of(tmp_path / "a.json", {**AT_JUNE, "bbox": near}), ("visual",))
    other = StacSource("other", items_of(tmp_path / "b.json", AT_JUNE), ("visual",))
    plain = RasterSource("plain", (str(write_raster(tmp_path / "scene.tif", texture())),))
    assert imagery_dates([own, plain], [BLOCK, FAR], GRID) == {BLOCK: {"own": JUNE}, FAR: {}}
    assert imagery_dates([own], [FAR], GRID) == {} and imagery_dates([plain], [BLOCK], GRID) == {}
    dates = imagery_dates([own, other], [BLOCK], GRID)[BLOCK]
    assert taken_together(dates, "own+other") == JUNE == taken_together(dates, "own")
    assert taken_together({**dates, "other": JULY}, "own+other") is None
    assert taken_together(dates, "own+plain") is None and taken_together(dates, "") is None


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2020", "2020-01-01", "2020-12-31"),
        ("2020-02", "2020-02-01", "2020-02-29"),
        ("2019-06-15", "2019-06-15", "2019-06-15"),
        ("2019-11/2020-03-15", "2019-11-01", "2020-03-15"),
        ("1937-08/1969", "1937-08-01", "1969-12-31"),
        ("9999", "9999-01-01", "9999-12-31"),
    ],
)
def test_a_year_month_or_day_is_all_of_it(text: str, first: str, last: str) -> None:
    span = parse_span(text)
    assert span.start == datetime.fromisoformat(f"{first}T00:00:00+00:00")
    assert span.end == datetime.fromisoformat(f"{last}T23:59:59.999+00:00")


@pytest.mark.parametrize(
    "text",
    ["", "summer 2020", "2020-13", "2020-02-30", "20-01", "2020/2019", "0000", "2020/", "2018/2019/2020", "２０２０"],
)
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_span(text)


def dated_raster(path: Path, time: str) -> str:
    write_raster(path, texture())
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME=time)
    return str(path)


def test_rasters_tell_when_they_were_acquired(tmp_path: Path) -> None:
    june = dated_raster(tmp_path / "june.tif", "2020-06-01T00:00:00Z")
    july = dated_raster(tmp_path / "july.tif", "2020-07-01T12:30:00+02:00")
    silent = str(write_raster(tmp_path / "silent.tif", texture()))
    wrong = dated_raster(tmp_path / "wrong.tif", "in June")

    def span(*paths: str) -> tuple[datetime, ...] | None:
        times = imagery_times([RasterSource("s", paths)], {}, [BLOCK], GRID)
        return tuple(moment.to_pydatetime() for moment in times.iloc[0]) if len(times) else None

    assert span(june) == (JUNE, JUNE)
    assert span(june, july) == (JUNE, JULY)
    # What one of the files under a block does not tell is not known of the block.
    assert span(june, silent) is None and span(silent) is None and span(wrong) is None


def test_what_the_recipe_states_counts(tmp_path: Path) -> None:
    source = RasterSource("s", (dated_raster(tmp_path / "a.tif", "2020-06-01T00:00:00Z"),))
    other, stated = RasterSource("other", source.paths), {"s": parse_span("2018")}
    times = imagery_times([source, other], stated, [BLOCK, FAR], GRID)
    assert times.columns.tolist() == ["taken_from_s", "taken_to_s", "taken_from_other", "taken_to_other"]
    for row in range(2):
        assert TimeSpan(*times.iloc[row, :2]) == stated["s"]
    assert times.taken_from_other[0] == times.taken_to_other[0] == JUNE and times.taken_to_other.isna()[1]
    # A year is no moment at which the imagery of a field was taken.
    assert imagery_dates([source], [BLOCK], GRID) == {BLOCK: {"s": JUNE}}
