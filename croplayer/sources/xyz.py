"""Web Mercator map tiles brought onto the lattice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import morecantile
import numpy as np

from croplayer.durable import digest_text
from croplayer.grid import BlockGrid, Bounds, PixelWindow
from croplayer.kernels.warp import mercator_to_lonlat, mercator_window
from croplayer.sources.imagery import Imagery, empty_imagery
from croplayer.sources.tile_image import BadTileError, decode_tile
from croplayer.sources.tiles import TileStore

READERS = 8
"""Tiles read at once by one process."""
PROBES = 64
"""Tiles looked for before a source is believed to have none in a region."""


@dataclass(frozen=True)
class XyzSource:
    """Imagery from XYZ tiles, warped with weights that depend on the lattice alone."""

    name: str
    tiles: TileStore
    zoom: int = 16
    tile_px: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.zoom <= 22:
            raise ValueError(f"source '{self.name}': zoom is {self.zoom}; expected 0 to 22")
        if self.tile_px not in (256, 512):
            raise ValueError(f"source '{self.name}': tile_px is {self.tile_px}; expected 256 or 512")

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        lattice = {**window._asdict(), "px_per_degree": grid.px_per_degree, "resampling": "bilinear"}
        row, col, height, width = mercator_window(**lattice, zoom=self.zoom, tile_px=self.tile_px)
        if height == 0 or width == 0:
            return empty_imagery(window)
        first_y, last_y = row // self.tile_px, (row + height - 1) // self.tile_px
        first_x, last_x = col // self.tile_px, (col + width - 1) // self.tile_px
        places = [(x, y) for y in range(first_y, last_y + 1) for x in range(first_x, last_x + 1)]
        shape = ((last_y - first_y + 1) * self.tile_px, (last_x - first_x + 1) * self.tile_px)
        mosaic, valid = np.zeros((*shape, 3), np.uint8), np.zeros(shape, bool)
        with ThreadPoolExecutor(READERS) as pool:
            for (x, y), tile in zip(places, pool.map(self._read_tile, places), strict=True):
                if tile is None:
                    continue
                top, left = (y - first_y) * self.tile_px, (x - first_x) * self.tile_px
                area = (slice(top, top + self.tile_px), slice(left, left + self.tile_px))
                mosaic[area], valid[area] = tile
        if not valid.any():
            return empty_imagery(window)
        rgb, inside = mercator_to_lonlat(
            mosaic,
            valid,
            mosaic_row=first_y * self.tile_px,
            mosaic_col=first_x * self.tile_px,
            zoom=self.zoom,
            tile_px=self.tile_px,
            **lattice,
        )
        return Imagery(rgb, inside)

    def fingerprint(self) -> str:
        return digest_text(f"xyz {self.zoom} {self.tile_px} {self.tiles.fingerprint()}")

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError when none of a spread of the region's tiles can be had."""
        self.tiles.check()
        wanted = list(morecantile.tms.get("WebMercatorQuad").tiles(*bounds, zooms=[self.zoom]))
        step = max(1, len(wanted) // PROBES)
        if all(self.tiles.read_tile(t.x, t.y, t.z) is None for t in wanted[::step]):
            raise ValueError(
                f"source '{self.name}' has no tile of zoom {self.zoom} in the region {tuple(bounds)}; "
                f"looked for {len(wanted[::step])} of {len(wanted)}"
            )

    def _read_tile(self, place: tuple[int, int]) -> Imagery | None:
        """Pixels of a tile; one that cannot be decoded is read once more before it fails the block."""
        x, y = place
        where = f"tile {self.zoom}/{x}/{y} of source '{self.name}'"
        for attempt in range(2):
            data = self.tiles.read_tile(x, y, self.zoom)
            if data is None:
                return None
            try:
                return decode_tile(data, self.tile_px, where)
            except BadTileError as error:
                if attempt:
                    raise BadTileError(f"tile_bad: {error}") from error
        raise AssertionError("unreachable")
