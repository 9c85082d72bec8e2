"""The decorator of all landscape kernels: compiled once, cached on disk, free of the interpreter lock.

Numba notices a change in the file of a kernel, not in the files of the kernels it calls. So the
machine code is kept in a folder named by the digest of all sources of this package that hold kernels.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import platformdirs


def _cache_folder() -> str:
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        text = source.read_bytes()
        if b"kernel" in text or source.name == "classes.py":
            digest.update(text)
    home = here / "__pycache__"
    if not os.access(home if home.exists() else here, os.W_OK):
        home = Path(platformdirs.user_cache_dir("croplayer"))
    return str(home / f"landscape-{digest.hexdigest()[:12]}")


_FOLDER = _cache_folder()
_numba: Any = numba
_Function = TypeVar("_Function", bound=Callable[..., Any])


def kernel(function: _Function) -> _Function:
    """Compile a function with numba: no interpreter lock, IEEE division, machine code cached on disk."""
    return _compiled(function, None)


def typed_kernel(signature: str) -> Callable[[_Function], _Function]:
    """`kernel` for one signature only; without it numba makes one version for every literal argument."""
    return lambda function: _compiled(function, signature)


def _compiled(function: _Function, signature: str | None) -> _Function:
    outside = _numba.config.CACHE_DIR
    _numba.config.CACHE_DIR = _FOLDER
    try:
        compiled = _numba.njit(signature, cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    finally:
        _numba.config.CACHE_DIR = outside
    return cast(_Function, compiled)
