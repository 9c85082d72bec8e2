"""Importing compiles nothing, and what was compiled once is read from disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import croplayer.kernels

MODULES = sorted(path.stem for path in Path(croplayer.kernels.__file__).parent.glob("*.py") if path.stem != "__init__")

COMPILED = f"""
import importlib
from numba.core.dispatcher import Dispatcher
modules = [importlib.import_module("croplayer.kernels." + name) for name in {MODULES}]
kernels = {{id(v): v for m in modules for v in vars(m).values() if isinstance(v, Dispatcher)}}.values()
"""

IMPORT = COMPILED + "print(len(kernels), sum(len(k.signatures) for k in kernels))"

RUN = (
    COMPILED
    + """
import numpy as np
from croplayer.kernels.bits import pack_mask
pack_mask(np.eye(70, dtype=bool))
used = [k for k in kernels if k.signatures]
print(len(used), sum(sum(k.stats.cache_misses.values()) for k in used))
"""
)


def answer(code: str, cache: Path) -> list[int]:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    return [int(number) for number in done.stdout.split()]


def test_importing_compiles_nothing(tmp_path: Path) -> None:
    kernels, compiled = answer(IMPORT, tmp_path)
    assert kernels > 30 and compiled == 0
    assert not list(tmp_path.rglob("*.nbi"))


def test_the_second_process_compiles_nothing(tmp_path: Path) -> None:
    assert answer(RUN, tmp_path) == [1, 1]
    assert answer(RUN, tmp_path) == [1, 0]


def test_kernels_bring_no_libraries(tmp_path: Path) -> None:
    """Of dask, xarray and the libraries that read files or geometries none comes in with the kernels."""
    code = "import sys\n" + COMPILED + "print(sum(m in sys.modules for m in ('dask', 'xarray', 'rasterio', 'shapely')))"
    assert answer(code, tmp_path) == [0]


CALLED = "from toy import kernel\n\n@kernel\ndef scaled(x):\n    return {factor} * x\n"
CALLER = "from toy import kernel\nfrom toy.called import scaled\n\n@kernel\ndef shifted(x):\n    return scaled(x) + 1\n"
PACKAGE = """
from pathlib import Path
from croplayer.kernels.compiled import compiler_of
kernel = compiler_of(Path(__file__).parent, Path(__file__).parent.glob("*.py")).kernel
"""
ASK = """
import sys
sys.path.insert(0, {folder!r})
from toy.caller import shifted
print(shifted(3), sum(shifted.stats.cache_misses.values()))
"""


def test_a_change_in_a_kernel_that_is_called_is_noticed(tmp_path: Path) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text(PACKAGE)
    (package / "caller.py").write_text(CALLER)
    ask = ASK.format(folder=str(tmp_path))
    for factor, answers in ((2, [7, 1]), (2, [7, 0]), (5, [16, 1])):
        (package / "called.py").write_text(CALLED.format(factor=factor))
        assert answer(ask, tmp_path / "cache") == answers


def test_every_kernel_is_compiled_the_same_way() -> None:
    package = Path(croplayer.kernels.__file__).parents[1]
    found = [p.relative_to(package).as_posix() for p in package.rglob("*.py") if "njit" in p.read_text()]
    assert found == ["kernels/compiled.py"]
