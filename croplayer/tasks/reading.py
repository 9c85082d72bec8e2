"""What a block's task reads from files beside the cube: the digest of their content, and of their times.

A record keeps both, so that a later run finds the blocks whose files have another content, and to find out reads only
the files whose size or change time differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Protocol

from croplayer.files.change_times import signature_of
from croplayer.files.file_cache import cached_since_ns
from croplayer.tasks.each import Origins, each_block
from stores.grid import BlockGrid, BlockIndex
from stores.records import DIGEST_BYTES, BlockRecord


class FileReader(Protocol):
    """What reads pixels from files: an imagery source, a product, an elevation model."""

    @property
    def is_remote(self) -> bool:
        """Whether it reads over a network, where nothing tells cheaply that something changed."""
        ...

    def content_of(self, block: BlockIndex, grid: BlockGrid) -> str:
        """Digest of everything that the pixels of a block are read from, without names and times of files."""
        ...

    def files_of(self, block: BlockIndex, grid: BlockGrid) -> Sequence[str]:
        """The local files, there or not, and the addresses of files on servers that decide the pixels of a block."""
        ...


@dataclass(frozen=True)
class Reading:
    """The files that a task reads under a block and around it."""

    readers: tuple[FileReader, ...]
    grid: BlockGrid
    halo_px: int = 0
    """Pixels around the block that are read, too."""
    but: Container[BlockIndex] = frozenset()
    """Blocks whose pixels are read from the cube instead."""
    asks_network: bool = True
    """Whether providers that name no files are asked for their content; without it that counts as unchanged."""

    def around(self, block: BlockIndex) -> list[BlockIndex]:
        """The block, and those that the pixels around it lie in."""
        return list(self.grid.blocks_under(self.grid.window(block).grown(self.halo_px)))

    def under(self, block: BlockIndex) -> list[BlockIndex]:
        """The blocks whose files are read."""
        return [near for near in self.around(block) if near not in self.but]

    def origins(self, block: BlockIndex) -> Origins:
        """The content and the times of the files that are read for a block."""
        under = self.under(block)
        # The times first: a file that changes in between has other times, and is compared again.
        seen = {near.name: times for near in under if (times := self.times_under(near))}
        return Origins({near.name: self.content_under(near) for near in under}, seen)

    def content_under(self, block: BlockIndex) -> str:
        """Digest of the content of the files under a block: 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for reader in self.readers:
            is_asked = self.asks_network or reader.files_of(block, self.grid) or not reader.is_remote
            digest.update(reader.content_of(block, self.grid).encode() if is_asked else b"remote")
        return digest.hexdigest()

    def times_under(self, block: BlockIndex) -> str:
        """Digest of sizes and change times of the files under a block; empty if these prove nothing."""
        paths = (path for reader in self.readers for path in reader.files_of(block, self.grid))
        return signature_of(paths, cached_since_ns())


@dataclass(frozen=True)
class CompareContent:
    """Find out what blocks would be read from now, without the work of a step; writes nothing."""

    reading: Reading

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return each_block(BlockRecord, blocks, self.reading)
