"""Fields of two editions of a map: which are the same, which were split or merged, which came and went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stores.field_columns import AREA, ID
from stores.grid import Bounds

SAME_IOU = 0.5
"""Fields with an IoU above this are one and the same; above 0.5 a field has one such counterpart at most."""
COVERED = 0.5
"""A field is a part of another if more than this share of it lies there."""
LEAST_PART = 0.1
"""What two fields share counts from this share of the larger one; less is a sliver beside it."""
CHUNK = 20_000
"""Fields whose overlaps are computed at once, which bounds the memory."""
SAME, CHANGED, SPLIT, MERGED, RESHAPED, NEW, GONE = "same", "changed", "split", "merged", "reshaped", "new", "gone"
KINDS = (SAME, CHANGED, SPLIT, MERGED, RESHAPED, NEW, GONE)
"""What can become of a field."""


class _Links(NamedTuple):
    """Pairs of fields of which one is a part of the other, by their positions in the tables."""

    before: np.ndarray
    after: np.ndarray
    iou: np.ndarray


def match_fields(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> pd.DataFrame:
    """What became of every field of one edition in the next.

    Two fields are linked if more than half of one lies in the other, and that is at least a tenth of the larger. What
    happened follows from the links alone:

    * ``same``: linked with each other alone, IoU above 0.5. ``changed``: the same with a lower IoU.
    * ``split``: one field before, several after. ``merged``: several before, one after.
    * ``reshaped``: several on both sides, joined by a chain of links.
    * ``gone`` and ``new``: fields without a link. A field that moved off its ground is gone, and new elsewhere.

    Parameters
    ----------
    before, after : fields with the columns ``id`` (unique) and ``area_ha`` and valid polygons in the same CRS, those of an edition
        without common ground. Degrees are as good as metres: IoUs are ratios on the ground of one field. They may cover
        parts of a country; what lies outside of one of them is new or gone.

    Returns
    -------
    DataFrame with one row per link, and one per field without any. Columns before_id and after_id (text, missing for new and
    gone), kind, iou (0..1, 0 for new and gone), area_before_ha and area_after_ha (NaN for new and gone). Ordered by
    before_id, then after_id; the order of the fields in the tables does not matter.

    Raises
    ------
    ValueError for ids that appear twice or for tables in different CRSs.
    """
    _check(before, after)
    return _told(_links(before, after), before, after)


class FieldSet(Protocol):
    """Fields that are read part by part, so that few outlines are in memory at a time."""

    def known(self) -> pd.DataFrame:
        """Columns id and area_ha of all fields, each once, in any order."""
        ...

    def parts(self) -> Iterator[gpd.GeoDataFrame]:
        """All fields, some that lie close together at a time, in the order of `known`."""
        ...

    def near(self, bounds: Bounds) -> gpd.GeoDataFrame:
        """At least the fields whose boxes touch some bounds."""
        ...


def match_sets(before: FieldSet, after: FieldSet) -> pd.DataFrame:
    """`match_fields` of two sets; the parts that they are read in make no difference.

    Of all fields only ids, areas and links are in memory.
    """
    old, new = before.known(), after.known()
    for when, known in (("before", old), ("after", new)):
        _check_ids(known, when)
    places = pd.Index(new[ID])
    chunks, start = [_no_links()], 0
    for part in before.parts():
        if not len(part):
            continue
        near = after.near(Bounds(*part.total_bounds))
        found = _links(part, near)
        chunks.append(_Links(found.before + start, places.get_indexer(near[ID])[found.after], found.iou))
        start += len(part)
    return _told(_joined(chunks), old, new)


def _told(links: _Links, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """The table of `match_fields`, from all links between two tables with ids and areas."""
    kind = _kinds(links, len(before), len(after))
    gone = np.setdiff1d(np.arange(len(before)), links.before)
    new = np.setdiff1d(np.arange(len(after)), links.after)
    left = np.concatenate([links.before, gone, np.full(len(new), -1)])
    right = np.concatenate([links.after, np.full(len(gone), -1), new])
    table = pd.DataFrame(
        {
            "before_id": _taken(before[ID], left),
            "after_id": _taken(after[ID], right),
            "kind": [*kind, *[GONE] * len(gone), *[NEW] * len(new)],
            "iou": np.concatenate([links.iou, np.zeros(len(gone) + len(new))]),
            "area_before_ha": _taken(before[AREA], left),
            "area_after_ha": _taken(after[AREA], right),
        }
    )
    return table.sort_values(["before_id", "after_id"], ignore_index=True)


def kept_ids(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> pd.Series:
    """`carried_ids` of two tables of fields, which are as in `match_fields`."""
    return carried_ids(match_fields(before, after), after[ID])


def carried_ids(matches: pd.DataFrame, own: pd.Series) -> pd.Series:
    """Ids of the fields of the later edition, with those of the earlier one where a field is still there.

    Parameters
    ----------
    matches : as `match_fields` returns it
    own : ids of all fields of the later edition, each once

    Returns
    -------
    Series of text with the index of ``own``, each id once. A field that has an IoU above 0.5 with one before has its id; so has the
    part of a split field that is more than half of it. If a table has fields on the same ground, so that two have a claim, the
    one with the larger IoU has it. All others keep their own id. Where that was given to another field just now, they take the
    one that this field gave up.
    """
    claims = matches[matches.iou > SAME_IOU].sort_values(
        ["iou", "before_id", "after_id"], ascending=[False, True, True]
    )
    claims = claims.drop_duplicates("before_id").drop_duplicates("after_id")
    given_up = pd.Series(claims.after_id.to_numpy(object), index=claims.before_id.to_numpy(object))
    ids = own.to_numpy(object).copy()
    giver = pd.Index(own).get_indexer(claims.after_id)
    ids[giver] = claims.before_id
    others = np.setdiff1d(np.arange(len(own)), giver)
    # Each round follows the ids one step. A field gives up one id and takes one, so no two walks meet and each of them ends.
    while len(others):
        others = others[pd.Index(ids[others]).isin(given_up.index)]
        ids[others] = given_up.reindex(ids[others]).to_numpy()
    return pd.Series(ids, index=own.index, name=ID, dtype=object)


def _check(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> None:
    if before.crs != after.crs:
        raise ValueError(f"fields before are in {before.crs}, those after in {after.crs}; expected one CRS")
    for when, fields in (("before", before), ("after", after)):
        _check_ids(fields, when)


def _check_ids(fields: pd.DataFrame, when: str) -> None:
    double = fields[ID][fields[ID].duplicated()]
    if len(double):
        raise ValueError(f"fields {when} have the id '{double.iloc[0]}' twice; expected each id once")


def _no_links() -> _Links:
    return _Links(*(np.empty(0, dtype) for dtype in (np.int64, np.int64, float)))


def _joined(chunks: Iterable[_Links]) -> _Links:
    return _Links(*(np.concatenate(column) for column in zip(*chunks, strict=True)))


def _links(before: gpd.GeoDataFrame, after: gpd.GeoDataFrame) -> _Links:
    """All pairs of which one is a part of the other."""
    own, other = before.geometry.to_numpy(), after.geometry.to_numpy()
    own_area, other_area = shapely.area(own), shapely.area(other)
    chunks = [_no_links()]
    for left, right in _candidates(own, other):
        smaller = np.minimum(own_area[left], other_area[right])
        # Neighbours' boxes overlap a little, and no intersection is larger than that of the boxes.
        may = _box_overlap(own[left], other[right]) > COVERED * smaller
        left, right, smaller = left[may], right[may], smaller[may]
        total = own_area[left] + other_area[right]
        shared = shapely.area(shapely.intersection(own[left], other[right]))
        counts = (shared > COVERED * smaller) & (shared >= LEAST_PART * (total - smaller))
        chunks.append(_Links(left[counts], right[counts], (shared / (total - shared))[counts]))
    return _joined(chunks)


def _candidates(own: np.ndarray, other: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions of fields whose boxes overlap, some fields at a time."""
    tree = shapely.STRtree(other)
    for start in range(0, len(own), CHUNK):
        left, right = tree.query(own[start : start + CHUNK])
        yield left + start, right


