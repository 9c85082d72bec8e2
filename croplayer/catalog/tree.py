"""The tree of a catalog: the collection of a map with its items, and the collection of its blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pystac import (
    Asset,
    Catalog,
    Collection,
    Extent,
    Item,
    Link,
    MediaType,
    Provider,
    ProviderRole,
    SpatialExtent,
    Summaries,
    TemporalExtent,
)

from croplayer.catalog.items import PREFIX, TABLE_EXTENSION, block_item
from croplayer.catalog.place import COLLECTION, CatalogPlace
from croplayer.sources.time_spans import TimeSpan
from stores.grid import Bounds
from stores.licences import LicensedInput
from stores.map_facts import MapFacts

BLOCKS = "blocks"
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
SUMMED = ("coverage_type", "correctness", "integration_label", "status")
"""Beginnings of the columns of words whose values the collection of blocks sums up."""


@dataclass(frozen=True)
class MapCatalog:
    """Writes the catalog of a map."""

    place: CatalogPlace
    facts: MapFacts
    bounds: Bounds
    period: TimeSpan
    items: list[Item]
    assets: Mapping[str, Asset] = field(default_factory=dict)
    """Tables without geometries, and other files of the map as a whole."""

    def write(self, blocks: pd.DataFrame | None, cube_href: str | None) -> str:
        """Write all parts and return the path of the collection.

        Parameters
        ----------
        blocks : the block table, from which each block gets an item; None without one
        cube_href : the cube as the items of blocks name it, seen from ``blocks/rROW``; None leaves it out
        """
        named = f"{self.facts.name}-{self.facts.edition}"
        children: list[tuple[str, str, str | None]] = []
        for item in self.items:
            path = f"items/{item.id}.json"
            item.collection_id = named
            up = [("root", COLLECTION, None), ("parent", COLLECTION, None), ("collection", COLLECTION, None)]
            self.place.write(path, item, up)
            children.append(("item", path, str(item.properties.get("title", item.id))))
        if blocks is not None:
            children.append(("child", self._write_blocks(named, blocks, cube_href), "Blocks"))
        collection = self._collection(named, self.facts.title, self.facts.about or self.facts.title)
        for name, asset in self.assets.items():
            collection.add_asset(name, asset)
        collection.stac_extensions += [TABLE_EXTENSION, FILE_EXTENSION] if self.assets else []
        self.place.write(COLLECTION, collection, [("root", COLLECTION, None), *children])
        return COLLECTION

    def _collection(self, name: str, title: str, about: str) -> Collection:
        facts, own = self.facts, self.facts.own_licence
        collection = Collection(
            id=name, title=title, description=about,
            extent=Extent(SpatialExtent([list(self.bounds)]), TemporalExtent([[self.period.start, self.period.end]])),
            license=(own.spdx if own else None) or "other", keywords=["cropland", *facts.sources],
            providers=[Provider(facts.producer, roles=[ProviderRole.PRODUCER])] if facts.producer else None,
            extra_fields={f"{PREFIX}licences": [each.to_json() for each in facts.inputs], "sci:citation": facts.cited},
        )  # fmt: skip
        collection.stac_extensions.append("https://stac-extensions.github.io/scientific/v1.0.0/schema.json")
        for link in _licence_links(facts):
            collection.add_link(link)
        return collection

    def _write_blocks(self, named: str, blocks: pd.DataFrame, cube_href: str | None) -> str:
        """Write a collection of the blocks with a catalog for each row of the lattice; memory holds one row."""
        path = f"{BLOCKS}/{COLLECTION}"
        collection = self._collection(
            f"{named}-{BLOCKS}",
            f"{self.facts.title}: blocks",
            "Blocks of 0.05 degree with what their imagery and map are worth.",
        )
        collection.summaries = Summaries(_summed(blocks))
        below: list[tuple[str, str, str | None]] = []
        for row, part in blocks.groupby("row", sort=True):
            name = f"r{row:04d}"
            row_path = f"{BLOCKS}/{name}/catalog.json"
            links: list[tuple[str, str, str | None]] = [("root", COLLECTION, None), ("parent", path, None)]
            for item in self._items_of(part, cube_href):
                item.collection_id = collection.id
                item_path = f"{BLOCKS}/{name}/{item.id}.json"
                up = [("root", COLLECTION, None), ("parent", row_path, None), ("collection", path, None)]
                self.place.write(item_path, item, up)
                links.append(("item", item_path, None))
            self.place.write(row_path, Catalog(name, f"Blocks of row {row} of the lattice"), links)
            below.append(("child", row_path, None))
        self.place.write(path, collection, [("root", COLLECTION, None), ("parent", COLLECTION, None), *below])
        return path

    def _items_of(self, blocks: pd.DataFrame, cube_href: str | None) -> Iterator[Item]:
        for row in blocks.to_dict("records"):
            known: dict[str, Any] = {str(name): value for name, value in row.items()}
            yield block_item(known, self.period, cube_href)


def _summed(blocks: pd.DataFrame) -> dict[str, list[str]]:
    """The words that occur in the columns of `SUMMED`, by the name of the property."""
    found: dict[str, list[str]] = {}
    for column in (name for name in blocks if str(name).startswith(SUMMED)):
        words = sorted({value for value in blocks[column] if isinstance(value, str) and value})
        found |= {f"{PREFIX}{column}": words} if words else {}
    return found


def _licence_links(facts: MapFacts) -> Iterator[Link]:
    """Links to the terms of the map and of its inputs, where they have an address."""
    own = facts.own_licence
    if own is not None and (facts.terms or own.spdx):
        yield Link("license", facts.terms or _spdx_page(own.spdx), MediaType.HTML, f"Licence of the map: {own.words}")
    for each in facts.inputs:
        address = each.terms or (_spdx_page(each.licence.spdx) if each.licence.spdx else "")
        if address:
            yield Link("license", address, MediaType.HTML, _titled(each))


def _titled(each: LicensedInput) -> str:
    return f"{each.role} '{each.name}': {each.licence.words}"


def _spdx_page(identifier: str | None) -> str:
    return f"https://spdx.org/licenses/{identifier}.html"
