"""Stores of map tiles: the contract of a tile store, and tiles in a folder."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from croplayer.sources.tile_image import MISSING, BadTileError, Decoder, Tile

REQUESTS_AT_ONCE = 8
"""Number of tiles that one process requests at once."""


class TilePlace(NamedTuple):
    """Place of a tile: column from 180 W, row from the north, zoom."""

    x: int
    y: int
    zoom: int

    def __str__(self) -> str:
        return f"{self.zoom}/{self.x}/{self.y}"


class TileStore(Protocol):
    """Reads tiles. Picklable."""

    def read_tile(self, place: TilePlace, decode: Decoder) -> Tile:
        """The tile, of kind MISSING if the provider has none; raises BadTileError or ConnectionError.

        ``decode`` turns the bytes of the tile into a Tile, or raises BadTileError.
        """
        ...

    def confirm_absent(self, absent: Mapping[TilePlace, Tile], decode: Decoder) -> None:
        """Raise if tiles that were taken as absent may exist, because the store itself is out of order."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether tiles come over a network."""
        ...

    def settings(self) -> str:
        """Text that changes with the provider; empty where only the bytes of the tiles count."""
        ...

    def file_of(self, place: TilePlace) -> str:
        """Path of the file of a tile on this machine; empty where tiles come over a network."""
        ...

    def check(self) -> None:
        """Raise if the store cannot serve any tile."""
        ...


def expand_template(template: str, **values: object) -> str:
    """Fill ``{z}``, ``{x}``, ``{y}`` and ``{token}`` of a tile address."""
    return template.format_map({k: str(v) for k, v in values.items()})


def check_template(template: str, allowed: frozenset[str]) -> None:
    """Raise ValueError unless a template names z, x and y and nothing unknown."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise ValueError(f"tile template '{template}' cannot be read: {error}") from None
    missing, unknown = {"z", "x", "y"} - names, names - allowed
    if missing or unknown:
        problem = (
            f"lacks {{{', '.join(sorted(missing))}}}" if missing else f"has unknown {{{', '.join(sorted(unknown))}}}"
        )
        raise ValueError(f"tile template '{template}' {problem}; expected {{z}}, {{x}} and {{y}}")


@dataclass(frozen=True)
class FolderTiles:
    """Tiles in files; a missing file is a tile that the provider does not have."""

    template: str
    """Path with {z}, {x} and {y}, for example ``tiles/{z}/{x}/{y}.jpg``."""

    def __post_init__(self) -> None:
        check_template(self.template, frozenset("zxy"))

    def read_tile(self, place: TilePlace, decode: Decoder) -> Tile:
        """The tile in the file of a place, of kind MISSING if there is no file; raises BadTileError."""
        try:
            return decode(self._read(place))
        except FileNotFoundError:
            return MISSING
        except BadTileError:
            # Read once more: the file may have been in the middle of being written.
            return decode(self._read(place))

    def confirm_absent(self, absent: Mapping[TilePlace, Tile], decode: Decoder) -> None:
        """Raise FileNotFoundError if the folder itself is gone, so that no tile could be found."""
        if absent:
            self.check()

    @property
    def is_remote(self) -> bool:
        """False: the tiles are files."""
        return False

    def settings(self) -> str:
        """Empty: tiles of the same bytes are the same, wherever they lie."""
        return ""

    def file_of(self, place: TilePlace) -> str:
        """Path of the file of a tile, there or not."""
        return expand_template(self.template, z=place.zoom, x=place.x, y=place.y)

    def check(self) -> None:
        """Raise FileNotFoundError if the folder does not exist."""
        if not self._folder().is_dir():
            raise FileNotFoundError(f"tile folder {self._folder()} does not exist")

    def _read(self, place: TilePlace) -> bytes:
        return Path(self.file_of(place)).read_bytes()

    def _folder(self) -> Path:
        return Path(self.template.split("{", 1)[0].rpartition("/")[0] or ".")
