"""Processes of blocks as their parent sees them: forked by one process (``fork_server``) that all threads of the parent share."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import Pipe

from croplayer.workers.fork_server import NUMBER, REQUEST

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""Environment with one thread per library: other numbers of threads give results that differ in the last bits.

Several cores are used by several workers.
"""

GIVEN_BACK_AT_ONCE = "MALLOC_TRIM_THRESHOLD_"
"""Variable that Dask's nanny sets for its workers, so that freed memory goes back to the system at once.

A network frees and allocates the same buffers in every layer, and would spend half of its time on fresh pages.
"""

FEW_HEAPS = {"MALLOC_ARENA_MAX": "2"}
"""By default glibc keeps freed memory in a heap for each thread: 400 MB more for a block of 2,560 px, and no faster."""


class _ForkServer:
    """The process that forks, seen from its parent."""

    def __init__(self, imports: Sequence[str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "croplayer.workers.fork_server", str(theirs.fileno()), *imports],
            pass_fds=[theirs.fileno()],
            env=_environment(),
            stdin=subprocess.DEVNULL,
        )
        theirs.close()

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def fork(self, fds: Sequence[int]) -> None:
        """Ask for a process with these descriptors."""
        socket.send_fds(self._requests, [REQUEST], fds)

    def end(self) -> None:
        """End it; the processes that it has forked end soon after it."""
        self._requests.close()
        self._child.kill()
        self._child.wait()


class ForkedProcess:
    """A process that ``croplayer.workers.block_process`` runs in.

    Parameters
    ----------
    fds : descriptors of its pipe, of the file of positions and of the file of stacks; the caller closes his own
    imports : modules that the process has imported, if it is the first that this process asks for
    """

    def __init__(self, fds: tuple[int, int, int], imports: Sequence[str]) -> None:
        self._end, theirs = Pipe(duplex=False)
        self._told: list[int] = []
        """The number of the process, then its exit code, as far as they are known."""
        self._is_over = False
        try:
            _ask((*fds, theirs.fileno()), imports)
        finally:
            theirs.close()

    @property
    def number(self) -> int | None:
        """The number of the process; None before it is forked."""
        self.wait(0)
        return self._told[0] if self._told else None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; None while it lives, and where it ended with the process that forks."""
        self.wait(0)
        return self._told[1] if len(self._told) > 1 else None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, as far as is known; a process that is not yet forked is alive."""
        return not self.wait(0)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most for some seconds; returns whether it has ended."""
        while not self._is_over and self._end.poll(seconds):
            told = os.read(self._end.fileno(), NUMBER.size)
            self._is_over = not told
            self._told += [value for (value,) in NUMBER.iter_unpack(told)]
        return self._is_over

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        if self.is_alive and self.number is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.number, number)

    def kill(self) -> None:
        """Kill it if it lives, and close what tells of it; before it is forked it is left to end when its pipe is closed."""
        self.send_signal(signal.SIGKILL)
        if self.number is not None:
            self.wait()
        self._end.close()


_server: _ForkServer | None = None
_asking = threading.RLock()
_users = 0


@contextlib.contextmanager
def fork_server(imports: Sequence[str]) -> Iterator[None]:
    """Start the process that forks ahead of the first block, and end it when nobody uses it any more.

    Without it, the first block starts one that lives as long as this process.
    """
    global _users
    with _asking:
        _running(imports)
        _users += 1
    try:
        yield
    finally:
        with _asking:
            _users -= 1
            if not _users:
                end_server()


def end_server() -> None:
    """End the process that forks, if there is one, and with it those that it has forked."""
    global _server
    with _asking:
        if _server is not None:
            _server.end()
        _server = None


def _running(imports: Sequence[str]) -> _ForkServer:
    global _server
    if _server is None or not _server.is_alive:
        end_server()
        _server = _ForkServer(imports)
    return _server


def _ask(fds: Sequence[int], imports: Sequence[str]) -> None:
    with _asking:
        _running(imports).fork(fds)


def _environment() -> dict[str, str]:
    """The environment of a process of blocks."""
    inherited = {name: value for name, value in os.environ.items() if name != GIVEN_BACK_AT_ONCE}
    return {**FEW_HEAPS, **inherited, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
