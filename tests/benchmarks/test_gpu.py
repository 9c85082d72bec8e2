"""The benchmark of GPUs on a CPU, with nothing installed but what a machine with a GPU may have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

ABSENT = ("dask", "distributed", "geopandas", "pandas", "psutil", "pydantic", "pyproj", "rasterio", "shapely", "zarr")
CODE = f"""
import runpy, sys
for name in {ABSENT}:
    sys.modules[name] = None
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def benchmark(*arguments: str) -> str:
    command = [sys.executable, "-c", CODE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_it_measures_on_a_cpu(tmp_path: Path) -> None:
    sizes = ("--block-px", "128", "--cell-px", "64", "--blend-px", "8", "--blocks", "1", "--rounds", "1")
    printed = benchmark(
        "--device",
        "cpu",
        "--model",
        "default_fast",
        *sizes,
        "--batch-cells",
        "2",
        "9",
        "--json",
        str(tmp_path / "gpu.json"),
    )
    found = json.loads((tmp_path / "gpu.json").read_text())["models"]["default_fast"]
    assert [row["batch_cells"] for row in found["rows"]] == [2, 9]
    for row in found["rows"]:
        assert row["largest difference"] <= 0.01 and row["same bytes twice"] and row["missing agrees"]
        assert row["Mpx/s"] > 0 and row["pass, Mpx/s"] > 0
    assert "1.79 M parameters" in printed


def test_without_cuda_it_says_so() -> None:
    if not torch.cuda.is_available():
        assert benchmark() == (
            "This machine has no CUDA device that torch can use, so nothing was measured; --device cpu tests the script.\n"
        )
