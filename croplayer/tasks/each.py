"""Run a step block by block, so that a failing block costs only itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from stores.grid import BlockIndex
from stores.records import BlockRecord, Status


def each_block(work: Callable[[BlockIndex], BlockRecord], blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
    """Records of ``work`` for every block; an exception becomes a failed record with its message."""
    records = []
    for block in blocks:
        start = time.perf_counter()
        try:
            record = work(block)
        except Exception as error:  # any error of one block must leave the others unaffected
            record = BlockRecord(block, Status.FAILED, reason=f"{type(error).__name__}: {error}")
        records.append(replace(record, seconds=time.perf_counter() - start))
    return records
