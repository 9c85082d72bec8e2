"""Machine code of kernels on disk: one process compiles a kernel, and all others read it.

Numba's own cache names its folder after the path of a source file and asks for the file's time, so it is lost when a
checkout moves; and processes that start together compile the same kernels side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache

WAIT_S = 120.0
"""Longest time to wait for the process that compiles a kernel; after that it is compiled here, too."""


@dataclass(frozen=True)
class _Place:
    """Where numba puts the machine code of a function: a folder whose name tells of which sources it is."""

    folder: str
    line: int = 0

    def from_function(self, function: Callable[..., Any], path: str) -> _Place:
        return _Place(self.folder, function.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return self.folder

    def ensure_cache_path(self) -> None:
        Path(self.folder).mkdir(parents=True, exist_ok=True)

    def get_source_stamp(self) -> str:
        return Path(self.folder).name

    def get_disambiguator(self) -> str:
        return str(self.line)


class MachineCode(FunctionCache):
    """What numba asks for the machine code of a function, and gives it to.

    Parameters
    ----------
    folder : folder of the machine code of all functions of the same sources
    """

    def __init__(self, function: Callable[..., Any], folder: str) -> None:
        placed: Any = type("Placed", (CompileResultCacheImpl,), {"_locator_classes": [_Place(folder)]})
        self._impl_class = placed
        self._lock: Any = None
        super().__init__(function)

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """The machine code for a signature; None if this process shall compile it, which keeps others waiting."""
        found = self._kept(signature, target_context)
        if found is None and self._begin():
            # Another process may have compiled it meanwhile.
            found = self._kept(signature, target_context)
        if found is not None:
            self._end()
        return found

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep what was compiled; where the folder cannot be written to, every process compiles for itself."""
        try:
            with suppress(OSError):
                super().save_overload(signature, data)
        finally:
            self._end()

    def _kept(self, signature: Any, target_context: Any) -> Any:
        with suppress(OSError):
            return super().load_overload(signature, target_context)
        return None

    def _begin(self) -> bool:
        from filelock import FileLock, Timeout

        if self._lock is not None:
            return True
        lock = FileLock(Path(self.cache_path) / f"{self._impl.filename_base}.lock", timeout=WAIT_S)
        try:
            self._impl.locator.ensure_cache_path()
            lock.acquire()
        except (OSError, Timeout, NotImplementedError):
            return False
        self._lock = lock
        return True

    def _end(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None
