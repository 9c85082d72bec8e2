"""Items of a STAC ItemCollection on disk: when and where they are, their assets, and what they say of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urljoin

import numpy as np
import pystac
import shapely

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.access import Access
from croplayer.sources.addresses import http_address
from croplayer.sources.box_index import BoxIndex
from croplayer.sources.raster_bands import AssetWords
from croplayer.sources.raster_file import RasterPlace, boxes_of, common_share, split_at_antimeridian
from stores.grid import Bounds

ANYWHERE = Bounds(-np.inf, -np.inf, np.inf, np.inf)


class ListedAsset(NamedTuple):
    """An asset of an item."""

    href: str
    """Absolute path or address."""
    words: AssetWords


class ListedItem(NamedTuple):
    """An item of a collection."""

    id: str
    where: str
    """The file of items, and the item, for messages."""
    boxes: tuple[Bounds, ...]
    """Where the item lies, in degrees; empty if it has neither bbox nor geometry."""
    start: datetime | None
    end: datetime | None
    assets: Mapping[str, ListedAsset]

    def is_of(self, year: int) -> bool:
        """Whether the item's time lies in a year, or spans it; an end at the first second of a year is not in it."""
        if self.start is None or self.end is None:
            return False
        last = self.end.year
        if self.end > self.start and self.end == self.end.replace(
            month=1, day=1, hour=0, minute=0, second=0, microsecond=0
        ):
            last -= 1
        return self.start.year <= year <= last

    def asset(self, key: str) -> ListedAsset:
        """An asset by its key; raises ValueError if there is none."""
        if key not in self.assets:
            have = ", ".join(sorted(self.assets)) or "none"
            raise ValueError(f"{self.where} has no asset '{key}'; it has {have}")
        return self.assets[key]

    def place(self, key: str, items: str, access: Access, assume_crs: str | None = None) -> RasterPlace:
        """Where the raster of an asset lies; raises ValueError or PermissionError if there is none that may be read."""
        found = self.asset(key)
        access.check_asset(found.href, Path(items), f"asset '{key}' of {self.where}")
        return RasterPlace(found.href, assume_crs, access, found.words)

    def boxes_or_asset(self, place: RasterPlace) -> tuple[Bounds, ...]:
        """Where the item lies, or its asset if the item does not say."""
        return self.boxes or boxes_of(place)


@cached_file_reads(8)
def read_items(path: str) -> tuple[ListedItem, ...]:
    """Items of a GeoJSON FeatureCollection, latest first, with absolute addresses of their assets.

    Items of the same time are ordered by their id, the greatest first.

    Raises FileNotFoundError if there is no such file, ValueError if it is not a FeatureCollection of STAC items.
    """
    return parsed_items(path)


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """Items in their order, found by place; those of a nation are thousands, and each of its blocks asks."""

    items: tuple[ListedItem, ...]
    boxes: BoxIndex

    @classmethod
    def of(cls, items: Iterable[ListedItem]) -> Self:
        """An index of items; one that does not say where it lies may lie anywhere."""
        items = tuple(items)
        return cls(items, BoxIndex.of(item.boxes or (ANYWHERE,) for item in items))

    def near(self, box: Bounds, pad: float = 0.0) -> list[ListedItem]:
        """Items that may meet a box, widened by ``pad`` degrees, in their order."""
        return [self.items[number] for number in self.boxes.near(box, pad)]


