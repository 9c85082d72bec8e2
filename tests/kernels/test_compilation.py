"""Importing compiles nothing, and what was compiled once is read from disk."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher

import croplayer.kernels
from croplayer.fields.outlines import field_outlines
from croplayer.kernels.basins import relief
from croplayer.kernels.image import image_quality
from croplayer.kernels.outlines import outlines
from croplayer.kernels.zones import packed_equal_under
from stores.grid import BlockGrid, PixelWindow

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


def test_kernels_build_no_messages() -> None:
    """For the assignment of a slice to a slice numba compiles texts about unequal shapes, longer than the kernel itself."""
    rng = np.random.default_rng(0)
    mask = rng.random((70, 70)) < 0.5
    image_quality(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8), np.ones((64, 64), bool))
    relief(*rng.integers(0, 251, (2, 64, 64), dtype=np.uint8))
    packed_equal_under(mask.astype(np.uint8), np.arange(140) // 2, np.arange(140) // 2, 1)
    outlines(mask)
    fields, grid = np.repeat(np.arange(1, 71), 70).reshape(70, 70), BlockGrid()
    field_outlines(fields, PixelWindow(50 * grid.px_per_degree, 100, 70, 70), grid, 3.0)
    modules = [importlib.import_module(f"croplayer.kernels.{name}") for name in MODULES]
    kernels = {id(k): k for module in modules for k in vars(module).values() if isinstance(k, Dispatcher)}.values()
    files = {
        kernel.__name__: list(Path(kernel._cache.cache_path).glob(f"{kernel._cache._impl.filename_base}*.nbc"))
        for kernel in kernels
        if kernel.signatures
    }
    # Machine code of a kernel holds that of the kernels which it calls.
    assert all(files[name] for name in ("bin_pixels", "_smoothed", "pack_equal_under", "keep_unfinished"))
    assert [name for name, found in files.items() if any(b"unicode" in file.read_bytes() for file in found)] == []


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


def test_kernels_that_moved_are_not_compiled_again(tmp_path: Path) -> None:
    """Their machine code lies beside them, and counts whatever the path and the times of the files."""
    package = tmp_path / "before" / "toy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE)
    (package / "called.py").write_text(CALLED.format(factor=2))
    (package / "caller.py").write_text(CALLER)
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def ask() -> str:
        code = ASK.format(folder=str(package.parent))
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    assert ask() == "7 1\n"
    moved = tmp_path / "after"
    package.parent.rename(moved)
    package = moved / "toy"
    for file in package.glob("*.py"):
        os.utime(file, (1e9, 1e9))
    assert ask() == "7 0\n"


def test_of_processes_that_start_together_one_compiles(tmp_path: Path) -> None:
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    together = [
        subprocess.Popen([sys.executable, "-c", RUN], env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    answers = [process.communicate()[0].split() for process in together]
    assert sorted(answers) == [["1", "0"], ["1", "0"], ["1", "1"]]


def test_where_nothing_can_be_kept_each_process_compiles(tmp_path: Path) -> None:
    """Such as a folder that is a file, as root writes to a read-only one."""
    (tmp_path / "cache").write_text("")
    assert answer(RUN, tmp_path / "cache") == [1, 1]
    assert answer(RUN, tmp_path / "cache") == [1, 1]


def test_a_process_that_was_killed_while_it_compiled_keeps_nobody_waiting(tmp_path: Path) -> None:
    code = COMPILED + (
        "import os, signal, numba\n"
        "from numba.core import event\n"
        "class Killer(event.Listener):\n"
        "    def on_start(self, e):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    def on_end(self, e):\n"
        "        pass\n"
        "event.register('numba:compile', Killer())\n"
        "import numpy as np\n"
        "from croplayer.kernels.bits import pack_mask\n"
        "pack_mask(np.eye(70, dtype=bool))\n"
    )
    env = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == -9
    assert list(tmp_path.rglob("*.lock"))
    assert answer(RUN, tmp_path) == [1, 1]
