"""XYZ map tiles of the country: where a tile lies, its pixels, its JPEG, and a folder of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from croplayer.grid import Bounds
from croplayer.landscape.country import Country
from croplayer.landscape.sources import source_by_name

TILE_PX = 256
EQUATOR_M = 2 * np.pi * 6378137.0


class TileIndex(NamedTuple):
    """An XYZ tile: row 0 is the northernmost."""

    zoom: int
    x: int
    y: int


def tile_axes(tile: TileIndex) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres of a tile: longitudes (256,) ascending and latitudes (256,) from north, degrees."""
    n = TILE_PX * 2**tile.zoom
    lon = (tile.x * TILE_PX + np.arange(TILE_PX) + 0.5) / n * 360.0 - 180.0
    y = (tile.y * TILE_PX + np.arange(TILE_PX) + 0.5) / n
    lat = np.rad2deg(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * y))))
    return lon, np.round(lat, 11)


def tiles_in(bounds: Bounds, zoom: int) -> Iterator[TileIndex]:
    """Tiles that share area with a box, from north-west, row by row."""
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


def render_tile(country: Country, tile: TileIndex, sources: Iterable[str]) -> dict[str, bytes]:
    """JPEG bytes of one tile by source; a source without any imagery there is left out.

    Pixels without imagery inside a tile that has some are black.
    """
    lon, lat = tile_axes(tile)
    present = [name for name in sources if country.has_imagery(name, lon, lat).any()]
    if not present:
        return {}
    nodes = country.nodes(lon, lat)
    return {
        name: encode_jpeg(country.render(name, lon, lat, nodes=nodes)[0], source_by_name(name).jpeg_quality)
        for name in present
    }


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
