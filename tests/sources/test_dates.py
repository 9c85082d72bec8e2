"""When imagery was taken: told by items of one time, and by nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from shared.source_files import BLOCK, BOUNDS, GRID
from sources.test_stac_items import items_of

from croplayer.sources.dates import imagery_dates, taken_together
from croplayer.sources.raster import RasterSource
from croplayer.sources.stac import StacSource
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
    assert source.taken_at(BOUNDS) == time


def test_dates_are_told_by_block_and_source(tmp_path: Path) -> None:
    near = [BOUNDS.west, BOUNDS.south, BOUNDS.east, BOUNDS.north]
    own = StacSource("own", items_of(tmp_path / "a.json", {**AT_JUNE, "bbox": near}), ("visual",))
    other = StacSource("other", items_of(tmp_path / "b.json", AT_JUNE), ("visual",))
    plain = RasterSource("plain", (str(tmp_path / "scene.tif"),))
    assert imagery_dates([own, plain], [BLOCK, FAR], GRID) == {BLOCK: {"own": JUNE}, FAR: {}}
    assert imagery_dates([own], [FAR], GRID) == {} and imagery_dates([plain], [BLOCK], GRID) == {}
    dates = imagery_dates([own, other], [BLOCK], GRID)[BLOCK]
    assert taken_together(dates, "own+other") == JUNE == taken_together(dates, "own")
    assert taken_together({**dates, "other": JULY}, "own+other") is None
    assert taken_together(dates, "own+plain") is None and taken_together(dates, "") is None