def _box_overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Area that the boxes around pairs of geometries share, of boxes that overlap."""
    west, south, east, north = shapely.bounds(first).T
    other_west, other_south, other_east, other_north = shapely.bounds(second).T
    return (np.minimum(east, other_east) - np.maximum(west, other_west)) * (
        np.minimum(north, other_north) - np.maximum(south, other_south)
    )


def _kinds(links: _Links, n_before: int, n_after: int) -> np.ndarray:
    """What happened to the fields of each link, from the number of fields that hang together with it."""
    n = n_before + n_after
    graph = coo_array((np.ones(len(links.before), bool), (links.before, n_before + links.after)), (n, n))
    _, group = connected_components(graph, directed=False)
    olds, news = (np.bincount(part, minlength=n) for part in (group[:n_before], group[n_before:]))
    of_link = group[links.before]
    several_before, several_after = olds[of_link] > 1, news[of_link] > 1
    return np.select(
        [several_before & several_after, several_before, several_after, links.iou > SAME_IOU],
        [RESHAPED, MERGED, SPLIT, SAME],
        CHANGED,
    ).astype(object)


def _taken(values: pd.Series, place: np.ndarray) -> np.ndarray:
    """Values at positions, a missing one at -1."""
    return values.reset_index(drop=True).reindex(place).to_numpy()
