"""Decoded blocks in memory: each is decoded once, however many tiles ask for it, and all of them stay below a bound."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Protocol, TypeVar, cast


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
