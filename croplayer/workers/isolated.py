"""Work on blocks in a separate process, so that a failing block ends neither the worker nor other blocks.

A block that crashes, hangs or takes too much memory ends only that process. The worker knows which block it was,
starts a new process for the others, and tries the block once more on its own. This module imports little, because
a Dask worker keeps it in memory beside the process that does the work.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from typing import NamedTuple

import psutil

from croplayer.workers.block_process import COUNT, NOT_STARTED, POSITION, UNLOADABLE
from croplayer.workers.forked import ForkedProcess

TICK_S = 0.1
START_S = 300.0
"""Longest time that importing a task may take, in seconds."""
STOP_S = 5.0
"""Time in seconds that a process has to write its stack after it was told to stop."""
FRAMES_SHOWN = 4

Position = tuple[int, int]
"""Row and column of a block."""


class UnloadableTaskError(RuntimeError):
    """A worker cannot load the code of a task, and so no block of the step."""


class BlockLimits(NamedTuple):
    """Limits of the work on one block."""

    seconds: float
    """Time after which a block counts as hung."""
    memory_bytes: int
    """Largest resident memory of the process that works on it."""


class Lost(NamedTuple):
    """A block that ended its process."""

    block: Position
    reason: str
    """How the process ended, and where it was if that is known."""
    is_hung: bool
    """Whether it exceeded its time."""


class Outcome(NamedTuple):
    """Result of the work on a group of blocks."""

    records: list[bytes]
    """Pickled lists of block records, as the process sent them."""
    lost: list[Lost]
    """Blocks that have no record."""
    retried: list[Lost]
    """Blocks that ended a process and were tried once more, with the reason of the first time."""


class Work(NamedTuple):
    """A task on blocks."""

    task: bytes
    """A pickled ``stores.records.BlockTask``."""
    epoch: str
    """Text that differs each time a step begins: a process drops its file cache when the epoch changes."""
    imports: tuple[str, ...] = ()
    """Modules that the task needs and that take long to import; where the work begins, processes are forked with them."""


def run_isolated(
    work: Work, blocks: Sequence[Position], limits: BlockLimits, is_wanted: Callable[[], bool] = lambda: True
) -> Outcome:
    """Work on blocks in the process that belongs to the calling thread.

    A block that ends the process is tried once more, on its own, unless it has used up its time.

    Parameters
    ----------
    work : the task and the epoch of its step
    blocks : row and column of each block
    limits : time and memory of one block
    is_wanted : called several times a second; the work stops once it returns False

    Returns
    -------
    Outcome with the records and, for blocks without a record, the reasons

    Raises
    ------
    UnloadableTaskError
        if the process cannot load the task
    RuntimeError
        if the process cannot be started, whatever the block
    """
    outcome = Outcome([], [], [])
    suspects = _run_all(work, list(blocks), limits, outcome.records, is_wanted)
    for suspect in suspects:
        if suspect.is_hung:
            outcome.lost.append(suspect)
            continue
        end_process()
        outcome.retried.append(suspect)
        outcome.lost.extend(_run_all(work, [suspect.block], limits, outcome.records, is_wanted))
    return outcome


def run_group(work: Work, blocks: bytes, limits: BlockLimits) -> Outcome:
    """``run_isolated`` of pickled blocks as a Dask task, which stops once it is cancelled or its client is gone."""
    from distributed import get_worker

    worker = get_worker()
    tasks, key = worker.state.tasks, worker.get_current_task()

    def is_wanted() -> bool:
        found = tasks.get(key)
        return found is not None and found.state != "cancelled"

    return run_isolated(work, pickle.loads(blocks), limits, is_wanted)


def _run_all(
    work: Work, blocks: list[Position], limits: BlockLimits, records: list[bytes], is_wanted: Callable[[], bool]
) -> list[Lost]:
    """Append the records of blocks to ``records``; returns the blocks that ended a process."""
    suspects: list[Lost] = []
    false_starts = 0
    while blocks and is_wanted():
        end = _process(work.imports).run(work, blocks, limits, records, is_wanted)
        if end is None:
            break
        end_process()
        false_starts = false_starts + 1 if end.position == NOT_STARTED else 0
        if false_starts > 1:
            raise RuntimeError(f"the process for the blocks ended before its first block: {end.reason}")
        at = end.position
        if at == NOT_STARTED or at >= len(blocks):
            blocks = blocks[end.done :]
            continue
        suspects.append(Lost(blocks[at], end.reason, end.is_hung))
        blocks = blocks[end.done : at] + blocks[at + 1 :]
    return suspects


class _End(NamedTuple):
    """How a process ended before its blocks were done."""

    done: int
    """Number of blocks whose records had arrived."""
    position: int
    """Position of the block at work; NOT_STARTED before the first, the number of blocks after the last."""
    reason: str
    is_hung: bool = False


class _BlockProcess:
    """A process that works on blocks, seen from its parent."""

    def __init__(self, imports: tuple[str, ...]) -> None:
        self._connection, theirs = Pipe()
        self._positions = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115
        self._forked = ForkedProcess((theirs.fileno(), self._positions.fileno(), self._stacks.fileno()), imports)
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._forked.is_alive

    def run(
        self,
        work: Work,
        blocks: list[Position],
        limits: BlockLimits,
        records: list[bytes],
        is_wanted: Callable[[], bool],
    ) -> _End | None:
        """Append the records of blocks to ``records``; returns None when all blocks are done."""
        os.pwrite(self._positions.fileno(), POSITION.pack(NOT_STARTED), 0)
        done, position, since = 0, NOT_STARTED, time.monotonic()
        try:
            longest = (len(blocks) + 1) * limits.seconds + START_S
            self._connection.send_bytes(pickle.dumps((work.task, work.epoch, blocks, longest)))
            while is_wanted():
                if self._connection.poll(TICK_S):
                    message = self._connection.recv_bytes()
                    if not message:
                        return None
                    if message.startswith(UNLOADABLE):
                        raise UnloadableTaskError(message[len(UNLOADABLE) :].decode())
                    done += COUNT.unpack_from(message)[0]
                    records.append(message[COUNT.size :])
                now = time.monotonic()
                if (found := self._position()) != position:
                    position, since = found, now
                longest = START_S if position == NOT_STARTED else limits.seconds
                if now - since > longest:
                    where = self._stop()
                    return _End(done, position, f"did not end within {longest:g} s and was stopped{where}", True)
                if self._memory() > limits.memory_bytes:
                    where = self._stop()
                    most = f"{limits.memory_bytes / 2**20:,.0f} MiB"
                    reason = f"took more memory than the {most} of cluster.memory_limit and was stopped{where}"
                    return _End(done, self._position(), reason)
        except (EOFError, ConnectionError):
            self._forked.wait()
            return _End(done, self._position(), f"its process {self._how_it_ended()}{self._where()}")
        return _End(done, len(blocks), "is no longer wanted")

    def end(self) -> None:
        """Kill the process if it is alive, and close its pipe and files."""
        self._forked.kill()
        self._connection.close()
        self._positions.close()
        self._stacks.close()

    def _position(self) -> int:
        return int(POSITION.unpack(os.pread(self._positions.fileno(), POSITION.size, 0))[0])

    def _memory(self) -> int:
        """Resident memory of the process in bytes, 0 if it has ended or is not yet forked."""
        if (number := self._forked.number) is None:
            return 0
        try:
            return int(psutil.Process(number).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _stop(self) -> str:
        """End the process; returns where it was."""
        self._forked.send_signal(signal.SIGABRT)
        if not self._forked.wait(STOP_S):
            self._forked.kill()
        return self._where()

    def _how_it_ended(self) -> str:
        code = self._forked.exit_code
        if code is None:
            return "ended with the process that forks it"
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = ", often a sign that the machine ran out of memory" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"

    def _where(self) -> str:
        """The innermost calls of the process when it ended, from faulthandler's stacks; empty if not known."""
        os.lseek(self._stacks.fileno(), 0, os.SEEK_SET)
        text = self._stacks.read().decode(errors="replace")
        threads = re.split(r"^(?:Current thread|Thread) ", text, flags=re.MULTILINE)
        mine = next((t for t in threads if "in _serve" in t), "")
        frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', mine.split("in _serve")[0])
        calls = [f"{name} ({os.path.basename(file)}:{line})" for file, line, name in frames[:FRAMES_SHOWN]]  # noqa: PTH119
        return f" in {' < '.join(calls)}" if calls else ""


_of_thread = threading.local()


def _process(imports: tuple[str, ...]) -> _BlockProcess:
    """The process of the calling thread, started if there is none."""
    process: _BlockProcess | None = getattr(_of_thread, "process", None)
    if process is not None and not process.is_alive:
        end_process()
        process = None
    if process is None:
        process = _of_thread.process = _BlockProcess(imports)
    return process


def end_process() -> None:
    """End the process of the calling thread, if there is one."""
    process: _BlockProcess | None = getattr(_of_thread, "process", None)
    if process is not None:
        process.end()
    _of_thread.process = None
