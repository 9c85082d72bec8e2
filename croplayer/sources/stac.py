"""Imagery listed by STAC items, read through stackstac."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pystac
from rasterio.enums import Resampling

from croplayer.files.file_cache import cached_file_reads
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.raster import MINIMUM_OVERLAP, block_parts, common_share, split_at_antimeridian
from stores.durable import digest_file, digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow


@dataclass(frozen=True)
class StacSource:
    """Imagery of an ItemCollection on disk; where several items cover a pixel, the latest valid one counts."""

    name: str
    items: str
    """Path of a GeoJSON FeatureCollection of STAC items."""
    assets: tuple[str, ...] = ("red", "green", "blue")
    """Keys of three one-band assets, or of one asset with three bands: red, green, blue in uint8."""

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice, bilinear between the assets' pixels.

        Obeys the contract of ``ImagerySource.read``: whole blocks are resampled, so a pixel does not
        depend on the window.

        Returns
        -------
        Imagery with rgb (h, w, 3) uint8 and valid (h, w) bool; False where all bands of every item are 0
        or absent

        Raises
        ------
        FileNotFoundError, ValueError
            if the items do not exist, or are not STAC items
        ConnectionError
            if an asset cannot be read, also if its server says that it does not exist
        """
        out = empty_imagery(window)
        for block, inside, outside in block_parts(window, grid):
            whole = _stack_block(self, block, grid.block_px)
            out.rgb[outside] = whole.rgb[inside]
            out.valid[outside] = whole.valid[inside]
        return out

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
        """Text that changes when the items, their assets on this machine or the asset keys change.

        Assets on a server are identified by their items alone.
        """
        assets = digest_assets(parsed_items(self.items), self.assets)
        return digest_text(f"stac {self.assets} {digest_file(Path(self.items)).sha256} {assets}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if the items cannot be read, lack an asset or miss the region."""
        items = read_items(self.items)
        for item in items:
            missing = [a for a in self.assets if a not in item.assets]
            if missing:
                have = ", ".join(sorted(item.assets))
                raise ValueError(f"STAC item '{item.id}' of {self.items} has no asset '{missing[0]}'; it has {have}")
        if not any(share_of(item, bounds) >= MINIMUM_OVERLAP for item in items):
            raise ValueError(f"source '{self.name}': no STAC item of {self.items} overlaps the region {tuple(bounds)}")


@cached_file_reads(8)
def read_items(path: str) -> tuple[pystac.Item, ...]:
    """Items of a GeoJSON FeatureCollection, oldest first, with absolute addresses of their assets.

    Raises FileNotFoundError if there is no such file, ValueError if it is not a FeatureCollection of STAC items.
    """
    return parsed_items(path)


def parsed_items(path: str) -> tuple[pystac.Item, ...]:
    """Items of a GeoJSON FeatureCollection as the file holds them now, oldest first, with absolute addresses."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"STAC items {path} do not exist")
    try:
        features = json.loads(Path(path).read_text(encoding="utf-8"))["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a FeatureCollection of STAC items: {error}") from error
    base = Path(path).resolve().as_posix()
    items = []
    for number, feature in enumerate(features, start=1):
        try:
            item = pystac.Item.from_dict(feature)
        except Exception as error:  # the reader raises errors of any class
            raise ValueError(f"{path} feature {number} ({type(error).__name__}) is not a STAC item") from error
        for asset in item.assets.values():
            if "://" not in asset.href:
                asset.href = urljoin(base, asset.href)
        items.append(item)
    return tuple(sorted(items, key=lambda i: (i.datetime.isoformat() if i.datetime else "", i.id)))


def digest_assets(items: Iterable[pystac.Item], keys: Sequence[str]) -> str:
    """Digest of the bytes of the assets that are files on this machine; other assets are left out.

    A missing file counts as missing and is not an error: items far from the region need not have their files.
    """
    paths = [_local_file(item.assets[key].href) for item in items for key in keys if key in item.assets]
    return digest_text(repr([digest_file(path).sha256 if path.is_file() else None for path in paths if path]))


def _local_file(href: str) -> Path | None:
    """The file of an absolute address, None if it is not on this machine."""
    if href.startswith("file://"):
        return Path(unquote(urlsplit(href).path))
    return None if "://" in href or href.startswith("/vsi") else Path(href)


def share_of(item: pystac.Item, bounds: Bounds) -> float:
    """Common area of an item's bbox and a region (degrees) over the smaller of the two, 0 to 1.

    Raises ValueError if the item has no bbox.
    """
    if item.bbox is None:
        raise ValueError(f"STAC item '{item.id}' has no bbox")
    return common_share(split_at_antimeridian(Bounds(*item.bbox)), bounds)


def _band_items(items: list[pystac.Item], assets: tuple[str, ...]) -> list[dict[str, Any]]:
    """Items with exactly the assets red, green and blue, one band each, as stackstac expects them."""
    plain = []
    for item in items:
        data = item.to_dict(include_self_link=False, transform_hrefs=False)
        hrefs = [item.assets[a].href for a in assets]
        if len(hrefs) == 1:
            hrefs = [f"vrt://{hrefs[0]}?bands={band}" for band in (1, 2, 3)]
        data["assets"] = {
            name: {"href": href, "type": "image/tiff"}
            for name, href in zip(("red", "green", "blue"), hrefs, strict=True)
        }
        plain.append(data)
    return plain


@cached_file_reads(6)
def _stack_block(source: StacSource, block: BlockIndex, block_px: int) -> Imagery:
    """Imagery of a whole block, from the latest item to the oldest."""
    grid = BlockGrid(block_px)
    items = [i for i in read_items(source.items) if share_of(i, grid.bounds(block)) > 0]
    out = empty_imagery(grid.window(block))
    if not items:
        return out
    bands = _band_items(items, source.assets)
    for layer in stacked(bands, ["red", "green", "blue"], block, grid, Resampling.bilinear)[::-1]:
        new = (layer != 0).any(axis=0) & ~out.valid
        out.rgb[new] = layer.transpose(1, 2, 0)[new]
        out.valid[new] = True
    return out


def stacked(
    items: Sequence[dict[str, Any]],
    assets: Sequence[str],
    block: BlockIndex,
    grid: BlockGrid,
    resampling: Resampling,
) -> np.ndarray:
    """Assets of items resampled to a block.

    Parameters
    ----------
    items : STAC items as dictionaries
    assets : keys of one-band uint8 assets

    Returns
    -------
    (item, asset, h, w) uint8, 0 where an asset has no pixel

    Raises
    ------
    ConnectionError
        if an asset cannot be read, also if its server says that it does not exist
    """
    import stackstac

    bounds = grid.bounds(block)
    with warnings.catch_warnings():
        # stackstac multiplies affine transforms in an order that affine 3 will reject.
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        stack = stackstac.stack(
            [_placed_at(item, bounds) for item in items],
            assets=list(assets),
            epsg=4326,
            resolution=grid.px_deg,
            bounds=tuple(bounds),
            snap_bounds=False,
            xy_coords="center",
            resampling=resampling,
            dtype="uint8",
            fill_value=np.uint8(0),
            rescale=False,
            errors_as_nodata=(),
        )
        try:
            # Rounding in stackstac may add a row or column at the end.
            pixels = stack[:, :, : grid.block_px, : grid.block_px].compute(scheduler="synchronous").to_numpy()
        except RuntimeError as error:
            what = re.sub(r"\?[^\s'\"]*", "", str(error))
            raise ConnectionError(
                f"an asset of STAC items at block {block.name} cannot be read: {what}; "
                "run the same command again once it can"
            ) from None
    return np.asarray(pixels)


def _placed_at(item: dict[str, Any], bounds: Bounds) -> dict[str, Any]:
    """An item whose metadata place it at some bounds.

    stackstac skips items whose metadata do not meet the block, and wrongly those that cross 180 degrees.
    """
    properties = {k: v for k, v in item["properties"].items() if not k.startswith("proj:")}
    return item | {"bbox": [*bounds], "properties": properties}
