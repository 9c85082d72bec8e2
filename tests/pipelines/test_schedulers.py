"""Schedulers that are not known, not safe, without workers or dead: a sentence, never a run that hangs."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import dask
import pytest
from distributed import Client
from shared.dask_processes import DaskProcesses, dask_processes, entries_of, kill_group, make_certificate
from shared.poison_run import poison_step

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster
from stores.run_folder import RunFolder


@pytest.mark.parametrize(
    ("own", "believes_the_scheduler", "message"),
    [
        (None, True, "requires a certificate; name one of its authority in Dask's settings"),
        ("lost", True, r"certificates for .* cannot be read \(.*\); check the files"),
        (
            "foreign",
            False,
            r"cannot establish a connection \(TLS certificate does not match.*\); use its tls:// address",
        ),
        (
            "foreign",
            True,
            r"cannot establish a connection \(.*\); use its tls:// address and name a certificate of its auth",
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
            pytest.raises(RuntimeError, match=r"no worker has been connected to the scheduler tls://.* for 0.5 s"),
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
        with (
            pytest.raises(ConnectionError, match=r"the scheduler at tls://127.0.0.1:\d+ is gone; start it and run"),
            Workers(Cluster(), processes.address) as workers,
        ):
            # Once the worker is there: on a busy machine the scheduler would be gone before anybody asked it.
            workers.begin({})
            start = time.monotonic()
            threading.Timer(1.5, kill_group, [processes.scheduler]).start()
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


def test_a_given_client_runs_the_blocks_and_stays_open(cluster: DaskProcesses, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with Client(cluster.address, set_as_default=False) as client:
        with Workers(Cluster(), client=client) as workers:
            assert run_step(poison_step(folder, 10, {}), StepLedgers(folder), workers).failed == []
        assert client.status == "running"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("scheduler:8786", "is not an address; expected tls://HOST:PORT"),
        ("tcp://10.0.0.1:8786", "is not on this machine and not encrypted; use tls://"),
    ],
)
def test_a_scheduler_that_is_not_safe_is_refused(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Workers(Cluster(), address)
