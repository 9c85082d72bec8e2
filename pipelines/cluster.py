"""The Dask client of a run: an embedded cluster by default, any scheduler by address."""

from __future__ import annotations

import contextlib
import logging
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipelines.config import Cluster

if TYPE_CHECKING:
    from distributed import Client

SETTINGS = {
    # The default closes workers that a nanny is restarting and leaves tasks queued for ever.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    "distributed.scheduler.no-workers-timeout": "5 minutes",
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.comm.timeouts.connect": "60s",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Workers:
    """Starts the client when it is first needed, so that a run with nothing left to do starts none."""

    def __init__(self, cluster: Cluster, scheduler: str | None = None) -> None:
        self._config, self._address = cluster, scheduler
        self._stack = contextlib.ExitStack()
        self._client: Client | None = None
        if scheduler is not None:
            _check_address(scheduler)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def client(self) -> Client:
        """The connected client."""
        if self._client is None:
            self._client = self._start()
        return self._client

    def _start(self) -> Client:
        import dask
        from distributed import Client, LocalCluster

        dask.config.set(SETTINGS)
        if self._address is not None:
            return self._stack.enter_context(Client(self._address, set_as_default=False))
        logging.getLogger("distributed").setLevel(logging.ERROR)
        cluster = LocalCluster(
            n_workers=self._config.workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=self._config.memory_limit,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        )
        self._stack.enter_context(cluster)
        return self._stack.enter_context(Client(cluster, set_as_default=False))


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or parts.port is None:
        raise ValueError(f"scheduler '{address}' is no address; expected tls://HOST:PORT, or tcp:// on this machine")
    if parts.scheme == "tcp" and parts.hostname not in LOOPBACK:
        raise ValueError(f"scheduler '{address}' is not on this machine and not encrypted; use tls://")
