"""A process that imports once what blocks need, and forks the processes that work on them.

PyTorch and the rest take three seconds to import, a fork takes some milliseconds. It runs on one thread and computes
nothing, because a fork has none of the other threads and all of their locks. It ends when its parent is gone, and so do the
processes that it has forked.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import struct
import sys
import traceback

from croplayer.workers import block_process
from croplayer.workers.process_name import FORKS, name_process
from stores.garbage import collect_seldom, leave_the_rest

REQUEST = b"fork"
FDS = 4
"""A request brings the pipe of the blocks, the files of positions and of stacks, and the pipe that tells of the process's end."""
NUMBER = struct.Struct("=q")
"""What the last pipe tells: the number of the process, then its exit code, which is negative for a signal."""

_ends: dict[int, int] = {}
"""Descriptors of the pipes that tell of the ends of processes, by the number of the process."""


def main(requests_fd: int, modules: list[str]) -> None:
    """Import modules and fork a process for every request that comes through a socket, until it is closed."""
    name_process(FORKS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    collect_seldom()
    for name in modules:
        # What a task misses, it says itself.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    leave_the_rest()
    signal.signal(signal.SIGCHLD, _tell_ends)
    requests = socket.socket(fileno=requests_fd)
    while True:
        _, fds, _, _ = socket.recv_fds(requests, len(REQUEST), FDS)
        if len(fds) < FDS:
            return
        _fork(requests, fds)


def _fork(requests: socket.socket, fds: list[int]) -> None:
    *of_process, end = fds
    # A process that ends at once is told of only when it is known.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    number = os.fork()
    if number == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        for fd in (*_ends.values(), end):
            os.close(fd)
        requests.close()
        _work(of_process)
    _ends[number] = end
    _tell(end, number)
    for fd in of_process:
        os.close(fd)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _work(fds: list[int]) -> None:
    """Be a process of blocks to its end."""
    code = 1
    try:
        block_process.main(*fds)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _tell_ends(*_: object) -> None:
    """Tell of the processes that have ended; the handler of their signal."""
    while _ends:
        number, status = os.waitpid(-1, os.WNOHANG)
        if number == 0:
            return
        end = _ends.pop(number)
        _tell(end, os.waitstatus_to_exitcode(status))
        os.close(end)


def _tell(end: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(end, NUMBER.pack(number))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
