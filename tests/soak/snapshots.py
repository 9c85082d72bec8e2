"""Kill what publishes a snapshot into a bucket, publish again, and hold every object against an undisturbed snapshot."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared.buckets import held

from croplayer.cube.opening import open_cube
from pipelines.snapshots import snapshot_problems
from stores.published_files import first_key
from stores.snapshot import FINISHED

LONGEST_LIFE_S = 3.0
"""Of a process from its first object on."""


class SnapshotKills(NamedTuple):
    """What came of the kills."""

    kills: int
    rounds: int
    """Snapshots that were disturbed until they were finished."""
    differing: int
    """Objects that differ from those of the undisturbed snapshot."""
    opened: int
    """Times that an unfinished snapshot was opened as if it were whole."""
    blamed: int
    """What verify named in finished snapshots."""


def kill_snapshots(work: Path, run: Path, place: str, env: Mapping[str, str], kills: int, seed: int) -> SnapshotKills:
    """Snapshots of a finished run, killed with SIGKILL at random until ``kills`` kills were made."""
    undisturbed = work / "undisturbed"
    assert _publish(run, str(undisturbed), env).wait() == 0
    expected = {p.relative_to(undisturbed).as_posix(): p.read_bytes() for p in undisturbed.rglob("*") if p.is_file()}
    rng, made, rounds, differing, opened, blamed = random.Random(seed), 0, 0, 0, 0, 0
    while made < kills:
        url = f"{place}/round{rounds}"
        process = _publish(run, url, env)
        while made < kills and _is_killed(process, url, rng.uniform(0.0, LONGEST_LIFE_S)):
            made += 1
            opened += _opens(url)
            process = _publish(run, url, env)
        if process.wait():
            raise AssertionError(f"the snapshot in {url} ended with {process.returncode}")
        found = held(url)
        differing += sum(found.get(key) != expected.get(key) for key in found.keys() | expected.keys())
        blamed += len(list(snapshot_problems(url)))
        rounds += 1
    return SnapshotKills(made, rounds, differing, opened, blamed)


def _publish(run: Path, place: str, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pipelines", "snapshot", str(run), "-o", place, "--despite-licences"]
    return subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _is_killed(process: subprocess.Popen[bytes], place: str, seconds: float) -> bool:
    """Kill a process some seconds after its place holds something; False when it was over before."""
    while process.poll() is None and first_key(place) is None:
        time.sleep(0.02)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def _opens(place: str) -> bool:
    """Whether a place opens although its snapshot is not finished."""
    try:
        open_cube(place)
    except (ValueError, FileNotFoundError):
        return False
    return FINISHED not in held(place)
