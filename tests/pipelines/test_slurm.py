"""Jobs of Slurm become workers and are submitted again where they end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from shared.dask_processes import environment
from shared.poison_run import poison_step

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster, Slurm
from stores.ledger import Ledger
from stores.run_folder import RunFolder


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Commands that stand for Slurm's and run the job scripts here; the file of the jobs' process groups."""
    commands, jobs = tmp_path / "bin", tmp_path / "jobs"
    commands.mkdir()
    jobs.touch()
    submit = (
        f'cp "$1" {tmp_path}/job.sh; setsid sh {tmp_path}/job.sh >/dev/null 2>&1 & '
        f'echo $! >> {jobs}; echo "Submitted batch job $!"'
    )
    (commands / "sbatch").write_text(f"#!/bin/sh\n{submit}\n")
    (commands / "scancel").write_text("#!/bin/sh\nkill -9 -- -$1\n")
    for command in commands.iterdir():
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", environment({})["PYTHONPATH"])
    monkeypatch.chdir(tmp_path)
    yield jobs
    with warnings.catch_warnings(action="ignore"):  # dask-jobqueue leaves the files of its certificates open
        gc.collect()


def test_slurm_jobs_become_workers(slurm: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    wanted = Slurm(queue="long", walltime="00:10:00", directives=("--gres=gpu:1",), interface="lo")
    config = Cluster(workers=1, slurm=wanted, network_resource="GPU", memory_limit="2500MiB")
    with Workers(config) as workers:
        script = workers.client.cluster.job_script()
        result = run_step(poison_step(folder, 20, {}, runs_network=True), StepLedgers(folder), workers)
    assert result.failed == [] and result.worked == 20
    assert "#SBATCH -p long" in script and "#SBATCH --gres=gpu:1" in script and "tls://" in script
    # 1 GiB beside the block's 2500 MiB, in whole GiB as the job script counts.
    assert "#SBATCH --mem=4G\n" in script
    assert len(slurm.read_text().split()) == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_slurm_job_that_ends_is_submitted_again(
    how: signal.Signals, slurm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm sends SIGTERM at the end of the walltime; a node that fails sends nothing."""
    monkeypatch.setattr("pipelines.engine.cluster.JOB_ENDED_AFTER", "2 s")
    monkeypatch.setattr("pipelines.engine.cluster.JOBS_CHECKED_EVERY", "1 s")
    folder = RunFolder(tmp_path / "run")
    ledger = Ledger(folder.ledger("poison"))

    def end_first_job() -> None:
        while not list(ledger.lines()):
            time.sleep(0.1)
        os.killpg(int(slurm.read_text().split()[0]), how)

    ending = threading.Thread(target=end_first_job)
    ending.start()
    config = Cluster(workers=1, slurm=Slurm(interface="lo"), wait_s=60)
    with Workers(config) as workers:
        result = run_step(poison_step(folder, 200, {}, seconds=0.05), StepLedgers(folder), workers)
    ending.join()
    assert result.failed == [] and result.worked == 200
    first, second = map(int, slurm.read_text().split())
    until = time.monotonic() + 10
    while any(map(psutil.pid_exists, (first, second))) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(map(psutil.pid_exists, (first, second)))
