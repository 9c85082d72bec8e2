"""XYZ map tiles of the country: position, pixels and JPEG bytes of a tile, and a folder of tiles."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from croplayer.landscape import draws
from croplayer.landscape.country import MISSING_ZOOM, Country
from croplayer.landscape.noise import draw, hash2, salted
from croplayer.landscape.sources import source_by_name
from stores.grid import Bounds

TILE_PX = 256
OVERZOOM = 3
"""Zooms by which an over-zoomed tile is blown up."""

EQUATOR_M = 2 * np.pi * 6378137.0


class TileIndex(NamedTuple):
    """An XYZ tile: row 0 is the northernmost."""

    zoom: int
    """Zoom level; the world has 2**zoom x 2**zoom tiles."""

    x: int
    """Column, from 180 W."""

    y: int
    """Row, from the north."""


def tile_axes(tile: TileIndex) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a tile: longitudes (256,) ascending and latitudes (256,) from north, degrees."""
    return _axes(TILE_PX * 2**tile.zoom, tile.x * TILE_PX, tile.y * TILE_PX, TILE_PX)


def _axes(world_px: int, col: int, row: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a square of a Web Mercator world of ``world_px`` pixels."""
    steps = np.arange(count) + 0.5
    lat = np.rad2deg(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * (row + steps) / world_px))))
    return (col + steps) / world_px * 360.0 - 180.0, np.round(lat, 11)


def tiles_in(bounds: Bounds, zoom: int) -> Iterator[TileIndex]:
    """Tiles that overlap a box, row by row from the north-west."""
    n = 2**zoom

    def row(lat: float) -> float:
        return float((1.0 - np.arcsinh(np.tan(np.deg2rad(lat))) / np.pi) / 2.0 * n)

    for y in range(int(np.floor(row(bounds.north))), int(np.ceil(row(bounds.south)))):
        for x in range(int(np.floor((bounds.west + 180) / 360 * n)), int(np.ceil((bounds.east + 180) / 360 * n))):
            yield TileIndex(zoom, x, y)


def ground_sample_distance_m(zoom: int, lat: float) -> float:
    """Ground size of a tile pixel at a latitude, metres."""
    return float(EQUATOR_M * np.cos(np.deg2rad(lat)) / (TILE_PX * 2**zoom))


def encode_jpeg(rgb: np.ndarray, quality: int) -> bytes:
    """A (h, w, 3) uint8 picture as JPEG bytes."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def is_overzoomed(country: Country, source: str, tile: TileIndex) -> bool:
    """Whether a source serves an enlarged coarser image as this tile; never below zoom 14."""
    if tile.zoom < MISSING_ZOOM:
        return False
    down = tile.zoom - MISSING_ZOOM
    provider = source_by_name(source)
    own = hash2(salted(provider.scene_seed(country.seed), draws.OVERZOOMED), tile.x >> down, tile.y >> down)
    return bool(draw(own, draws.TILE_OVERZOOMED) < provider.overzoomed)


def render_tile(country: Country, tile: TileIndex, sources: Iterable[str]) -> dict[str, bytes]:
    """JPEG bytes of one tile by source; a source without any imagery there is left out.

    Pixels without imagery inside a tile that has some are black.
    """
    lon, lat = tile_axes(tile)
    present = [name for name in sources if country.has_imagery(name, lon, lat).any()]
    if not present:
        return {}
    nodes = country.nodes(lon, lat)
    encoded = {}
    for name in present:
        if is_overzoomed(country, name, tile):
            rgb = _overzoomed(country, name, tile)
        else:
            rgb = country.render(name, lon, lat, nodes=nodes)[0]
        encoded[name] = encode_jpeg(rgb, source_by_name(name).jpeg_quality)
    return encoded


def _overzoomed(country: Country, source: str, tile: TileIndex) -> np.ndarray:
    """The part of the tile's ancestor three zooms up, blown up to a tile: (256, 256, 3) uint8."""
    factor, margin = 2**OVERZOOM, 4
    size = TILE_PX // factor
    lon, lat = _axes(
        TILE_PX * 2 ** (tile.zoom - OVERZOOM), tile.x * size - margin, tile.y * size - margin, size + 2 * margin
    )
    small = Image.fromarray(country.render(source, lon, lat)[0])
    box = (margin, margin, margin + size, margin + size)
    return np.asarray(small.resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC, box=box))


def write_tiles(country: Country, folder: Path, bounds: Bounds, zoom: int, sources: Iterable[str]) -> list[Path]:
    """Write ``{source}/{zoom}/{x}/{y}.jpg`` for every tile that touches a box; return the files, sorted."""
    names = tuple(sources)

    def write(tile: TileIndex) -> list[Path]:
        written = []
        for name, data in render_tile(country, tile, names).items():
            path = folder / name / str(tile.zoom) / str(tile.x) / f"{tile.y}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            written.append(path)
        return written

    with ThreadPoolExecutor(max_workers=2) as pool:
        return sorted(path for paths in pool.map(write, tiles_in(bounds, zoom)) for path in paths)
