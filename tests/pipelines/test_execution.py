"""What blocks and workers that go wrong cost, and how a signal stops a run: real Dask processes, real files."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from dask.utils import parse_bytes
from shared.dask_processes import DaskProcesses, dask_processes, environment, kill_group
from shared.poison import KINDS
from shared.poison_run import poison_step
from soak.damage import problems_of

from pipelines.engine.cluster import Workers
from pipelines.engine.execute import run_step
from pipelines.engine.run_log import RunLog
from pipelines.engine.step_ledgers import StepLedgers
from pipelines.recipe import Cluster
from pipelines.recipe_parts import bytes_of
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.run_folder import RunFolder
from stores.run_log import read_run_log

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


def test_poison_of_every_kind_is_named_and_costs_nothing_else(cluster: DaskProcesses, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    bad = {BlockIndex(0, 5 + i): kind for i, kind in enumerate(KINDS)}
    limits = Cluster(deadline_s=10, memory_limit="500MiB")
    with Workers(limits, cluster.address) as workers:
        result = run_step(poison_step(folder, 100, bad), StepLedgers(folder), workers, RunLog(tmp_path / "run.log"))
    told = list(read_run_log(tmp_path / "run.log"))
    assert {line.text.split(":")[0] for line in told if line.event == "failed"} == {block.name for block in bad}
    ended = {block.name for block, kind in bad.items() if kind in ("exit", "kill", "segfault", "hog")}
    assert {line.text.split(",")[0] for line in told if line.event == "retried"} == ended
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
    assert [p for p in problems_of(tmp_path) if "is incomplete" not in p] == []


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


def test_a_killed_worker_costs_nothing(tls: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = RunFolder(tmp_path / "run")
    with dask_processes(tmp_path, tls) as processes:
        first, _ = processes.add_worker(), processes.add_worker()
        with Workers(Cluster(), processes.address) as workers:
            workers.client.wait_for_workers(2)
            threading.Timer(2.0, kill_group, [first]).start()
            result = run_step(poison_step(folder, 200, {}, seconds=0.1), StepLedgers(folder), workers)
    assert first.poll() is not None
    assert any(re.fullmatch(r"worker tls://\S+ is lost; .*", message) for message in caplog.messages)
    assert result.failed == []
    assert len(StepLedgers(folder).results(poison_step(folder, 200, {})).blocks) == 200


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


def test_an_amount_of_memory_is_checked_in_the_recipe() -> None:
    with pytest.raises(ValueError, match="'lots' is not an amount of memory; expected a form like '6GiB'"):
        Cluster(memory_limit="lots")


@pytest.mark.parametrize(
    "text", ["6GiB", "500 MB", "1.5k", "2e3 kib", "7", "8B", "3Ti", "PB", "1 p", "5.4 kB", "1e6", "0.1gIb"]
)
def test_an_amount_of_memory_is_that_of_dask(text: str) -> None:
    assert bytes_of(text) == parse_bytes(text)


@pytest.mark.parametrize("text", ["6 GB/s", "5 foos", "1.2.3MB", "-", "B6", "6bb", "1e", "inf", "nan GB", "1e999 GB"])
def test_what_is_no_amount_of_memory_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"unit|float|large"):
        bytes_of(text)
