"""docs/clusters.md does what it says: its manifests fit together, its commands run, its Python runs."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask
import psutil
import pytest
import yaml
from dask.utils import parse_bytes
from distributed import Client, LocalCluster
from shared.dask_processes import entries_of, environment, kill_group, make_certificate
from shared.places import REPOSITORY
from shared.small_recipes import recipe_without_training

from pipelines.engine.cluster import JOB_HEADROOM_BYTES
from pipelines.recipe import Cluster

PAGE = (REPOSITORY / "docs/clusters.md").read_text(encoding="utf-8")
PROGRAMS = {"dask": [sys.executable, "-m", "dask"], "croplayer": [sys.executable, "-m", "pipelines"]}
LOOPBACK = {"127.0.0.1", "::1"}


def blocks(language: str) -> list[str]:
    """Code of the page in a language; "" for commands."""
    return [text for name, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.M | re.S) if name == language]


def commands() -> list[str]:
    return [line for block in blocks("") for line in block.splitlines()]


def documents() -> list[dict[str, Any]]:
    return [document for block in blocks("yaml") for document in yaml.safe_load_all(block)]


def manifests(kind: str) -> dict[str, dict[str, Any]]:
    """The page's Kubernetes objects of a kind by their names."""
    return {d["metadata"]["name"]: d for d in documents() if d.get("kind") == kind}


def pods() -> dict[str, dict[str, Any]]:
    """Pod templates by the names of what makes them."""
    return {n: m["spec"]["template"] for kind in ("Deployment", "Job") for n, m in manifests(kind).items()}


def container(name: str) -> dict[str, Any]:
    (only,) = pods()[name]["spec"]["containers"]
    return dict(only)


def test_every_manifest_is_there() -> None:
    kinds = sorted(d["kind"] for d in documents() if "kind" in d)
    assert kinds == ["ConfigMap", "Deployment", "Deployment", "Job", "PersistentVolumeClaim", "Service"]
    assert set(pods()) == {"croplayer-scheduler", "croplayer-worker", "croplayer-run"}


def test_pods_name_only_what_the_page_makes() -> None:
    (made,) = (shlex.split(c) for c in commands() if c.startswith("kubectl create secret generic"))
    files = {option.removeprefix("--from-file=") for option in made if option.startswith("--from-file=")}
    for name, pod in pods().items():
        volumes = {v.pop("name"): v for v in pod["spec"]["volumes"]}
        for volume in volumes.values():
            if "secret" in volume:
                assert volume["secret"]["secretName"] in made, name
            else:
                assert volume["persistentVolumeClaim"]["claimName"] in manifests("PersistentVolumeClaim"), name
        mounts = {m["name"]: m["mountPath"] for m in container(name)["volumeMounts"]}
        assert set(mounts) == set(volumes), name
        (source,) = container(name)["envFrom"]
        settings = manifests("ConfigMap")[source["configMapRef"]["name"]]["data"]
        paths = {Path(value) for value in settings.values() if value.startswith("/")}
        assert {p.name for p in paths} == files and {str(p.parent) for p in paths} == {mounts["tls"]}
    assert len({container(name)["image"] for name in pods()}) == 1
    for name, deployment in manifests("Deployment").items():
        assert deployment["spec"]["selector"]["matchLabels"] == pods()[name]["metadata"]["labels"]


def test_the_service_leads_to_the_scheduler() -> None:
    ((name, service),) = manifests("Service").items()
    (port,) = service["spec"]["ports"]
    assert service["spec"]["selector"] == pods()["croplayer-scheduler"]["metadata"]["labels"]
    scheduler = container("croplayer-scheduler")
    assert scheduler["ports"] == [{"name": port["targetPort"], "containerPort": port["port"]}]
    command = scheduler["command"]
    assert command[command.index("--port") + 1] == str(port["port"])
    for pod in ("croplayer-worker", "croplayer-run"):
        assert f"tls://{name}:{port['port']}" in container(pod)["command"]


def test_settings_are_the_same_in_files_and_in_variables(tmp_path: Path) -> None:
    (settings,) = (m["data"] for m in manifests("ConfigMap").values())
    assert set(settings) == set(make_certificate(tmp_path))
    (in_a_file,) = (d["distributed"] for d in documents() if "distributed" in d)
    with dask.config.set({"distributed": in_a_file}):
        for name, value in entries_of(settings).items():
            assert dask.config.get(name) == value


def test_a_worker_has_room_beside_the_process_of_its_block() -> None:
    limit = parse_bytes(container("croplayer-worker")["resources"]["limits"]["memory"] + "B")
    assert limit >= Cluster().memory_limit_bytes + JOB_HEADROOM_BYTES


def test_status_pages_are_on_loopback_whatever_starts_them() -> None:
    written = [shlex.split(c) for c in commands()] + [container(name)["command"] for name in pods()]
    started = [c for c in written if "dask" in c]
    assert len(started) == 8
    for command in started:
        assert command[command.index("--dashboard-address") + 1].startswith("127.0.0.1:"), command


