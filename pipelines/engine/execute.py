"""Run steps: find what is left, keep a bounded window of work in flight, write the ledger last."""

from __future__ import annotations

import itertools
import pickle
import queue
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from croplayer.tasks.reading import CompareContent
from croplayer.workers.isolated import Outcome, UnloadableTaskError, Work, run_group
from pipelines import stopping
from pipelines.engine.cluster import Workers
from pipelines.engine.left import left_of_step
from pipelines.engine.run_log import RunLog
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.engine.steps import BlockStep, ModelStep, OutputStep, Step, StepResult
from pipelines.engine.undo import changed_files, restored, void_what_follows
from stores.block_list import BlockList
from stores.fingerprints import short_parts
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.records import BlockRecord, BlockTask, Status
from stores.run_folder import RunFolder
from stores.run_log import BEGAN, NOTE
from stores.step_memory import VOID, BlocksDone

if TYPE_CHECKING:
    from distributed import Future

TASKS_IN_FLIGHT_PER_SLOT = 3
TICK_S = 0.5
COMPARED_AT_ONCE = 64
"""Blocks whose files a task compares, which takes as long as to send it for a few."""


def run_step(
    step: Step, ledgers: StepLedgers, workers: Workers, log: RunLog | None = None, trusts_times: bool = True
) -> StepResult:
    """Do the remaining work of a step."""
    log = log or RunLog()
    ledgers.check()
    if isinstance(step, BlockStep):
        result = _run_blocks(step, ledgers, workers, log, trusts_times)
    else:
        result = _make(step, ledgers.folder, log)
    if result.worked:
        log.ended(result)
    return result


def _make(step: OutputStep | ModelStep, folder: RunFolder, log: RunLog) -> StepResult:
    """Make the files of an output, or train a model, where they are missing."""
    start, memory = time.monotonic(), folder.memory
    if isinstance(step, ModelStep):
        if step.is_there():
            return StepResult(step.name, 0, 0)
        log.write(step.name, BEGAN, "training")
        step.make()
        return StepResult(step.name, 1, 1, seconds=time.monotonic() - start)
    if memory.is_finished(step.name, step.fingerprint):
        return StepResult(step.name, 0, 0)
    made_of = short_parts(step.made_of)
    log.write(step.name, BEGAN, "making its files")
    memory.begin(step.name, step.fingerprint, made_of)
    paths = step.make()
    memory.finish(step.name, step.fingerprint, paths, made_of)
    return StepResult(step.name, len(paths), len(paths), seconds=time.monotonic() - start)


def _run_blocks(step: BlockStep, ledgers: StepLedgers, workers: Workers, log: RunLog, trusts_times: bool) -> StepResult:
    """Work on the blocks that are left of a step; the ledger is written last."""
    start, folder = time.monotonic(), ledgers.folder
    memory, ledger = folder.memory, Ledger(folder.ledger(step.name))
    made_of = short_parts(step.made_of)
    is_new = not memory.was_begun_last(step.name, step.fingerprint)

    def begin(is_checked: bool) -> None:
        # Readers count the records of the step that was begun last, so it is begun once those that do not hold are void.
        fingerprint = f"{VOID}{step.fingerprint}" if is_new and not is_checked else step.fingerprint
        memory.begin(step.name, fingerprint, made_of, blocks=len(step.blocks))

    def append(records: Sequence[BlockRecord]) -> None:
        if records:
            begin(is_checked=False)
            ledger.append(step.fingerprint, records)

    ledger.cut_torn_tail()
    if is_new:
        append(changed_files(ledgers, step))
    append(restored(ledgers, step))
    left = left_of_step(step, ledgers, trusts_times)
    same, differing = _compared(step, left.unsure, ledgers, workers, log)
    append(same)
    redo = BlockList.of([*left.new, *left.outdated, *differing])
    failed: list[BlockRecord] = []
    if redo:
        begin(is_checked=False)
        void_what_follows(ledgers, step, redo)
        begin(is_checked=True)
        with log.step(step.name, len(step.blocks), len(step.blocks) - len(redo)) as progress:
            for records in _Window(step, redo, workers, log).records():
                ledgers.check()
                ledger.append(step.fingerprint, [step.completed(r) for r in records])
                lost = [r for r in records if not r.status.is_finished]
                log.failed(step.name, lost)
                failed += lost
                progress.update(len(records))
    end = BlocksDone(len(step.blocks), ledger.path)
    if not memory.is_finished(step.name, step.fingerprint, end):
        memory.finish(step.name, step.fingerprint, end, made_of)
    return StepResult(step.name, len(step.blocks), len(redo), failed, time.monotonic() - start)


