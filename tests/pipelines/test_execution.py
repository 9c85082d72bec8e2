"""What blocks, workers and schedulers that go wrong cost: real Dask processes, real files."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client
from shared.dask_processes import DaskProcesses, dask_processes, entries_of, environment, kill_group, make_certificate
from shared.poison import KINDS
from shared.poison_run import poison_step
from soak.damage import problems_of

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster, Slurm
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.run_folder import RunFolder

REASONS = {
    "raise": "ValueError: poison",
    "memory_error": "MemoryError: poison",
    "exit": "its process ended with exit code 7",
    "kill": "its process was ended by SIGKILL",
    "segfault": "its process was ended by SIGSEGV in string_at",
    "hang": "did not end within 10 s and was stopped in go_wrong (poison.py:",
    "hold": "did not end within 10 s and was stopped in match (",
    "hog": "took more memory than the 500 MiB of cluster.memory_limit and was stopped in go_wrong",
}


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


def test_poison_of_every_kind_is_named_and_costs_nothing_else(cluster: DaskProcesses, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    bad = {BlockIndex(0, 5 + i): kind for i, kind in enumerate(KINDS)}
    limits = Cluster(deadline_s=10, memory_limit="500MiB")
    with Workers(limits, cluster.address) as workers:
        result = run_step(poison_step(folder, 100, bad), StepLedgers(folder), workers)
    assert {r.block: r.reason.split(" < ")[0] for r in result.failed}.keys() == bad.keys()
    for record in result.failed:
        assert record.reason.startswith(REASONS[bad[record.block]]), record.reason
        assert "\n" not in record.reason
        assert any(record.reason in sentence for sentence in problems_of(tmp_path))
    done = StepLedgers(folder).results(poison_step(folder, 100, bad)).blocks
    assert len(done) == 100 - len(bad)
    with Workers(limits, cluster.address) as workers:
        result = run_step(poison_step(folder, 100, {}), StepLedgers(folder), workers)
    assert (result.worked, result.failed) == (len(bad), [])
    assert [p for p in problems_of(tmp_path) if "is not at its end" not in p] == []


def test_network_blocks_go_to_workers_that_offer_the_resource(cluster: DaskProcesses, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with Workers(Cluster(network_resource="GPU"), cluster.address) as workers:
        step = poison_step(folder, 40, {}, seconds=0.01, runs_network=True)
        ran = threading.Thread(target=run_step, args=(step, StepLedgers(folder), workers))
        ran.start()
        seen: set[str] = set()
        while ran.is_alive():
            busy = workers.client.processing()
            seen |= {address for address, keys in busy.items() if keys}
            time.sleep(0.02)
        names = {a: w["name"] for a, w in workers.client.scheduler_info(n_workers=-1)["workers"].items()}
    assert {names[a] for a in seen} == {"gpu"}


def test_a_killed_worker_costs_nothing(tls: dict[str, str], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with dask_processes(tmp_path, tls) as processes:
        first, _ = processes.add_worker(), processes.add_worker()
        threading.Timer(3.0, kill_group, [first]).start()
        with Workers(Cluster(), processes.address) as workers:
            result = run_step(poison_step(folder, 200, {}, seconds=0.02), StepLedgers(folder), workers)
    assert first.poll() is not None
    assert result.failed == []
    assert len(StepLedgers(folder).results(poison_step(folder, 200, {})).blocks) == 200


@pytest.mark.parametrize(
    ("own", "believes_the_scheduler", "message"),
    [
        (None, True, "lets nobody in without a certificate; name one of its authority in Dask's settings"),
        ("lost", True, r"certificates for .* cannot be read \(.*\); see to the files"),
        ("foreign", False, r"do not let each other in \(TLS certificate does not match.*\); use its tls:// address"),
        (
            "foreign",
            True,
            r"do not let each other in \(.*\); use its tls:// address and name a certificate of its auth",
        ),
    ],
)
def test_a_client_that_the_scheduler_does_not_know_is_refused(
    own: str | None, believes_the_scheduler: bool, message: str, cluster: DaskProcesses, tmp_path: Path
) -> None:
    """The last one finds out by the scheduler alone: it believes what it is shown."""
    authority = {"distributed.comm.tls.ca-file": dask.config.get("distributed.comm.tls.ca-file")}
    settings = entries_of(make_certificate(tmp_path)) | (authority if believes_the_scheduler else {})
    if own is None:
        settings |= {f"distributed.comm.tls.client.{part}": None for part in ("cert", "key")}
    if own == "lost":
        (tmp_path / "cert.pem").unlink()
    with (
        dask.config.set(settings),
        Workers(Cluster(), cluster.address) as workers,
        pytest.raises(ConnectionError, match=message) as told,
    ):
        _ = workers.client
    assert "\n" not in str(told.value)
    with Workers(Cluster(), cluster.address) as workers:
        known = workers.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.clients))
        assert [name for name in known if name.startswith("Client")] == [workers.client.id]


def test_a_run_without_workers_ends_with_a_sentence(tls: dict[str, str], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with dask_processes(tmp_path, tls) as processes:
        with (
            Workers(Cluster(wait_s=0.5), processes.address) as workers,
            pytest.raises(RuntimeError, match=r"no worker has been at the scheduler tls://.* for 0.5 s"),
        ):
            run_step(poison_step(folder, 4, {}), StepLedgers(folder), workers)
        worker = processes.add_worker()
        with (
            Workers(Cluster(wait_s=2, network_resource="TPU"), processes.address) as workers,
            pytest.raises(RuntimeError, match="no worker that offers TPU"),
        ):
            run_step(poison_step(folder, 4, {}, runs_network=True), StepLedgers(folder), workers)
        threading.Timer(2.0, kill_group, [worker]).start()
        with (
            Workers(Cluster(wait_s=2), processes.address) as workers,
            pytest.raises(RuntimeError, match="no worker has been"),
        ):
            run_step(poison_step(folder, 4, {}, seconds=600), StepLedgers(folder), workers)


def test_a_run_whose_scheduler_dies_ends_with_a_sentence(tls: dict[str, str], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with dask_processes(tmp_path, tls) as processes:
        processes.add_worker()
        threading.Timer(2.5, kill_group, [processes.scheduler]).start()
        start = time.monotonic()
        with (
            pytest.raises(ConnectionError, match=r"the scheduler at tls://127.0.0.1:\d+ is gone; start it and run"),
            Workers(Cluster(), processes.address) as workers,
        ):
            run_step(poison_step(folder, 40, {}, seconds=1.0), StepLedgers(folder), workers)
        assert time.monotonic() - start < 30


def test_what_stopped_a_run_is_told_though_its_client_cannot_be_closed(
    cluster: DaskProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that looks for a scheduler that is gone sometimes ends like this."""
    with pytest.raises(ConnectionError, match="is gone; start it"), Workers(Cluster(), cluster.address) as workers:
        close = workers.client.close

        def close_badly() -> None:
            close()
            raise ValueError("IOStream is not idle; cannot convert to SSL")

        monkeypatch.setattr(workers.client, "close", close_badly)
        workers.check_scheduler(is_lost=True)


