"""What became of fields between two editions, told from their outlines, and the ids that last."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import shapes
from scipy import ndimage

from croplayer.fields import matching
from croplayer.fields.matching import carried_ids, kept_ids, match_fields, match_sets
from stores.grid import Bounds

SQUARE_M = 1e4


def fields(**geometries: shapely.Geometry) -> gpd.GeoDataFrame:
    """Fields by their ids, in metres."""
    shape = list(geometries.values())
    return gpd.GeoDataFrame(
        {"id": list(geometries), "area_ha": shapely.area(shape) / SQUARE_M}, geometry=shape, crs="EPSG:3857"
    )


def box(left: float, right: float, top: float = 100.0) -> shapely.Geometry:
    return shapely.box(left, 0, right, top)


def told(table: pd.DataFrame) -> dict[tuple[str | None, str | None], str]:
    """Kind by the two ids."""
    pairs = (
        tuple(None if pd.isna(i) else i for i in pair) for pair in zip(table.before_id, table.after_id, strict=True)
    )
    return dict(zip(pairs, table.kind, strict=True))


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"a": box(0, 100)}, {"x": box(5, 100)}, {("a", "x"): "same"}),
        ({"a": box(0, 100)}, {"x": box(0, 45)}, {("a", "x"): "changed"}),
        ({"a": box(0, 100)}, {"x": box(0, 90), "y": box(90, 100)}, {("a", "x"): "split", ("a", "y"): "split"}),
        ({"a": box(0, 100)}, {"x": box(0, 96), "y": box(96, 100)}, {("a", "x"): "same", (None, "y"): "new"}),
        ({"a": box(0, 60), "b": box(60, 100)}, {"x": box(0, 100)}, {("a", "x"): "merged", ("b", "x"): "merged"}),
        (
            {"a": box(0, 50), "b": box(50, 100)},
            {"x": box(0, 30), "y": box(30, 70), "z": box(70, 100)},
            {("a", "x"): "same", (None, "y"): "new", ("b", "z"): "same"},
        ),
        (
            {"a": box(0, 50), "b": box(50, 100)},
            {"x": box(0, 20), "y": box(20, 100)},
            {("a", "x"): "reshaped", ("a", "y"): "reshaped", ("b", "y"): "reshaped"},
        ),
        ({"a": box(0, 100)}, {"x": box(60, 160)}, {("a", None): "gone", (None, "x"): "new"}),
        ({"a": box(0, 100)}, {"x": box(100, 200)}, {("a", None): "gone", (None, "x"): "new"}),
        ({"a": box(0, 100)}, {}, {("a", None): "gone"}),
        ({}, {"x": box(0, 100)}, {(None, "x"): "new"}),
        ({}, {}, {}),
    ],
)
def test_what_became_of_hand_made_fields(before: dict, after: dict, wanted: dict) -> None:
    assert told(match_fields(fields(**before), fields(**after))) == wanted


def test_the_table_has_ious_and_areas() -> None:
    table = match_fields(fields(a=box(0, 100), b=box(200, 300)), fields(x=box(20, 100), y=box(400, 450)))
    assert list(table) == ["before_id", "after_id", "kind", "iou", "area_before_ha", "area_after_ha"]
    assert table.iou.tolist() == [pytest.approx(0.8), 0, 0]
    assert table.area_before_ha.fillna(-1).tolist() == [1, 1, -1] and table.area_after_ha.fillna(-1).tolist() == [
        0.8,
        -1,
        0.5,
    ]


def cells(rng: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Fields that fill a window: (size, size) int32 labels from 1, each pixel that of the nearest of some points."""
    seeds = np.zeros((size, size), np.int32)
    y, x = (rng.integers(0, size // 6, (2, count)) * 6) + 3
    seeds[y.clip(max=size - 1), x.clip(max=size - 1)] = np.arange(1, count + 1)
    place = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return seeds[tuple(place)]


def polygons(labels: np.ndarray, name: str) -> gpd.GeoDataFrame:
    """Fields of a raster of labels; ids are the name and the label."""
    parts: dict[int, list[shapely.Geometry]] = {}
    for shape, label in shapes(labels, labels > 0):
        parts.setdefault(int(label), []).append(shapely.geometry.shape(shape))
    return fields(**{f"{name}{label}": shapely.union_all(own) for label, own in sorted(parts.items())})


def perturbed(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Outlines moved by up to a pixel: every pixel takes the label of itself or of one of its eight neighbours."""
    height, width = labels.shape
    y, x = np.mgrid[:height, :width]
    return labels[
        (y + rng.integers(-1, 2, labels.shape)).clip(0, height - 1),
        (x + rng.integers(-1, 2, labels.shape)).clip(0, width - 1),
    ]


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_a_pixel_more_or_less_keeps_the_ids(seed: int) -> None:
    """New ids are permuted, so that nearly all of those that are kept conflict with another field's own."""
    rng = np.random.default_rng(seed)
    labels = cells(rng, 240, 120)
    moved = perturbed(rng, labels)
    before = polygons(labels, "f")
    swap = np.concatenate([[0], rng.permutation(labels.max()) + 1]).astype(np.int32)
    after = polygons(swap[moved], "f")
    after = after.sample(frac=1, random_state=int(rng.integers(2**31)))
    ids = kept_ids(before, after)
    assert ids.is_unique and ids.index.equals(after.index)
    own = dict(zip([f"f{n}" for n in swap], [f"f{n}" for n in range(len(swap))], strict=True))
    is_kept = ids == after["id"].map(own)
    assert is_kept.mean() >= 0.99
    kinds = match_fields(before, after).kind.value_counts()
    assert kinds["same"] >= 0.99 * len(before)


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_splits_and_merges_are_told_whichever_way_one_looks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole, parts = {}, {}
    for k in range(40):
        left, cut = 200 * k, rng.uniform(12, 88)
        whole[f"w{k}"] = box(left, left + 100)
        if k % 2:
            parts[f"p{k}"] = box(left, left + 100)
        else:
            parts |= {f"p{k}": box(left, left + cut), f"q{k}": box(left + cut, left + 100)}
    split, merged = match_fields(fields(**whole), fields(**parts)), match_fields(fields(**parts), fields(**whole))
    assert split.kind.value_counts().to_dict() == {"split": 40, "same": 20}
    assert merged.kind.value_counts().to_dict() == {"merged": 40, "same": 20}
    other_way = merged.rename(columns={"before_id": "after_id", "after_id": "before_id"}).sort_values(
        ["before_id", "after_id"]
    )
    np.testing.assert_allclose(other_way.iou, split.iou)


@settings(max_examples=10)
@given(st.integers(0, 2**32))
def test_the_order_of_fields_and_the_size_of_chunks_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = polygons(cells(rng, 60, 20), "a"), polygons(cells(rng, 60, 25), "b")
    mixed = [table.sample(frac=1, random_state=int(rng.integers(2**31))) for table in (before, after)]
    table = match_fields(before, after)
    pd.testing.assert_frame_equal(table, match_fields(*mixed))
    ids = kept_ids(before, after)
    pd.testing.assert_series_equal(ids, kept_ids(*mixed).sort_index())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "CHUNK", 3)
        pd.testing.assert_frame_equal(table, match_fields(before, after))
        assert kept_ids(before, after).equals(ids)


@dataclasses.dataclass
class Parts:
    """A table of fields that is read some rows at a time."""

    table: gpd.GeoDataFrame
    rows: int

    def known(self) -> pd.DataFrame:
        return pd.DataFrame(self.table[["id", "area_ha"]])

    def parts(self) -> Iterator[gpd.GeoDataFrame]:
        return (self.table[k : k + self.rows] for k in range(0, len(self.table), self.rows))

    def near(self, bounds: Bounds) -> gpd.GeoDataFrame:
        west, south, east, north = bounds
        own = self.table.bounds
        return self.table[(own.minx <= east) & (own.maxx >= west) & (own.miny <= north) & (own.maxy >= south)]


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_fields_that_are_read_part_by_part_have_the_same_matches(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = polygons(cells(rng, 60, 20), "a"), polygons(cells(rng, 60, 25), "b")
    table = match_sets(Parts(before, rows), Parts(after, rows))
    pd.testing.assert_frame_equal(table, match_fields(before, after))
    for one, other in ((before[:0], after), (before, after[:0])):
        table = match_sets(Parts(one, rows), Parts(other, rows))
        pd.testing.assert_frame_equal(table, match_fields(one, other), check_dtype=False)


def test_every_link_equals_one_that_is_computed_pair_by_pair() -> None:
    rng = np.random.default_rng(8)
    before, after = polygons(cells(rng, 60, 25), "a"), polygons(cells(rng, 60, 25), "b")
    wanted = {}
    for a, first in zip(before["id"], before.geometry, strict=True):
        for b, second in zip(after["id"], after.geometry, strict=True):
            shared, areas = first.intersection(second).area, (first.area, second.area)
            if shared > min(areas) / 2 and shared >= max(areas) / 10:
                wanted[a, b] = shared / (sum(areas) - shared)
    table = match_fields(before, after)
    links = table[table.kind.isin(["same", "changed", "split", "merged", "reshaped"])]
    assert dict(zip(zip(links.before_id, links.after_id, strict=True), links.iou, strict=True)) == pytest.approx(wanted)
    assert set(table.before_id.dropna()) == set(before["id"]) and set(table.after_id.dropna()) == set(after["id"])
    assert len(wanted) > 20 and table.kind.nunique() >= 3


def test_the_largest_part_keeps_the_id_and_a_name_that_was_given_away_is_swapped() -> None:
    """x is what is left of 'p', and another field is called 'p' by now: it takes the name that x gave up."""
    before = fields(p=box(0, 100))
    after = fields(x=box(0, 70), p=box(70, 100), n=box(500, 600))
    assert kept_ids(before, after).tolist() == ["p", "x", "n"]


def test_names_that_are_passed_on_in_a_row_stay_unique() -> None:
    before = fields(a=box(0, 100), b=box(100, 200), c=box(200, 300))
    after = fields(b=box(0, 99), c=box(100, 199), d=box(200, 299), a=box(400, 500), e=box(600, 700))
    assert kept_ids(before, after).tolist() == ["a", "b", "c", "d", "e"]


def test_of_two_fields_on_the_same_ground_the_nearer_one_keeps_the_id() -> None:
    after = fields(x=box(0, 80), y=box(0, 95))
    assert kept_ids(fields(a=box(0, 100)), after).tolist() == ["x", "a"]


def test_fields_in_degrees_have_the_same_ious() -> None:
    before, after = fields(a=box(0, 100), b=box(100, 150)), fields(x=box(20, 100), y=box(90, 160))
    metres, degrees = (match_fields(*(t.to_crs(crs) for t in (before, after))) for crs in (3857, 4326))
    assert metres.kind.tolist() == degrees.kind.tolist()
    np.testing.assert_allclose(metres.iou, degrees.iou, rtol=1e-6)


def test_tables_that_cannot_be_matched_are_refused() -> None:
    twice = pd.concat([fields(a=box(0, 1)), fields(a=box(2, 3))])
    for match in (match_fields, kept_ids):
        with pytest.raises(ValueError, match="'a' twice"):
            match(fields(a=box(0, 1)), twice)
        with pytest.raises(ValueError, match="one CRS"):
            match(fields(a=box(0, 1)), fields(a=box(0, 1)).to_crs(4326))


def test_ids_that_were_read_from_parquet_are_matched_too() -> None:
    before, after = (
        t.astype({"id": "string"})
        for t in (fields(a=box(0, 100), g=box(300, 400)), fields(x=box(0, 90), n=box(500, 600)))
    )
    table = match_fields(before, after)
    assert told(table) == {("a", "x"): "same", ("g", None): "gone", (None, "n"): "new"}
    assert kept_ids(before, after).tolist() == ["a", "n"]
    assert carried_ids(table, after["id"]).tolist() == ["a", "n"]
