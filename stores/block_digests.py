"""A digest for each of many blocks, in sixteen bytes each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from stores.block_list import BlockList
from stores.grid import LATTICE_COLS, BlockIndex
from stores.records import DIGEST_BYTES


@dataclass(frozen=True)
class BlockDigests:
    """Digests by block."""

    blocks: BlockList
    digests: np.ndarray
    """(n, 16) uint8, in the order of the blocks."""

    @classmethod
    def of_texts(cls, blocks: BlockList, texts: Iterable[str]) -> Self:
        """Digests of one text for each block, in the order of the blocks."""
        joined = b"".join(hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest() for text in texts)
        return cls(blocks, np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES))

    def of(self, block: BlockIndex) -> str:
        """Digest of a block as 32 hexadecimal digits; raises KeyError if it has none."""
        place = self.blocks.place_of(block)
        if place is None:
            raise KeyError(block.name)
        return bytes(self.digests[place]).hex()

    def under(self, blocks: BlockList) -> np.ndarray:
        """Digests (m, 16) uint8 of some of the blocks; raises KeyError if one has none."""
        if len(blocks.without(self.blocks)):
            raise KeyError(blocks.without(self.blocks)[0].name)
        return self.digests[self.blocks.positions(blocks.codes)]

    def joined(self, *others: BlockDigests) -> BlockDigests:
        """Digests that change with any of several, for the blocks of this one; raises KeyError if another lacks one."""
        columns = np.concatenate([self.digests, *(other.under(self.blocks) for other in others)], axis=1)
        rows = (hashlib.blake2b(row.tobytes(), digest_size=DIGEST_BYTES).digest() for row in columns)
        return BlockDigests(self.blocks, np.frombuffer(b"".join(rows), np.uint8).reshape(-1, DIGEST_BYTES))

    def with_neighbours(self, steps: int = 1) -> BlockDigests:
        """Digests that change with those of a block, of any of the eight around it, or of those around them, so many steps on."""
        found = self
        for _ in range(steps):
            found = found._with_beside()
        return found

    def _with_beside(self) -> BlockDigests:
        codes = self.blocks.codes.astype(np.int64)
        rows = []
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                wanted = codes + down * LATTICE_COLS + right
                place = np.clip(np.searchsorted(codes, wanted), 0, max(len(codes) - 1, 0))
                found = np.where((codes[place] == wanted)[:, None], self.digests[place], 0)
                rows.append(found.astype(np.uint8))
        columns = np.concatenate(rows, axis=1)
        joined = (hashlib.blake2b(row.tobytes(), digest_size=DIGEST_BYTES).digest() for row in columns)
        return BlockDigests(self.blocks, np.frombuffer(b"".join(joined), np.uint8).reshape(-1, DIGEST_BYTES))

    def only(self, blocks: BlockList) -> BlockDigests:
        """The digests of some of the blocks."""
        return BlockDigests(blocks, self.under(blocks))
