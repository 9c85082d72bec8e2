"""What the process of the blocks is told: numbers of threads, and what to do with freed memory."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass

import dask
import pytest
from shared.block_processes import new_block_process

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
    with new_block_process():
        outcome = run_isolated(Work(pickle.dumps(CountThreads()), "once"), [(0, 0)], BlockLimits(300.0, 4 * 2**30))
    (record,) = pickle.loads(outcome.records[0])
    assert record.values == {"threads": 1}


@dataclass(frozen=True)
class ReadMemorySettings:
    """A record with what the C library was told about memory."""

    def __call__(self, blocks: Sequence[BlockIndex]) -> list[BlockRecord]:
        told = {name: value for name, value in os.environ.items() if name.startswith("MALLOC_")}
        return [BlockRecord(block, values=dict(told)) for block in blocks]


@pytest.mark.parametrize("of_user", [{}, {"MALLOC_ARENA_MAX": "5"}])
def test_blocks_keep_freed_memory_whatever_dask_tells_its_workers(
    monkeypatch: pytest.MonkeyPatch, of_user: dict[str, str]
) -> None:
    import distributed  # noqa: F401  (its defaults are read from dask's settings)

    of_nanny = dask.config.get("distributed.nanny.pre-spawn-environ")
    assert "MALLOC_TRIM_THRESHOLD_" in of_nanny
    for name, value in {**of_nanny, **of_user}.items():
        monkeypatch.setenv(name, str(value))
    with new_block_process():
        outcome = run_isolated(Work(pickle.dumps(ReadMemorySettings()), "once"), [(0, 0)], BlockLimits(300.0, 2**30))
    (record,) = pickle.loads(outcome.records[0])
    assert record.values == {"MALLOC_ARENA_MAX": "2", **of_user}
