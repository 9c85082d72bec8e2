"""Class codes of maps listed by STAC items, read through stackstac."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pystac
from rasterio.enums import Resampling

from croplayer.files.file_cache import cached_file_reads
from croplayer.products.codes import FIRST, UTM, CodePart
from croplayer.sources.raster import MINIMUM_OVERLAP, block_parts
from croplayer.sources.stac import digest_assets, parsed_items, read_items, share_of, stacked
from stores.durable import digest_file, digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

FILL = 0
"""Value where an item has no pixels; a code 0 therefore always means "unknown"."""


@dataclass(frozen=True)
class StacCodes:
    """Codes from one asset of the items of an ItemCollection on disk; the latest item comes first."""

    items: str
    """Path of a GeoJSON FeatureCollection of STAC items, such as a saved search."""
    asset: str
    """Key of the asset, with one uint8 band."""
    year: int | None = None
    """Only items of this year; None for all, the latest first."""
    overlap: str = FIRST
    """Which item counts where several overlap: ``first``, or ``utm`` for the one of the pixel's UTM zone."""

    def parts(self, window: PixelWindow, grid: BlockGrid) -> Iterator[CodePart]:
        """Codes of each item in a window at the window's resolution, the latest item first.

        Every pixel takes the nearest pixel of the asset; code 0 means that an item does not know the pixel.

        Raises FileNotFoundError or ValueError if the items cannot be read, ConnectionError if an asset cannot be.
        """
        whole = [
            (_stack_block(self, block, grid.block_px), inside, outside)
            for block, inside, outside in block_parts(window, grid)
        ]
        names = dict.fromkeys(name for layers, _, _ in whole for name, _ in layers)
        for name in names:
            codes = np.zeros((window.height, window.width), np.uint8)
            for layers, inside, outside in whole:
                if name in dict(layers):
                    codes[outside] = dict(layers)[name][inside]
            reached = codes != FILL
            if self.overlap == UTM:
                reached &= _in_zone(self._item(name), grid.longitudes(window.col, window.width))[None, :]
            yield CodePart(name, codes, reached, None, np.arange(window.height), np.arange(window.width))

    @property
    def is_remote(self) -> bool:
        return False

    def settings(self) -> str:
        return ""

    def content_of(self, window: PixelWindow, grid: BlockGrid) -> str:
        return self.fingerprint()

    def files_of(self, window: PixelWindow, grid: BlockGrid) -> Sequence[str]:
        return (self.items,)

    def fingerprint(self) -> str:
        """Text that changes when the items, their assets on this machine or the settings change."""
        assets = digest_assets(self._of_the_year(parsed_items(self.items)), [self.asset])
        items = digest_file(Path(self.items)).sha256
        return digest_text(f"stac codes {self.asset} {self.year} {self.overlap} {items} {assets}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if there are no such items, or none overlaps the region."""
        chosen = self.chosen()
        if not chosen:
            raise ValueError(f"{self.items} has no item" + (f" of {self.year}" if self.year else ""))
        for item in chosen:
            if self.asset not in item.assets:
                have = ", ".join(sorted(item.assets))
                raise ValueError(f"STAC item '{item.id}' of {self.items} has no asset '{self.asset}'; it has {have}")
            if self.overlap == UTM and _zone(item) is None:
                raise ValueError(f"STAC item '{item.id}' of {self.items} names no UTM zone in proj:code or proj:epsg")
        if max(share_of(item, bounds) for item in chosen) < MINIMUM_OVERLAP:
            raise ValueError(f"no STAC item of {self.items} overlaps the region {tuple(bounds)}")

    def chosen(self) -> list[pystac.Item]:
        """Items of the year, or all of them, the latest first."""
        return self._of_the_year(read_items(self.items))

    def _of_the_year(self, items: Sequence[pystac.Item]) -> list[pystac.Item]:
        return [i for i in items if self.year is None or _year(i) == self.year][::-1]

    def _item(self, name: str) -> pystac.Item:
        return next(i for i in read_items(self.items) if i.id == name)


def _year(item: pystac.Item) -> int | None:
    when = item.datetime or item.common_metadata.start_datetime
    return when.year if when else None


def _zone(item: pystac.Item) -> int | None:
    code = str(item.properties.get("proj:code") or item.properties.get("proj:epsg") or "").removeprefix("EPSG:")
    return int(code[3:]) if len(code) == 5 and code[:3] in ("326", "327") and code.isdigit() else None


def _in_zone(item: pystac.Item, longitudes: np.ndarray) -> np.ndarray:
    return np.asarray(np.floor((longitudes + 180) / 6) + 1 == _zone(item))


@cached_file_reads(6)
def _stack_block(source: StacCodes, block: BlockIndex, block_px: int) -> tuple[tuple[str, np.ndarray], ...]:
    """Id of every item near a block and its codes on the block's pixels, (h, w) uint8, the latest item first."""
    grid = BlockGrid(block_px)
    layers = []
    for item in source.chosen():
        if share_of(item, grid.bounds(block)) == 0:
            continue
        data = item.to_dict(include_self_link=False, transform_hrefs=False)
        data["assets"] = {source.asset: {"href": item.assets[source.asset].href, "type": "image/tiff"}}
        ((codes,),) = stacked([data], [source.asset], block, grid, Resampling.nearest)
        layers.append((item.id, codes))
    return tuple(layers)
