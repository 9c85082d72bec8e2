"""Real Dask schedulers and workers on loopback, with temporary certificates."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dask
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.places import REPOSITORY


def make_certificate(folder: Path) -> dict[str, str]:
    """Write a self-signed certificate; returns Dask's settings that name it, as environment variables."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "croplayer-test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    settings = {f"{tls}CA_FILE": str(cert_file), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        settings |= {f"{tls}{role}__CERT": str(cert_file), f"{tls}{role}__KEY": str(key_file)}
    return settings


def entries_of(settings: dict[str, str]) -> dict[str, object]:
    """Dask's settings for this process, from environment variables for others.

    One entry at a time: a whole branch would take the place of the branch that distributed keeps its defaults in.
    """
    return {
        k.removeprefix("DASK_").lower().replace("__", "."): dask.config.interpret_value(v) for k, v in settings.items()
    }


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Environment in which processes find croplayer, the tests' modules and the certificates."""
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, **settings, "PYTHONPATH": path, "OMP_WAIT_POLICY": "PASSIVE"}


class DaskProcesses:
    """A scheduler and its workers, each a process group of its own that can be killed."""

    def __init__(self, folder: Path, settings: dict[str, str], protocol: str = "tls") -> None:
        self._folder, self._protocol = folder, protocol
        self._environment = environment(settings)
        self.workers: list[subprocess.Popen[str]] = []
        self.scheduler = self._start(
            "scheduler", "--host", f"{protocol}://127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter"
        )
        self.address = self._address()

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=self._folder, env=self._environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            start_new_session=True,
        )  # fmt: skip

    def _address(self) -> str:
        assert self.scheduler.stderr is not None
        said = []
        for line in self.scheduler.stderr:
            said.append(line)
            if match := re.search(rf"Scheduler at:\s+({self._protocol}://127.0.0.1:\d+)", line):
                _drain(self.scheduler)
                return match[1]
        raise RuntimeError("the scheduler did not start:\n" + "".join(said))

    def add_worker(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a worker with one thread under a nanny."""
        worker = self._start(
            "worker", self.address, "--nthreads", "1", "--memory-limit", "0", "--no-dashboard",
            "--host", "127.0.0.1", "--local-directory", str(self._folder), *arguments,
        )  # fmt: skip
        _drain(worker)
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Kill everything that still runs."""
        for process in [*self.workers, self.scheduler]:
            kill_group(process)


def _drain(process: subprocess.Popen[str]) -> None:
    """Let go of a process's messages, so that it never waits for a reader."""
    import threading

    def read() -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for _ in lines:
                pass

    threading.Thread(target=read, daemon=True).start()


def kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process and everything that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def dask_processes(folder: Path, settings: dict[str, str]) -> Iterator[DaskProcesses]:
    """A running scheduler without workers, killed at the end."""
    processes = DaskProcesses(folder, settings)
    try:
        yield processes
    finally:
        processes.stop()
