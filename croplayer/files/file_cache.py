"""What a process caches of files that it has read, until they may have changed.

A worker process outlives a run, and between runs a file may be replaced under its name. No read asks whether its file
is still the same. Instead whatever begins anew calls ``forget_files`` first: a run before it checks and digests its
inputs, and a process of blocks before a step. So what is read is what was digested, unless a file is replaced later.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_clear: list[Callable[[], None]] = []


def cached_file_reads(maxsize: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Cache the ``maxsize`` last answers of a function that reads files, until ``forget_files``."""

    def cached(read: Callable[P, T]) -> Callable[P, T]:
        caching = lru_cache(maxsize)(read)
        _clear.append(caching.cache_clear)
        return cast(Callable[P, T], caching)

    return cached


def forget_files() -> None:
    """Empty all caches of file reads of this process."""
    for clear in _clear:
        clear()
