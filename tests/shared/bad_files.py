"""Files that are wrong, and the sentence that reading one gets."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from PIL import Image
from rasterio.transform import from_origin

from stores.grid import BlockGrid, BlockIndex

GRID = BlockGrid(64)
BLOCK = BlockIndex(1118, 5880)
BOUNDS = GRID.bounds(BLOCK)
WARNED_OF = [
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore:'crs' was not provided"),
    pytest.mark.filterwarnings("ignore:Column names longer than 10 characters"),
    pytest.mark.filterwarnings("ignore:Normalized/laundered field name"),
]
"""Marks of tests whose libraries warn of what the files lack before it is refused."""


class Case(NamedTuple):
    """A file that is wrong and the sentence it gets."""

    name: str
    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    sentence: str


def check(case: Case, folder: Path) -> None:
    """A wrong file gets its sentence: one line, which names the file."""
    path = folder / case.file
    case.write(path)
    with pytest.raises((ValueError, FileNotFoundError), match=case.sentence) as caught:
        case.read(path)
    sentence = str(caught.value)
    assert path.name in sentence, sentence
    assert "\n" not in sentence and len(sentence) < 600, sentence


def picture(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(size: int = 256, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((size, size), 60).convert(mode)


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, so that its header may lie."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *(chunk(*e) for e in extra), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    )  # fmt: skip


def bytes_of(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def text_of(text: str, encoding: str = "utf-8") -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode(encoding))


GIF = picture(noise(), "GIF")
VRT = b'<VRTDataset rasterXSize="256" rasterYSize="256"><SRS>EPSG:4326</SRS></VRTDataset>'
HUGE_TEXT = b"k\0\0" + zlib.compress(bytes(200_000_000), 9)


def raster(**changes: object) -> Callable[[Path], object]:
    """A GeoTIFF over the block; ``pixels`` (n, h, w) and every setting can be changed."""

    def write(path: Path) -> object:
        settings: dict[str, object] = {
            "pixels": np.random.default_rng(0).integers(1, 255, (3, 80, 80)).astype(np.uint8),
            "crs": "EPSG:4326", "transform": from_origin(BOUNDS.west - 0.005, BOUNDS.north + 0.005, 0.06 / 80, 0.06 / 80),
        } | changes  # fmt: skip
        pixels = settings.pop("pixels")
        assert isinstance(pixels, np.ndarray)
        shape = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
        with rasterio.open(path, "w", driver="GTiff", **{**shape, **settings}) as file:
            file.write(pixels)
        return path

    return write


def truncated(write: Callable[[Path], object], share: float = 0.5) -> Callable[[Path], object]:
    def cut(path: Path) -> object:
        write(path)
        return path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return cut


def units(**changes: object) -> gpd.GeoDataFrame:
    west, south = BOUNDS.west, BOUNDS.south
    table: dict[str, object] = {
        "adcode": ["110000", "120000"], "name_en": ["A", "B"], "name_zh": ["北京", "天津"],
        "geometry": [shapely.box(west, south, west + 1, south + 1), shapely.box(west + 1, south, west + 2, south + 1)],
    }  # fmt: skip
    crs = changes.pop("crs", "EPSG:4326")
    return gpd.GeoDataFrame({**table, **changes}, crs=crs)


def vector(frame: gpd.GeoDataFrame, after: Callable[[Path], object] = lambda path: None) -> Callable[[Path], object]:
    def write(path: Path) -> object:
        frame.to_file(path, encoding="utf-8") if path.suffix == ".shp" else frame.to_file(path)
        return after(path)

    return write


def cut(suffix: str, share: float) -> Callable[[Path], object]:
    def after(path: Path) -> object:
        part = path.with_suffix(suffix)
        return part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])

    return after


def lose(suffix: str) -> Callable[[Path], object]:
    return lambda path: path.with_suffix(suffix).unlink()
