"""Decode the bytes of a map tile; every byte is untrusted."""

from __future__ import annotations

import io
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

import numpy as np
import simplejpeg
from PIL import Image

from croplayer.kernels.detail import detail_ratio, is_one_colour
from croplayer.sources.imagery import Imagery
from croplayer.sources.time_spans import NOT_TOLD, ImageryTimes
from stores.durable import digest_bytes

MAX_TILE_BYTES = 2 * 1024**2
DETAIL_RATIO = 0.42
"""Detail ratio below which a tile counts as upsampled from a coarser zoom.

Measured on 216 tiles of real aerial imagery after JPEG compression: native tiles have 0.34 to 2.2 (95 % above 0.49),
the same tiles upsampled twofold 0.02 to 0.54 (bilinear, bicubic: 95 % below 0.34; Lanczos: below 0.40)."""

_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND\xaeB`\x82"
_TAIL = 64
"""Number of bytes at the end of a tile that must contain its end mark; some encoders add padding."""


class BadTileError(ValueError):
    """A tile's bytes are not the image that was expected."""


class TileKind(Enum):
    """What a provider returned for a tile."""

    IMAGE = "image"
    OVERZOOMED = "overzoomed"
    """An image with no more detail than the next coarser zoom."""
    MISSING = "missing"
    """The provider says that it has no such tile."""
    PLACEHOLDER = "placeholder"
    """The image that the provider sends where it has none."""
    BLANK = "blank"
    """An image of one colour, or with no opaque pixel."""

    @property
    def is_absent(self) -> bool:
        """Whether such a tile holds no imagery."""
        return self in (TileKind.MISSING, TileKind.PLACEHOLDER, TileKind.BLANK)

    @property
    def is_notable(self) -> bool:
        """Whether a block's record counts the tiles of this kind."""
        return self is not TileKind.IMAGE


class Tile(NamedTuple):
    """A decoded tile."""

    kind: TileKind
    imagery: Imagery | None
    """Its pixels; None if the tile is absent."""
    received: bytes = b""
    """The bytes of a placeholder or blank tile; empty for other kinds."""
    times: ImageryTimes = NOT_TOLD
    """From when the imagery is, as the server says."""


MISSING = Tile(TileKind.MISSING, None)

Decoder = Callable[[bytes], Tile]
"""Function that decodes the bytes of a tile, or raises BadTileError."""


def decode_tile(data: bytes, tile_px: int, placeholders: frozenset[str], where: str, tells_detail: bool = True) -> Tile:
    """Pixels and kind of a tile.

    Parameters
    ----------
    data : the tile's bytes
    tile_px : expected edge, 256 or 512 pixels
    placeholders : sha256 of images that mean "no imagery here"
    where : the tile's place, for messages
    tells_detail : whether an image is told from one of a coarser zoom; without it both are of kind IMAGE

    Returns
    -------
    Tile of kind IMAGE or OVERZOOMED with its pixels, or of kind PLACEHOLDER or BLANK without

    Raises
    ------
    BadTileError
        as ``decode_image``
    """
    if placeholders and digest_bytes(data).sha256 in placeholders:
        return Tile(TileKind.PLACEHOLDER, None, data)
    imagery = decode_image(data, tile_px, where)
    if not imagery.valid.any():
        return Tile(TileKind.BLANK, None, data)
    if imagery.valid.all():
        # Of most tiles the first row tells; so whoever only asks whether there is a tile need not load compiled code.
        first = imagery.rgb[0]
        if (first == first[0]).all() and is_one_colour(imagery.rgb):
            return Tile(TileKind.BLANK, None, data)
        if tells_detail and detail_ratio(imagery.rgb) < DETAIL_RATIO:
            return Tile(TileKind.OVERZOOMED, imagery)
    return Tile(TileKind.IMAGE, imagery)


def decode_image(data: bytes, tile_px: int, where: str) -> Imagery:
    """Pixels of a JPEG, PNG or WEBP tile.

    Parameters
    ----------
    data : the tile's bytes, at most 2 MiB
    tile_px : expected edge, 256 or 512 pixels
    where : the tile's place, for messages

    Returns
    -------
    Imagery of (tile_px, tile_px) pixels; fully transparent pixels are invalid. A stored rotation (EXIF) is ignored.

    Raises
    ------
    BadTileError
        for anything else: not an image, a truncated image, another size, 16-bit or CMYK pixels, an animation
    """
    if len(data) > MAX_TILE_BYTES:
        raise BadTileError(f"{where} has {len(data)} bytes; a tile has at most {MAX_TILE_BYTES}")
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None:
        raise BadTileError(f"{where} is not a JPEG, PNG or WEBP image; it starts with {data[:16]!r}")
    if kind == "PNG" and data[24:25] == b"\x10":
        raise BadTileError(f"{where} has pixels of 16 bits; expected 8-bit colour or grey")
    if not _ends(data, kind):
        raise BadTileError(f"{where} has no end mark; the file is truncated or damaged")
    try:
        return _decode(data, kind, tile_px, where)
    except BadTileError:
        raise
    except Exception as error:  # decoders raise errors of any class on damaged bytes
        raise BadTileError(f"{where} cannot be decoded ({error}); the file is truncated or damaged") from error


def _ends(data: bytes, kind: str) -> bool:
    if kind == "WEBP":
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    return (_JPEG_END if kind == "JPEG" else _PNG_END) in data[-_TAIL:]


def _check_header(width: int, height: int, mode: str, tile_px: int, where: str) -> None:
    """Raise BadTileError for an unexpected size or mode, before any pixel is decoded."""
    if (width, height) != (tile_px, tile_px):
        raise BadTileError(f"{where} is {width} x {height} px; expected {tile_px} x {tile_px}")
    if mode not in ("RGB", "RGBA", "P", "PA", "L", "LA", "YCbCr", "Gray"):
        raise BadTileError(f"{where} has pixels of mode {mode}; expected 8-bit colour or grey")


def _decode(data: bytes, kind: str, tile_px: int, where: str) -> Imagery:
    if kind == "JPEG":
        height, width, mode, _ = simplejpeg.decode_jpeg_header(data)
        _check_header(width, height, mode, tile_px, where)
        return Imagery(simplejpeg.decode_jpeg(data, "RGB"), np.ones((tile_px, tile_px), bool))
    image = Image.open(io.BytesIO(data), formats=[kind])
    _check_header(*image.size, image.mode, tile_px, where)
    if getattr(image, "is_animated", False):
        raise BadTileError(f"{where} holds more than one image; expected a still image")
    if image.mode == "RGB" and "transparency" not in image.info:
        return Imagery(np.asarray(image), np.ones((tile_px, tile_px), bool))
    rgba = np.asarray(image.convert("RGBA"))
    valid = rgba[..., 3] > 0
    return Imagery(rgba[..., :3] * valid[..., None], valid)
