"""The tile server that fails on request: its faults and those who read from it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import morecantile

from croplayer.landscape.server import Fault, FaultRule, TileServer, placeholder_tile
from croplayer.sources.http_tiles import HttpTiles
from croplayer.sources.tile_image import decode_tile
from croplayer.sources.tiles import FolderTiles, TilePlace
from croplayer.sources.xyz import XyzSource
from stores.grid import BlockGrid, BlockIndex

GRID = BlockGrid(128)
ZOOM = 13
PLACEHOLDER = hashlib.sha256(placeholder_tile()).hexdigest()
EVERY_FAULT = tuple(FaultRule(fault, 0.03, 1) for fault in Fault)
"""Ten kinds of trouble, each for other 3 % of the tiles."""


def tiles_of(server: TileServer, **settings: object) -> HttpTiles:
    """A patient reader of the server whose waits are short."""
    usual: dict[str, object] = {"deadline_s": 1.0, "patience_s": 60.0, "requests_per_s": 2000.0}
    return HttpTiles(server.url("aster"), True, **{**usual, **settings})  # type: ignore[arg-type]


def source_of(tiles: HttpTiles | FolderTiles) -> XyzSource:
    return XyzSource("aster", tiles, ZOOM, placeholders=(PLACEHOLDER,))


def blocks_of(country: Path) -> list[BlockIndex]:
    first = GRID.block_at(114.01, 34.09)
    return [BlockIndex(first.row + i, first.col + j) for i in (0, 1) for j in (0, 1)]


def a_place(country: Path) -> TilePlace:
    """A tile that the country has."""
    tile = morecantile.tms.get("WebMercatorQuad").tile(114.05, 34.05, ZOOM)
    return TilePlace(tile.x, tile.y, ZOOM)


def decode(data: bytes) -> object:
    return decode_tile(data, 256, frozenset({PLACEHOLDER}), "tile")
