"""The decorators of all kernels: compiled once, cached on disk, run without the interpreter lock.

Numba recompiles a kernel when its own file changes, but not when the file of a kernel that it calls changes. The
machine code of a package is therefore kept in a folder that is named by a digest of every file that holds kernels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

from croplayer.kernels.machine_code import MachineCode

_numba: Any = numba
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Compiler:
    """Compiles the kernels of one package."""

    folder: str
    """Folder of the cached machine code."""

    def kernel(self, function: _Function) -> _Function:
        """Compile a function with numba: no interpreter lock, IEEE division, machine code cached on disk."""
        return self._compiled(function, None)

    def inlined_kernel(self, function: _Function) -> _Function:
        """`kernel` that LLVM copies into its callers, for parts of an inner loop that are shorter than a call."""
        return self._compiled(function, None, inlined=True)

    def typed_kernel(self, *signatures: str, inlined: bool = False) -> Callable[[_Function], _Function]:
        """`kernel` for given signatures only; without them numba compiles one version for every literal argument.

        Parameters
        ----------
        signatures : numba signatures such as ``"float64(uint64, int64)"``; they are compiled on import
        inlined : as `inlined_kernel`
        """
        return lambda function: self._compiled(function, list(signatures), inlined=inlined)

    def _compiled(self, function: _Function, signatures: list[str] | None, *, inlined: bool = False) -> _Function:
        compiled = _numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, forceinline=inlined)(function)
        compiled._cache = MachineCode(function, self.folder)
        for signature in signatures or ():
            compiled.compile(signature)
        if signatures:
            compiled.disable_compile()
        return cast(_Function, compiled)


def compiler_of(package: Path, sources: Iterable[Path]) -> Compiler:
    """A compiler whose cache folder changes with the sources.

    The cache is in NUMBA_CACHE_DIR if that is set, otherwise beside the package's bytecode, or in the user's cache
    folder if the package cannot be written to.

    Parameters
    ----------
    package : folder of the package
    sources : files of the package that hold kernels, or constants that numba compiles into kernels
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
