"""The contract of an imagery source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

from croplayer.sources.time_spans import NOT_TOLD, ImageryTimes
from stores.grid import BlockGrid, BlockIndex, Bounds, PixelWindow


class Imagery(NamedTuple):
    """Pixels of a source on the lattice."""

    rgb: np.ndarray
    """(h, w, 3) uint8; 0 where not valid."""
    valid: np.ndarray
    """(h, w) bool; False where the source has no imagery."""
    notes: Mapping[str, int] = MappingProxyType({})
    """Counts for the block's record by name, such as the number of tiles of each kind."""
    times: ImageryTimes = NOT_TOLD
    """From when it is, as the provider says with the pixels."""


class ImagerySource(Protocol):
    """A provider of imagery. Picklable; safe to use from several processes.

    ``croplayer.sources.contract.check_source`` tests a source of your own against this contract.
    """

    @property
    def name(self) -> str:
        """The source's name in the cube."""
        ...

    def read(self, window: PixelWindow, grid: BlockGrid) -> Imagery:
        """Pixels of a window of the lattice.

        The value of a pixel depends only on its place on the lattice, never on the window that it was
        read with: ``read(w)[inner] == read(inner of w)``, bit for bit.

        Parameters
        ----------
        window : pixels of the lattice; may span blocks and reach beyond the imagery
        grid : the lattice

        Returns
        -------
        Imagery of ``(window.height, window.width)`` pixels; invalid only where the provider has no imagery

        Raises
        ------
        ValueError, ConnectionError, PermissionError or FileNotFoundError
            if imagery exists, or may exist, but cannot be read
        """
        ...

    @property
    def is_remote(self) -> bool:
        """Whether it reads over a network, where nothing tells cheaply that something changed."""
        ...

    def settings(self) -> str:
        """Text that changes with the way files are read; not with their content, names and times."""
        ...

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of everything that the pixels of a block are read from, without names and times of files.

        Two readings of the same content and settings have the same pixels.
        """
        ...

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> Sequence[str]:
        """The local files, there or not, and the addresses of files on servers that decide the pixels of a block.

        Empty where ``settings`` tells the provider.
        """
        ...

    def check(self, bounds: Bounds) -> None:
        """Raise ValueError or FileNotFoundError if the source cannot serve a region (degrees)."""
        ...


def empty_imagery(window: PixelWindow) -> Imagery:
    """Imagery of a window in which no pixel is valid."""
    return Imagery(np.zeros((window.height, window.width, 3), np.uint8), np.zeros((window.height, window.width), bool))
