"""Run steps: find what is left, keep a bounded window of work in flight, write the ledger last."""

from __future__ import annotations

import itertools
import pickle
import queue
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from croplayer.workers.isolated import Outcome, UnloadableTaskError, Work, run_group
from pipelines.engine.cluster import Workers
from pipelines.engine.steps import BlockStep, OutputStep, Step, StepResult
from stores.block_list import BlockList
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.places import digest_of
from stores.records import BlockRecord, BlockTask, Status
from stores.results import Results, read_results
from stores.run_folder import RunFolder
from stores.step_memory import BlocksDone

if TYPE_CHECKING:
    from distributed import Future

TASKS_IN_FLIGHT_PER_SLOT = 3
TICK_S = 0.5


class StepLedgers:
    """What the ledgers of a run's steps say; each is read again only when it has changed."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[object, ...], Results]] = {}

    def results(self, step: BlockStep) -> Results:
        """The blocks that need no more work: same fingerprint, finished, files of the recorded size."""
        path = self.folder.ledger(step.name)
        blocks = BlockList.of(step.blocks)
        size = path.stat().st_size if path.exists() else 0
        key = (step.fingerprint, size, blocks)
        if step.name not in self._read or self._read[step.name][0] != key:
            self._read[step.name] = (key, read_results(path, step.fingerprint, blocks, self.folder.cube))
        return self._read[step.name][1]


def run_step(step: Step, ledgers: StepLedgers, workers: Workers) -> StepResult:
    """Do what is left of a step."""
    start = time.monotonic()
    folder = ledgers.folder
    memory = folder.memory
    if isinstance(step, OutputStep):
        if memory.is_finished(step.name, step.fingerprint):
            return StepResult(step.name, 0, 0)
        memory.begin(step.name, step.fingerprint)
        paths = step.make()
        memory.finish(step.name, step.fingerprint, paths)
        return StepResult(step.name, len(paths), len(paths), seconds=time.monotonic() - start)
    ledger = Ledger(folder.ledger(step.name))
    ledger.cut_torn_tail()
    if not memory.was_begun_last(step.name, step.fingerprint):
        _undo_changed(ledgers, step)
    done = ledgers.results(step).blocks
    left = BlockList.of(step.blocks).without(done)
    failed: list[BlockRecord] = []
    if left:
        memory.begin(step.name, step.fingerprint, blocks=len(step.blocks))
        with tqdm(total=len(step.blocks), initial=len(done), desc=f"{step.name:<9}", unit="block", disable=None) as bar:
            for records in _Window(step, left, workers).records():
                ledger.append(step.fingerprint, records)
                failed += [r for r in records if not r.status.is_finished]
                bar.update(len(records))
    end = BlocksDone(len(step.blocks), ledger.path)
    if not memory.is_finished(step.name, step.fingerprint, end):
        memory.finish(step.name, step.fingerprint, end)
    return StepResult(step.name, len(step.blocks), len(left), failed, time.monotonic() - start)


def _undo_changed(ledgers: StepLedgers, step: BlockStep) -> None:
    """Take back the records of blocks whose files have other bytes than the step gave them.

    A run under other settings that was stopped leaves files that none of its records name, and they can be as long
    as those of this step.
    """
    folder = ledgers.folder
    changed = [
        BlockRecord(record.block, Status.FAILED, reason="its files were changed under other settings")
        for record in ledgers.results(step).records()
        if any(digest_of(folder.cube, key) != digest for key, digest in record.files.items())
    ]
    if changed:
        Ledger(folder.ledger(step.name)).append(step.fingerprint, changed)


class _Window:
    """Blocks of a step on their way through the workers, a bounded number at a time."""

    def __init__(self, step: BlockStep, blocks: Sequence[BlockIndex], workers: Workers) -> None:
        self._step, self._workers = step, workers
        self._resources = workers.resources(step.runs_network)
        self._slots = workers.begin(self._resources)
        size = _group_size(step, len(blocks), self._slots)
        self._groups = (blocks[i : i + size] for i in range(0, len(blocks), size))
        self._alone: deque[BlockIndex] = deque()
        """Blocks of groups that were lost with their worker: sent again one by one."""
        self._in_flight: dict[Future[Any], Sequence[BlockIndex]] = {}
        self._arrived: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()
        self._pickled: tuple[BlockTask | None, bytes] = (None, b"")
        self._occasion = uuid.uuid4().hex

    def records(self) -> Iterator[list[BlockRecord]]:
        """Records of the blocks as they come, in batches."""
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
            group: Sequence[BlockIndex] = next(self._groups, ())
            if not group and self._alone:
                group = [self._alone.popleft()]
            if not group:
                return
            future = self._workers.client.submit(
                run_group, Work(self._task(group), self._occasion), pickle.dumps([tuple(b) for b in group]), self._workers.limits,
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
        """Futures that have come, after a moment at most."""
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
            # A scheduler that is gone cancels every future, and none of their blocks is to blame.
            self._workers.check_scheduler(is_lost=future.status in ("cancelled", "lost"))
            if len(group) > 1:
                self._alone.extend(group)
                return []
            return [BlockRecord(group[0], Status.FAILED, reason=f"{type(error).__name__}: {error}")]
        records = list(itertools.chain.from_iterable(pickle.loads(r) for r in outcome.records))
        return records + [BlockRecord(BlockIndex(*b), Status.FAILED, reason=why) for b, why, _ in outcome.lost]


def _group_size(step: BlockStep, left: int, slots: int) -> int:
    """Blocks per task: the step's own number, fewer when that would leave workers idle."""
    return max(1, min(step.blocks_per_task, -(-left // (2 * slots))))