def parsed_items(path: str) -> tuple[ListedItem, ...]:
    """Items as ``read_items`` gives them, as the file holds them now."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"STAC items {path} do not exist")
    try:
        features = json.loads(Path(path).read_text(encoding="utf-8-sig"))["features"]
        numbered = list(enumerate(features, start=1))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not a FeatureCollection of STAC items: {error}") from error
    items = [_item(feature, f"{path} feature {number}", path) for number, feature in numbered]
    return tuple(sorted(items, key=_latest, reverse=True))


def _latest(item: ListedItem) -> tuple[float, str]:
    when = item.end or item.start
    return (when.timestamp() if when else -np.inf, item.id)


def _item(feature: Any, number: str, path: str) -> ListedItem:
    try:
        item = pystac.Item.from_dict(feature, preserve_dict=True)
        common = item.common_metadata
        start, end = (item.datetime or common.start_datetime), (item.datetime or common.end_datetime)
        geometry = shapely.geometry.shape(item.geometry) if item.geometry else None
        own = item.get_self_href() or ""  # a link's own href would ask the API for the catalog that it belongs to
    except Exception as error:  # the reader raises errors of any class
        raise ValueError(f"{number} ({type(error).__name__}) is not a STAC item: {error}") from error
    where = f"STAC item '{item.id}' of {path}"
    assets = {
        key: ListedAsset(_absolute(asset.href, path, own), _words(feature["assets"][key], f"{where}, asset '{key}',"))
        for key, asset in item.assets.items()
    }
    return ListedItem(item.id, where, _boxes(item.bbox, geometry, where), _utc(start), _utc(end), assets)


def _utc(when: datetime | None) -> datetime | None:
    return when if when is None or when.tzinfo else when.replace(tzinfo=UTC)


def _boxes(bbox: Any, geometry: Any, where: str) -> tuple[Bounds, ...]:
    """Where an item lies by its bbox, of four numbers, or of six with heights, or else by its geometry."""
    if bbox is None:
        return split_at_antimeridian(Bounds(*geometry.bounds)) if geometry is not None and not geometry.is_empty else ()
    numbers = [float(v) for v in bbox] if all(isinstance(v, int | float) for v in bbox) else []
    if len(numbers) not in (4, 6) or not np.isfinite(numbers).all():
        raise ValueError(f"{where} has bbox {bbox}; expected four numbers, or six with heights")
    half = len(numbers) // 2
    west, south, east, north = *numbers[:2], *numbers[half : half + 2]
    return split_at_antimeridian(Bounds(west, south, east, north))


def _absolute(href: str, items: str, own: str) -> str:
    """The absolute path or address of an asset; a relative one is relative to the file of items, or to its own address."""
    if "://" in href or href.startswith("/"):
        return href
    base = Path(items).resolve().parent
    paths = [base / href, base / unquote(href)]
    if not any(p.is_file() for p in paths) and own.startswith(("http://", "https://")):
        return urljoin(own, href)
    return next((p for p in paths if p.is_file()), paths[0]).as_posix()


def _words(asset: Mapping[str, Any], where: str) -> AssetWords:
    """What an asset says of its bands, in STAC 1.1 or in the extensions raster and eo of STAC 1.0."""
    raster, eo = asset.get("raster:bands") or [], asset.get("eo:bands") or []
    both = asset.get("bands") or []
    bands = [_both(one, [raster, eo], i) for i, one in enumerate(both or [{}] * max(len(raster), len(eo)))] or [{}]
    of_all = {key: asset[key] for key in ("nodata", "raster:scale", "raster:offset") if key in asset}
    said = [of_all | band for band in bands]
    try:
        nodata, scales, offsets = (
            _told([next((band[key] for key in keys if band.get(key) is not None), None) for band in said])
            for keys in (("nodata",), ("raster:scale", "scale"), ("raster:offset", "offset"))
        )
    except (TypeError, ValueError):
        raise ValueError(
            f"{where} describes its bands with texts where numbers are expected; correct the item"
        ) from None
    colours = tuple(str(band.get("eo:common_name") or band.get("common_name") or "") for band in said)
    return AssetWords(where, nodata, scales, offsets, colours if any(colours) else ())


def _both(band: Mapping[str, Any], others: Sequence[Sequence[Mapping[str, Any]]], i: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for other in others:
        found |= other[i] if i < len(other) else {}
    return found | dict(band)


def _told(values: Sequence[Any]) -> tuple[float | None, ...]:
    """Numbers of the bands, among them "nan" and "inf"; empty if none is told."""
    numbers = tuple(None if value is None else float(value) for value in values)
    return numbers if any(number is not None for number in numbers) else ()


def check_items(
    items: Sequence[ListedItem],
    keys: Sequence[str],
    path: str,
    access: Access,
    bounds: Bounds,
    assume_crs: str | None = None,
) -> list[tuple[RasterPlace, ...]]:
    """The assets of the items that meet a region, opened; raises if one of them may not or cannot be read.

    Every asset is checked for what it refers to, those that meet the region also for whether they lie where their item
    says.
    """
    from croplayer.sources.raster_file import MINIMUM_OVERLAP

    near, best = [], 0.0
    for item in items:
        places = tuple(item.place(key, path, access, assume_crs) for key in keys)
        share = common_share(item.boxes_or_asset(places[0]), bounds)
        best = max(best, share)
        if share == 0:
            continue
        for place in places:
            if item.boxes and not any(common_share(boxes_of(place), box) > 0 for box in item.boxes):
                raise ValueError(
                    f"{item.where} lies at {tuple(item.boxes[0])}, but its asset {place.name} at "
                    f"{tuple(round(v, 4) for v in boxes_of(place)[0])}; correct the item, or the CRS of the raster"
                )
        near.append(places)
    if best < MINIMUM_OVERLAP:
        raise ValueError(f"no STAC item of {path} overlaps the region {tuple(bounds)}")
    return near


def is_remote(items: Iterable[ListedItem], keys: Sequence[str]) -> bool:
    """Whether an asset that items list lies on a server."""
    return any(http_address(item.assets[key].href) for item in items for key in keys if key in item.assets)
