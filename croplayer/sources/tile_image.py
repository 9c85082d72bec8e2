"""From the bytes of a map tile to its pixels, trusting nothing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from croplayer.sources.imagery import Imagery

MAX_TILE_BYTES = 2 * 1024**2
_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG\r\n\x1a\n": "PNG", b"RIFF": "WEBP"}


class BadTileError(ValueError):
    """A tile's bytes are not the image that was expected."""


def decode_tile(data: bytes, tile_px: int, where: str) -> Imagery:
    """Pixels of a JPEG, PNG or WEBP tile.

    Parameters
    ----------
    data : the tile's bytes, at most 2 MiB
    tile_px : expected edge, 256 or 512 pixels
    where : the tile's place, for messages

    Returns
    -------
    Imagery of (tile_px, tile_px); fully transparent pixels are not valid

    Raises
    ------
    BadTileError for anything else: no image, a truncated image, another size, 16-bit or CMYK pixels.
    """
    if len(data) > MAX_TILE_BYTES:
        raise BadTileError(f"{where} has {len(data)} bytes; a tile has at most {MAX_TILE_BYTES}")
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if kind is None:
        start = data[:16]
        raise BadTileError(f"{where} is no JPEG, PNG or WEBP image; it starts with {start!r}")
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
        if image.size != (tile_px, tile_px):
            raise BadTileError(f"{where} is {image.size[0]} x {image.size[1]} px; expected {tile_px} x {tile_px}")
        if image.mode not in ("RGB", "RGBA", "P", "PA", "L", "LA"):
            raise BadTileError(f"{where} has pixels of mode {image.mode}; expected 8-bit colour or grey")
        if image.mode == "RGB" and "transparency" not in image.info:
            return Imagery(np.asarray(image), np.ones((tile_px, tile_px), bool))
        rgba = np.asarray(image.convert("RGBA"))
    except BadTileError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadTileError(f"{where} cannot be decoded ({error}); the file is truncated or damaged") from error
    valid = rgba[..., 3] > 0
    return Imagery(rgba[..., :3] * valid[..., None], valid)
