"""Run steps: find what is left, keep a bounded window of work in flight, write the ledger last."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from croplayer.grid import BlockIndex
from croplayer.ledger import Ledger
from croplayer.records import BlockRecord, BlockTask, Status
from pipelines.cluster import Workers
from pipelines.steps import BlockStep, OutputLedger, OutputStep, Step, StepResult, files_are_there
from stores.run_folder import RunFolder

if TYPE_CHECKING:
    from distributed import Client, Future

TASKS_IN_FLIGHT_PER_WORKER = 3


def finished_records(step: BlockStep, ledger: Ledger, cube: Path) -> dict[BlockIndex, BlockRecord]:
    """Records of the blocks that need no more work: same fingerprint, finished, files of the right size."""
    wanted = set(step.blocks)
    return {
        block: record
        for block, record in ledger.records(step.fingerprint).items()
        if block in wanted and record.status.is_finished and files_are_there(cube, record)
    }


def run_step(step: Step, folder: RunFolder, workers: Workers) -> StepResult:
    """Do what is left of a step."""
    start = time.monotonic()
    if isinstance(step, OutputStep):
        outputs = OutputLedger(folder.outputs, folder.root)
        if outputs.is_done(step):
            return StepResult(step.name, 0, 0)
        paths = step.make()
        outputs.record(step, paths)
        return StepResult(step.name, len(paths), len(paths), seconds=time.monotonic() - start)
    ledger = Ledger(folder.ledger(step.name))
    ledger.cut_torn_tail()
    done = finished_records(step, ledger, folder.cube)
    left = [b for b in step.blocks if b not in done]
    failed: list[BlockRecord] = []
    if left:
        with tqdm(total=len(step.blocks), initial=len(done), desc=f"{step.name:<9}", unit="block", disable=None) as bar:
            for records in _work(step, left, workers):
                ledger.append(step.fingerprint, records)
                failed += [r for r in records if not r.status.is_finished]
                bar.update(len(records))
    return StepResult(step.name, len(step.blocks), len(left), failed, time.monotonic() - start)


def _work(step: BlockStep, blocks: Sequence[BlockIndex], workers: Workers) -> Iterator[list[BlockRecord]]:
    """Records of the blocks as they come, in batches."""
    from distributed import as_completed

    client = workers.client
    slots = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    size = _group_size(step, len(blocks), slots)
    groups = iter([blocks[i : i + size] for i in range(0, len(blocks), size)])
    suspects: list[BlockIndex] = []
    running = as_completed(loop=client.loop)
    waiting: dict[Future[Any], Sequence[BlockIndex]] = {}
    for group in itertools.islice(groups, TASKS_IN_FLIGHT_PER_WORKER * slots):
        future = _submit(client, step.task_for(group), group)
        waiting[future] = group
        running.add(future)
    for batch in running.batches():
        records: list[BlockRecord] = []
        for future in batch:
            group = waiting.pop(future)
            try:
                records += future.result()
            except Exception:  # the worker died or the task could not be sent: whose fault is found out below
                suspects += group
            for new in itertools.islice(groups, 1):
                future = _submit(client, step.task_for(new), new)
                waiting[future] = new
                running.add(future)
        if records:
            yield records
    for block in suspects:
        yield [_alone(client, step, block)]


def _alone(client: Client, step: BlockStep, block: BlockIndex) -> BlockRecord:
    """Run a suspect by itself, so that no other block is blamed for it."""
    try:
        (record,) = _submit(client, step.task_for([block]), [block]).result()
        return record
    except Exception as error:  # a killed worker raises here; the block is named and the run goes on
        return BlockRecord(block, Status.FAILED, reason=f"{type(error).__name__}: {error}")


def _submit(client: Client, task: BlockTask, blocks: Sequence[BlockIndex]) -> Future[Any]:
    return client.submit(task, list(blocks), pure=False, retries=0)


def _group_size(step: BlockStep, left: int, slots: int) -> int:
    """Blocks per task: the step's own number, fewer when that would leave workers idle."""
    return max(1, min(step.blocks_per_task, -(-left // (2 * slots))))
