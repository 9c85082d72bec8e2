"""What every imagery source promises."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from stores.grid import BlockGrid, Bounds, PixelWindow


class Imagery(NamedTuple):
    """Pixels of a source on the lattice."""

    rgb: np.ndarray
    """(h, w, 3) uint8; black where not valid."""
    valid: np.ndarray
    """(h, w) bool; False where the source has no imagery."""
    notes: Mapping[str, int] = MappingProxyType({})
    """Counts that belong into the block's record, by name: what kinds of tiles it was made from."""


class ImagerySource(Protocol):
    """A provider of imagery. Picklable; safe to use from several processes."""

    @property
    def name(self) -> str:
        """The source's name in the cube."""
        ...

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice.

        Contract: the value of a pixel depends on its place on the lattice alone, never on the window
        it was asked for with: ``read(w)[inner] == read(inner of w)``, bit for bit. Imagery that cannot
        be read raises; only imagery that the provider does not have is invalid.
        """
        ...

    def fingerprint(self) -> str:
        """A text that changes when the imagery changes, taken from the files as they are now.

        What this process caches of files stays cached: call ``files.file_cache.forget_files`` before a run begins.
        """
        ...

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError when the source cannot serve a region."""
        ...


def empty_imagery(window: PixelWindow) -> Imagery:
    """A window without imagery."""
    return Imagery(np.zeros((window.height, window.width, 3), np.uint8), np.zeros((window.height, window.width), bool))
