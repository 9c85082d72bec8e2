"""Decoded blocks in memory: each is decoded once, however many tiles ask for it, and all of them stay below a bound."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Protocol, TypeVar, cast

LARGE_BYTES = 128 * 2**10
"""What is as large as this lies outside of the heaps, and is given back as soon as it is freed."""
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
"""Numbers of settings in the C library of Linux."""


def spare_memory() -> None:
    """Let this process give back what it has freed: Arrow takes memory from the C library, whose threads share two heaps.

    Works as far as Arrow was not imported yet and the C library knows the setting.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    _c("mallopt", _ARENA_MAX, 2)
    _c("mallopt", _MMAP_THRESHOLD, LARGE_BYTES)


def give_back() -> None:
    """Give freed memory back to the system, as far as the C library can: after much was read for little."""
    _c("malloc_trim", 0)


def _c(name: str, *values: int) -> None:
    """Call a function of the C library of Linux; nothing where it has none of this name."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*values)


class Sized(Protocol):
    """What knows its bytes in memory, as an array does."""

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""


Kept = TypeVar("Kept", bound=Sized)


class RecentlyUsed:
    """What was used last, up to a number of bytes; safe for threads.

    A thread that asks for what another one is making waits for it. An error is given to all who wait and is not kept.
    """

    def __init__(self, most_bytes: int) -> None:
        if most_bytes < 1:
            raise ValueError(f"the bound of a memory is {most_bytes} bytes; expected at least 1")
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._being_made: dict[Hashable, Future[Sized]] = {}
        self._bytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """What is kept under a key; made first where it is not."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast(Kept, self._kept[key])
            waiting = self._being_made.get(key)
            if waiting is None:
                mine = self._being_made[key] = Future()
        if waiting is not None:
            return cast(Kept, waiting.result())
        try:
            made = make()
        except BaseException as error:
            with self._lock:
                del self._being_made[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._being_made[key]
            self._keep(key, made)
        mine.set_result(made)
        return made

    def _keep(self, key: Hashable, made: Sized) -> None:
        self._kept[key] = made
        self._bytes += made.nbytes
        while self._bytes > self.most_bytes:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.nbytes
