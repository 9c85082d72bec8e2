"""How many threads the libraries have where blocks are worked on."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from croplayer.workers import isolated
from croplayer.workers.isolated import BlockLimits, Work, run_isolated
from stores.grid import BlockIndex
from stores.records import BlockRecord


@dataclass(frozen=True)
class CountThreads:
    """A record with the number of threads that torch takes."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        import torch

        return [BlockRecord(block, values={"threads": torch.get_num_threads()}) for block in blocks]


def test_blocks_have_one_thread_whatever_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    try:
        outcome = run_isolated(Work(pickle.dumps(CountThreads()), "once"), [(0, 0)], BlockLimits(300.0, 4 * 2**30))
    finally:
        isolated._end_process()
    (record,) = pickle.loads(outcome.records[0])
    assert record.values == {"threads": 1}
