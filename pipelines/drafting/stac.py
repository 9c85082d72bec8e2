"""Imagery of a STAC API for a draft: the items of an area and of dates, kept in a file, and what they say of themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from croplayer.sources.access import Access
from croplayer.sources.addresses import check_public, host_of, http_address, is_private
from croplayer.sources.raster_file import RasterFile, open_file
from croplayer.sources.stac_items import ListedItem, read_items
from croplayer.sources.time_spans import parse_span
from pipelines.drafting.draft import Entry
from pipelines.drafting.imagery import (
    FILES_LOOKED_AT,
    LookedAt,
    beside,
    colour_entries,
    free_name,
    parted_name,
    scale_entries,
)
from stores.durable import write_durable
from stores.grid import Bounds

MOST_ITEMS = 20_000
"""Items of one search; a nation of 10 m imagery of a season has fewer."""
PATIENCE_S = 60.0
"""Longest time in seconds for a page of an answer."""
COLOURS = ("red", "green", "blue")
VISUAL = "visual"
"""Role and usual key of an asset that is made to be looked at."""
SAYS_NOTHING = frozenset({"", "other", "various", "proprietary"})
"""What collections state instead of a licence."""


class Search(NamedTuple):
    """A search for the imagery of one source."""

    api: str
    """Address of the API"""
    collection: str
    """Its collection, or ``NAME=`` its collection"""
    bounds: Bounds
    dates: str
    """A year, month or day, or two of them; empty for all dates"""


class Found(NamedTuple):
    """The answer to a search, as it is kept in a file."""

    name: str
    """Name of the source that a person gave; empty for none"""
    collection: str
    items: Path
    licence: str
    """As the collection states it; empty for none"""
    api: str


@contextmanager
def kept_items(searches: Sequence[Search], out: Path) -> Iterator[list[Found]]:
    """Search, and keep each answer in a file beside a recipe; the files go again if the draft fails.

    Raises
    ------
    ValueError
        for an address that is no STAC API, a collection that it does not have, a time that is none, or no items
    ConnectionError
        if the API cannot be reached
    FileExistsError
        if the file of the items is there already
    """
    found: list[Found] = []
    try:
        for search in searches:
            found.append(_kept(search, out))
        yield found
    except BaseException:
        for each in found:
            each.items.unlink(missing_ok=True)
        raise


def look_at_items(found: Found, folder: Path, taken: Collection[str], i_have_rights: bool) -> LookedAt:
    """A source of a draft from the items of a search.

    Parameters
    ----------
    folder : folder of the recipe, where relative paths begin
    taken : names of sources that are there already
    i_have_rights : whether the person who drafts states that they may fetch, store and analyse the imagery

    Raises
    ------
    PermissionError
        if the imagery lies on a server and the rights are not stated
    ValueError
        if the items have no asset of colours, or an asset cannot be read as imagery
    """
    items = read_items(str(found.items))
    keys, why = asset_keys(json.loads(found.items.read_text(encoding="utf-8"))["features"][0], found.collection)
    hosts = sorted({host_of(address) for item in items for key in keys for address in _address(item, key)})
    if hosts and not i_have_rights:
        raise PermissionError(
            f"the imagery of '{found.collection}' lies at {', '.join(hosts)}; say --i-have-rights if you may fetch, store and "
            "analyse it"
        )
    # A private host is meant where the person named an API in a private network.
    is_inside = is_private(host_of(found.api)) and any(is_private(host) for host in hosts)
    access = Access(i_have_rights, tuple(hosts), is_inside)
    own_name = found.name or free_name(found.collection, taken)
    some = items[:: max(1, len(items) // FILES_LOOKED_AT)][:FILES_LOOKED_AT]
    rasters = [[open_file(item.place(key, str(found.items), access)) for item in some] for key in keys]
    entries = [
        Entry("name", own_name, "" if found.name else "made from the name of the collection", not found.name),
        Entry("kind", "stac"),
        Entry(
            "items", beside(found.items, folder), f"{len(items)} items of '{found.collection}' as {found.api} gave them"
        ),
        Entry("assets", list(keys), why, True),
        *_colours(rasters, own_name),
    ]
    if hosts:
        entries += [Entry("i_have_rights", True, "stated with --i-have-rights"), Entry("hosts", hosts)]
    if is_inside:
        entries.append(Entry("private_network", True, "the API lies in a private network, too"))
    if found.licence.lower() not in SAYS_NOTHING:
        entries.append(Entry("licence", found.licence, "as the collection states it"))
    years = sorted({when.year for item in items for when in (item.start, item.end) if when is not None})
    return LookedAt(own_name, tuple(entries), _around(items), tuple(years), bool(years))


def asset_keys(item: Mapping[str, Any], collection: str) -> tuple[tuple[str, ...], str]:
    """The assets of an item that show its colours, and why these: one to be looked at, or three of a band each.

    Raises ValueError, naming the assets that there are, if none shows colours.
    """
    assets: Mapping[str, Mapping[str, Any]] = item.get("assets") or {}
    words = {key: _colours_of(asset) for key, asset in assets.items()}
    shown = [key for key, asset in assets.items() if VISUAL in (asset.get("roles") or ()) and _is_raster(asset)]
    shown += [key for key in assets if key == VISUAL and key not in shown]
    shown += [key for key, said in words.items() if set(COLOURS) <= set(said) and key not in shown]
    if shown:
        return (shown[0],), "the asset to be looked at"
    single = [next((key for key, said in words.items() if said == [colour]), None) for colour in COLOURS]
    named = [key if key is not None else colour for key, colour in zip(single, COLOURS, strict=True)]
    if all(key in assets for key in named):
        return tuple(named), "the assets of red, green and blue"
    rasters = [key for key, asset in assets.items() if _is_raster(asset) and "data" in (asset.get("roles") or ())]
    if len(rasters) == 1:
        return (rasters[0],), "the only asset of data"
    raise ValueError(
        f"the items of '{collection}' have no asset that shows red, green and blue; they have {', '.join(assets) or 'none'}"
    )


def _kept(search: Search, out: Path) -> Found:
    check_public(search.api, None, "--stac")
    name, collection = parted_name(search.collection, "--collection")
    path = out.with_name(f"{out.stem}_{name or free_name(collection, ())}_items.json")
    if path.exists():
        raise FileExistsError(f"{path} exists already; init writes no file anew, so choose another name with --out")
    features, licence = _searched(search, collection)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_durable(path, json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False).encode())
    return Found(name, collection, path, licence, search.api)


def _searched(search: Search, collection: str) -> tuple[list[dict[str, Any]], str]:
    """The items of a search as the API gives them, and the licence that the collection states."""
    import pystac_client
    import requests
    from pystac.errors import STACTypeError
    from pystac_client.exceptions import APIError

    span = parse_span(search.dates) if search.dates else None
    try:
        client = pystac_client.Client.open(search.api, timeout=PATIENCE_S)
        there = {each.id: each for each in client.get_collections()}
        if collection not in there:
            some = ", ".join(sorted(there)[:20]) or "none"
            raise ValueError(f"{search.api} has no collection '{collection}'; it has {some}")
        asked = client.search(
            collections=[collection],
            bbox=list(search.bounds),
            datetime=span and [span.start, span.end],
            max_items=MOST_ITEMS + 1,
        )
        features = list(asked.items_as_dicts())
    except (APIError, STACTypeError, NotImplementedError, requests.RequestException) as error:
        if isinstance(error.__cause__ or error.__context__ or error, requests.ConnectionError | requests.Timeout):
            raise ConnectionError(f"{search.api} does not answer; check the address and the network") from error
        raise ValueError(f"{search.api} is not a STAC API that can be searched: {error}") from error
    when = f" in {search.dates}" if search.dates else ""
    if not features:
        raise ValueError(f"'{collection}' has no items in {tuple(search.bounds)}{when}; widen --bbox or --dates")
    if len(features) > MOST_ITEMS:
        raise ValueError(
            f"'{collection}' has more than {MOST_ITEMS:,} items in {tuple(search.bounds)}{when}; narrow --dates"
        )
    return features, there[collection].license or ""


def _address(item: ListedItem, key: str) -> list[str]:
    """The address of an asset on a server; none for a file, or where the item lacks it."""
    address = http_address(item.assets[key].href) if key in item.assets else None
    return [] if address is None else [address]


def _colours(rasters: Sequence[Sequence[RasterFile]], source: str) -> list[Entry]:
    """The bands and the scale of one asset, or the scale of three."""
    return colour_entries(rasters[0], source) if len(rasters) == 1 else scale_entries(rasters)


def _colours_of(asset: Mapping[str, Any]) -> list[str]:
    """What an asset says of the colours of its bands, in STAC 1.1 or in the extension eo of STAC 1.0."""
    bands = asset.get("bands") or asset.get("eo:bands") or []
    return [
        str(band.get("eo:common_name") or band.get("common_name") or band.get("name") or "").lower() for band in bands
    ]


def _is_raster(asset: Mapping[str, Any]) -> bool:
    """Whether an asset is a GeoTIFF, as far as it says."""
    return re.search(r"tiff|^$", str(asset.get("type") or "")) is not None


def _around(items: Sequence[ListedItem]) -> Bounds:
    boxes = [box for item in items for box in item.boxes]
    if not boxes:
        return Bounds(-180.0, -90.0, 180.0, 90.0)
    return Bounds(*(min(b[i] for b in boxes) for i in (0, 1)), *(max(b[i] for b in boxes) for i in (2, 3)))
