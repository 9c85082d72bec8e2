"""Nobody but the run itself can connect to its embedded scheduler and workers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from distributed import Client, LocalCluster

from pipelines.engine.cluster import Workers
from pipelines.recipe import Cluster


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """The client of a run of its own cluster."""
    with Workers(Cluster(workers=1)) as workers:
        workers.begin({})
        yield workers.client


def addresses(client: Client) -> list[str]:
    """Where the scheduler and each worker and nanny listen."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return [client.scheduler.address, *workers, *(worker["nanny"] for worker in workers.values())]


def test_the_run_itself_can_work(client: Client) -> None:
    assert client.submit(sum, [1, 2]).result(timeout=60) == 3


STRANGER = """
import asyncio, sys
from distributed import rpc
from distributed.security import Security

async def ask(address, security):
    arguments = security.get_connection_args("client") if security else {}
    async with rpc(address, connection_args=arguments, timeout=3) as scheduler:
        return await scheduler.identity()

for protocol in ("tcp", "tls"):
    for security in (None, Security(), Security.temporary()):
        try:
            asyncio.run(asyncio.wait_for(ask(f"{protocol}://127.0.0.1:{sys.argv[1]}", security), 10))
            print("connected")
        except Exception as error:
            print("refused", type(error).__name__)
"""
"""What another user can try: without encryption, without a certificate, with one of his own."""


def attempts(address: str) -> str:
    command = [sys.executable, "-c", STRANGER, address.rpartition(":")[2]]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout


def test_a_client_without_the_certificate_cannot_connect(client: Client) -> None:
    found = addresses(client)
    assert len(found) == 3 and all(address.startswith("tls://127.0.0.1:") for address in found)
    for address in found:
        tried = attempts(address)
        assert tried.count("refused") == 6 and "connected" not in tried


def test_the_same_client_can_connect_to_a_scheduler_without_certificates() -> None:
    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as cluster:
        assert attempts(cluster.scheduler_address).startswith("connected\n")


def test_there_are_no_pages(client: Client) -> None:
    pages = [client.cluster.scheduler.http_server.port]
    pages += [w["services"]["dashboard"] for w in client.scheduler_info(n_workers=-1)["workers"].values()]
    assert len(pages) == 2
    for port in pages:
        for page in ("", "status", "health", "metrics", "info/main/workers.html", "json/identity.json", "api/v1"):
            with pytest.raises(HTTPError, match="404") as error:
                urlopen(f"http://127.0.0.1:{port}/{page}", timeout=5)
            error.value.close()


def test_no_key_lies_on_the_disk(client: Client) -> None:
    key = client.security.get_tls_config_for_role("client")["key"]
    assert key.startswith("-----BEGIN PRIVATE KEY-----") and not Path(key[:50]).exists()
    folder = Path(tempfile.gettempdir())
    assert not [path for pattern in ("*/dask.pem", "*/dask.crt", "*.pem") for path in folder.glob(pattern)]