@pytest.mark.parametrize(
    ("how", "send"), [(signal.SIGTERM, os.kill), (signal.SIGINT, os.kill), (signal.SIGINT, os.killpg)]
)
def test_a_signal_stops_a_run_in_seconds_and_keeps_what_is_done(
    how: signal.Signals, send: Callable[[int, int], None], tmp_path: Path
) -> None:
    """To the client alone, and to all its processes, as a terminal sends Ctrl-C."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "shared.poison_run", str(out), "2000", "0.02"]
    run = subprocess.Popen(command, env=environment({}), start_new_session=True, stderr=subprocess.PIPE, text=True)
    ledger = Ledger(RunFolder(out).ledger("poison"))
    until = time.monotonic() + 60
    while len(list(ledger.lines())) < 16 and time.monotonic() < until:
        time.sleep(0.1)
    family = psutil.Process(run.pid).children(recursive=True)
    start = time.monotonic()
    send(run.pid, how)
    assert run.communicate(timeout=30) == (None, "")
    assert run.returncode == 130
    assert time.monotonic() - start < 30
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    lines = list(ledger.lines())
    files = sum(1 for p in (out / "cube.zarr").rglob("*") if p.is_file())
    # Three groups of 16 are in flight for the one worker.
    assert 16 <= len(lines) <= files <= len(lines) + 3 * 16


def test_a_given_client_runs_the_blocks_and_stays_open(cluster: DaskProcesses, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with Client(cluster.address, set_as_default=False) as client:
        with Workers(Cluster(), client=client) as workers:
            assert run_step(poison_step(folder, 10, {}), StepLedgers(folder), workers).failed == []
        assert client.status == "running"


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


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("scheduler:8786", "is no address; expected tls://HOST:PORT"),
        ("tcp://10.0.0.1:8786", "is not on this machine and not encrypted; use tls://"),
    ],
)
def test_a_scheduler_that_is_not_safe_is_refused(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workers(Cluster(), address)


def test_an_amount_of_memory_is_checked_in_the_recipe() -> None:
    with pytest.raises(ValueError, match="'lots' is no amount of memory; expected a form like '6GiB'"):
        Cluster(memory_limit="lots")
