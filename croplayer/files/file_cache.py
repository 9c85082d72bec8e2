"""What a process keeps of files that it has read, until they may have changed.

A worker lives longer than a run, and between runs a file may be replaced under its name. Nothing is asked of the
file each time it is read: whoever begins anew, with a run, a step or a fingerprint, lets go of everything first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")

_forget: list[Callable[[], None]] = []


def kept(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the ``most`` last answers of a function that reads files, until ``forget_files``."""

    def keep(read: Callable[P, T]) -> Callable[P, T]:
        keeping = lru_cache(most)(read)
        _forget.append(keeping.cache_clear)
        return cast(Callable[P, T], keeping)

    return keep


def forget_files() -> None:
    """Let go of all that this process keeps of files."""
    for forget in _forget:
        forget()
