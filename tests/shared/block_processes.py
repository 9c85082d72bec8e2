"""Processes of blocks without a cluster."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from croplayer.workers.forked import end_server
from croplayer.workers.isolated import end_process


@contextlib.contextmanager
def new_block_process() -> Iterator[None]:
    """Blocks of this thread are worked on by a process that begins with today's environment, and ends after them."""
    end_process()
    end_server()
    try:
        yield
    finally:
        end_process()
        end_server()