class Here:
    """The page's commands as processes of this machine, with other ports and folders."""

    def __init__(self, folder: Path, changes: dict[str, str], settings: dict[str, str]) -> None:
        self._folder, self._changes, self._settings = folder, changes, settings
        self.started: list[subprocess.Popen[str]] = []

    def start(self, command: list[str], **variables: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, with its messages in a file.

        What holds a slash is changed wherever it is in a word, a number only where it is the word.
        """
        for old, new in self._changes.items():
            command = [new if word == old else word.replace(old, new) if "/" in old else word for word in command]
        log = self._folder / f"{len(self.started)}.log"
        with log.open("w") as messages:
            process = subprocess.Popen(
                [*PROGRAMS[command[0]], *command[1:]], cwd=self._folder, env=environment(self._settings) | variables,
                stdout=messages, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self.started.append(process)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        return (self._folder / f"{self.started.index(process)}.log").read_text()


@contextlib.contextmanager
def here(folder: Path, changes: dict[str, str], settings: dict[str, str]) -> Iterator[Here]:
    processes = Here(folder, changes, settings)
    try:
        yield processes
    finally:
        for process in processes.started:
            kill_group(process)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def listening(process: subprocess.Popen[str]) -> set[tuple[str, int]]:
    """Addresses and ports on which a process and its children listen."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    found = [c.laddr for p in family for c in p.net_connections() if c.status == psutil.CONN_LISTEN]
    return {(address.ip, address.port) for address in found}


def test_workers_of_one_machine_see_their_own_device_or_none_and_listen_to_this_machine_alone(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    lines = [shlex.split(c) for c in commands() if "tcp://127.0.0.1" in c and "dask" in c]
    changes = {"8786": address.rpartition(":")[2], "tcp://127.0.0.1:8786": address, "127.0.0.1:8787": "127.0.0.1:0"}
    with here(tmp_path, changes | {"8": "2"}, {}) as machine:
        for words in lines:
            variables = dict(w.split("=") for w in words[: words.index("dask")])
            machine.start(words[words.index("dask") :], **variables)
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(4, timeout=120)
            devices = client.run(os.getenv, "CUDA_VISIBLE_DEVICES")
            workers = client.scheduler_info(n_workers=-1)["workers"]
            offered = {a: bool(w["resources"].get("GPU")) for a, w in workers.items()}
            listened = {ip for process in machine.started for ip, _ in listening(process)}
    assert sorted(devices[a] for a, has_gpu in offered.items() if has_gpu) == ["0", "1"]
    assert [devices[a] for a, has_gpu in offered.items() if not has_gpu] == ["", ""]
    assert listened <= LOOPBACK


def test_the_manifests_commands_map_a_region(country: Path, tmp_path: Path) -> None:
    """In the order of a cluster, that is none: the workers wait for the scheduler."""
    secrets, data = tmp_path / "secrets", tmp_path / "run-data"
    secrets.mkdir()
    data.mkdir()
    make_certificate_of_the_page(secrets)
    (data / "my_region.toml").write_text(recipe_without_training(country), encoding="utf-8")
    port = free_port()
    (settings,) = (m["data"] for m in manifests("ConfigMap").values())
    settings = {name: value.replace("/secrets", str(secrets)) for name, value in settings.items()}
    changes = {
        "8786": port, "tls://croplayer-scheduler:8786": f"tls://127.0.0.1:{port}", "tls://0.0.0.0": "tls://127.0.0.1",
        "127.0.0.1:8787": "127.0.0.1:0", "/run-data": str(data),
    }  # fmt: skip
    with here(tmp_path, changes, settings) as cluster:
        variables = {v["name"]: v["value"] for v in container("croplayer-worker")["env"]}
        worker = cluster.start(container("croplayer-worker")["command"], **variables)
        time.sleep(3)
        scheduler = cluster.start(container("croplayer-scheduler")["command"])
        client = cluster.start([*container("croplayer-run")["command"], "--until", "segment"])
        assert client.wait(300) == 0, cluster.said(client) + cluster.said(worker) + cluster.said(scheduler)
        assert re.search(r"^segment +4 of 4", cluster.said(client), re.M)
        for ip, open_port in listening(scheduler) | listening(worker):
            assert ip in LOOPBACK or shows(secrets / "cert.pem", open_port), (ip, open_port)
        assert shows(secrets / "cert.pem", int(port))
    assert (data / "out/cube.zarr").is_dir()


def make_certificate_of_the_page(folder: Path) -> None:
    """Run the page's own commands."""
    for command in commands():
        if command.startswith(("openssl", "cp cert.pem")):
            subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    assert {p.name for p in folder.iterdir()} == {"ca.pem", "cert.pem", "key.pem"}


def shows(certificate: Path, port: int) -> bool:
    """Whether a port of this machine speaks TLS with a certificate."""
    try:
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=10)
    except OSError:
        return False
    return shown.strip() == certificate.read_text().strip()


def test_the_python_for_any_client_maps_a_region(
    country: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROPLAYER_MODELS", str(tmp_path / "models"))
    Path("my_region.toml").write_text(recipe_without_training(country), encoding="utf-8")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, memory_limit=None, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as cluster:
        assert code.count("Client(...)") == 1
        exec(code.replace("Client(...)", "Client(cluster)"), {"cluster": cluster})
    for name in ("report.html", "provenance.json", "recipe.toml", "cube.zarr"):
        assert (tmp_path / "runs/my_region" / name).exists(), name
