"""Fields as evidence: which fields are gone or new where the ground changed, and which only look so."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import geopandas as gpd
import numpy as np
import pandas as pd
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from croplayer.fields.matching import GONE, NEW
from stores.change import CHANGE_FIELDS
from stores.field_columns import AREA, ID
from stores.grid import BlockGrid, Bounds, PixelWindow
from stores.legends import Change

MOST = 0.5
"""A field without a counterpart is gone or new if more than this share of its known ground changed."""
PART, NONE, NOT_KNOWN = "part", "none", "not known"
VERDICTS = (GONE, NEW, PART, NONE, NOT_KNOWN)
"""What the ground says of a field."""
_KNOWN = (Change.STABLE_OTHER, Change.STABLE_CROPLAND, Change.GAIN, Change.LOSS)

Read = Callable[[PixelWindow], np.ndarray]
"""What reads the changes of a window, (h, w) uint8 `Change`."""


def change_of_fields(
    earlier: Iterable[gpd.GeoDataFrame],
    later: Iterable[gpd.GeoDataFrame],
    matches: pd.DataFrame,
    read: Read,
    grid: BlockGrid,
) -> pd.DataFrame:
    """What the map of change says of every field of two editions.

    Loss counts on the fields of the earlier edition, gain on those of the later one. Changes are those that passed the rules, so a
    margin that moved by less than the tolerance is none. A pixel belongs to a field if its centre lies in the outline.

    * ``gone``, ``new``: the field has no counterpart, and more than half of its known ground changed;
    * ``part``: some of its ground changed, and it is neither gone nor new;
    * ``none``: none of its ground changed, also where it has no counterpart: then only the outlines differ;
    * ``not known``: less than half of its ground is known in both editions and was compared.

    Parameters
    ----------
    earlier, later : fields of each edition in EPSG:4326, some at a time
    matches : what became of them, as `match_fields` gives it
    read : reads the changes of a window, `Change.NEVER_COMPARED` beyond the comparison

    Returns
    -------
    DataFrame with the columns of `stores.change.CHANGE_FIELDS`, the earlier edition's fields first.
    """
    kinds = {when: dict(zip(matches[f"{when}_id"], matches.kind, strict=True)) for when in ("before", "after")}
    rows = [
        *_rows("before", earlier, kinds["before"], Change.LOSS, read, grid),
        *_rows("after", later, kinds["after"], Change.GAIN, read, grid),
    ]
    return pd.DataFrame(rows, columns=list(CHANGE_FIELDS))


def _rows(
    when: str,
    parts: Iterable[gpd.GeoDataFrame],
    kinds: Mapping[str, str],
    change: Change,
    read: Read,
    grid: BlockGrid,
) -> Iterator[dict[str, object]]:
    for part in parts:
        for field, area, outline in zip(part[ID], part[AREA], part.geometry, strict=True):
            known, changed = _areas_ha(outline, change, read, grid)
            kind = kinds.get(field, "")
            yield {
                "edition": when, "id": field, "kind": kind, "area_ha": float(area), "known_ha": known,
                "changed_ha": changed, "verdict": _verdict(kind, float(area), known, changed),
            }  # fmt: skip


def _verdict(kind: str, area: float, known: float, changed: float) -> str:
    if known <= MOST * area:
        return NOT_KNOWN
    if not changed:
        return NONE
    return kind if kind in (GONE, NEW) and changed > MOST * known else PART


def _areas_ha(outline: BaseGeometry, change: Change, read: Read, grid: BlockGrid) -> tuple[float, float]:
    """Area of a field that was compared and that changed, ha on the ellipsoid."""
    window = grid.pixels_of(Bounds(*outline.bounds))
    if window.is_empty:
        return 0.0, 0.0
    inside = geometry_mask([outline], (window.height, window.width), grid.transform(window), invert=True)
    values = read(window)
    rows = grid.pixel_area_m2(window.row, window.height) / 10_000
    known = inside & np.isin(values, _KNOWN)
    return float(known.sum(axis=1) @ rows), float((known & (values == change)).sum(axis=1) @ rows)
