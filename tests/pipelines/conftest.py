"""What the tests of the pipelines share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
from shared.commands import croplayer
from shared.dask_processes import DaskProcesses, dask_processes, entries_of, make_certificate


@pytest.fixture
def finished(finished_small_run: Path) -> Path:
    """A finished run of the small recipe with one worker."""
    return finished_small_run


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Certificates that this process and the processes it starts use."""
    settings = make_certificate(tmp_path_factory.mktemp("tls"))
    with dask.config.set(entries_of(settings)):
        yield settings


@pytest.fixture(scope="module")
def cluster(tls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler with one plain worker and one that offers a GPU."""
    with dask_processes(tmp_path_factory.mktemp("dask"), tls) as processes:
        processes.add_worker()
        processes.add_worker("--resources", "GPU=1", "--name", "gpu")
        yield processes


@pytest.fixture(scope="session")
def field_recipe(small_recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small recipe with fields."""
    path = tmp_path_factory.mktemp("fields") / "small.toml"
    part = "\n[fields]\nmin_confidence = 0.0\nmin_area_ha = 0.0\n"
    path.write_text(small_recipe.read_text(encoding="utf-8") + part, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def field_run(
    field_recipe: Path, finished_small_run: Path, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The small run with fields added; tests must leave it as it is."""
    out = tmp_path_factory.mktemp("with_fields") / "run"
    shutil.copytree(finished_small_run, out)
    croplayer("run", field_recipe, "-o", out, "--workers", 1, models=models)
    return out
