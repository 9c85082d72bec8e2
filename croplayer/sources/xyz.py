"""Web Mercator map tiles brought onto the lattice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import morecantile
import numpy as np

from croplayer.kernels.warp import mercator_to_lonlat, mercator_window
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.tile_image import BadTileError, Tile, TileKind, understand_tile
from croplayer.sources.tiles import REQUESTS_AT_ONCE, TilePlace, TileStore
from stores.durable import digest_text
from stores.grid import BlockGrid, Bounds, PixelWindow

PROBES = 64
"""Tiles looked for before a source is believed to have none in a region."""


EDGE_DEG = 1e-10
"""So far inside its edges a box is looked at, so that a tile that it only touches is not in it."""


def tile_ranges(bounds: Bounds, zoom: int) -> tuple[range, range]:
    """Columns and rows of the Web Mercator tiles that share area with a box."""
    tiles = morecantile.tms.get("WebMercatorQuad")
    west, south, east, north = np.clip(bounds, [*tiles.bbox[:2]] * 2, [*tiles.bbox[2:]] * 2)
    first = tiles.tile(west + EDGE_DEG, north - EDGE_DEG, zoom)
    last = tiles.tile(east - EDGE_DEG, south + EDGE_DEG, zoom)
    return range(first.x, last.x + 1), range(first.y, last.y + 1)


@dataclass(frozen=True)
class XyzSource:
    """Imagery from XYZ tiles, warped with weights that depend on the lattice alone."""

    name: str
    tiles: TileStore
    zoom: int = 16
    tile_px: int = 256
    placeholders: tuple[str, ...] = ()
    """sha256 of the pictures that the provider sends where it has no imagery."""

    def __post_init__(self) -> None:
        if not 0 <= self.zoom <= 22:
            raise ValueError(f"source '{self.name}': zoom is {self.zoom}; expected 0 to 22")
        if self.tile_px not in (256, 512):
            raise ValueError(f"source '{self.name}': tile_px is {self.tile_px}; expected 256 or 512")
        for digest in self.placeholders:
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError(f"source '{self.name}': placeholder '{digest}' is no sha256 of 64 hexadecimal digits")

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        lattice = {**window._asdict(), "px_per_degree": grid.px_per_degree, "resampling": "bilinear"}
        row, col, height, width = mercator_window(**lattice, zoom=self.zoom, tile_px=self.tile_px)
        if height == 0 or width == 0:
            return empty_imagery(window)
        first_y, last_y = row // self.tile_px, (row + height - 1) // self.tile_px
        first_x, last_x = col // self.tile_px, (col + width - 1) // self.tile_px
        rows, cols = range(first_y, last_y + 1), range(first_x, last_x + 1)
        places = [TilePlace(x, y, self.zoom) for y in rows for x in cols]
        shape = ((last_y - first_y + 1) * self.tile_px, (last_x - first_x + 1) * self.tile_px)
        # What no tile covers is not valid and its colour never read.
        mosaic, valid = np.empty((*shape, 3), np.uint8), np.zeros(shape, bool)
        kinds: Counter[TileKind] = Counter()
        absent = {}
        for place, tile in self._read_tiles(places):
            kinds[tile.kind] += 1
            if tile.imagery is None:
                absent[place] = tile
                continue
            top, left = (place.y - first_y) * self.tile_px, (place.x - first_x) * self.tile_px
            area = (slice(top, top + self.tile_px), slice(left, left + self.tile_px))
            mosaic[area], valid[area] = tile.imagery.rgb, tile.imagery.valid
        self.tiles.vouch(absent, self._understand)
        notes = {"tiles": len(places)} | {f"tiles_{kind.value}": kinds[kind] for kind in TileKind if kind.is_notable}
        if not valid.any():
            return empty_imagery(window)._replace(notes=notes)
        rgb, inside = mercator_to_lonlat(
            mosaic,
            valid,
            mosaic_row=first_y * self.tile_px,
            mosaic_col=first_x * self.tile_px,
            zoom=self.zoom,
            tile_px=self.tile_px,
            **lattice,
        )
        return Imagery(rgb, inside, notes)

    def fingerprint(self) -> str:
        return digest_text(f"xyz {self.zoom} {self.tile_px} {sorted(self.placeholders)} {self.tiles.fingerprint()}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError when none of a spread of the region's tiles can be had; the first one is the witness."""
        self.tiles.check()
        cols, rows = tile_ranges(bounds, self.zoom)
        count = len(cols) * len(rows)
        probes = range(0, count, max(1, count // PROBES))
        for probe in probes:
            row, col = divmod(probe, len(cols))
            if not self._read_tile(TilePlace(cols[col], rows[row], self.zoom)).kind.is_absent:
                return
        raise ValueError(
            f"source '{self.name}' has no tile of zoom {self.zoom} in the region {tuple(bounds)}; "
            f"looked for {len(probes)} of {count}"
        )

    def _read_tiles(self, places: Sequence[TilePlace]) -> Iterator[tuple[TilePlace, Tile]]:
        """Tiles in the order of their places; the first that cannot be had ends it all."""
        pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
        try:
            yield from zip(places, pool.map(self._read_tile, places), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_tile(self, place: TilePlace) -> Tile:
        try:
            return self.tiles.read_tile(place, partial(self._understand, where=f"tile {place} of source '{self.name}'"))
        except BadTileError as error:
            raise BadTileError(f"tile_bad: {error}") from error

    def _understand(self, data: bytes, where: str = "") -> Tile:
        return understand_tile(data, self.tile_px, frozenset(self.placeholders), where or f"a tile of '{self.name}'")
