"""What a process caches of files that it has read, until they may have changed.

A worker process outlives a run, and between runs a file may be replaced under its name. No read asks whether its file
is still the same. Instead whatever begins anew calls ``forget_files`` first: a run before it checks and digests its
inputs, a survey of a run, and a process of blocks before a step. So what is read is what was digested, unless a file
is replaced later. Times of files that changed after that prove nothing (``change_times.signature_of``), so the next run
reads them again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_clear: list[Callable[[], None]] = []
_began_ns = time.time_ns()


def cached_file_reads(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Cache the ``maxsize`` last answers of a function that reads files, until ``forget_files``."""

    def cached(read: Callable[P, T]) -> Callable[P, T]:
        caching = lru_cache(maxsize)(read)
        _clear.append(caching.cache_clear)
        return cast(Callable[P, T], caching)

    return cached


def forget_files() -> None:
    """Empty all caches of file reads of this process."""
    global _began_ns
    _began_ns = time.time_ns()
    for clear in _clear:
        clear()


def cached_since_ns() -> int:
    """Since when this process caches files, in nanoseconds since 1970: a file that changed later may be cached as it was."""
    return _began_ns
