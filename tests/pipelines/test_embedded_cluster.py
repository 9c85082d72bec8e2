"""Nobody but the run itself can connect to its embedded scheduler and workers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import dask
import psutil
import pytest
from distributed import Client, LocalCluster

from pipelines.engine import cluster
from pipelines.engine.cluster import Workers
from pipelines.recipe import Cluster


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The client of a run of its own cluster."""
    with Workers(Cluster(workers=2)) as workers:
        workers.begin({})
        yield workers.client


def test_the_run_itself_can_work(client: Client) -> None:
    assert client.submit(sum, [1, 2]).result(timeout=60) == 3


def test_no_worker_is_called_lost_while_the_client_refreshes_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cluster, "CHECK_S", 0)
    often = dask.config.set({"distributed.client.scheduler-info-interval": "1ms"})
    with often, Workers(Cluster(workers=2)) as workers:
        workers.begin({})
        workers.client.wait_for_workers(2)
        assert [workers.slots({}) for _ in range(1000)] == [2] * 1000
    assert not any("is lost" in message for message in caplog.messages)


STRANGER = """
import asyncio, sys
from distributed import rpc

async def ask(address):
    async with rpc(address, timeout=3) as scheduler:
        return await scheduler.identity()

try:
    asyncio.run(asyncio.wait_for(ask(sys.argv[1]), 10))
    print("connected")
except Exception as error:
    print("refused", type(error).__name__)
"""
"""What another process can try."""


def attempt(address: str) -> str:
    command = [sys.executable, "-c", STRANGER, address]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def test_another_process_cannot_connect(client: Client) -> None:
    found = [client.scheduler.address, *client.scheduler_info(n_workers=-1)["workers"]]
    assert len(found) == 3 and all(address.startswith("inproc://") for address in found)
    ports = [c.laddr.port for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    tried = [attempt(address) for address in (found[0], *(f"tcp://127.0.0.1:{port}" for port in ports))]
    assert len(tried) >= 4 and all(said.startswith("refused") for said in tried)


def test_another_process_can_connect_to_a_scheduler_with_an_address() -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        assert attempt(cluster.scheduler_address) == "connected\n"


def test_it_listens_on_this_machine_alone_and_has_no_pages(client: Client) -> None:
    listening = [c.laddr for c in psutil.Process().net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    pages = [client.cluster.scheduler.http_server.port]
    pages += [worker.http_server.port for worker in client.cluster.workers.values()]
    assert len(pages) == 3 and set(pages) <= {address.port for address in listening}
    for port in pages:
        for page in ("", "status", "health", "metrics", "info/main/workers.html", "json/identity.json", "api/v1"):
            with pytest.raises(HTTPError, match="404") as error:
                urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)
            error.value.close()
