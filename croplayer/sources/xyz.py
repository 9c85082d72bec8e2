"""Web Mercator map tiles resampled to the lattice."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from croplayer.files.file_cache import cached_file_reads
from croplayer.kernels.warp import mercator_to_lonlat, mercator_window
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.tile_image import BadTileError, Tile, TileKind, decode_tile
from croplayer.sources.tile_times import together
from croplayer.sources.tiles import REQUESTS_AT_ONCE, TilePlace, TileStore
from stores.durable import digest_bytes, digest_file, digest_text
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow

PROBES = 64
"""Tiles tried before a source counts as having none in a region; all of them in a smaller region."""

EDGE_DEG = 1e-10
"""Degrees by which a box is shrunk, so that tiles which only touch its edge are left out."""


def tile_ranges(bounds: Bounds, zoom: int) -> tuple[range, range]:
    """Columns and rows of the Web Mercator tiles that share area with a box in degrees."""
    import morecantile

    tiles = morecantile.tms.get("WebMercatorQuad")
    west, south, east, north = np.clip(bounds, [*tiles.bbox[:2]] * 2, [*tiles.bbox[2:]] * 2)
    first = tiles.tile(west + EDGE_DEG, north - EDGE_DEG, zoom)
    last = tiles.tile(east - EDGE_DEG, south + EDGE_DEG, zoom)
    return range(first.x, last.x + 1), range(first.y, last.y + 1)


@dataclass(frozen=True)
class XyzSource:
    """Imagery from XYZ tiles, warped with weights that depend only on the lattice."""

    name: str
    tiles: TileStore
    zoom: int = 16
    tile_px: int = 256
    placeholders: tuple[str, ...] = ()
    """sha256 of the images that the provider sends where it has no imagery."""

    def __post_init__(self) -> None:
        if not 0 <= self.zoom <= 22:
            raise ValueError(f"source '{self.name}': zoom is {self.zoom}; expected 0 to 22")
        if self.tile_px not in (256, 512):
            raise ValueError(f"source '{self.name}': tile_px is {self.tile_px}; expected 256 or 512")
        for digest in self.placeholders:
            if not re.fullmatch(r"[0-9a-f]{64}", digest):
                raise ValueError(
                    f"source '{self.name}': placeholder '{digest}' is not a sha256 of 64 hexadecimal digits"
                )

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice, bilinear between the pixels of the tiles.

        Obeys the contract of ``ImagerySource.read``: a pixel does not depend on the window.

        Returns
        -------
        Imagery with rgb (h, w, 3) uint8 and valid (h, w) bool; False where a tile is missing, blank or a
        placeholder, or where it is transparent. ``notes`` counts the tiles and those of each notable kind.

        Raises
        ------
        BadTileError
            if a tile is not an image of the expected size
        ConnectionError, PermissionError, FileNotFoundError
            if the store cannot serve a tile, or cannot confirm that it has none
        """
        return _read_from_provider(self, window, grid) if self.is_remote else self._read(window, grid)

    def _read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        rows, cols = self._tiles_under(window, grid)
        if not (rows and cols):
            return empty_imagery(window)
        mosaic = self._read_mosaic(rows, cols)
        if not mosaic.valid.any():
            return empty_imagery(window)._replace(notes=mosaic.notes)
        rgb, inside = mercator_to_lonlat(
            mosaic.rgb,
            mosaic.valid,
            mosaic_row=rows.start * self.tile_px,
            mosaic_col=cols.start * self.tile_px,
            zoom=self.zoom,
            tile_px=self.tile_px,
            **_lattice(window, grid),
        )
        return Imagery(rgb, inside, mosaic.notes, mosaic.times)

    @property
    def is_remote(self) -> bool:
        """Whether tiles come over a network."""
        return self.tiles.is_remote

    def settings(self) -> str:
        """Text that changes with the zoom, the placeholders and the provider of the tiles."""
        return digest_text(f"xyz {self.zoom} {self.tile_px} {sorted(self.placeholders)} {self.tiles.settings()}")

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of the bytes of the tiles under a block in their order; of the pixels of tiles from a provider."""
        if self.is_remote:
            found = _read_from_provider(self, grid.window(block), grid)
            digests = digest_bytes(found.rgb.data).sha256, digest_bytes(np.packbits(found.valid).data).sha256
            return digest_text(" ".join(digests))
        files = self.files_of(block, grid)
        # Few tasks of many files: handing over a task takes longer than a tile does.
        size = max(1, -(-len(files) // REQUESTS_AT_ONCE))
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            parts = pool.map(_digests, (files[i : i + size] for i in range(0, len(files), size)))
            return digest_text(" ".join(itertools.chain.from_iterable(parts)))

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> list[str]:
        """Files of the tiles under a block, there or not; none where tiles come over a network."""
        if self.is_remote:
            return []
        rows, cols = self._tiles_under(grid.window(block), grid)
        return [self.tiles.file_of(TilePlace(x, y, self.zoom)) for y in rows for x in cols]

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError if none of a sample of tiles spread over the region exists.

        The first tile found becomes the store's witness: a tile that the provider is known to have.
        """
        self.tiles.check()
        cols, rows = tile_ranges(bounds, self.zoom)
        count = len(cols) * len(rows)
        probes = range(0, count, max(1, count // PROBES))
        for probe in probes:
            row, col = divmod(probe, len(cols))
            if not self._read_tile(TilePlace(cols[col], rows[row], self.zoom), tells_detail=False).kind.is_absent:
                return
        raise ValueError(
            f"source '{self.name}' has no tile of zoom {self.zoom} in the region {tuple(bounds)}; "
            f"looked for {len(probes)} of {count}"
        )

    def _tiles_under(self, window: PixelWindow, grid: BlockGrid) -> tuple[range, range]:
        """Rows and columns of the tiles that the pixels of a window are made from."""
        row, col, height, width = mercator_window(**_lattice(window, grid), zoom=self.zoom, tile_px=self.tile_px)
        if height == 0 or width == 0:
            return range(0), range(0)
        rows = range(row // self.tile_px, (row + height - 1) // self.tile_px + 1)
        return rows, range(col // self.tile_px, (col + width - 1) // self.tile_px + 1)

    def _read_mosaic(self, rows: range, cols: range) -> Imagery:
        """A rectangle of tiles in Web Mercator; the colour of invalid pixels is undefined."""
        places = [TilePlace(x, y, self.zoom) for y in rows for x in cols]
        shape = (len(rows) * self.tile_px, len(cols) * self.tile_px)
        rgb, valid = np.empty((*shape, 3), np.uint8), np.zeros(shape, bool)
        kinds: Counter[TileKind] = Counter()
        absent, times = {}, []
        for place, tile in self._read_tiles(places):
            kinds[tile.kind] += 1
            if tile.imagery is None:
                absent[place] = tile
                continue
            top, left = (place.y - rows.start) * self.tile_px, (place.x - cols.start) * self.tile_px
            area = (slice(top, top + self.tile_px), slice(left, left + self.tile_px))
            rgb[area], valid[area] = tile.imagery.rgb, tile.imagery.valid
            times.append(tile.times)
        self.tiles.confirm_absent(absent, self._decode)
        notes = {"tiles": len(places)} | {f"tiles_{kind.value}": kinds[kind] for kind in TileKind if kind.is_notable}
        return Imagery(rgb, valid, notes, together(times))

    def _read_tiles(self, places: Sequence[TilePlace]) -> Iterator[tuple[TilePlace, Tile]]:
        """Tiles in the order of their places; the first one that cannot be read cancels the rest."""
        pool = ThreadPoolExecutor(REQUESTS_AT_ONCE)
        try:
            yield from zip(places, pool.map(self._read_tile, places), strict=True)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_tile(self, place: TilePlace, tells_detail: bool = True) -> Tile:
        where = f"tile {place} of source '{self.name}'"
        try:
            return self.tiles.read_tile(place, partial(self._decode, where=where, tells_detail=tells_detail))
        except BadTileError as error:
            raise BadTileError(f"tile_bad: {error}") from error

    def _decode(self, data: bytes, where: str = "", tells_detail: bool = True) -> Tile:
        said = where or f"a tile of '{self.name}'"
        return decode_tile(data, self.tile_px, frozenset(self.placeholders), said, tells_detail)


def _lattice(window: PixelWindow, grid: BlockGrid) -> dict[str, Any]:
    return {**window._asdict(), "px_per_degree": grid.px_per_degree, "resampling": "bilinear"}


@cached_file_reads(1)
def _read_from_provider(source: XyzSource, window: PixelWindow, grid: BlockGrid) -> Imagery:
    """Imagery of the window that was asked for last, so that a provider is asked once for its content and its pixels."""
    return source._read(window, grid)


def _digests(paths: Sequence[str]) -> list[str]:
    return [_digest_or_absent(path) for path in paths]


def _digest_or_absent(path: str) -> str:
    """Digest of a file, or that there is none."""
    try:
        return digest_file(Path(path)).sha256
    except (FileNotFoundError, NotADirectoryError):
        return "absent"
