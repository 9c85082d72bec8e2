"""A task that does nothing, to measure what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stores.grid import BlockIndex
from stores.records import BlockRecord


@dataclass(frozen=True)
class NothingTask:
    """A record with one value for each block."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        return [BlockRecord(block, values={"nothing": 0.0}) for block in blocks]
