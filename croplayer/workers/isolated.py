"""Work on blocks in a process of their own, so that no block takes a worker, or another block, with it.

A block that crashes, hangs, or fills the memory costs its own process. The parent knows which block that was,
starts a fresh process for the others, and tries the block once more alone. The module imports little, because a
Dask worker holds it beside the process that does the work.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from typing import NamedTuple

import psutil

from croplayer.workers.block_process import COUNT, NOT_STARTED, POSITION, UNLOADABLE

TICK_S = 0.1
START_S = 300.0
"""Longest time that importing a task may take, in seconds."""
STOP_S = 5.0
"""Time in which a process that is told to stop has written where it was."""
FRAMES_SHOWN = 4

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""Another number of threads gives other last bits, so it is the same everywhere; several workers use several cores."""

Position = tuple[int, int]
"""Row and column of a block."""


class UnloadableTaskError(RuntimeError):
    """A worker lacks the code of a task: no block of the step can be worked on there."""


class Limits(NamedTuple):
    """What one block may take."""

    seconds: float
    """Time after which a block counts as hung."""
    memory_bytes: int
    """Memory of the process that works on it."""


class Lost(NamedTuple):
    """A block that ended its process."""

    block: Position
    reason: str
    is_hung: bool


class Outcome(NamedTuple):
    """What became of a group of blocks."""

    records: list[bytes]
    """Pickled lists of block records, as the process sent them."""
    lost: list[Lost]
    """Blocks that have no record."""


class Work(NamedTuple):
    """What is done for blocks, and when it was begun."""

    task: bytes
    """A pickled ``stores.records.BlockTask``."""
    epoch: str
    """Another text each time that a step is begun: what a process keeps of files holds for one epoch."""


def run_isolated(
    work: Work, blocks: Sequence[Position], limits: Limits, is_wanted: Callable[[], bool] = lambda: True
) -> Outcome:
    """Work on blocks in the calling thread's process; a block that ends the process is tried once more, alone.

    A hung block is not tried again: it has used its time.

    Parameters
    ----------
    is_wanted : asked several times a second; when it says no, the work stops and nothing is returned

    Raises
    ------
    UnloadableTaskError when the process cannot load the task, RuntimeError when it cannot be started: no block's fault.
    """
    outcome = Outcome([], [])
    suspects = _run_all(work, list(blocks), limits, outcome.records, is_wanted)
    for suspect in suspects:
        if suspect.is_hung:
            outcome.lost.append(suspect)
            continue
        _end_process()
        outcome.lost.extend(_run_all(work, [suspect.block], limits, outcome.records, is_wanted))
    return outcome


def run_group(work: Work, blocks: bytes, limits: Limits) -> Outcome:
    """``run_isolated`` of pickled blocks as a Dask task: stops when the client that asked is gone."""
    from distributed import get_worker

    worker = get_worker()
    tasks, key = worker.state.tasks, worker.get_current_task()

    def is_wanted() -> bool:
        found = tasks.get(key)
        return found is not None and found.state != "cancelled"

    return run_isolated(work, pickle.loads(blocks), limits, is_wanted)


def _run_all(
    work: Work, blocks: list[Position], limits: Limits, records: list[bytes], is_wanted: Callable[[], bool]
) -> list[Lost]:
    """Records of all blocks but those that ended a process, which are returned."""
    suspects: list[Lost] = []
    false_starts = 0
    while blocks and is_wanted():
        end = _process().run(work, blocks, limits, records, is_wanted)
        if end is None:
            break
        _end_process()
        false_starts = false_starts + 1 if end.position == NOT_STARTED else 0
        if false_starts > 1:
            raise RuntimeError(f"the process for the blocks ended before it began: {end.reason}")
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
    """Blocks whose records had come."""
    position: int
    """The block it was at; NOT_STARTED before the first, the number of blocks after the last."""
    reason: str
    is_hung: bool = False


class _BlockProcess:
    """A process that works on blocks, and what is known of it from outside."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        self._positions = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the process)
        self._stacks = tempfile.TemporaryFile()  # noqa: SIM115
        fds = (theirs.fileno(), self._positions.fileno(), self._stacks.fileno())
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "croplayer.workers.block_process", *map(str, fds)],
            pass_fds=fds,
            env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def run(
        self, work: Work, blocks: list[Position], limits: Limits, records: list[bytes], is_wanted: Callable[[], bool]
    ) -> _End | None:
        """Append what comes to ``records``; None when all blocks are done."""
        os.pwrite(self._positions.fileno(), POSITION.pack(NOT_STARTED), 0)
        done, position, since = 0, NOT_STARTED, time.monotonic()
        try:
            self._connection.send_bytes(pickle.dumps((*work, blocks, (len(blocks) + 1) * limits.seconds + START_S)))
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
            self._child.wait()
            return _End(done, self._position(), f"its process {self._how_it_ended()}{self._where()}")
        return _End(done, len(blocks), "is not wanted any more")

    def end(self) -> None:
        """Kill the process if it lives, and let go of everything."""
        self._child.kill()
        self._child.wait()
        self._connection.close()
        self._positions.close()
        self._stacks.close()

    def _position(self) -> int:
        return int(POSITION.unpack(os.pread(self._positions.fileno(), POSITION.size, 0))[0])

    def _memory(self) -> int:
        """Bytes of memory that the process holds, 0 when it has ended."""
        try:
            return int(psutil.Process(self._child.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            return 0

    def _stop(self) -> str:
        """End the process and say where it was."""
        self._child.send_signal(signal.SIGABRT)
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        return self._where()

    def _how_it_ended(self) -> str:
        code = self._child.returncode
        if code >= 0:
            return f"ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = ", often a sign that the machine had no memory left" if -code == signal.SIGKILL else ""
        return f"was ended by {name}{hint}"

    def _where(self) -> str:
        """The innermost calls of the process when it ended, from faulthandler's stacks; empty when not known."""
        os.lseek(self._stacks.fileno(), 0, os.SEEK_SET)
        text = self._stacks.read().decode(errors="replace")
        threads = re.split(r"^(?:Current thread|Thread) ", text, flags=re.MULTILINE)
        mine = next((t for t in threads if "in _serve" in t), "")
        frames = re.findall(r'File "([^"]+)", line (\d+) in (\S+)', mine.split("in _serve")[0])
        calls = [f"{name} ({os.path.basename(file)}:{line})" for file, line, name in frames[:FRAMES_SHOWN]]  # noqa: PTH119
        return f" in {' < '.join(calls)}" if calls else ""


_of_thread = threading.local()


def _process() -> _BlockProcess:
    """The calling thread's process, started when there is none."""
    process: _BlockProcess | None = getattr(_of_thread, "process", None)
    if process is not None and not process.is_alive:
        _end_process()
        process = None
    if process is None:
        process = _of_thread.process = _BlockProcess()
    return process


def _end_process() -> None:
    process: _BlockProcess | None = getattr(_of_thread, "process", None)
    if process is not None:
        process.end()
    _of_thread.process = None
