"""The Dask client of a run: an embedded cluster by default, Slurm jobs, any scheduler by address, or a given client."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from croplayer.workers.forked import fork_server
from croplayer.workers.isolated import BlockLimits
from pipelines import stopping
from pipelines.engine.run_log import messages
from pipelines.recipe import Cluster, Slurm
from stores.extras import how_to_install

if TYPE_CHECKING:
    from distributed import Client

SETTINGS: dict[str, Any] = {
    # The default closes workers that a nanny is restarting and leaves tasks queued for ever.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.scheduler.allowed-failures": 3,
    "distributed.scheduler.worker-saturation": "inf",
    "distributed.comm.timeouts.connect": "30s",
    # The last messages that were sent stay in memory with their tasks; the default is 1,000.
    "distributed.admin.low-level-log-length": 20,
    # Watching themselves costs processes that only wait a twentieth of a core, and nobody sees what they find.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    # A scheduler and its workers always listen for HTTP, and any user of the machine could read these pages.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
JOB_HEADROOM_BYTES = 2**30
"""Memory of a job beyond that of the process of its block: for the worker itself, and so that a block that takes too
much is stopped and named before the job is."""
JOB_ENDED_AFTER = "2 minutes"
"""How long a job may be without its worker before it counts as ended; its nanny restarts a worker much sooner."""
JOBS_CHECKED_EVERY = "10 s"
EMBEDDED_WORKER = "croplayer.workers.embedded_worker"
"""Module that the embedded cluster's workers load first."""
CHECK_S = 2.0
"""Seconds between queries for the number of workers."""


class Workers:
    """Starts the client on first use, so that a run with nothing left to do starts none.

    Parameters
    ----------
    scheduler : address of a running scheduler instead of the recipe's cluster
    client : a connected client instead of both; it is left open
    """

    def __init__(self, cluster: Cluster, scheduler: str | None = None, client: Client | None = None) -> None:
        self.config, self._address, self._client = cluster, scheduler, client
        self._stack = contextlib.ExitStack()
        self._seen = self._checked = time.monotonic()
        self._slots = 0
        self._here: frozenset[str] = frozenset()
        """Addresses of the workers that were connected to the scheduler at the last query."""
        self.imports: tuple[str, ...] = ()
        """Modules that the processes of blocks are forked with, where the first of them is still to come."""
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

    @property
    def limits(self) -> BlockLimits:
        """The limits of one block."""
        return BlockLimits(self.config.deadline_s, self.config.memory_limit_bytes)

    def resources(self, runs_network: bool) -> dict[str, float]:
        """Dask resources that a worker must offer for a task."""
        name = self.config.network_resource
        return {name: 1} if runs_network and name else {}

    def begin(self, resources: dict[str, float]) -> int:
        """Number of tasks that workers run at a time; waits for the first worker."""
        self._seen, self._checked = time.monotonic(), 0.0
        while not (slots := self.slots(resources)):
            stopping.check()
            time.sleep(0.1)
        return slots

    def slots(self, resources: dict[str, float]) -> int:
        """Number of tasks that workers run at a time, queried at intervals.

        Raises
        ------
        ConnectionError when the scheduler is gone; RuntimeError when there was no worker for ``wait_s``.
        """
        now = time.monotonic()
        if now - self._checked < (CHECK_S if self._slots else 0.1):
            return self._slots
        self._checked = now
        self.check_scheduler()
        workers = self._connected_workers()
        if workers is None:
            return self._slots
        for address in sorted(self._here - workers.keys()):
            messages.warning("worker %s is lost; its blocks are sent again", address)
        self._here = frozenset(workers)
        able = [w for w in workers.values() if all(w["resources"].get(name, 0) >= n for name, n in resources.items())]
        self._slots = sum(w["nthreads"] for w in able)
        if self._slots:
            self._seen = now
        elif now - self._seen > self.config.wait_s:
            offering = f" that offers {', '.join(resources)}" if resources else ""
            raise RuntimeError(
                f"no worker{offering} has been connected to the scheduler {_address(self.client)} for {self.config.wait_s:g} s; "
                "start workers and run the same command again"
            )
        return self._slots

    def _connected_workers(self) -> dict[str, Any] | None:
        """The workers that the scheduler knows by their addresses; None while it does not answer.

        `Client.scheduler_info` may return what the client refreshes from time to time, which has no workers.
        """
        scheduler = self.client.scheduler
        if scheduler is None:
            return None
        try:
            found: dict[str, Any] = self.client.sync(scheduler.identity, n_workers=-1)["workers"]
        except OSError:  # a lost connection is found again, or the next look at the scheduler says that it is gone
            return None
        return found

    def check_scheduler(self, is_lost: bool = False) -> None:
        """Raise ConnectionError when the scheduler is gone, or is otherwise known to be lost."""
        if is_lost or self.client.status != "running":
            raise ConnectionError(
                f"the scheduler at {_address(self.client)} is gone; start it and run the same command again"
            )

    def _start(self) -> Client:
        import dask
        from distributed import Client

        dask.config.set(SETTINGS)
        if self._address is not None:
            return self._stack.enter_context(_closed_at_the_end(_connected(self._address)))
        logging.getLogger("distributed").setLevel(logging.ERROR)
        if self.config.slurm:
            cluster = _slurm_cluster(self.config, self.config.slurm)
        else:
            self._stack.enter_context(fork_server(self.imports))
            cluster = _embedded(self.config)
        self._stack.enter_context(cluster)
        return self._stack.enter_context(_closed_at_the_end(Client(cluster, set_as_default=False)))


