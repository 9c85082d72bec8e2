"""Run a step block by block, so that a failing block costs only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from stores.grid import BlockIndex
from stores.records import BlockRecord, Status


class Origins(NamedTuple):
    """What a block is read from: see the fields of the same names of ``BlockRecord``."""

    read: Mapping[str, str]
    seen: Mapping[str, str]


class HasOrigins(Protocol):
    """Files that a task reads."""

    def origins(self, block: BlockIndex) -> Origins:
        """What a block is read from now."""
        ...


def each_block(
    work: Callable[[BlockIndex], BlockRecord],
    blocks: Sequence[BlockIndex],
    reading: HasOrigins | None = None,
) -> list[BlockRecord]:
    """Records of ``work`` for every block; an exception becomes a failed record with its message.

    ``reading`` holds the files that the work reads. It is asked before the work, so that a file which is replaced
    meanwhile is not taken for what was read.
    """
    records = []
    for block in blocks:
        start = time.perf_counter()
        try:
            before = reading.origins(block) if reading else Origins({}, {})
            record = replace(work(block), **before._asdict())
        except Exception as error:  # any error of one block must leave the others unaffected
            record = BlockRecord(block, Status.FAILED, reason=f"{type(error).__name__}: {error}")
        records.append(replace(record, seconds=time.perf_counter() - start))
    return records
