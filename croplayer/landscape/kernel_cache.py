"""The decorators of the landscape's kernels, which have a cache of machine code of their own."""

from __future__ import annotations

from pathlib import Path

from croplayer.kernels.compiled import compiler_of

_HERE = Path(__file__).parent
_CONSTANTS = {"classes.py", "draws.py"}
"""Files without kernels whose values numba compiles into kernels."""

_COMPILER = compiler_of(
    _HERE, (path for path in _HERE.glob("*.py") if path.name in _CONSTANTS or b"kernel" in path.read_bytes())
)
kernel = _COMPILER.kernel
inlined_kernel = _COMPILER.inlined_kernel
typed_kernel = _COMPILER.typed_kernel