def _embedded(config: Cluster) -> Any:
    """A scheduler and workers that are threads of this process.

    They only hand blocks to processes and wait for them. Nobody else can connect to them: they have no address on the
    network, and whoever connects to a scheduler runs code as its owner.
    """
    from distributed import Scheduler, SpecCluster, Worker

    of_both = {"protocol": "inproc://", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    of_worker = {
        "nthreads": 1,
        "memory_limit": None,  # a worker holds little; the processes of its blocks have limits of their own
        "resources": {config.network_resource: 1} if config.network_resource else None,
        "preload": EMBEDDED_WORKER,
        "silence_logs": logging.ERROR,
    }
    worker = {"cls": Worker, "options": {**of_both, **of_worker}}
    return SpecCluster(
        scheduler={"cls": Scheduler, "options": of_both}, workers=dict.fromkeys(range(config.workers), worker),
        silence_logs=logging.ERROR,
    )  # fmt: skip


def _slurm_cluster(config: Cluster, slurm: Slurm) -> Any:
    import dask

    try:
        import cryptography  # noqa: F401  (Dask makes the certificates of its jobs with it)
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise RuntimeError(
            f"[cluster.slurm] needs dask-jobqueue and cryptography ({error}); {how_to_install('cluster')}"
        ) from error

    dask.config.set({"distributed.deploy.lost-worker-timeout": JOB_ENDED_AFTER})
    status_pages = ["--dashboard-address", "127.0.0.1:0"]
    resource = ["--resources", f"{config.network_resource}=1"] if config.network_resource else []
    cluster = SLURMCluster(
        queue=slurm.queue,
        account=slurm.account,
        cores=slurm.cores,
        processes=1,
        memory=config.memory_limit_bytes + JOB_HEADROOM_BYTES,
        walltime=slurm.walltime,
        interface=slurm.interface,
        job_directives_skip=[] if slurm.account else ["-A"],
        job_extra_directives=list(slurm.directives),
        job_script_prologue=list(slurm.prologue),
        # One block at a time; the process of the block enforces the limit.
        worker_extra_args=["--nthreads", "1", "--memory-limit", "0", *status_pages, *resource],
        protocol="tls://",
        security=True,  # certificates of this cluster alone, in a folder that the nodes share
        shared_temp_directory=str(Path.cwd()),
        scheduler_options={"dashboard_address": "127.0.0.1:0"},
    )
    cluster.scale(jobs=config.workers)
    # A job that ended, by its walltime or with its node, is submitted again.
    cluster.adapt(minimum_jobs=config.workers, maximum_jobs=config.workers, interval=JOBS_CHECKED_EVERY)
    return cluster


def _connected(address: str) -> Client:
    from distributed import Client
    from distributed.comm.core import CommClosedError

    if address.startswith("tls:"):
        _check_certificates(address)
    else:
        messages.warning(
            "scheduler %s asks for no certificate, so every user of this machine can run code as its owner; where there "
            "are others, use tls://",
            address,
        )
    try:
        return Client(address, set_as_default=False)
    except CommClosedError as error:
        raise ConnectionError(
            f"scheduler {address} and this client cannot establish a connection ({error}); use its tls:// address and "
            "name a certificate of its authority in Dask's settings (distributed.comm.tls)"
        ) from error
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"scheduler {address} does not answer ({error}); start it and run the same command again"
        ) from error


@contextlib.contextmanager
def _closed_at_the_end(client: Client) -> Iterator[Client]:
    """A client that is closed at the end, or abandoned when its connection is too broken for that.

    All its results are in the ledger by then, and an error on closing must not hide the one that stopped the run.
    """
    try:
        yield client
    finally:
        try:
            client.close()
        except Exception:  # Dask's attempts to reconnect to a lost scheduler raise errors of many kinds
            client.status = "closed"  # otherwise its finalizer would close it again, and fail


def _check_certificates(address: str) -> None:
    """Raise ConnectionError unless Dask's settings name a certificate of this client that can be read.

    A client that finds out while it is constructed stays half constructed, and can block the process when it is
    garbage-collected.
    """
    from distributed.security import Security

    try:
        context = Security().get_connection_args("client")["ssl_context"]
    except OSError as error:
        raise ConnectionError(
            f"the certificates for scheduler {address} cannot be read ({error}); check the files that Dask's settings "
            "name (distributed.comm.tls)"
        ) from error
    if context is None:
        raise ConnectionError(
            f"scheduler {address} requires a certificate; name one of its authority in Dask's settings "
            "(distributed.comm.tls)"
        )


def _address(client: Client) -> str:
    return str(client.scheduler.address) if client.scheduler else "of the client"


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("tcp", "tls") or parts.port is None:
        raise ValueError(
            f"scheduler '{address}' is not an address; expected tls://HOST:PORT, or tcp:// on this machine"
        )
    if parts.scheme == "tcp" and parts.hostname not in LOOPBACK:
        raise ValueError(f"scheduler '{address}' is not on this machine and not encrypted; use tls://")
