"""What the tests of the pipelines share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dask
import pytest
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
