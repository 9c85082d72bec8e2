"""Fields through several editions in one table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from croplayer.fields.history import COLUMNS, field_history
from croplayer.fields.matching import match_fields

NAMES = ("2018", "2020", "2022", "2024")


def fields(**boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    """Rectangles (west, south, east, north) by id."""
    shapes = [shapely.box(*box) for box in boxes.values()]
    return gpd.GeoDataFrame({"id": list(boxes), "area_ha": [s.area for s in shapes]}, geometry=shapes, crs="EPSG:32650")


def history_of(*editions: gpd.GeoDataFrame) -> dict[str, list[tuple[str, ...]]]:
    table = field_history(NAMES[: len(editions)], editions, [match_fields(a, b) for a, b in pairwise(editions)])
    assert list(table) == list(COLUMNS)
    rows: dict[str, list[tuple[str, ...]]] = {}
    for row in table.itertuples():
        rows.setdefault(row.field, []).append((row.edition, row.id, row.came, row.came_from, row.became, row.became_of))
    return rows


def test_a_field_is_followed_through_splits_and_merges() -> None:
    found = history_of(
        fields(a=(0, 0, 100, 100), b=(200, 0, 300, 100), c=(400, 0, 500, 100)),
        fields(x=(0, 0, 60, 100), y=(60, 0, 100, 100), b=(200, 0, 300, 100)),
        fields(z=(0, 0, 100, 100), b=(200, 0, 300, 98), c=(600, 0, 700, 100)),
    )
    # The larger part goes on as the field; merged again, it is still the same.
    assert found["a"] == [
        ("2018", "a", "first", "", "split", "a+y"),
        ("2020", "x", "split", "a", "merged", "a"),
        ("2022", "z", "merged", "a+y", "last", ""),
    ]
    assert found["y"] == [("2020", "y", "split", "a", "merged", "a")]
    assert [row[2::2] for row in found["b"]] == [("first", "same"), ("same", "same"), ("same", "last")]
    assert found["c"] == [("2018", "c", "first", "", "gone", "")]
    # The same cell names another field later.
    assert found["c@2022"] == [("2022", "c", "new", "", "last", "")]
    assert set(found) == {"a", "y", "b", "c", "c@2022"}


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=8), min_size=2, max_size=4)
)
def test_every_field_has_one_name_in_each_edition_and_links_lead_back(
    places: Sequence[Sequence[tuple[int, int]]],
) -> None:
    rng = np.random.default_rng(len(places))
    editions = []
    for each in places:
        widths = rng.integers(4, 19, len(each))
        boxes = {
            f"f{x}_{y}": (10 * x, 10 * y, 10 * x + int(w), 10 * y + 9) for (x, y), w in zip(each, widths, strict=True)
        }
        editions.append(fields(**boxes))
    names = NAMES[: len(editions)]
    table = field_history(names, editions, [match_fields(a, b) for a, b in pairwise(editions)])
    assert len(table) == sum(map(len, editions)) and not table.duplicated(["field", "edition"]).any()
    rows = {(row.edition, row.field): row for row in table.itertuples()}
    for before, after in pairwise(names):
        links = {(a, b) for (e, a), row in rows.items() if e == before for b in row.became_of.split("+") if b}
        back = {(a, b) for (e, b), row in rows.items() if e == after for a in row.came_from.split("+") if a}
        assert links == back
        for a, b in links:
            assert rows[before, a].became == rows[after, b].came
    assert all((row.came == "new") == (not row.came_from) for row in rows.values() if row.came != "first")
    assert set(table[table.edition == names[0]].came) <= {"first"} and set(
        table[table.edition == names[-1]].became
    ) <= {"last"}


def test_editions_are_named_once() -> None:
    one = fields(a=(0, 0, 1, 1))
    for names in (("2018",), ("2018", "2018")):
        with pytest.raises(ValueError, match="expected at least two, each once"):
            field_history(names, [one] * len(names), [match_fields(one, one)] * (len(names) - 1))
