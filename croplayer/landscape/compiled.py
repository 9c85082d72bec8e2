"""The decorators of the landscape's kernels, with their own cache of machine code."""

from __future__ import annotations

from pathlib import Path

from croplayer.kernels.compiled import compiler_of

_HERE = Path(__file__).parent
_COMPILER = compiler_of(
    _HERE, (path for path in _HERE.glob("*.py") if path.name == "classes.py" or b"kernel" in path.read_bytes())
)
kernel = _COMPILER.kernel
typed_kernel = _COMPILER.typed_kernel
