"""The decorator of all kernels: compiled once, cached on disk, free of the interpreter lock.

Numba notices a change in the file of a kernel, not in the files of the kernels it calls. So the machine code is kept
in a folder named by the digest of all sources of a package that hold kernels, and of this one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_numba: Any = numba
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Compiler:
    """Compiles the kernels of a package."""

    folder: str
    """Where their machine code is kept."""

    def kernel(self, function: _Function) -> _Function:
        """Compile a function with numba: no interpreter lock, IEEE division, machine code cached on disk."""
        return self._compiled(function, None)

    def typed_kernel(self, signature: str) -> Callable[[_Function], _Function]:
        """`kernel` for one signature only; without it numba makes one version for every literal argument."""
        return lambda function: self._compiled(function, signature)

    def _compiled(self, function: _Function, signature: str | None) -> _Function:
        outside = _numba.config.CACHE_DIR
        _numba.config.CACHE_DIR = self.folder
        try:
            compile_it = _numba.njit(signature, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
            return cast(_Function, compile_it(function))
        finally:
            _numba.config.CACHE_DIR = outside


def compiler_of(package: Path, sources: Iterable[Path]) -> Compiler:
    """A compiler whose cache changes with the sources.

    The cache is in NUMBA_CACHE_DIR where that is set, else beside the package's bytecode, else, where that cannot be
    written, in the user's cache folder.

    Parameters
    ----------
    package : folder of the package
    sources : its files that hold kernels or constants of kernels
    """
    digest = hashlib.sha256()
    for source in sorted({*sources, Path(__file__)}):
        digest.update(source.read_bytes())
    home = package / "__pycache__"
    if _numba.config.CACHE_DIR:
        home = Path(_numba.config.CACHE_DIR)
    elif not os.access(home if home.exists() else package, os.W_OK):
        import platformdirs

        home = Path(platformdirs.user_cache_dir("croplayer"))
    return Compiler(str(home / f"{package.name}-{digest.hexdigest()[:12]}"))


_KERNELS = Path(__file__).parent
kernel = compiler_of(_KERNELS, _KERNELS.glob("*.py")).kernel
"""The decorator of `croplayer.kernels`."""