def _compared(
    step: BlockStep, unsure: BlockList, ledgers: StepLedgers, workers: Workers, log: RunLog
) -> tuple[list[BlockRecord], list[BlockIndex]]:
    """Records, with the times of today, of the blocks whose files hold what was read, and the blocks of the others.

    A record whose times stay unknown is left as it is.
    """
    if not unsure or step.reading is None:
        return [], []
    log.write(step.name, NOTE, f"comparing the files of {len(unsure)} blocks, whose times differ or prove nothing")
    compare = CompareContent(step.reading)
    comparing = replace(step, task_for=lambda blocks: compare, runs_network=False, blocks_per_task=COMPARED_AT_ONCE)
    window = _Window(comparing, unsure, workers, log)
    now = {record.block: record for records in window.records() for record in records}
    same, changed = [], []
    for record in ledgers.results(step).records():
        found = now.get(record.block)
        if found is None:
            continue
        if not found.status.is_finished or any(record.read.get(name) != read for name, read in found.read.items()):
            changed.append(record.block)
        elif found.seen != record.seen:
            same.append(replace(record, seen=found.seen))
    return same, changed


class _Window:
    """Blocks of a step on their way through the workers, a bounded number at a time."""

    def __init__(self, step: BlockStep, blocks: Sequence[BlockIndex], workers: Workers, log: RunLog) -> None:
        self._step, self._workers, self._log = step, workers, log
        self._resources = workers.resources(step.runs_network)
        self._slots = workers.begin(self._resources)
        self._groups = BlockList.of(blocks).neighbourhoods(_group_size(step, len(blocks), self._slots))
        self._alone: deque[BlockIndex] = deque()
        """Blocks of groups that were lost with their worker: sent again one by one."""
        self._in_flight: dict[Future[Any], Sequence[BlockIndex]] = {}
        self._arrived: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._pickled: tuple[BlockTask | None, bytes] = (None, b"")
        self._epoch = uuid.uuid4().hex

    def records(self) -> Iterator[list[BlockRecord]]:
        """Records of the blocks as they arrive, in batches."""
        while True:
            self._fill()
            if not self._in_flight:
                return
            records = [record for future in self._wait() for record in self._take(future)]
            if records:
                yield records
            self._slots = self._workers.slots(self._resources)

    def _fill(self) -> None:
        while len(self._in_flight) < TASKS_IN_FLIGHT_PER_SLOT * max(1, self._slots):
            group: Sequence[BlockIndex] = next(self._groups, [])
            if not group and self._alone:
                group = [self._alone.popleft()]
            if not group:
                return
            future = self._workers.client.submit(
                run_group, Work(self._task(group), self._epoch, self._workers.imports), pickle.dumps([tuple(b) for b in group]), self._workers.limits,
                pure=False, retries=0, resources=self._resources,
            )  # fmt: skip
            self._in_flight[future] = group
            future.add_done_callback(self._arrived.put)

    def _task(self, group: Sequence[BlockIndex]) -> bytes:
        """The pickled task of a group; tasks that are the same object are pickled once."""
        task = self._step.task_for(group)
        if task is not self._pickled[0]:
            self._pickled = (task, pickle.dumps(task))
        return self._pickled[1]

    def _wait(self) -> list[Future[Any]]:
        """Futures that have arrived, after TICK_S at most."""
        stopping.check()
        try:
            first = self._arrived.get(timeout=TICK_S)
        except queue.Empty:
            return []
        return [first, *(self._arrived.get() for _ in range(self._arrived.qsize()))]

    def _take(self, future: Future[Any]) -> list[BlockRecord]:
        group = self._in_flight.pop(future)
        try:
            outcome: Outcome = future.result()
        except UnloadableTaskError as error:
            raise RuntimeError(
                f"a worker cannot run '{self._step.name}' ({error}); install the same croplayer on all workers"
            ) from error
        except Exception as error:  # the worker died, or its process could not start
            # A scheduler that is gone cancels every future; none of their blocks is the cause.
            self._workers.check_scheduler(is_lost=future.status in ("cancelled", "lost"))
            if len(group) > 1:
                self._alone.extend(group)
                self._log.retried(self._step.name, f"{len(group)} blocks, one by one, after {_how_lost(error)}")
                return []
            return [BlockRecord(group[0], Status.FAILED, reason=f"{type(error).__name__}: {error}")]
        for block, why, _ in outcome.retried:
            self._log.retried(self._step.name, f"{BlockIndex(*block).name}, alone, because it {why}")
        records = list(itertools.chain.from_iterable(pickle.loads(r) for r in outcome.records))
        return records + [BlockRecord(BlockIndex(*b), Status.FAILED, reason=why) for b, why, _ in outcome.lost]


def _group_size(step: BlockStep, left: int, slots: int) -> int:
    """Blocks per task: the step's own number, fewer when that would leave workers idle."""
    return max(1, min(step.blocks_per_task, -(-left // (3 * slots))))


def _how_lost(error: Exception) -> str:
    """How a task was lost, and with which worker where Dask reports it."""
    worker = getattr(error, "last_worker", None)
    return f"{type(error).__name__}: {error}" + (f" (worker {worker.address})" if worker is not None else "")
