"""Kill what runs at random, run again, and hold every byte against a run that was left alone."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
from shared.dask_processes import DaskProcesses, environment, kill_group, make_certificate

from croplayer.cube.opening import open_cube
from croplayer.workers.process_name import BLOCK, FORKS
from soak.painted import COLS, FIRST, GRID, PaintedSource, mask_of, painted_blocks
from stores.durable import digest_file
from stores.finished import MissingBlocksError, UnfinishedBlocksWarning
from stores.grid import BlockIndex
from stores.ledger import Ledger
from stores.legends import NEVER_PROCESSED
from stores.run_folder import RunFolder

TARGETS = ("block process", "fork server", "worker", "worker and nanny", "client", "scheduler", "everything")
WEIGHTS = (6, 2, 4, 2, 2, 1, 1)
LONGEST_ROUND_S = 3600.0
AT_ANY_TIME = 0.2
"""Share of the kills that do not wait until blocks are being finished."""
LONGEST_PAUSE_S = 6.0
"""Between two kills: processes need time to start before they can be killed at work."""


class KillCounts(NamedTuple):
    """What came of the kills."""

    rounds: int
    """Runs that were disturbed until they were finished."""
    kills: Counter[str]
    differing: int
    """Files of the finished runs that differ from the undisturbed run's."""
    lost: int
    """Blocks that the ledger called done after a kill and whose files were not what it said."""
    reads: int
    torn: int
    """Reads of a block that were neither all of it nor nothing."""
    strict_errors: int
    """Times that a strict reader was told that blocks are missing."""


