"""The process that works on blocks: forked by ``croplayer.workers.fork_server``, with tasks sent through a pipe.

It is used for many steps and runs, and drops its file cache whenever a step begins. Before each block it writes
the block's position to a file that its parent reads, so that the parent knows which block a crash, a hang or
excessive memory belongs to. It ends when its parent is gone.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import resource
import struct
import threading
import time
from multiprocessing.connection import Connection
from typing import Any

from croplayer.files.file_cache import forget_files
from croplayer.workers.process_name import BLOCK, name_process
from stores.garbage import leave_the_rest

FLUSH_S = 0.05
"""Shortest time between two messages with finished records; after a crash, blocks not yet sent are redone."""
ORPHAN_CHECK_S = 0.5
POSITION = struct.Struct("=q")
COUNT = struct.Struct("=q")
NOT_STARTED = -1
UNLOADABLE = b"unloadable: "


def main(connection_fd: int, position_fd: int, stacks_fd: int) -> None:
    """Work on the blocks that come through the pipe until it is closed; the arguments are file descriptors."""
    name_process(BLOCK)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(file=stacks_fd)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    connection = Connection(connection_fd)
    loaded: tuple[bytes, Any] = (b"", None)
    current_epoch = ""
    while True:
        try:
            pickled, epoch, blocks, longest_s = pickle.loads(connection.recv_bytes())
        except EOFError:
            leave_the_rest()
            return
        if epoch != current_epoch:
            forget_files()
            current_epoch = epoch
        try:
            if loaded[0] != pickled:
                loaded = (pickled, pickle.loads(pickled))
        except Exception as error:  # the task's module is missing or of another version
            connection.send_bytes(UNLOADABLE + f"{type(error).__name__}: {error}".encode())
            continue
        # For a process whose parent died while a block holds the interpreter for ever: its thread cannot end it.
        faulthandler.dump_traceback_later(longest_s, exit=True, file=stacks_fd)
        _serve(connection, loaded[1], blocks, position_fd)
        faulthandler.cancel_dump_traceback_later()


def _serve(connection: Connection, task: Any, blocks: list[tuple[int, int]], position_fd: int) -> None:
    """Run a task on blocks one by one and send the records; an empty message marks the end."""
    from stores.grid import BlockIndex

    records: list[Any] = []
    flushed = time.monotonic()
    for position, block in enumerate(blocks):
        os.pwrite(position_fd, POSITION.pack(position), 0)
        records += task([BlockIndex(*block)])
        if time.monotonic() - flushed > FLUSH_S:
            connection.send_bytes(COUNT.pack(len(records)) + pickle.dumps(records))
            records, flushed = [], time.monotonic()
    os.pwrite(position_fd, POSITION.pack(len(blocks)), 0)
    connection.send_bytes(COUNT.pack(len(records)) + pickle.dumps(records))
    connection.send_bytes(b"")


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)
