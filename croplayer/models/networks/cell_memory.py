"""Cells that a network predicted: blocks side by side share those at their edge."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b

import numpy as np


class CellMemory:
    """The last ``size`` cells that one network predicted, found by their pixels.

    A layer of a cell is a third of a megabyte at 576 x 576 px. Blocks of 5 x 5 cells share 11 of the 36 that each needs with the
    blocks west and north of it.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._cells: OrderedDict[bytes, np.ndarray] = OrderedDict()

    def digest(self, rgb: np.ndarray, valid: np.ndarray) -> bytes:
        """Digest of a cell with its context: (h, w, 3) uint8 and (h, w) bool."""
        digest = blake2b(repr(rgb.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(rgb).data)
        digest.update(np.packbits(valid).data)
        return digest.digest()

    def get(self, digest: bytes) -> np.ndarray | None:
        """What was predicted for a cell, (layers, h, w) uint8, or None if that is not known (any more)."""
        cell = self._cells.get(digest)
        if cell is not None:
            self._cells.move_to_end(digest)
        return cell

    def add(self, digest: bytes, cell: np.ndarray) -> None:
        """Keep what was predicted for a cell, and forget the one that was not used for the longest time."""
        self._cells[digest] = cell
        self._cells.move_to_end(digest)
        while len(self._cells) > self._size:
            self._cells.popitem(last=False)