def file_digests(root: Path) -> dict[str, str]:
    """sha256 of every file below a folder by its name."""
    files = (p for p in root.rglob("*") if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def kill_and_compare(
    work: Path, kills: int, reads: int, blocks: int, seconds: float, seed: int, say: Callable[[str], None]
) -> KillCounts:
    """Runs of ``blocks`` blocks, disturbed until ``kills`` kills and ``reads`` reads have been made.

    No run is begun after ``seconds``: what came of the kills until then counts.
    """
    end = time.monotonic() + seconds
    settings = make_certificate(work)
    undisturbed = work / "undisturbed"
    _client(undisturbed, blocks, None, settings).wait()
    expected = file_digests(undisturbed / "cube.zarr")
    rng, made = random.Random(seed), Counter[str]()
    rounds = differing = lost = 0
    readers = _Readers(blocks)
    while (made.total() < kills or readers.reads < reads) and time.monotonic() < end:
        out = work / f"round{rounds}"
        readers.follow(out / "cube.zarr")
        lost += _disturbed_round(out, blocks, settings, rng, made, kills)
        readers.follow(None)
        found = file_digests(out / "cube.zarr")
        differing += sum(found.get(name) != expected.get(name) for name in found.keys() | expected.keys())
        rounds += 1
        say(
            f"round {rounds}: {made.total()} kills {dict(made)}, {differing} files differ, {lost} lost, {readers.reads} reads, {readers.torn} torn"
        )
    readers.stop()
    return KillCounts(rounds, made, differing, lost, readers.reads, readers.torn, readers.strict_errors)


def _client(out: Path, blocks: int, scheduler: str | None, settings: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "soak.painted_run", str(out), str(blocks), *([scheduler] if scheduler else [])]
    return subprocess.Popen(command, env=environment(settings), stderr=subprocess.DEVNULL, start_new_session=True)


def _disturbed_round(
    out: Path, blocks: int, settings: dict[str, str], rng: random.Random, made: Counter[str], kills: int
) -> int:
    """One run to its end, with kills on the way; returns the number of lost blocks."""
    lost, size, start = 0, 0, time.monotonic()
    folder = out.parent / f"{out.name}-dask"
    folder.mkdir()
    dask = DaskProcesses(folder, settings)
    dask.add_worker()
    dask.add_worker()
    client = _client(out, blocks, dask.address, settings)
    try:
        while True:
            if time.monotonic() - start > LONGEST_ROUND_S:
                raise TimeoutError(f"{out} was not finished within {LONGEST_ROUND_S:.0f} s; kills so far {dict(made)}")
            try:
                code = client.wait(rng.uniform(0.3, LONGEST_PAUSE_S))
            except subprocess.TimeoutExpired:
                code = None
            if code == 0:
                return lost
            # Most kills wait for work that is under way, the others also hit what is starting.
            grown, size = size, sum(p.stat().st_size for p in out.glob("ledger/*"))
            is_at_work = size > grown or rng.random() < AT_ANY_TIME
            if code is None and is_at_work and made.total() < kills:
                target = rng.choices(TARGETS, WEIGHTS)[0]
                made[target] += _kill(target, client, dask)
            if dask.scheduler.poll() is not None:
                client.wait(120)
                dask.stop()
                dask = DaskProcesses(folder, settings)
            while sum(w.poll() is None for w in dask.workers) < 2:
                dask.add_worker()
            if client.poll() not in (None, 0):
                lost += lost_blocks(out)
                client = _client(out, blocks, dask.address, settings)
    finally:
        kill_group(client)
        dask.stop()


def _kill(target: str, client: subprocess.Popen[bytes], dask: DaskProcesses) -> int:
    """Kill something with SIGKILL; returns 1, or 0 when there was none of it."""
    if target == "client":
        kill_group(client)
        return 1
    if target == "scheduler":
        kill_group(dask.scheduler)
        return 1
    if target == "everything":
        kill_group(client)
        dask.stop()
        return 1
    alive = [w for w in dask.workers if w.poll() is None]
    if not alive:
        return 0
    worker = random.choice(alive)
    if target == "worker and nanny":
        kill_group(worker)
        return 1
    below = [p for p in _family(worker.pid) if _kind(p) == target]
    for process in below[:1]:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return 0
    return len(below[:1])


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _kind(process: psutil.Process) -> str:
    try:
        kind = {BLOCK: "block process", FORKS: "fork server"}.get(process.name())
        return kind or ("tracker" if "resource_tracker" in " ".join(process.cmdline()) else "worker")
    except psutil.NoSuchProcess:
        return "ended"


def lost_blocks(out: Path) -> int:
    """Blocks of the ledgers whose files are not what their records say."""
    folder, lost = RunFolder(out), 0
    for name in ("mosaic", "segment", "integrate"):
        for _, record in Ledger(folder.ledger(name)).newest():
            lost += any(
                not (folder.cube / key).exists() or digest_file(folder.cube / key) != digest
                for key, digest in record.files.items()
            )
    return lost


class _Readers:
    """A thread that reads blocks of a cube while it is written, and knows what it may see."""

    def __init__(self, blocks: int) -> None:
        self._blocks = painted_blocks(blocks)
        self._cube: Path | None = None
        self._is_over = False
        self.reads = self.torn = self.strict_errors = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def follow(self, cube: Path | None) -> None:
        """Read from another cube from now on."""
        self._cube = cube

    def stop(self) -> None:
        self._is_over = True
        self._thread.join()

    def _read(self) -> None:
        rng = random.Random(0)
        warnings.simplefilter("ignore", UnfinishedBlocksWarning)  # the run goes on
        while not self._is_over:
            cube = self._cube
            if cube is None or not (cube / "2020" / "croplayer").exists():
                time.sleep(0.2)
                continue
            time.sleep(0.5)
            try:
                opened = open_cube(cube)
            except (ValueError, FileNotFoundError):  # being created
                continue
            try:
                open_cube(cube, strict=True)
            except MissingBlocksError:
                self.strict_errors += 1
            for _ in range(20):
                self._read_one(opened, rng.choice(self._blocks))

    def _read_one(self, opened: object, block: BlockIndex) -> None:
        n = GRID.block_px
        row, col = (block.row - FIRST.row) * n, (block.col - FIRST.col) % COLS * n
        area = {"y": slice(row, row + n), "x": slice(col, col + n)}
        read = opened[["rgb", "croplayer"]].isel(area).compute(scheduler="synchronous")  # type: ignore[index]
        rgb = PaintedSource().read(GRID.window(block), GRID).rgb
        for found, whole, nothing in (
            (read.rgb.to_numpy()[0], rgb, 0),
            (read.croplayer.to_numpy(), mask_of(rgb), NEVER_PROCESSED),
        ):
            self.reads += 1
            self.torn += not (np.array_equal(found, whole) or (found == nothing).all())
